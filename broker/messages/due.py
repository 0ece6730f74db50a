"""When a message is due: a time by the wall clock. It is no part of any lease, whose clocks are never compared."""

from datetime import UTC, datetime, timedelta
from typing import Final

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
MILLISECOND: Final = timedelta(milliseconds=1)

EARLIEST_MS: Final = 100_000_000_000
"""1973-03-03: an earlier time is most likely in seconds."""

LATEST_MS: Final = 253_402_300_799_000
"""9999-12-31T23:59:59Z: a later time cannot be shown, and is most likely in another unit."""

UNUSABLE_AT: Final = -1
"""Stands for a due time that was sent and cannot be understood; the message ends as ``failed (invalid)``."""


def at_ms(at: datetime | None, now_us: int) -> int | None:
    """Return a due time in milliseconds since 1970; None when it is now or has passed, or there is none.

    Raises TypeError when it is no datetime, ValueError when it does not say in which time zone it is.
    """
    if at is None:
        return None
    way_out = "give a datetime with its time zone, e.g. datetime.now(UTC) + timedelta(minutes=10)"
    if not isinstance(at, datetime):
        raise TypeError(f"at={at!r} is no datetime: {way_out}")
    if at.utcoffset() is None:
        raise ValueError(f"at={at.isoformat()} does not say in which time zone it is: {way_out}")
    # Rounded up: a handler may start later than it was asked to, never earlier.
    due = min(LATEST_MS, -((EPOCH - at) // MILLISECOND))
    return due if due * 1000 > now_us else None


def checked_at(value: int | None) -> int | None:
    """Return a foreign producer's due time; UNUSABLE_AT when it can be none."""
    return value if value is None or EARLIEST_MS <= value <= LATEST_MS else UNUSABLE_AT
