"""The chassis and its slots: what the chassis' service keeps of them, tells of them and can be asked."""

from datetime import datetime
from enum import StrEnum
from typing import ClassVar

from broker.messages.message import Command, Event, Reply
from lantime.contract.document import ContractDocument
from lantime.contract.system import SystemRecord
from lantime.status.notification import Notification
from lantime.status.states import ClockState, ReceiverState

SLOTS = "slots"
"""Collection of the chassis' documents with one SlotRecord per slot id."""

CHASSIS = "chassis"
"""Collection of the chassis' documents with one ChassisRecord, under its own address."""


class SlotChange(StrEnum):
    """What happened to a slot between two polls."""

    APPEARED = "appeared"
    """A module is seen here for the first time, or the same one again after it was removed."""
    REPLACED = "replaced"
    """Another module is in the slot than before, or than the last one that was: model or serial number differ."""
    MOVED = "moved"
    """The module was in another slot before: it was moved there, or the slots were renumbered."""
    CHANGED = "changed"
    """The same module with other software."""
    REMOVED = "removed"
    """The slot is empty, or gone."""


class SlotRecord(ContractDocument):
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
    writing: str | None = None
    """``read-only``, or the write profile of that service; None as long as it did not say."""
    first_seen: datetime | None = None
    last_seen: datetime | None = None
    """When a poll last saw the slot; at most 10 s behind."""
    module_digest: str | None = None
    """SHA-256 of the module's JSON that was last sent to the slot's service."""
    clock: ClockState | None = None
    """State of a clock module's clock; None when it is no clock module, or nothing of it was understood."""
    receiver: ReceiverState | None = None
    """State of its receiver; None as above."""
    time_quality: str | None = None
    """Its estimated time quality for people: ``< 10 us``."""
    status_at: datetime | None = None
    """When these three were last understood."""
    missed: int = 0
    """How many polls in a row left the slot, or what is in it, out."""


class ChassisRecord(ContractDocument):
    """What is known of the chassis as a whole. ``problem`` is None while the last poll succeeded."""

    model: str | None = None
    serial: str | None = None
    firmware: str | None = None
    api_version: str | None = None
    hostname: str | None = None
    url: str | None = None
    """The device's address, which is also that of its web interface; without credentials."""
    last_poll: datetime | None = None
    """When the device last gave a status; at most 10 s behind."""
    problem: str | None = None
    problem_since: datetime | None = None
    warnings: tuple[str, ...] = ()


class SlotChanged(Event):
    """A slot's module appeared, was replaced, moved, changed or was removed."""

    kind: ClassVar[str] = "chassis.slot-changed"
    slot: str
    change: SlotChange
    before: SlotRecord | None = None
    after: SlotRecord
    moved_from: str | None = None
    """The slot in which this slot's module was before; with MOVED only."""
    moved_to: str | None = None
    """The slot in which the module is that was here before."""


class Inventory(Reply):
    """The chassis, all its slots and what it reports of itself, as last seen."""

    kind: ClassVar[str] = "chassis.inventory"
    chassis: ChassisRecord
    slots: tuple[SlotRecord, ...]
    system: SystemRecord | None = None
    """The chassis as a system; None while nothing is known of it."""
    notifications: tuple[Notification, ...] = ()


class GetInventory(Command[Inventory]):
    """Asks the chassis' service for its inventory. Always succeeds."""

    kind: ClassVar[str] = "chassis.get-inventory"


class PollChassisNow(Command[Inventory]):
    """Makes the chassis' service poll the device now."""

    kind: ClassVar[str] = "chassis.poll-now"
