"""What the chassis' service does with messages."""

import structlog

from broker.handlers.context import Context
from broker.handlers.registry import HandlerRegistry
from broker.handlers.retry import Backoff
from lantime.contract import (
    AlarmCleared,
    AlarmRaised,
    AssignSlot,
    ChassisReplaced,
    DismissAlarm,
    GetInventory,
    HttpSessionsInForce,
    Inventory,
    NotificationTriggered,
    PollChassisNow,
    ReportModule,
    SetHttpSessions,
    SettleAlarms,
    SlotChanged,
    SyncChanged,
    SystemChanged,
    TcrReady,
)
from lantime.errors import DeviceError
from lantime.http_sessions.setting import set_http_sessions
from modular_parent.chassis import Chassis
from modular_parent.sync import SYNC, SyncRecord

log = structlog.get_logger("interapp.chassis")

handlers = HandlerRegistry[Chassis]("chassis")
handlers.sends(AssignSlot, ReportModule, SlotChanged, ChassisReplaced, SystemChanged, NotificationTriggered)
handlers.sends(AlarmRaised, AlarmCleared)


@handlers.handles(GetInventory)
def get_inventory(_command: GetInventory, ctx: Context[Chassis]) -> Inventory:
    """Answer with the inventory as it is kept."""
    return ctx.resource.inventory()


@handlers.handles(PollChassisNow, retry=Backoff(attempts=3, first=1.0, retry_on=(DeviceError,)))
def poll_now(_command: PollChassisNow, ctx: Context[Chassis]) -> Inventory:
    """Poll the device, then answer with the inventory."""
    return ctx.resource.poll()


@handlers.handles(SettleAlarms)
def settle_alarms(command: SettleAlarms, ctx: Context[Chassis]) -> None:
    """Clear the alarms that were quiet for long enough."""
    ctx.resource.settle_alarms(command.until)


@handlers.handles(DismissAlarm)
def dismiss(command: DismissAlarm, ctx: Context[Chassis]) -> None:
    """End an alarm by an operator's word."""
    ctx.resource.dismiss_alarm(command.alarm, command.slot)


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


@handlers.handles(SetHttpSessions)
def set_recording(command: SetHttpSessions, ctx: Context[Chassis]) -> HttpSessionsInForce:
    """Set whether the chassis' HTTP sessions are recorded, and how many are kept."""
    return set_http_sessions(command, ctx.documents, ctx.resource.recorder)
