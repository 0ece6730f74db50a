"""The list of references in order of priority: as the device reports it, and what must be written to set it.

The list's shape is captured on another clock module; which sources there are is the SDK header's; that bias and precision
are seconds, and the key of the flag "trusted", are inferred.
"""

import copy
from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Annotated, Any

from pydantic import JsonValue

from lantime.configuration.invalid import InvalidSetting
from lantime.configuration.model import ReportedPart, WantedPart, Whole
from lantime.configuration.plan import Difference, Plan, Write, leaf_count
from lantime.configuration.reading import scaled, seconds, word
from lantime.status.values import flag, integer, mapping, members, pick

PART = "mrs"
MOST_SOURCES = 10
"""The MIB has room for ten priorities (SDK header)."""

BiasNs = Annotated[int, Whole(-1_000_000_000, 1_000_000_000)]
"""Nanoseconds. No limit is known: a second keeps slips of the unit out (invented)."""
PrecisionNs = Annotated[int, Whole(0, 1_000_000_000)]
"""Nanoseconds; the vendor's own: 100 for GNSS and PTP, 10,000 for a time code, 100,000 for NTP. Upper limit as for the bias."""
Instance = Annotated[int, Whole(0, 255)]
"""Which of several sources of one type."""

_NS = 1_000_000_000
_TRUSTED = "is-trusted"


class Source(StrEnum):
    """The types of reference 0 to 19; ``gps``, ``10mhz-freqin`` and ``dcf77-pzf-receiver`` are captured."""

    GPS = "gps"
    FREQUENCY_10MHZ = "10mhz-freqin"
    PPS_IN = "pps-in"
    FREQUENCY_AND_PPS = "10mhz-pps-in"
    IRIG = "irig"
    NTP = "ntp"
    PTP = "ptp-ieee1588"
    PTP_OVER_E1 = "ptp-over-e1"
    FIXED_FREQUENCY = "fixed-freq-in"
    PPS_PLUS_STRING = "pps-plus-string"
    GPIO_FREQUENCY = "var-freq-via-gpio"
    RESERVED = "reserved"
    DCF77_PZF = "dcf77-pzf-receiver"
    LONG_WAVE = "long-wave-receiver"
    GNSS = "gnss-receiver"
    HAVEQUICK = "havequick-input"
    EXTERNAL_OSCILLATOR = "ext-osc"
    SYNCHRONOUS_ETHERNET = "synchronous-ethernet"
    VIDEO = "video-input"
    LINEAR_TIME_CODE = "linear-time-code"


class MrsEntry(WantedPart):
    """One reference; the first of a list has the highest priority."""

    source: Source
    instance: Instance = 0
    bias_ns: BiasNs = 0
    precision_ns: PrecisionNs
    trusted: bool = False


class MrsSettings(ReportedPart):
    """One reference as the device reports it; ``trusted`` is None when it does not say."""

    source: str | None = None
    instance: int | None = None
    bias_ns: int | None = None
    precision_ns: int | None = None
    trusted: bool | None = None


_READ, _WRITE, _SOURCE = scaled(_NS), seconds(_NS), word(Source)
_FIELDS = ("source", "instance", "bias_ns", "precision_ns", "trusted")


def read_mrs_settings(configuration: Mapping[str, object]) -> tuple[MrsSettings, ...] | None:
    """Return the list, highest priority first; None when the configuration has none. Never raises."""
    entries = _entries(configuration)
    return None if entries is None else tuple(_read(settings) for _, settings in entries)


def plan_mrs(wanted: Sequence[MrsEntry], configuration: Mapping[str, object]) -> Plan:
    """Return what replaces the list: it is written as a whole. Raises InvalidSetting.

    What a device says of a source beyond these fields is kept with the source.
    """
    _check(wanted)
    entries = _entries(configuration)
    if entries is None:
        raise InvalidSetting("sources", len(wanted), "the device's configuration has no list of references")
    before = [_read(settings) for _, settings in entries]
    after = [_wanted(entry) for entry in wanted]
    differences = [
        Difference(
            field=f"priority{number}.{name}", before=_field(before, number, name), after=_field(after, number, name)
        )
        for number in range(max(len(before), len(after)))
        for name in _FIELDS
        if not _same(_field(before, number, name), _field(after, number, name))
    ]
    if not differences:
        return Plan()
    body: list[JsonValue] = [_entry(number, entry, entries) for number, entry in enumerate(wanted)]
    most = leaf_count(body) + sum(leaf_count(_json(settings)) + 1 for _, settings in entries)
    return Plan(tuple(differences), (Write(PART, body, most),))


def _check(wanted: Sequence[MrsEntry]) -> None:
    if not 1 <= len(wanted) <= MOST_SOURCES:
        raise InvalidSetting("sources", len(wanted), f"1 to {MOST_SOURCES} of them")
    seen: set[tuple[Source, int]] = set()
    for number, entry in enumerate(wanted):
        if entry.source is Source.RESERVED:
            names = ", ".join(each.value for each in Source if each is not Source.RESERVED)
            raise InvalidSetting(f"sources.{number}.source", entry.source.value, names)
        if (entry.source, entry.instance) in seen:
            name = f"{entry.source} {entry.instance}"
            raise InvalidSetting(f"sources.{number}", name, "each source and instance once")
        seen.add((entry.source, entry.instance))


def _entries(configuration: Mapping[str, object]) -> list[tuple[str, Mapping[str, object]]] | None:
    listed = pick(configuration, PART)
    if not isinstance(listed, list | Mapping):
        return None
    found = [
        (object_id or "", mapping(pick(mapping(pick(entry, "info")), "settings")))
        for object_id, entry in members(listed)
    ]
    return sorted(found, key=lambda each: _priority(each[0]))


def _priority(object_id: str) -> int:
    digits = "".join(each for each in object_id if each.isascii() and each.isdigit())
    return int(digits[:4]) if digits else MOST_SOURCES


def _read(settings: Mapping[str, object]) -> MrsSettings:
    identity = mapping(pick(settings, "id"))
    return MrsSettings(
        source=_SOURCE(pick(identity, "type")),
        instance=integer(pick(identity, "instance")),
        bias_ns=_READ(pick(settings, "bias")),
        precision_ns=_READ(pick(settings, "precision")),
        trusted=flag(pick(mapping(pick(settings, "flags")), _TRUSTED, "trusted", "is-trusted-source")),
    )


def _wanted(entry: MrsEntry) -> MrsSettings:
    return MrsSettings(**entry.model_dump(mode="json"))


def _field(entries: Sequence[MrsSettings], number: int, name: str) -> Any:
    return getattr(entries[number], name) if number < len(entries) else None


def _same(before: object, after: object) -> bool:
    # A device that does not report the flag "trusted" has no trusted source.
    return before == after or (before is None and after is False)


def _entry(number: int, entry: MrsEntry, entries: Sequence[tuple[str, Mapping[str, object]]]) -> JsonValue:
    known: dict[str, Any] = {}
    for _, settings in entries:
        read = _read(settings)
        if (read.source, read.instance) == (entry.source.value, entry.instance):
            known = copy.deepcopy(dict(settings))
    known |= {
        "bias": _WRITE(entry.bias_ns),
        "precision": _WRITE(entry.precision_ns),
        "id": {"type": entry.source.value, "instance": entry.instance},
    }
    if entry.trusted or "flags" in known:
        known["flags"] = {**mapping(known.get("flags")), _TRUSTED: entry.trusted}
    return {"object-id": f"priority{number}", "info": {"settings": known}}


def _json(settings: Mapping[str, object]) -> Any:
    return dict(settings)
