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


def sync_change(before: ModuleRecord | None, after: ModuleRecord) -> tuple[SyncState, SyncState] | None:
    """Return the sync state before and after when they differ; a first look is no change."""
    if before is None or before.sync == after.sync:
        return None
    return before.sync, after.sync
