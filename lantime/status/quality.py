"""The estimated time quality: how far off the clock's time is at most, as the device itself estimates."""

import re

from lantime.status.model import StatusModel
from lantime.status.values import integer, raw

_PATTERN = re.compile(r"(less|more)-than-(\d{1,6})(?:[.-](\d{1,6}))?(ns|us|µs|μs|ms|s)")
"""``less-than-100ns`` is captured; the rest of the pattern is inferred."""

_SECONDS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "μs": 1e-6, "ms": 1e-3, "s": 1.0}
_FIRST_CODE = 3
_BOUNDS = (
    *(1e-9, 1e-8, 2.5e-8, 1e-7, 2.5e-7, 1e-6, 2.5e-6, 1e-5, 2.5e-5, 1e-4),
    *(2.5e-4, 1e-3, 2.5e-3, 1e-2, 2.5e-2, 1e-1, 2.5e-1, 1.0, 10.0),
)
"""Seconds for the codes 3 to 21 (SDK header); 0 to 2 are unknown, 22 is more than 10 s."""
_MORE_THAN_ALL = _FIRST_CODE + len(_BOUNDS)


class TimeQuality(StatusModel):
    """An estimate of the device itself. ``raw`` and ``bound_seconds`` are None when it said nothing that can be read."""

    raw: str | None = None
    """What the device said: ``less-than-100ns`` (captured; other spellings inferred)."""
    bound_seconds: float | None = None
    """The largest error, or the smallest one when ``exceeded`` (captured for 100 ns; other spellings inferred)."""
    exceeded: bool = False
    """Whether the error is *more* than the bound (SDK header; spelling inferred)."""

    @property
    def words(self) -> str | None:
        """The estimate for people: ``< 10 us``; what the device said where that is no bound; None without anything."""
        if self.bound_seconds is None:
            return self.raw
        return f"{'>' if self.exceeded else '<'} {in_unit(self.bound_seconds)}"


def in_unit(seconds: float) -> str:
    """Return a time in the unit that fits: ``10 us``, ``-230 ns``, ``0 s``."""
    for unit, size in (("s", 1.0), ("ms", 1e-3), ("us", 1e-6)):
        if abs(seconds) >= size:
            return f"{seconds / size:.6g} {unit}"
    return f"{seconds / 1e-9:.6g} ns" if seconds else "0 s"


def read_time_quality(value: object) -> TimeQuality:
    """Read ``less-than-10us`` or, with ``?raw``, the SDK's code. Never raises."""
    shown = raw(value)
    if shown is None:
        return TimeQuality()
    code = integer(value)
    if code is not None and _FIRST_CODE <= code < _MORE_THAN_ALL:
        return TimeQuality(raw=shown, bound_seconds=_BOUNDS[code - _FIRST_CODE])
    if code == _MORE_THAN_ALL:
        return TimeQuality(raw=shown, bound_seconds=_BOUNDS[-1], exceeded=True)
    found = _PATTERN.fullmatch(shown.lower())
    if found is None:
        return TimeQuality(raw=shown)
    sense, whole, fraction, unit = found.groups()
    bound = float(f"{whole}.{fraction or 0}") * _SECONDS[unit]
    return TimeQuality(raw=shown, bound_seconds=float(f"{bound:.9g}"), exceeded=sense == "more")
