"""One TCR slot: its assignment, its module's status, and what its service can be asked."""

from datetime import datetime
from typing import ClassVar

from pydantic import Field, JsonValue

from broker.messages.message import Command, Event, Reply
from lantime.contract.document import ContractDocument
from lantime.status.module import ModuleStatus
from lantime.status.slot import SLOT_ID
from lantime.status.states import ClockState, ReceiverState

SLOT_ID_PATTERN = rf"^{SLOT_ID.pattern}$"


def child_address(chassis: str, slot: str) -> str:
    """Return the address of the service of one slot: ``m1000-a.clk1``."""
    return f"{chassis}.{slot}"


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
    unreadable: bool = False
    """Whether the device says something else than a module or an empty slot: what is known of the module stays."""


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
    status: ModuleStatus | None = None
    stale: dict[str, datetime] = Field(default_factory=dict)
    """Parts of ``status`` of which the last look said nothing, each with the time of the look that did."""
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
    writing: str | None = None
    """``read-only``, or the name of the write profile by which it writes; None from a service that does not say."""


class SyncState(ContractDocument):
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
