"""What the chassis' service keeps of its slots' synchronisation."""

from datetime import datetime

from pydantic import BaseModel, ConfigDict

from lantime.contract import SyncState

SYNC = "sync"
"""Collection with one SyncRecord per slot: the last sync change that its service published."""


class SyncRecord(BaseModel):
    """The synchronisation of a slot's module, as its service last published it."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    state: SyncState
    observed_at: datetime
