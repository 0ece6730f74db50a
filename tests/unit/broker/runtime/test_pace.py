"""How many rows a claim takes."""

import pytest

from broker.runtime.pace import CLAIM_MOST, CLAIM_SECONDS, Pace


def test_a_worker_that_knows_nothing_claims_one_row() -> None:
    """The first handler may be a slow one: nothing is claimed that would wait behind it."""
    assert Pace().claim_size() == 1


@pytest.mark.parametrize(
    ("seconds", "size"), [(1.0, 1), (CLAIM_SECONDS, 1), (CLAIM_SECONDS / 10, 10), (1e-6, CLAIM_MOST)]
)
def test_a_claim_is_what_recent_handlers_finish_in_a_moment(seconds: float, size: int) -> None:
    """After handlers of even length, a claim holds about 20 ms of them, at least one and at most the limit."""
    pace = Pace()
    for _ in range(100):
        pace.ran(seconds)
    assert size * 0.9 - 1 <= pace.claim_size() <= max(1, size)


def test_no_time_at_all_is_no_trouble() -> None:
    """Handlers that a coarse clock measures as nothing fill the largest claim."""
    pace = Pace()
    for _ in range(1000):
        pace.ran(0.0)
    assert pace.claim_size() == CLAIM_MOST


def test_one_slow_handler_makes_claims_small_at_once() -> None:
    """When a handler was slow, the next claim takes one row; it grows again with quick ones."""
    pace = Pace()
    for _ in range(100):
        pace.ran(1e-5)
    assert pace.claim_size() == CLAIM_MOST
    pace.ran(1.0)
    assert pace.claim_size() == 1
    for _ in range(100):
        pace.ran(1e-5)
    assert pace.claim_size() > 100


def test_the_first_claims_grow_fast_and_not_at_once() -> None:
    """One quick handler is no reason to claim hundreds of rows, some quick ones are."""
    pace = Pace()
    sizes = []
    for _ in range(4):
        sizes.append(pace.claim_size())
        for _ in range(sizes[-1]):
            pace.ran(1e-5)
    assert sizes == [1, 8, 72, CLAIM_MOST]
