"""W3C trace context."""

import re

import pytest

from broker.observe.traceparent import child_of

TRACE = "0af7651916cd43dd8448eb211c80319c"
PARENT = f"00-{TRACE}-b7ad6b7169203331-01"


def test_a_child_has_its_own_span() -> None:
    """A child keeps trace and flags, and has a span of its own each time."""
    first, second = child_of(PARENT), child_of(PARENT)
    assert first is not None
    assert re.fullmatch(rf"00-{TRACE}-[0-9a-f]{{16}}-01", first)
    assert len({PARENT, first, second}) == 3


@pytest.mark.parametrize("later", ["01", "cc", "fe"])
def test_a_later_version_is_understood(later: str) -> None:
    """What a later version adds is left out; the trace goes on in our version."""
    child = child_of(f"{later}-{TRACE}-b7ad6b7169203331-01-what-may-come")
    assert child is not None
    assert child.startswith(f"00-{TRACE}-")


@pytest.mark.parametrize(
    "given",
    [
        "",
        "00-trace",
        PARENT.upper(),
        PARENT + "-more",
        PARENT + "\n",
        PARENT.replace("00-", "ff-", 1),
        f"00-{'0' * 32}-b7ad6b7169203331-01",
        f"00-{TRACE}-{'0' * 16}-01",
        "x" * 100_000,
    ],
)
def test_anything_else_is_none(given: str) -> None:
    """What is no traceparent has no child."""
    assert child_of(given) is None
