"""Alarms of a chassis and its slots: the events that raise and clear them, and the documents that keep them."""

from datetime import datetime
from enum import StrEnum
from typing import ClassVar

from pydantic import BaseModel

from broker.messages.message import Command, Event
from lantime.contract.document import ContractDocument

ALARMS = "alarms"
"""Collection with one ActiveAlarm per alarm of an app, under its key."""

ALARM_HISTORY = "alarm-history"
"""Collection with the EndedAlarms of an app, under numbers that grow; the oldest are dropped."""


class Severity(StrEnum):
    """How bad an alarm is, in the words of the device's own events (captured), least first."""

    INFO = "info"
    WARNING = "warning"
    ERROR = "error"
    CRITICAL = "critical"

    @property
    def rank(self) -> int:
        """Return 0 for the least severe."""
        return list(Severity).index(self)


class Alarm(StrEnum):
    """What there is an alarm for. When each is raised, and what it rests on, is in ``lantime.alarms.specs``."""

    SYNC_LOST = "sync-lost"
    HOLDOVER = "holdover"
    SIGNAL_LOST = "signal-lost"
    TELEGRAM_INCONSISTENT = "telegram-inconsistent"
    JITTER = "jitter"
    UTC_OFFSET_MISSING = "utc-offset-missing"
    TIME_QUALITY = "time-quality"
    OSCILLATOR_NOT_WARM = "oscillator-not-warm"
    INVALID_SYSTEM_CONFIGURATION = "invalid-system-configuration"
    LOWER_PRIORITY_SOURCE = "lower-priority-source"
    SOURCE_CHANGED = "source-changed"
    MODULE_MISSING = "module-missing"
    MODULE_REPLACED = "module-replaced"
    DEVICE_UNREACHABLE = "device-unreachable"


class AlarmDetails(ContractDocument):
    """What an alarm was raised by; what does not belong to it is None.

    ``facts`` are the reported facts that say so. ``before`` and ``after`` are the time sources of ``source-changed``, the
    serial numbers of ``module-replaced``.
    """

    facts: tuple[str, ...] = ()
    before: str | None = None
    after: str | None = None
    source: str | None = None
    """The time source that is followed."""
    first_source: str | None = None
    """The one that has the first priority."""
    time_quality_seconds: float | None = None
    """The bound that the device estimates."""
    time_quality_limit_seconds: float | None = None
    signal_percent: int | None = None
    model: str | None = None
    serial: str | None = None
    problem: str | None = None
    """Why the device gave no status."""


class _AlarmFields(BaseModel):
    """What events and documents of alarms have in common."""

    chassis: str
    """Address of the chassis' service."""
    slot: str | None = None
    """None for an alarm of the chassis as a whole."""
    alarm: Alarm
    severity: Severity
    text: str
    correlation_key: str
    """The same in what raises and in what clears an alarm, and in no other pair."""
    raised_at: datetime
    """When the device was seen so for the first time."""
    flapping: bool = False
    """Whether it was raised so often of late that it stays until it has been quiet for long."""
    details: AlarmDetails = AlarmDetails()


class AlarmRaised(_AlarmFields, Event):
    """An alarm is active from now on."""

    kind: ClassVar[str] = "lantime.alarm-raised"


class AlarmCleared(_AlarmFields, Event):
    """An alarm is over. Exactly one for each AlarmRaised, with the same ``correlation_key``."""

    kind: ClassVar[str] = "lantime.alarm-cleared"
    cleared_at: datetime
    """When the device was seen without it for the first time; never before ``raised_at``."""
    duration_seconds: float
    returns: int = 0
    """How often it came back before it was over for good."""
    dismissed: bool = False
    """Whether an operator ended it; it may still be so."""


class SettleAlarms(Command[None]):
    """An app's message to itself: end the alarms that were quiet ``until`` then. Harmless when there are none."""

    kind: ClassVar[str] = "lantime.settle-alarms"
    until: datetime
    """By the clock that ``observed_at`` of the looks at the device is from."""


class DismissAlarm(Command[None]):
    """Ends an alarm by an operator's word, as where a module is gone for good. Rejected when it is not active.

    It is not raised again before the device was seen without it once.
    """

    kind: ClassVar[str] = "lantime.dismiss-alarm"
    alarm: Alarm
    slot: str | None = None


class ActiveAlarm(_AlarmFields, ContractDocument):
    """An alarm that is active."""

    standing: tuple[str, ...] = ()
    """The facts that are not known to be good again."""
    gone_since: datetime | None = None
    """When all facts were seen good again; it is cleared when that has lasted."""
    unconfirmed_since: datetime | None = None
    """Since when the device says nothing of the facts."""
    returns: int = 0


class EndedAlarm(_AlarmFields, ContractDocument):
    """An alarm that is over."""

    cleared_at: datetime
    duration_seconds: float
    returns: int = 0
    dismissed: bool = False
