"""Clocks and how a time is shown."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.lifecycle.clock import ManualClock, SystemClock, WallWatch, to_iso


def test_a_time_is_shown_in_utc_with_microseconds() -> None:
    """A time is ISO 8601 in UTC, with six digits also where they are zeros; no time stays no time."""
    assert to_iso(1_795_339_421_000_001) == "2026-11-22T09:23:41.000001Z"
    assert to_iso(0) == "1970-01-01T00:00:00.000000Z"
    assert to_iso(None) is None


@given(st.datetimes(datetime(1970, 1, 1), datetime(9999, 12, 31), timezones=st.just(UTC)))  # noqa: DTZ001 hypothesis adds the zone
def test_no_microsecond_is_lost(moment: datetime) -> None:
    """What is shown is exactly the time that was kept, which floating-point seconds would not be."""
    since = moment - datetime(1970, 1, 1, tzinfo=UTC)
    time_us = (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds
    assert datetime.fromisoformat(to_iso(time_us) or "") == moment


def test_the_system_clock_tells_the_machines_time() -> None:
    """Wall time is microseconds since 1970, and monotonic time does not go back."""
    clock = SystemClock()
    assert abs(clock.now_us() / 1_000_000 - datetime.now(UTC).timestamp()) < 5
    assert clock.monotonic() <= clock.monotonic()


@pytest.mark.parametrize("seconds", [0.000001, 1.5, 3600.0])
def test_a_manual_clock_moves_only_by_hand(seconds: float) -> None:
    """A test's clock stands still until it is moved, and then both its times move by the same."""
    clock = ManualClock(1_000)
    assert (clock.now_us(), clock.monotonic()) == (1_000, 0.0)
    clock.advance(seconds)
    assert clock.now_us() == 1_000 + round(seconds * 1_000_000)
    assert clock.monotonic() == pytest.approx(seconds)


def test_a_wall_clock_that_is_set_back_is_noticed_once() -> None:
    """Only a jump back counts: not time that passes, a jump forward, nor a clock that is trimmed."""

    class Clock(ManualClock):
        jump_us = 0

        def now_us(self) -> int:
            return super().now_us() + self.jump_us

    clock = Clock()
    watch = WallWatch(clock)
    clock.advance(3600.0)
    assert not watch.set_back()
    clock.jump_us = 3_600_000_000
    assert not watch.set_back()
    clock.jump_us -= 900_000
    assert not watch.set_back()
    clock.jump_us = 0
    assert watch.set_back()
    assert not watch.set_back()
