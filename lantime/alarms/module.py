"""Reads the alarms of a slot out of its module's status. Pure; what is not reported stays unsaid."""

from lantime.alarms.finding import Finding
from lantime.alarms.rules import AlarmRules
from lantime.contract.alarms import Alarm, AlarmDetails
from lantime.status.module import ModuleStatus
from lantime.status.mrs import MrsSource
from lantime.status.quality import TimeQuality
from lantime.status.receiver import Receiver
from lantime.status.states import ClockState, OscillatorState
from lantime.status.values import plain

_CODES_WITH_OFFSET = ("ieee1344", "c37118")
"""Codes that carry the UTC offset: with these the receiver needs none configured (SDK header)."""


def module_findings(slot: str, status: ModuleStatus | None, rules: AlarmRules) -> list[Finding]:
    """Return what a look at a module says of every alarm of its slot.

    ``status`` is None when there is no module to look at: then nothing is known of any.
    """
    status = status or ModuleStatus()
    receiver, bits = status.receiver, status.receiver.bits
    return [
        Finding(
            alarm=Alarm.SYNC_LOST,
            slot=slot,
            facts={"clock": _clock(status.clock, ClockState.HOLDOVER, ClockState.NOT_SYNCHRONIZED)},
            note=str(status.clock),
        ),
        Finding(alarm=Alarm.HOLDOVER, slot=slot, facts={"clock": _clock(status.clock, ClockState.HOLDOVER)}),
        _signal(slot, receiver),
        Finding(alarm=Alarm.TELEGRAM_INCONSISTENT, slot=slot, facts={"telegram-error": bits.telegram_error}),
        Finding(alarm=Alarm.JITTER, slot=slot, facts={"tcap-exceeded": bits.tcap_exceeded}),
        _utc_offset(slot, receiver),
        _time_quality(slot, status.time_quality, rules.time_quality_limit_seconds),
        Finding(
            alarm=Alarm.OSCILLATOR_NOT_WARM,
            slot=slot,
            facts={"oscillator": _oscillator(status.oscillator), "warmed-up": _not(bits.warmed_up)},
        ),
        Finding(alarm=Alarm.INVALID_SYSTEM_CONFIGURATION, slot=slot, facts={"invalid-sysconf": bits.invalid_sysconf}),
        *_sources(slot, status.mrs),
    ]


def _clock(clock: ClockState, *bad: ClockState) -> bool | None:
    return None if clock is ClockState.UNKNOWN else clock in bad


def _oscillator(state: OscillatorState) -> bool | None:
    return None if state is OscillatorState.UNKNOWN else state is OscillatorState.NOT_WARMED_UP


def _not(value: bool | None) -> bool | None:  # noqa: FBT001 a bit of the device, not a switch
    return None if value is None else not value


def _signal(slot: str, receiver: Receiver) -> Finding:
    percent, data = receiver.signal_percent, receiver.bits.data_available
    said = ["no data"] if data is False else []
    said += [] if percent is None else [f"signal {percent} %"]
    return Finding(
        alarm=Alarm.SIGNAL_LOST,
        slot=slot,
        facts={
            "data-available": _not(data),
            "signal": None if percent is None else percent == 0,
        },
        details=AlarmDetails(signal_percent=percent),
        note=", ".join(said),
    )


def _utc_offset(slot: str, receiver: Receiver) -> Finding:
    needed = not plain(receiver.code or "").startswith(_CODES_WITH_OFFSET)
    configured = receiver.utc_offset_configured
    return Finding(
        alarm=Alarm.UTC_OFFSET_MISSING,
        slot=slot,
        facts={
            "invalid-utc-parameter": receiver.bits.invalid_utc_parameter,
            "utc-offset": _not(configured) if needed else False,
        },
    )


def _time_quality(slot: str, quality: TimeQuality, limit_seconds: float) -> Finding:
    bound = quality.bound_seconds
    worse = None if bound is None else bound > limit_seconds
    if quality.exceeded and bound is not None:
        # "More than": it is worse for certain from the limit on, below it nothing follows.
        worse = True if bound >= limit_seconds else None
    return Finding(
        alarm=Alarm.TIME_QUALITY,
        slot=slot,
        facts={"time-quality": worse},
        details=AlarmDetails(time_quality_seconds=bound, time_quality_limit_seconds=limit_seconds),
        note=f"{quality.raw}, limit {limit_seconds * 1_000_000:g} µs",
    )


def _sources(slot: str, sources: tuple[MrsSource, ...]) -> tuple[Finding, Finding]:
    master = next((each for each in sources if each.status is not None and each.status.is_master), None)
    # They are sorted by priority; where the first has none, nobody knows which is the first.
    first = sources[0] if sources and sources[0].priority is not None else None
    followed, wanted = _name(master), _name(first)
    return (
        Finding(
            alarm=Alarm.LOWER_PRIORITY_SOURCE,
            slot=slot,
            facts={"master": None if master is None or first is None else master is not first},
            details=AlarmDetails(source=followed, first_source=wanted),
            note=f"{followed} instead of {wanted}",
        ),
        Finding(alarm=Alarm.SOURCE_CHANGED, slot=slot, value=followed),
    )


def _name(source: MrsSource | None) -> str | None:
    # An instance that is not given is the first one.
    return None if source is None or source.source is None else f"{source.source} {source.instance or 0}"
