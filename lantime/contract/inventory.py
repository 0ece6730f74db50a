"""The chassis and its slots: what the chassis' service keeps of them, tells of them and can be asked."""

from datetime import datetime
from enum import StrEnum
from typing import ClassVar

from broker.messages.message import Command, Event, Reply
from lantime.contract.document import ContractDocument

SLOTS = "slots"
"""Collection of the chassis' documents with one SlotRecord per slot id."""

CHASSIS = "chassis"
"""Collection of the chassis' documents with one ChassisRecord, under its own address."""


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
    module_digest: str | None = None
    """SHA-256 of the module's JSON that was last sent to the slot's service."""


class ChassisRecord(ContractDocument):
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
