"""What a module reports as facts to tell: each with its unit, and whether it is inferred. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from pydantic import BaseModel

from lantime.status.certainty import is_known
from lantime.status.module import ModuleStatus
from lantime.status.mrs import MrsSource
from lantime.status.parts import PARTS
from lantime.status.quality import in_unit
from lantime.status.receiver import Receiver

MARK = "~"
"""Stands behind what is inferred."""

NOT_REPORTED = "not reported"
_PART_OF = {field: part for part, fields in PARTS.items() for field in fields}


@dataclass(frozen=True, slots=True)
class Fact:
    """One line: what it is, what the device says of it with its unit, the part of the status it belongs to."""

    label: str
    text: str
    part: str
    inferred: bool


@dataclass(frozen=True, slots=True)
class Group:
    """Facts that belong together, under a title."""

    title: str
    facts: tuple[Fact, ...]


def groups(status: ModuleStatus, *, is_tcr: bool) -> list[Group]:
    """Return what a module reports. Of a TCR, what it does not report is said; of other modules it is left out."""
    found = [
        Group("clock", tuple(_clock(status, is_tcr=is_tcr))),
        Group(
            f"receiver ({status.receiver.key})" if status.receiver.key else "receiver", _receiver(status, is_tcr=is_tcr)
        ),
        Group("sources, by priority", tuple(_source(each, is_tcr=is_tcr) for each in status.mrs)),
        Group("module", tuple(_module(status, is_tcr=is_tcr))),
    ]
    shown = [Group(group.title, tuple(f for f in group.facts if is_tcr or f.text != NOT_REPORTED)) for group in found]
    return [group for group in shown if group.facts]


def _clock(status: ModuleStatus, *, is_tcr: bool) -> Iterator[Fact]:
    texts = {
        "clock": ("state", _state(status.clock, status.clock_raw)),
        "oscillator": ("oscillator", _state(status.oscillator, status.oscillator_raw)),
        "oscillator_type": ("oscillator type", status.oscillator_type),
        "time_quality": ("time quality", status.time_quality.words),
        "clock_index": ("clock index", status.clock_index),
    }
    for field, (label, text) in texts.items():
        yield _fact(label, text, status, field, part=_PART_OF[field], is_tcr=is_tcr)


def _receiver(status: ModuleStatus, *, is_tcr: bool) -> tuple[Fact, ...]:
    receiver = status.receiver
    offset = None if receiver.utc_offset_minutes is None else f"{receiver.utc_offset_minutes} min"
    configured = {False: "not configured", True: offset and f"{offset}, configured", None: offset}
    texts = {
        "state": ("state", _state(receiver.state, receiver.state_raw)),
        "code": ("time code", receiver.code),
        "modulation": ("modulation", receiver.modulation),
        "utc_offset_minutes": ("UTC offset", configured[receiver.utc_offset_configured]),
        "tfom": ("TFOM", _number(receiver.tfom, " (0 locked to 15 failed)")),
        "ignore_tfom": ("ignores TFOM", _yes_no(receiver.ignore_tfom)),
        "signal_percent": ("signal", _number(receiver.signal_percent, " %")),
        "agc": ("AGC", _number(receiver.agc, " of 255")),
        "drift_us": ("drift", _number(receiver.drift_us, " us")),
        "bits": ("state bits", _flags(receiver.bits)),
        "pcps": ("PCPS flags", _flags(receiver.pcps)),
        "control_bits": ("control bits", None if receiver.control_bits is None else f"0x{receiver.control_bits:08x}"),
        "signal_type": ("type", receiver.signal_type),
        "reference_type": ("reference type", receiver.reference_type),
    }
    others = {
        "antenna": ("antenna", _flags(receiver.antenna)),
        "flags": ("receiver flags", _flags(receiver.flags)),
        "correlation": ("correlation", _number(receiver.correlation)),
        "field_strength": ("field strength", _number(receiver.field_strength)),
    }
    facts = [_fact(label, text, receiver, field, is_tcr=is_tcr) for field, (label, text) in texts.items()]
    if not is_tcr:
        facts += [_fact(label, text, receiver, field, is_tcr=False) for field, (label, text) in others.items()]
    return tuple(facts)


def _source(source: MrsSource, *, is_tcr: bool) -> Fact:
    status = None if source.status is None else _set(source.status)
    named = {
        "instance": _number(source.instance),
        "": None if status is None else ", ".join(status) or "no flag set",
        "offset": _seconds(source.offset_seconds),
        "bias": _seconds(source.bias_seconds),
        "precision": _seconds(source.precision_seconds),
        "settings": ", ".join(_set(source.settings)) or source.settings_raw,
        "quality flags": source.quality_raw,
        "SSM": _number(source.ssm),
        "outages": _number(source.soc),
    }
    said = [f"{name} {text}".strip() for name, text in named.items() if text is not None]
    label = f"{'?' if source.priority is None else source.priority} {source.source or 'unknown'}"
    inferred = is_tcr or status is not None or source.offset_seconds is not None
    return Fact(label=label, text="; ".join(said) or NOT_REPORTED, part="mrs", inferred=inferred)


def _module(status: ModuleStatus, *, is_tcr: bool) -> Iterator[Fact]:
    for each in status.temperatures:
        yield _fact(each.sensor, _number(each.celsius, " °C") or "no reading", status, "temperatures", is_tcr=is_tcr)
    satellites = status.satellites
    if not is_tcr:
        yield _fact("satellites in view", _number(satellites.in_view), satellites, "in_view", is_tcr=False)
        yield _fact("good satellites", _number(satellites.good), satellites, "good", is_tcr=False)
    names = ", ".join(each.name for each in status.string_types)
    yield _fact("time strings", names or None, status, "string_types", is_tcr=is_tcr)
    yield _fact("DAC calibration", _number(status.dac_cal), status, "dac_cal", part="dac", is_tcr=is_tcr)
    yield _fact("DAC value", _number(status.dac_val), status, "dac_val", part="dac", is_tcr=is_tcr)


def _fact(label: str, text: str | None, model: BaseModel, field: str, *, is_tcr: bool, part: str = "") -> Fact:
    of = part or _PART_OF.get(field) or ("receiver" if isinstance(model, Receiver) else "satellites")
    inferred = text is not None and not is_known(type(model), field, is_tcr=is_tcr)
    return Fact(label=label, text=text or NOT_REPORTED, part=of, inferred=inferred)


def _state(state: StrEnum, shown: str | None) -> str | None:
    if state.value != "unknown":
        return state.value
    return None if shown is None else f"unknown to interapp: {shown}"


def _flags(model: BaseModel) -> str | None:
    said = {name: value for name, value in model.model_dump().items() if value is not None}
    if not said:
        return None
    return ", ".join(_set(model)) or "none set"


def _set(model: BaseModel) -> list[str]:
    return [name.replace("_", "-") for name, value in model.model_dump().items() if value is True]


def _number(value: float | None, unit: str = "") -> str | None:
    return None if value is None else f"{value:.10g}{unit}"


def _seconds(value: float | None) -> str | None:
    return None if value is None else in_unit(value)


def _yes_no(value: bool | None) -> str | None:  # noqa: FBT001 a state of the device, no switch
    return None if value is None else "yes" if value else "no"
