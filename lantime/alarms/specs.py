"""Which alarms there are: how severe each is, what it says, and what it rests on. ``docs/alarms.md`` is this table."""

from dataclasses import dataclass
from enum import StrEnum

from lantime.contract.alarms import Alarm, Severity


class Side(StrEnum):
    """Which service detects an alarm."""

    SLOT = "slot"
    CHASSIS = "chassis"


@dataclass(frozen=True, kw_only=True)
class AlarmSpec:
    """One alarm. ``rests_on`` names the device's facts and how certain each is."""

    severity: Severity
    side: Side
    text: str
    raised_when: str
    cleared_when: str
    rests_on: str
    occurrence: bool = False
    """Whether it is over in the moment it happens: raised and cleared at once."""


_AT_ONCE = "at once"

SPECS: dict[Alarm, AlarmSpec] = {
    Alarm.SYNC_LOST: AlarmSpec(
        severity=Severity.ERROR,
        side=Side.SLOT,
        text="The module reports that its clock is not synchronised",
        raised_when="the clock is in holdover or not synchronised",
        cleared_when="the clock is synchronised",
        rests_on="`sync-status.clock-status.clock`: key and `synchronized` captured, `holdover` vendor document, "
        "`not-synchronized` third party",
    ),
    Alarm.HOLDOVER: AlarmSpec(
        severity=Severity.WARNING,
        side=Side.SLOT,
        text="The module reports that its clock runs on its oscillator alone",
        raised_when="the clock is in holdover",
        cleared_when="the clock is synchronised, or not synchronised at all",
        rests_on="as `sync-lost`",
    ),
    Alarm.SIGNAL_LOST: AlarmSpec(
        severity=Severity.ERROR,
        side=Side.SLOT,
        text="The module reports no time code",
        raised_when="no data available, or a signal of 0 %",
        cleared_when="data available, and a signal of more than 0 %",
        rests_on="bit 3 and signal: meaning SDK header and vendor document, keys inferred",
    ),
    Alarm.TELEGRAM_INCONSISTENT: AlarmSpec(
        severity=Severity.ERROR,
        side=Side.SLOT,
        text="The module reports time code telegrams that contradict each other",
        raised_when="telegram error",
        cleared_when="no telegram error",
        rests_on="bit 4: meaning SDK header and vendor document, key inferred",
    ),
    Alarm.JITTER: AlarmSpec(
        severity=Severity.WARNING,
        side=Side.SLOT,
        text="The module reports a time code with too much jitter",
        raised_when="TCAP exceeded (jitter of more than ±100 µs)",
        cleared_when="TCAP not exceeded",
        rests_on="bit 6: meaning SDK header and vendor document, key inferred",
    ),
    Alarm.UTC_OFFSET_MISSING: AlarmSpec(
        severity=Severity.ERROR,
        side=Side.SLOT,
        text="The module reports that the time code's UTC offset is not configured",
        raised_when="invalid UTC parameter, or an offset that is not configured, unless the code carries its own",
        cleared_when="the UTC parameter is valid, and the offset configured or not needed",
        rests_on="bit 7 and `ref-offs`: meaning SDK header, keys inferred",
    ),
    Alarm.TIME_QUALITY: AlarmSpec(
        severity=Severity.WARNING,
        side=Side.SLOT,
        text="The module estimates its time worse than the limit",
        raised_when="the bound of the estimated time quality is over `ALARM_TIME_QUALITY_LIMIT_US`",
        cleared_when="the bound is at the limit or below; an unknown quality is not reported",
        rests_on="`sync-status.est-time-quality`: key and form captured, most values inferred from the SDK header",
    ),
    Alarm.OSCILLATOR_NOT_WARM: AlarmSpec(
        severity=Severity.WARNING,
        side=Side.SLOT,
        text="The module reports that its oscillator is not warmed up",
        raised_when="the oscillator is not warmed up",
        cleared_when="the oscillator is warmed up",
        rests_on="`sync-status.clock-status.oscillator`: `warmed-up` captured, `not-warmed-up` vendor document; "
        "bit 0: meaning SDK header, key inferred",
    ),
    Alarm.INVALID_SYSTEM_CONFIGURATION: AlarmSpec(
        severity=Severity.WARNING,
        side=Side.SLOT,
        text="The module reports that its configuration was invalid and set to the default",
        raised_when="invalid sysconf",
        cleared_when="no invalid sysconf",
        rests_on="bit 2: meaning SDK header and vendor document, key inferred",
    ),
    Alarm.LOWER_PRIORITY_SOURCE: AlarmSpec(
        severity=Severity.WARNING,
        side=Side.SLOT,
        text="The module follows a time source that has not the first priority",
        raised_when="the source that is master is not the first of the MRS list",
        cleared_when="the first source is master; no master is not reported",
        rests_on="the MRS list: shape captured, status SDK header, keys inferred",
    ),
    Alarm.SOURCE_CHANGED: AlarmSpec(
        severity=Severity.INFO,
        side=Side.SLOT,
        text="The module follows another time source than before",
        raised_when="another source is master than the last one that was",
        cleared_when=_AT_ONCE,
        rests_on="as `lower-priority-source`",
        occurrence=True,
    ),
    Alarm.MODULE_MISSING: AlarmSpec(
        severity=Severity.CRITICAL,
        side=Side.CHASSIS,
        text="A slot that held a module is empty",
        raised_when="the slot is empty or not listed any more",
        cleared_when="a module is in the slot",
        rests_on="`slots`: captured",
    ),
    Alarm.MODULE_REPLACED: AlarmSpec(
        severity=Severity.WARNING,
        side=Side.CHASSIS,
        text="Another module is in the slot than before",
        raised_when="the serial number is another than the last one that was reported",
        cleared_when=_AT_ONCE,
        rests_on="`info.serial-number`: captured",
        occurrence=True,
    ),
    Alarm.DEVICE_UNREACHABLE: AlarmSpec(
        severity=Severity.CRITICAL,
        side=Side.CHASSIS,
        text="The device gives no status",
        raised_when="a poll brings no status",
        cleared_when="a poll brings a status",
        rests_on="what a poll brought: no fact of the device",
    ),
}
