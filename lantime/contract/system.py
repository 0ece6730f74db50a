"""The chassis as a system: what its service keeps of it, and the events about it."""

from datetime import datetime
from typing import ClassVar

from broker.messages.message import Event
from lantime.contract.document import ContractDocument
from lantime.status.led import Led
from lantime.status.notification import Notification, Severity
from lantime.status.states import ClockState
from lantime.status.system import SystemStatus

SYSTEM = "system"
"""Collection of the chassis' documents with one SystemRecord, under its own address."""

NOTIFICATIONS = "notifications"
"""Collection of the chassis' documents with one NotificationsRecord, under its own address."""


class SystemState(ContractDocument):
    """What of the system is an event when it changes. What the device did not tell lately is as it was told last."""

    reference: str | None = None
    """What the system follows, as the device names it: ``clk1-gps``; None until it tells."""
    clock: ClockState = ClockState.UNKNOWN
    leds: tuple[Led, ...] = ()


class SystemRecord(ContractDocument):
    """The system as it was last seen."""

    observed_at: datetime
    state: SystemState = SystemState()
    status: SystemStatus = SystemStatus()


class NotificationsRecord(ContractDocument):
    """The device's notifications as they were last seen; one that is no longer listed stays as it was."""

    entries: tuple[Notification, ...] = ()


class SystemChanged(Event):
    """The chassis follows another reference, its clock has another state, or an LED changed."""

    kind: ClassVar[str] = "chassis.system-changed"
    before: SystemState
    after: SystemState
    observed_at: datetime


class NotificationTriggered(Event):
    """A notification of the device was triggered since the last poll, even when it is over by now."""

    kind: ClassVar[str] = "chassis.notification"
    id: str
    """As the device spells it, e.g. ``refclock-1-not-sync``."""
    severity: Severity
    text: str
    """The id in words; the device reports no other text."""
    triggered: bool | None = None
    """Whether it still holds; None when the device does not tell."""
    triggered_at: datetime | None = None
    """When, by the device's own clock; None when it does not tell."""
    observed_at: datetime
    """When the poll saw it, by the clock of the chassis' service."""
