"""The status of one clock module; a TCR is one with a time code receiver."""

from collections.abc import Mapping

from lantime.status.api_version import adapter_for
from lantime.status.model import StatusModel
from lantime.status.mrs import MrsSource, read_mrs
from lantime.status.other_receivers import Satellites, read_satellites
from lantime.status.quality import TimeQuality, read_time_quality
from lantime.status.receiver import Receiver, has_receiver, read_receiver
from lantime.status.states import ClockState, OscillatorState
from lantime.status.values import integer, mapping, members, number, pick, plain, raw, text

_OSCILLATORS = (
    *("unknown", "tcxo-lq", "tcxo", "ocxo-lq", "ocxo-mq", "ocxo-hq"),
    *("ocxo-xhq", "rubidium", "tcxo-mq", "ocxo-dhq", "ocxo-sq"),
)
"""Codes 0 to 10 (SDK header); ``tcxo`` and ``ocxo-lq`` are captured, the other spellings inferred."""


KEYS = frozenset(
    {
        *(
            "info",
            "model",
            "serial-number",
            "software-revision",
            "sensors",
            "mrs",
            "sync-status",
            "clock-status",
            "clock",
        ),
        *("oscillator", "osc-type", "est-time-quality", "clock-idx", "satellites", "supported-string-types"),
        *("object-id", "value", "description", "dac-cal", "dac-val", "firmware-image"),
    }
)
"""Every key of a module that is read, or says nothing more, but for those of its receiver and sources."""


class Temperature(StatusModel):
    """One sensor of the module."""

    sensor: str
    """Its key (captured)."""
    celsius: float | None = None
    """None without a reading, for which 0.0 is taken: every captured clock module says so (captured; inferred)."""


class StringType(StatusModel):
    """One sort of serial time string that the module can send."""

    name: str
    """``meinberg-standard``, … (captured on a GRC)."""
    code: int | None = None
    """Its number (captured on a GRC)."""


class ModuleStatus(StatusModel):
    """What a clock module reports. A fresh one (``ModuleStatus()``) is a module that reports nothing.

    Neither state is ever derived from ``ref-type``: a capture shows it contradicting the rest.
    """

    receiver: Receiver = Receiver()
    """The input for the time (captured for GRC and PZF; inferred for a TCR)."""
    clock: ClockState = ClockState.UNKNOWN
    """The module's own clock, which another source may keep synchronised while its receiver has no signal (captured)."""
    clock_raw: str | None = None
    """The device's own word for it (captured)."""
    oscillator: OscillatorState = OscillatorState.UNKNOWN
    """Whether the oscillator is warm (captured)."""
    oscillator_raw: str | None = None
    """The device's own word for it (captured)."""
    oscillator_type: str | None = None
    """``tcxo``, ``ocxo-lq`` (captured), ``ocxo-sq``, … (SDK header)."""
    time_quality: TimeQuality = TimeQuality()
    """Estimated time quality (captured)."""
    clock_index: str | None = None
    """Which of several clocks it is: "selected" (captured), or a number (captured for the system)."""
    mrs: tuple[MrsSource, ...] = ()
    """The sources it may follow, the first of them first (captured)."""
    satellites: Satellites = Satellites()
    """Counts of satellites (third party)."""
    temperatures: tuple[Temperature, ...] = ()
    """Its sensors (captured)."""
    string_types: tuple[StringType, ...] = ()
    """What its serial ports can send (captured on a GRC)."""
    dac_cal: int | None = None
    """Calibration of the oscillator's control; null in the capture (key captured, meaning inferred)."""
    dac_val: int | None = None
    """Value of the oscillator's control; null in the capture (key captured, meaning inferred)."""
    missing: tuple[str, ...] = ()
    """Parts that this API version is expected to report of a TCR and this device does not (inferred)."""


def parse_module(module: Mapping[str, object], *, api_major: int | None = None, is_tcr: bool = True) -> ModuleStatus:
    """Read a clock module's ``module`` object. Never raises, whatever JSON object comes in.

    ``api_major`` and ``is_tcr`` choose what is expected to be there (named in ``missing`` when it is not), not what is
    read. The places of ``info``, ``mrs`` and ``sync-status`` are captured on other clock modules than TCRs.
    """
    adapter, _ = adapter_for(api_major)
    receiver = read_receiver(module, adapter.receiver_keys if is_tcr else frozenset())
    mrs = read_mrs(pick(module, "mrs"))
    sync = mapping(pick(module, "sync-status"))
    states = mapping(pick(sync, "clock-status"))
    absent = {
        "receiver": not receiver.reported,
        "mrs": not mrs,
        "mrs-status": adapter.mrs_status and any(source.status is None for source in mrs),
        "sync-status": not sync,
    }
    return ModuleStatus(
        receiver=receiver,
        clock=ClockState.read(pick(states, "clock")),
        clock_raw=raw(pick(states, "clock")),
        oscillator=OscillatorState.read(pick(states, "oscillator")),
        oscillator_raw=raw(pick(states, "oscillator")),
        oscillator_type=_oscillator_type(pick(sync, "osc-type")),
        time_quality=read_time_quality(pick(sync, "est-time-quality")),
        clock_index=raw(pick(sync, "clock-idx")),
        mrs=mrs,
        satellites=read_satellites(pick(module, "satellites")),
        temperatures=_temperatures(mapping(pick(module, "info"))),
        string_types=_string_types(pick(module, "supported-string-types")),
        dac_cal=integer(pick(module, "dac-cal")),
        dac_val=integer(pick(module, "dac-val")),
        missing=tuple(part for part, is_absent in absent.items() if is_absent and is_tcr),
    )


def has_clock_parts(module: Mapping[str, object]) -> bool:
    """Tell whether a module holds a part by which a clock is known: sync-status, mrs (captured) or a receiver object."""
    sync, mrs = pick(module, "sync-status"), pick(module, "mrs")
    return isinstance(sync, Mapping) or isinstance(mrs, list) or has_receiver(module)


def _oscillator_type(value: object) -> str | None:
    code = integer(value)
    is_known = code is not None and 0 <= code < len(_OSCILLATORS)
    return text(_OSCILLATORS[code] if code is not None and is_known else value)


def _string_types(value: object) -> tuple[StringType, ...]:
    return tuple(
        StringType(name=name, code=integer(pick(entry, "value"))) for name, entry in members(value) if name is not None
    )


def _temperatures(info: Mapping[str, object]) -> tuple[Temperature, ...]:
    sensors = mapping(pick(info, "sensors"))
    return tuple(
        Temperature(sensor=raw(name) or "temperature", celsius=number(value) or None)
        for name, value in sensors.items()
        if plain(name).startswith("temperature")
    )
