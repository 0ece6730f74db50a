"""What a slot's service knows of its module, and what a new look at it means. Pure."""

from datetime import datetime

from pydantic import BaseModel, ConfigDict

from lantime.contract import SyncState
from lantime.status.module import ModuleStatus
from lantime.status.slot import Slot

MODULE = "module"
"""Collection of the slot's documents about its module."""

ASSIGNMENT = "assignment"
STATUS = "status"


class Assignment(BaseModel):
    """The module that the chassis' service assigned."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    chassis: str
    model: str
    serial: str | None = None
    software: str | None = None
    firmware: str | None = None
    api_version: str | None = None
    assigned_at: datetime
    outdated_until: datetime | None = None
    """What was observed until then is of another module, which sat here before; None when it may be of this one."""


class ModuleRecord(BaseModel):
    """The module as it was last seen. What was understood of it stays when it is removed."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    observed_at: datetime
    present: bool
    model: str | None = None
    serial: str | None = None
    software: str | None = None
    status: ModuleStatus | None = None

    @property
    def sync(self) -> SyncState:
        """Return the states that matter for synchronisation; a module that is not there has none."""
        if not self.present or self.status is None:
            return SyncState()
        return SyncState(clock=self.status.clock, receiver=self.status.receiver.state)


def seen(known: ModuleRecord | None, slot: Slot, observed_at: datetime) -> ModuleRecord | None:
    """Return the record after a look at the slot; None when the look is older than what is known."""
    if known is not None and observed_at < known.observed_at:
        return None
    if slot.module is None:
        base = known or ModuleRecord(observed_at=observed_at, present=False)
        return base.model_copy(update={"present": False, "observed_at": observed_at})
    return ModuleRecord(
        observed_at=observed_at,
        present=True,
        model=slot.module.model,
        serial=slot.module.serial,
        software=slot.module.software,
        status=slot.status,
    )


def outdated_until(record: ModuleRecord | None, model: str, serial: str | None) -> datetime | None:
    """Return until when what was observed is of another module than this one; None when it may be of this one."""
    if record is None:
        return None
    another_model = record.model is not None and record.model != model
    another_serial = record.serial is not None and serial is not None and record.serial != serial
    return record.observed_at if another_model or another_serial else None


def of_assigned(record: ModuleRecord | None, assignment: Assignment | None) -> ModuleRecord | None:
    """Return the record unless it is of a module that sat here before the assigned one: it says nothing of that."""
    if record is None or assignment is None or assignment.outdated_until is None:
        return record
    return record if record.observed_at > assignment.outdated_until else None


def sync_change(before: ModuleRecord | None, after: ModuleRecord) -> tuple[SyncState, SyncState] | None:
    """Return the sync state before and after when they differ; a first look is no change."""
    if before is None or before.sync == after.sync:
        return None
    return before.sync, after.sync
