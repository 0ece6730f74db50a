"""Clocks, passed in: wall time to show, monotonic time to measure. Two machines' clocks are never compared."""

import time
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """Tells the time to whoever needs it."""

    def now_us(self) -> int:
        """Return the wall clock: microseconds since 1970-01-01 UTC."""
        ...

    def monotonic(self) -> float:
        """Return seconds that never jump, of this process only."""
        ...


class SystemClock:
    """The machine's own clocks."""

    def now_us(self) -> int:
        """Return the wall clock: microseconds since 1970-01-01 UTC."""
        return time.time_ns() // 1000

    def monotonic(self) -> float:
        """Return seconds that never jump, of this process only."""
        return time.monotonic()


class ManualClock:
    """A clock that a test moves by hand."""

    def __init__(self, now_us: int = 1_700_000_000_000_000) -> None:
        self._now_us = now_us
        self._monotonic = 0.0

    def now_us(self) -> int:
        """Return the time last set: microseconds since 1970-01-01 UTC."""
        return self._now_us

    def monotonic(self) -> float:
        """Return the seconds moved so far."""
        return self._monotonic

    def advance(self, seconds: float) -> None:
        """Move both clocks on."""
        self._now_us += round(seconds * 1_000_000)
        self._monotonic += seconds


class WallWatch:
    """Notices that the wall clock was set back, by the monotonic one."""

    LEAST_US = 1_000_000
    """What is less is no setting back, but a clock that is being trimmed."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._ahead_us = self._look()

    def set_back(self) -> bool:
        """Tell whether it was set back since the last call."""
        before, self._ahead_us = self._ahead_us, self._look()
        return before - self._ahead_us > self.LEAST_US

    def _look(self) -> int:
        return self._clock.now_us() - round(self._clock.monotonic() * 1_000_000)


def to_iso(time_us: int | None) -> str | None:
    """Return ISO 8601 in UTC with microseconds, e.g. ``2026-11-22T09:23:41.000001Z``; None stays None."""
    if time_us is None:
        return None
    seconds, micros = divmod(time_us, 1_000_000)
    return datetime.fromtimestamp(seconds, UTC).replace(microsecond=micros).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
