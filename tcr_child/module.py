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


def sync_change(before: ModuleRecord | None, after: ModuleRecord) -> tuple[SyncState, SyncState] | None:
    """Return the sync state before and after when they differ; a first look is no change."""
    if before is None or before.sync == after.sync:
        return None
    return before.sync, after.sync
