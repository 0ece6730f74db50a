"""The status of one clock module; a TCR is one with a time code receiver."""

from collections.abc import Mapping

from lantime.status.api_version import adapter_for
from lantime.status.model import StatusModel
from lantime.status.mrs import MrsSource, read_mrs
from lantime.status.quality import TimeQuality, read_time_quality
from lantime.status.receiver import Receiver, read_receiver
from lantime.status.states import ClockState, OscillatorState
from lantime.status.values import mapping, number, pick, plain, raw, text


class Temperature(StatusModel):
    """One sensor in degrees Celsius; None where there is no reading.

    Every captured clock module says 0.0, so 0.0 is taken as "no reading" (inferred).
    """

    sensor: str
    celsius: float | None = None


class ModuleStatus(StatusModel):
    """What a clock module reports. A fresh one (``ModuleStatus()``) is a module that reports nothing.

    ``clock`` is the module's own clock, which another source (``mrs``) may keep synchronised while the
    ``receiver`` has no signal. Neither is ever derived from ``ref-type``: a capture shows it contradicting the rest.
    """

    receiver: Receiver = Receiver()
    clock: ClockState = ClockState.UNKNOWN
    clock_raw: str | None = None
    oscillator: OscillatorState = OscillatorState.UNKNOWN
    oscillator_raw: str | None = None
    oscillator_type: str | None = None
    time_quality: TimeQuality = TimeQuality()
    mrs: tuple[MrsSource, ...] = ()
    temperatures: tuple[Temperature, ...] = ()
    missing: tuple[str, ...] = ()


def parse_module(module: Mapping[str, object], *, api_major: int | None = None) -> ModuleStatus:
    """Read a TCR's ``module`` object. Never raises, whatever JSON object comes in.

    ``api_major`` chooses what is expected to be there (named in ``missing`` when it is not), not what is read.
    The places of ``info``, ``mrs`` and ``sync-status`` are captured on other clock modules.
    """
    adapter, _ = adapter_for(api_major)
    receiver = read_receiver(module, adapter.receiver_keys)
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
        oscillator_type=text(pick(sync, "osc-type")),
        time_quality=read_time_quality(pick(sync, "est-time-quality")),
        mrs=mrs,
        temperatures=_temperatures(mapping(pick(module, "info"))),
        missing=tuple(part for part, is_absent in absent.items() if is_absent),
    )


def _temperatures(info: Mapping[str, object]) -> tuple[Temperature, ...]:
    sensors = mapping(pick(info, "sensors"))
    return tuple(
        Temperature(sensor=raw(name) or "temperature", celsius=number(value) or None)
        for name, value in sensors.items()
        if plain(name).startswith("temperature")
    )
