"""What a slot's service does with messages."""

import structlog

from broker.errors import Reject
from broker.handlers.context import Context
from broker.handlers.executor import MessageExecutor
from broker.handlers.registry import HandlerRegistry
from broker.handlers.retry import Backoff
from lantime.alarms.keep import dismiss_alarm, keep_alarms
from lantime.alarms.module import module_findings
from lantime.alarms.step import Place
from lantime.client import LantimeClient
from lantime.contract import (
    AlarmCleared,
    AlarmRaised,
    AssignSlot,
    DismissAlarm,
    GetSlotStatus,
    HttpSessionsInForce,
    PollSlotNow,
    ReportModule,
    SetHttpSessions,
    SettleAlarms,
    SlotStatus,
    SyncChanged,
    TcrReady,
)
from lantime.errors import DeviceError, LoginRefused, SlotNotFound, UnexpectedAnswer
from lantime.http_sessions.setting import set_http_sessions
from lantime.status.slot import Slot, parse_slot
from tcr_child.module import (
    ASSIGNMENT,
    MODULE,
    STATUS,
    Assignment,
    ModuleRecord,
    of_assigned,
    outdated_until,
    seen,
    sync_change,
)
from tcr_child.slot import TcrSlot

log = structlog.get_logger("interapp.slot")

handlers = HandlerRegistry[TcrSlot]("tcr")
handlers.sends(TcrReady, SyncChanged, AlarmRaised, AlarmCleared)


@handlers.handles(AssignSlot)
def assign_slot(command: AssignSlot, ctx: Context[TcrSlot]) -> None:
    """Keep which module is served."""
    if (command.chassis, command.slot) != (ctx.resource.chassis, ctx.resource.slot):
        served = f"{ctx.resource.chassis}.{ctx.resource.slot}"
        raise Reject(f"the assignment is for {command.chassis}.{command.slot}, this is {served}")
    known = ctx.documents.get(MODULE, STATUS, ModuleRecord)
    ctx.documents.put(
        MODULE,
        ASSIGNMENT,
        Assignment(
            chassis=command.chassis,
            model=command.model,
            serial=command.serial,
            software=command.software,
            firmware=command.firmware,
            api_version=command.api_version,
            assigned_at=ctx.resource.now(),
            outdated_until=outdated_until(known, command.model, command.serial),
        ),
    )
    log.info("assigned", app=ctx.app, model=command.model, serial=command.serial or "unknown")


@handlers.handles(ReportModule)
def module_status(command: ReportModule, ctx: Context[TcrSlot]) -> None:
    """Read the module's JSON, keep what is understood, publish what changed."""
    if command.slot != ctx.resource.slot:
        raise Reject(f"the status is of slot {command.slot}, this is {ctx.resource.slot}")
    slot = Slot(slot_id=command.slot, unreadable=True)
    if not command.unreadable:
        slot = parse_slot(command.slot, {"module": command.module}, api_major=command.api_major)
    known = ctx.documents.get(MODULE, STATUS, ModuleRecord)
    record = seen(known, slot, command.observed_at)
    if record is not None:
        _keep(known, record, ctx)


@handlers.handles(SettleAlarms)
def settle_alarms(command: SettleAlarms, ctx: Context[TcrSlot]) -> None:
    """Clear the alarms that were quiet for long enough."""
    keep_alarms(ctx, _place(ctx), None, observed_at=command.until, now=ctx.resource.now(), rules=ctx.resource.rules)


@handlers.handles(DismissAlarm)
def dismiss(command: DismissAlarm, ctx: Context[TcrSlot]) -> None:
    """End an alarm by an operator's word."""
    slot = ctx.resource
    dismiss_alarm(ctx, _place(ctx), command.alarm, command.slot or slot.slot, now=slot.now(), rules=slot.rules)


@handlers.handles(GetSlotStatus)
def get_status(_command: GetSlotStatus, ctx: Context[TcrSlot]) -> SlotStatus:
    """Answer with what is known; what is not known is None."""
    return _answer(ctx)


@handlers.handles(
    PollSlotNow, timeout=60.0, retry=Backoff(attempts=4, first=1.0, factor=2.0, ceiling=15.0, retry_on=(DeviceError,))
)
class PollNow(MessageExecutor[PollSlotNow, TcrSlot]):
    """Read the slot from the device, keep and publish what changed, answer with it."""

    def gather(self) -> None:
        """Read the slot from the device."""
        device = self.ctx.resource.device
        if device is None or device.credentials_missing:
            missing = "set LANTIME_URL, LANTIME_USERNAME and LANTIME_PASSWORD"
            raise Reject(f"this service does not talk to the device: {missing}")
        try:
            self.found = _read(device, self.ctx)
        except LoginRefused as exc:
            raise Reject(f"the device refuses the login: {exc}") from exc
        if self.found is not None and self.found.unreadable:
            # It may be another answer the next time; that the slot is empty is not what it says.
            raise UnexpectedAnswer(f"what the device reports in slot {self.found.slot_id} is no module", url=device.url)
        self.known = self.ctx.documents.get(MODULE, STATUS, ModuleRecord)

    def parse(self) -> None:
        """Make a record of it, unless there is no module in the slot."""
        slot = self.ctx.resource.slot
        if self.found is None or self.found.module is None:
            raise Reject(f"slot {slot} holds no module")
        self.record = seen(self.known, self.found, self.ctx.resource.now())

    def validate(self) -> bool:
        """Tell whether this look is newer than what is known."""
        return self.record is not None

    def apply(self) -> None:
        """Keep it, and publish what changed."""
        if self.record is not None:
            _keep(self.known, self.record, self.ctx)

    def reply(self) -> SlotStatus:
        """Answer with what is known now."""
        return _answer(self.ctx)


@handlers.handles(SetHttpSessions)
def set_recording(command: SetHttpSessions, ctx: Context[TcrSlot]) -> HttpSessionsInForce:
    """Set whether the slot's HTTP sessions are recorded, and how many are kept."""
    if ctx.resource.device is None:
        raise Reject("this service does not talk to the device: set LANTIME_URL, LANTIME_USERNAME and LANTIME_PASSWORD")
    return set_http_sessions(command, ctx.documents, ctx.resource.recorder)


def _read(device: LantimeClient, ctx: Context[TcrSlot]) -> Slot | None:
    slot_id = ctx.resource.slot

    def cancelled() -> bool:
        return ctx.cancelled

    try:
        return device.slot(slot_id, cancelled=cancelled)
    except SlotNotFound:
        # The path of a slot is inferred: a device may not know it, and still have the slot in its whole status.
        chassis = device.status(cancelled=cancelled).chassis()
        return next((slot for each in chassis if (slot := each.slot(slot_id))), None)


def _keep(known: ModuleRecord | None, record: ModuleRecord, ctx: Context[TcrSlot]) -> None:
    ctx.documents.put(MODULE, STATUS, record)
    change = sync_change(known, record)
    if change is not None:
        before, after = change
        ctx.publish(SyncChanged(slot=ctx.resource.slot, before=before, after=after, observed_at=record.observed_at))
    slot = ctx.resource
    # What an earlier look said must neither raise nor clear.
    look = module_findings(slot.slot, record.last_said, slot.rules)
    keep_alarms(ctx, _place(ctx), look, observed_at=record.observed_at, now=slot.now(), rules=slot.rules)


def _place(ctx: Context[TcrSlot]) -> Place:
    return Place(app=ctx.app, chassis=ctx.resource.chassis)


def _answer(ctx: Context[TcrSlot]) -> SlotStatus:
    assignment = ctx.documents.get(MODULE, ASSIGNMENT, Assignment)
    record = of_assigned(ctx.documents.get(MODULE, STATUS, ModuleRecord), assignment)
    now = ctx.resource.now()
    return SlotStatus(
        chassis=ctx.resource.chassis,
        slot=ctx.resource.slot,
        assigned=assignment is not None,
        model=(record.model if record else None) or (assignment.model if assignment else None),
        serial=(record.serial if record else None) or (assignment.serial if assignment else None),
        software=(record.software if record else None) or (assignment.software if assignment else None),
        present=record.present if record else None,
        status=record.status if record else None,
        stale=record.stale if record else {},
        observed_at=record.observed_at if record else None,
        age_seconds=max(0.0, (now - record.observed_at).total_seconds()) if record else None,
    )
