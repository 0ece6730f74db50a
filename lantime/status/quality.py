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
    """An estimate: ``bound_seconds`` is the largest error, or the smallest one when ``exceeded``.

    ``raw`` is what the device said; both are None when it said nothing that can be read.
    """

    raw: str | None = None
    bound_seconds: float | None = None
    exceeded: bool = False


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
