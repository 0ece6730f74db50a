"""The messages that a chassis and its TCR slots exchange, and the documents others may read. All they share.

Times are ISO 8601 with zone. Fields that mirror the device carry its facts and their certainty in ``lantime.status``.
"""

from datetime import datetime
from enum import StrEnum
from typing import ClassVar

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from broker.messages.message import Command, Event, Reply
from lantime.status.slot import SLOT_ID
from lantime.status.states import ClockState, ReceiverState
from lantime.status.tcr import TcrStatus

SLOT_ID_PATTERN = rf"^{SLOT_ID.pattern}$"

SLOTS = "slots"
"""Collection of the chassis' documents with one SlotRecord per slot id."""

CHASSIS = "chassis"
"""Collection of the chassis' documents with one ChassisRecord, under its own address."""


def child_address(chassis: str, slot: str) -> str:
    """Return the address of the service of one slot: ``m1000-a.clk1``."""
    return f"{chassis}.{slot}"


class SlotChange(StrEnum):
    """What happened to a slot between two polls."""

    APPEARED = "appeared"
    """A module is seen here for the first time, or again after it was removed."""
    REPLACED = "replaced"
    """Another module is in the slot: model or serial number differ."""
    CHANGED = "changed"
    """The same module with other software."""
    REMOVED = "removed"
    """The slot is empty, or gone."""


class _Document(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class SlotRecord(_Document):
    """What the inventory knows of one slot."""

    slot: str
    type: str | None = None
    model: str | None = None
    serial: str | None = None
    software: str | None = None
    present: bool = False
    """Whether a module sits in it; its last known model and serial number stay when it was removed."""
    app: str | None = None
    """Address of the service that serves it; None when none does."""
    first_seen: datetime | None = None
    last_seen: datetime | None = None
    module_digest: str | None = None
    """SHA-256 of the module's JSON that was last sent to the slot's service."""


class ChassisRecord(_Document):
    """What is known of the chassis as a whole. ``problem`` is None while the last poll succeeded."""

    model: str | None = None
    serial: str | None = None
    firmware: str | None = None
    api_version: str | None = None
    hostname: str | None = None
    last_poll: datetime | None = None
    """When the device last gave a status."""
    problem: str | None = None
    problem_since: datetime | None = None
    warnings: tuple[str, ...] = ()


class AssignSlot(Command[None]):
    """Tells a slot's service which module it serves."""

    kind: ClassVar[str] = "tcr.assign-slot"
    chassis: str
    slot: str = Field(pattern=SLOT_ID_PATTERN)
    model: str
    serial: str | None = None
    software: str | None = None
    firmware: str | None = None
    api_version: str | None = None


class ReportModule(Command[None]):
    """Gives a slot's service the module's status as the device reported it; ``module`` is None when the slot is empty."""

    kind: ClassVar[str] = "tcr.module-status"
    slot: str = Field(pattern=SLOT_ID_PATTERN)
    observed_at: datetime
    api_major: int | None = None
    module: dict[str, JsonValue] | None = None


class SlotStatus(Reply):
    """What a slot's service knows of its module. What is not known is None."""

    kind: ClassVar[str] = "tcr.slot-status"
    chassis: str
    slot: str
    assigned: bool
    model: str | None = None
    serial: str | None = None
    software: str | None = None
    present: bool | None = None
    status: TcrStatus | None = None
    observed_at: datetime | None = None
    age_seconds: float | None = None
    """Time since ``observed_at``; None when nothing was observed yet."""


class GetSlotStatus(Command[SlotStatus]):
    """Asks a slot's service for what it knows. Always succeeds."""

    kind: ClassVar[str] = "tcr.get-status"


class PollSlotNow(Command[SlotStatus]):
    """Makes a slot's service read the module from the device now. Rejected when the slot is empty."""

    kind: ClassVar[str] = "tcr.poll-now"


class TcrReady(Event):
    """A slot's service is up and wants its assignment."""

    kind: ClassVar[str] = "tcr.ready"
    slot: str
    interapp: str
    """Version of the service's software."""


class SyncState(_Document):
    """The states that matter for synchronisation."""

    clock: ClockState = ClockState.UNKNOWN
    receiver: ReceiverState = ReceiverState.UNKNOWN


class SyncChanged(Event):
    """A module's clock or receiver changed its synchronisation state."""

    kind: ClassVar[str] = "tcr.sync-changed"
    slot: str
    before: SyncState
    after: SyncState
    observed_at: datetime


class SlotChanged(Event):
    """A slot's module appeared, was replaced, changed or was removed."""

    kind: ClassVar[str] = "chassis.slot-changed"
    slot: str
    change: SlotChange
    before: SlotRecord | None = None
    after: SlotRecord


class Inventory(Reply):
    """The chassis and all its slots, as last seen."""

    kind: ClassVar[str] = "chassis.inventory"
    chassis: ChassisRecord
    slots: tuple[SlotRecord, ...]


class GetInventory(Command[Inventory]):
    """Asks the chassis' service for its inventory. Always succeeds."""

    kind: ClassVar[str] = "chassis.get-inventory"


class PollChassisNow(Command[Inventory]):
    """Makes the chassis' service poll the device now."""

    kind: ClassVar[str] = "chassis.poll-now"
