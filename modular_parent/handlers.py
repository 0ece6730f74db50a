"""What the chassis' service does with messages."""

from datetime import datetime

import structlog
from pydantic import BaseModel, ConfigDict

from broker.handlers.context import Context
from broker.handlers.registry import HandlerRegistry
from broker.handlers.retry import Backoff
from lantime.contract import (
    AssignSlot,
    GetInventory,
    Inventory,
    PollChassisNow,
    ReportModule,
    SlotChanged,
    SyncChanged,
    SyncState,
    TcrReady,
)
from lantime.errors import DeviceError
from modular_parent.chassis import Chassis

log = structlog.get_logger("interapp.chassis")

SYNC = "sync"
"""Collection with one SyncRecord per slot: the last sync change that its service published."""

handlers = HandlerRegistry[Chassis]("chassis")
handlers.sends(AssignSlot, ReportModule, SlotChanged)


class SyncRecord(BaseModel):
    """The synchronisation of a slot's module, as its service last published it."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    state: SyncState
    observed_at: datetime


@handlers.handles(GetInventory)
def get_inventory(_command: GetInventory, ctx: Context[Chassis]) -> Inventory:
    """Answer with the inventory as it is kept."""
    return ctx.resource.inventory()


@handlers.handles(PollChassisNow, retry=Backoff(attempts=3, first=1.0, retry_on=(DeviceError,)))
def poll_now(_command: PollChassisNow, ctx: Context[Chassis]) -> Inventory:
    """Poll the device, then answer with the inventory."""
    return ctx.resource.poll()


@handlers.handles(TcrReady)
def slot_ready(event: TcrReady, ctx: Context[Chassis]) -> None:
    """Give the slot's service that came up its assignment."""
    ctx.resource.welcome(event.slot, event.writing)


@handlers.handles(SyncChanged)
def sync_changed(event: SyncChanged, ctx: Context[Chassis]) -> None:
    """Keep the newest sync state of each slot."""
    known = ctx.documents.get(SYNC, event.slot, SyncRecord)
    if known is not None and known.observed_at > event.observed_at:
        return
    log.info(
        "sync changed",
        app=ctx.app,
        slot=event.slot,
        clock=f"{event.before.clock} -> {event.after.clock}",
        receiver=f"{event.before.receiver} -> {event.after.receiver}",
    )
    ctx.documents.put(SYNC, event.slot, SyncRecord(state=event.after, observed_at=event.observed_at))
