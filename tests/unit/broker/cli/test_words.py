"""How times and ages are worded and understood."""

import pytest

from broker.cli.words import age, duration, moment

NOW_US = 1_700_000_000_000_000
SECOND = 1_000_000


@pytest.mark.parametrize(
    ("seconds", "worded"),
    [
        (0, "0 s"),
        (0.4, "0 s"),
        (12, "12 s"),
        (59.9, "59 s"),
        (60, "1 min"),
        (7_300, "2 h"),
        (90_000, "1 d"),
        (-5, "0 s"),
    ],
)
def test_age(seconds: float, worded: str) -> None:
    """An age is one number with its unit; a clock that is behind gives no negative age."""
    assert age(round(seconds * SECOND)) == worded


@pytest.mark.parametrize(
    ("seconds", "worded"), [(0.0031, "3 ms"), (0.9994, "999 ms"), (1.24, "1.2 s"), (75, "1 min"), (-1, "0 ms")]
)
def test_duration(seconds: float, worded: str) -> None:
    """A short time is told in milliseconds, a longer one coarser."""
    assert duration(round(seconds * SECOND)) == worded


@pytest.mark.parametrize(
    ("text", "seconds_ago"),
    [("30s", 30), ("10m", 600), ("10 min", 600), ("2h", 7_200), ("1d", 86_400), ("1w", 604_800), ("0s", 0)],
)
def test_since_an_age(text: str, seconds_ago: int) -> None:
    """An age means that long before now."""
    assert moment(text, NOW_US) == NOW_US - seconds_ago * SECOND


@pytest.mark.parametrize("text", ["2023-11-14T22:13:20Z", "2023-11-14T23:13:20+01:00", "2023-11-14 22:13:20+00:00"])
def test_since_a_time(text: str) -> None:
    """An ISO time with its zone means that instant."""
    assert moment(text, 0) == NOW_US


@pytest.mark.parametrize("text", ["", "soon", "10", "-5m", "1y", "2026-13-01", "99999999999999999999d", "9" * 30 + "s"])
def test_since_nonsense(text: str) -> None:
    """What is no time is refused with what would be understood."""
    with pytest.raises(ValueError, match="10m, 2h, 1d"):
        moment(text, NOW_US)
