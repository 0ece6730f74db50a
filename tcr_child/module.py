"""What a slot's service knows of its module, and what a change of it means. Pure."""

from datetime import datetime

from pydantic import BaseModel, ConfigDict

from lantime.contract import MODULE, STATUS, ModuleRecord, SyncState, seen

__all__ = ["ASSIGNMENT", "MODULE", "STATUS", "Assignment", "ModuleRecord", "seen", "sync_change"]

ASSIGNMENT = "assignment"
"""Key of the Assignment, beside STATUS, in the collection MODULE."""


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
