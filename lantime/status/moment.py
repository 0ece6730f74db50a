"""Times as the device writes them."""

import re
from datetime import UTC, datetime

from lantime.status.values import raw

_MOMENT = re.compile(
    r"(\d{4})[-.](\d{2})[-.](\d{2})[T ](\d{2}):(\d{2}):(\d{2})(?:\.(\d{1,9}))?(?: ?(?:Z|UTC))?", re.ASCII
)
"""Captured: ``2026-02-11T07:48:48``, ``2026.02.11 21:53:08``, with fractions ``…533Z`` and ``…533523843 UTC``."""


def read_moment(value: object) -> datetime | None:
    """Return a time in UTC, or None for "never" and for what is no time. Never raises.

    Times without a zone are UTC: inferred from captures, where they agree with times that name it.
    """
    found = _MOMENT.fullmatch(raw(value) or "")
    if found is None:
        return None
    year, month, day, hour, minute, second = map(int, found.groups()[:6])
    microsecond = int((found[7] or "0").ljust(6, "0")[:6])
    try:
        return datetime(year, month, day, hour, minute, second, microsecond, UTC)
    except ValueError:
        return None
