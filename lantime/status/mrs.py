"""The multi reference source list: which time sources a clock module may follow, in order of priority."""

import re
from collections.abc import Mapping

from lantime.status.model import StatusModel
from lantime.status.values import flag, flags, integer, mapping, members, number, pick, raw

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


_SETTINGS_FLAGS = (
    "auto-bias-master",
    "auto-bias-slave",
    "asymmetry-step-detection",
    "is-trusted-source",
    "use-trusted-source",
    "time-of-day-source",
    "phase-source",
)
"""The flags exist by SDK header; their order as bits is not known, so they are read by name only. Keys inferred."""


KEYS = frozenset({*_STATUS_BITS, *_SETTINGS_FLAGS}) | {
    *("info", "settings", "id", "type", "instance", "bias", "precision", "flags", "status", "offset", "ssm", "soc"),
}
"""Every key that is read in a source."""


class MrsFlags(StatusModel):
    """The status bits of one source; None where the device says nothing."""

    not_supported: bool | None = None
    """Bit 0: this type of source is not supported (SDK header; key inferred)."""
    no_connection: bool | None = None
    """Bit 1: the source is not connected (SDK header; key inferred)."""
    no_signal: bool | None = None
    """Bit 2: the source gives no signal (SDK header; key inferred)."""
    is_master: bool | None = None
    """Bit 3: the clock follows this source (SDK header; key inferred)."""
    is_locked: bool | None = None
    """Bit 4 (SDK header; key inferred)."""
    is_accurate: bool | None = None
    """Bit 5 (SDK header; key inferred)."""
    not_settled: bool | None = None
    """Bit 6 (SDK header; key inferred)."""
    phase_not_locked: bool | None = None
    """Bit 7 (SDK header; key inferred)."""
    number_sources_exceeds_limit: bool | None = None
    """Bit 8 (SDK header; key inferred)."""
    is_external: bool | None = None
    """Bit 9: the source is outside the module (SDK header; key inferred)."""
    low_jitter: bool | None = None
    """Bit 10 (SDK header; key inferred)."""
    itu_limit_violated: bool | None = None
    """Bit 11 (SDK header; key inferred)."""
    trs_limit_violated: bool | None = None
    """Bit 12 (SDK header; key inferred)."""


class MrsSettings(StatusModel):
    """How one source may be used; None where the device says nothing."""

    auto_bias_master: bool | None = None
    """Others are corrected by this source (SDK header; key and meaning inferred)."""
    auto_bias_slave: bool | None = None
    """This source is corrected by the master (SDK header; key and meaning inferred)."""
    asymmetry_step_detection: bool | None = None
    """Steps of a network's asymmetry are looked for (SDK header; key inferred)."""
    is_trusted_source: bool | None = None
    """Other sources are checked against this one (SDK header; key and meaning inferred)."""
    use_trusted_source: bool | None = None
    """This source is checked against the trusted one (SDK header; key and meaning inferred)."""
    time_of_day_source: bool | None = None
    """The source may give the time of day; since LTOS 6.24 (SDK header, vendor document; key inferred)."""
    phase_source: bool | None = None
    """The source may give the phase; since LTOS 6.24 (SDK header, vendor document; key inferred)."""


class MrsSource(StatusModel):
    """One source that the clock may follow."""

    priority: int | None = None
    """0 is the highest: the number in the object id (captured)."""
    source: str | None = None
    """Its type: ``irig``, ``ptp-ieee1588``, … (key captured, three words captured, the others inferred)."""
    instance: int | None = None
    """Which one of this type (captured)."""
    bias_seconds: float | None = None
    """Fixed correction (key captured, unit inferred)."""
    precision_seconds: float | None = None
    """How good the source is taken to be (key captured, unit inferred)."""
    settings: MrsSettings = MrsSettings()
    """Flags of the settings (SDK header; place inferred)."""
    settings_raw: str | None = None
    """The flags where they come as a number, whose bits are not known (SDK header; key inferred)."""
    offset_seconds: float | None = None
    """Measured offset (SDK header; key and unit inferred)."""
    status: MrsFlags | None = None
    """None when the device lists the source without a status, as API 8 does (SDK header; place inferred)."""
    quality_raw: str | None = None
    """Quality of TDEV and MTIE as flags, not taken apart (SDK header; key inferred)."""
    ssm: int | None = None
    """Synchronisation status message (SDK header; key and meaning inferred)."""
    soc: int | None = None
    """Signal outage counter (SDK header; key and meaning inferred)."""


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
    chosen = pick(settings, "flags")
    kind = pick(identity, "type")
    code = integer(kind)
    return MrsSource(
        priority=int(found[1]) if found else None,
        source=raw(kind) if code is None else _SOURCES.get(code, raw(kind)),
        instance=integer(pick(identity, "instance")),
        bias_seconds=number(pick(settings, "bias")),
        precision_seconds=number(pick(settings, "precision")),
        settings=_chosen(mapping(chosen) or settings),
        settings_raw=raw(chosen),
        offset_seconds=number(pick(status, "offset")),
        status=None if bits is None else _flags(bits),
        quality_raw=raw(pick(status, "flags")),
        ssm=integer(pick(status, "ssm")),
        soc=integer(pick(status, "soc")),
    )


def _chosen(settings: Mapping[str, object]) -> MrsSettings:
    found = {name: flag(pick(settings, name)) for name in _SETTINGS_FLAGS}
    return MrsSettings(**{name.replace("-", "_"): value for name, value in found.items()})


def _flags(bits: object) -> MrsFlags:
    return MrsFlags(**{name.replace("-", "_"): found for name, found in flags(bits, _STATUS_BITS).items()})
