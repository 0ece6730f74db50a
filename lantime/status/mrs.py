"""The multi reference source list: which time sources a clock module may follow, in order of priority."""

import re

from lantime.status.model import StatusModel
from lantime.status.values import flags, integer, mapping, members, number, pick, raw

_PRIORITY = re.compile(r"priority[-_ ]?(\d{1,3})", re.IGNORECASE)

_SOURCES = {
    0: "gps",
    1: "10mhz-freqin",
    2: "pps-in",
    4: "irig",
    5: "ntp",
    6: "ptp-ieee1588",
    7: "ptp-over-e1",
    9: "pps-plus-string",
    12: "dcf77-pzf-receiver",
    13: "long-wave-receiver",
    14: "gnss-receiver",
    16: "ext-osc",
}
"""SDK code to API word. ``gps``, ``10mhz-freqin`` and ``dcf77-pzf-receiver`` are captured, the rest is inferred."""

_STATUS_BITS = (
    "not-supported",
    "no-connection",
    "no-signal",
    "is-master",
    "is-locked",
    "is-accurate",
    "not-settled",
    "phase-not-locked",
    "number-sources-exceeds-limit",
    "is-external",
    "low-jitter",
    "itu-limit-violated",
    "trs-limit-violated",
)
"""Bit 0 to 12 (SDK header); the spelling as keys is inferred."""


class MrsFlags(StatusModel):
    """The status bits of one source; None where the device says nothing."""

    not_supported: bool | None = None
    no_connection: bool | None = None
    no_signal: bool | None = None
    is_master: bool | None = None
    is_locked: bool | None = None
    is_accurate: bool | None = None
    not_settled: bool | None = None
    phase_not_locked: bool | None = None
    number_sources_exceeds_limit: bool | None = None
    is_external: bool | None = None
    low_jitter: bool | None = None
    itu_limit_violated: bool | None = None
    trs_limit_violated: bool | None = None


class MrsSource(StatusModel):
    """One source: ``priority`` 0 is the highest, ``source`` its type (``irig``, ``ptp-ieee1588``, …).

    Bias, precision and offset are taken as seconds (inferred). ``status`` is None when the device lists the
    source without a status, as API 8 does (inferred).
    """

    priority: int | None = None
    source: str | None = None
    instance: int | None = None
    bias_seconds: float | None = None
    precision_seconds: float | None = None
    offset_seconds: float | None = None
    status: MrsFlags | None = None


def read_mrs(value: object) -> tuple[MrsSource, ...]:
    """Read a module's ``mrs`` list, sorted by the number in the object ids (they come in any order).

    The list's shape is captured, its ``status`` part is inferred. Never raises.
    """
    sources = [_source(object_id, entry) for object_id, entry in members(value)]
    return tuple(sorted(sources, key=lambda source: (source.priority is None, source.priority or 0)))


def _source(object_id: str | None, entry: object) -> MrsSource:
    settings = mapping(pick(mapping(pick(mapping(entry), "info")), "settings"))
    status = mapping(pick(mapping(entry), "status"))
    identity = mapping(pick(settings, "id")) or mapping(pick(status, "id"))
    found = _PRIORITY.fullmatch(object_id or "")
    bits = pick(status, "status")
    kind = pick(identity, "type")
    code = integer(kind)
    return MrsSource(
        priority=int(found[1]) if found else None,
        source=raw(kind) if code is None else _SOURCES.get(code, raw(kind)),
        instance=integer(pick(identity, "instance")),
        bias_seconds=number(pick(settings, "bias")),
        precision_seconds=number(pick(settings, "precision")),
        offset_seconds=number(pick(status, "offset")),
        status=None if bits is None else _flags(bits),
    )


def _flags(bits: object) -> MrsFlags:
    return MrsFlags(**{name.replace("-", "_"): found for name, found in flags(bits, _STATUS_BITS).items()})
