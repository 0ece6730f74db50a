"""The chassis as its service knows it. The only writer of its inventory; one poll at a time."""

import threading
from datetime import UTC, datetime

import structlog

from broker.lifecycle.clock import Clock
from broker.observe.health import Check
from broker.runtime.client import Client, Transaction
from lantime.alarms.chassis import device_finding, slot_findings
from lantime.alarms.finding import Finding
from lantime.alarms.keep import KEPT_OF_ALARMS, dismiss_alarm, keep_alarms
from lantime.alarms.rules import DEFAULT_RULES, AlarmRules
from lantime.alarms.step import Place
from lantime.client import LantimeClient
from lantime.contract import (
    CHASSIS,
    CLOCKS,
    NOTIFICATIONS,
    SLOTS,
    SYSTEM,
    Alarm,
    AssignSlot,
    ChassisRecord,
    ChassisReplaced,
    Inventory,
    ModuleRecord,
    NotificationsRecord,
    ReportModule,
    SlotChanged,
    SlotRecord,
    SystemRecord,
)
from lantime.errors import DeviceError
from lantime.http_sessions.recorder import Recorder
from modular_parent.clocks import keep_clocks
from modular_parent.inventory import SlotDiff, compare
from modular_parent.keeping import keep_notifications, keep_system
from modular_parent.look import ChassisLook, LookMemory, read_look
from modular_parent.replacement import succeed
from modular_parent.sparing import worth_writing
from modular_parent.sync import SYNC, SyncRecord

log = structlog.get_logger("interapp.chassis")

_KEPT = (CHASSIS, SYSTEM, NOTIFICATIONS, SLOTS, CLOCKS, *KEPT_OF_ALARMS)
"""Collections that every poll is compared with."""


class Chassis:
    """Polls the device and commits, in one transaction, what changed and who is told of it."""

    def __init__(
        self,
        address: str,
        device: LantimeClient,
        client: Client,
        clock: Clock,
        *,
        recorder: Recorder | None = None,
        rules: AlarmRules = DEFAULT_RULES,
    ) -> None:
        self.address = address
        self.recorder = recorder or Recorder()
        self._device = device
        self._client = client
        self._clock = clock
        self._rules = rules
        self._writing = threading.RLock()
        self._memory = LookMemory()
        self._look: ChassisLook | None = None
        self._looked_at: datetime | None = None
        self._problem = "not polled yet"
        self._writes: dict[str, str | None] = {}
        """What the slots' services said of their writing, for slots that were not discovered by then."""

    def poll(self) -> Inventory:
        """Do as ``refresh``, write the time of this poll in any case, and return what is known then."""
        with self._writing:
            self.refresh(sparing=False)
            return self.inventory()

    def refresh(self, *, sparing: bool = True) -> None:
        """Ask the device for its status, keep it, and tell the services of the slots what changed for them.

        ``sparing``: what differs from what is kept in nothing but the time is written only now and then (``sparing.py``).

        Raises DeviceError when there is no usable answer (the inventory stays, with the problem noted), Superseded,
        TableUnavailable.
        """
        with self._writing:
            try:
                look = read_look(self._device.status(), self._memory)
            except DeviceError as exc:
                self._failed(str(exc))
                raise
            now = self._now()
            with self._client.transaction(reading=_KEPT) as tx:
                # The first poll of a process is always written: it tells that there is one.
                self._keep(tx, look, now, sparing=sparing and self._look is not None)
            self._look, self._looked_at = look, now
            self._succeeded()

    def welcome(self, slot: str, writing: str | None = None) -> None:
        """Give a slot's service that came up its assignment and, as soon as there is one, its module's status.

        ``writing`` is what the service says of itself: whether, and by which profile, it writes to the device.
        """
        with self._writing, self._client.transaction() as tx:
            self._writes[slot] = writing
            record = tx.documents.get(SLOTS, slot, SlotRecord)
            if record is None or record.app is None:
                # Not discovered yet: the poll that finds it sends the assignment.
                return
            if record.present:
                chassis = tx.documents.get(CHASSIS, self.address, ChassisRecord) or ChassisRecord()
                tx.send(self._assignment(record, chassis), to=record.app)
            said = {"writing": writing}
            if self._look is not None and self._looked_at is not None:
                tx.send(_report(record, self._look, self._looked_at), to=record.app)
                tx.documents.put(SLOTS, slot, record.model_copy(update=said))
            else:
                # We are new ourselves: with its digest forgotten, the next poll reports the module.
                tx.documents.put(SLOTS, slot, record.model_copy(update={**said, "module_digest": None}))

    def settle_alarms(self, until: datetime) -> None:
        """Clear the alarms that were quiet for long enough. Raises Superseded, TableUnavailable."""
        with self._writing, self._client.transaction() as tx:
            self._keep_alarms(tx, None, until)

    def dismiss_alarm(self, alarm: Alarm, slot: str | None) -> None:
        """End an alarm by an operator's word. Raises Reject when it is not active; Superseded, TableUnavailable."""
        place = Place(app=self.address, chassis=self.address)
        with self._writing, self._client.transaction() as tx:
            dismiss_alarm(tx, place, alarm, slot, now=self._now(), rules=self._rules)

    def inventory(self) -> Inventory:
        """Return what is known of the chassis and its slots. Raises TableUnavailable."""
        with self._client.transaction(reading=(CHASSIS, SLOTS, SYSTEM, NOTIFICATIONS)) as tx:
            chassis = tx.documents.get(CHASSIS, self.address, ChassisRecord) or ChassisRecord()
            notifications = tx.documents.get(NOTIFICATIONS, self.address, NotificationsRecord)
            return Inventory(
                chassis=chassis,
                slots=tuple(tx.documents.all(SLOTS, SlotRecord).values()),
                system=tx.documents.get(SYSTEM, self.address, SystemRecord),
                notifications=notifications.entries if notifications else (),
            )

    def check(self) -> Check:
        """Say whether the device gives its status."""
        return Check(ok=not self._problem, detail=self._problem)

    def _keep(self, tx: Transaction, look: ChassisLook, now: datetime, *, sparing: bool) -> None:
        kept = tx.documents.get(CHASSIS, self.address, ChassisRecord)
        seen = ChassisRecord(
            model=look.chassis.model,
            serial=look.chassis.serial,
            firmware=look.chassis.firmware,
            api_version=look.chassis.api_version,
            hostname=look.chassis.hostname,
            url=self._device.url,
            last_poll=now,
            warnings=look.warnings,
        )
        chassis, replaced = succeed(kept, seen)
        past: list[SlotRecord] = []
        if kept is not None and replaced:
            past = self._start_anew(tx, look, now, kept, chassis)
        if not sparing or worth_writing(kept, chassis, "last_poll"):
            tx.documents.put(CHASSIS, self.address, chassis)
        keep_system(tx, self.address, look, now, sparing=sparing)
        keep_notifications(tx, self.address, look, now)
        if look.slots is None:
            self._keep_alarms(tx, [device_finding(None), *slot_findings(past)], now)
            return
        known = tx.documents.all(SLOTS, SlotRecord)
        diffs = compare(known, look.slots, chassis=self.address, now=now, complete=look.complete)
        keep_clocks(tx.documents, diffs, look.slots, now, sparing=sparing)
        slots = [*past, *(diff.after for diff in diffs.values())]
        self._keep_alarms(tx, [device_finding(None), *slot_findings(slots)], now)
        for slot, diff in diffs.items():
            after = diff.after.model_copy(update={"writing": self._writes.get(slot, diff.after.writing)})
            if not sparing or worth_writing(diff.before, after, "last_seen", "status_at"):
                tx.documents.put(SLOTS, slot, after)
            self._tell(tx, slot, diff, chassis)
            # The service of a slot whose TCR gave way to another kind of module is told that it is gone.
            served_by = diff.after.app or (diff.before.app if diff.before else None)
            if diff.report and served_by is not None:
                tx.send(_report(diff.after, look, now), to=served_by)

    def _start_anew(
        self, tx: Transaction, look: ChassisLook, now: datetime, before: ChassisRecord, after: ChassisRecord
    ) -> list[SlotRecord]:
        """Forget the slots of a chassis that was replaced; services without a TCR in the new one are told that it is gone.

        Return its slots as those in which no module is known any more: none is missing there.
        """
        log.warning("another chassis answers", app=self.address, before=before.serial, after=after.serial)
        tx.publish(ChassisReplaced(before=before, after=after))
        slots = tx.documents.all(SLOTS, SlotRecord)
        for slot, record in slots.items():
            tx.documents.delete(SLOTS, slot)
            # The service goes on and says this only when it comes up; we may not have been there then.
            self._writes.setdefault(slot, record.writing)
            report = _report(record, look, now)
            if record.app is not None and report.module is None:
                tx.send(report.model_copy(update={"served": False}), to=record.app)
        for collection, kept in ((SYNC, SyncRecord), (CLOCKS, ModuleRecord)):
            for slot in tx.documents.all(collection, kept):
                tx.documents.delete(collection, slot)
        for collection in (SYSTEM, NOTIFICATIONS):
            tx.documents.delete(collection, self.address)
        return [SlotRecord(slot=slot, first_seen=now) for slot in slots]

    def _tell(self, tx: Transaction, slot: str, diff: SlotDiff, chassis: ChassisRecord) -> None:
        if diff.change is not None:
            log.info(
                "module in slot",
                app=self.address,
                slot=slot,
                change=diff.change.value,
                model=diff.after.model,
                serial=diff.after.serial or "unknown",
                **({"moved_from": diff.moved_from} if diff.moved_from else {}),
            )
            tx.publish(
                SlotChanged(
                    slot=slot,
                    change=diff.change,
                    before=diff.before,
                    after=diff.after,
                    moved_from=diff.moved_from,
                    moved_to=diff.moved_to,
                )
            )
        if diff.assign and diff.after.app is not None:
            tx.send(self._assignment(diff.after, chassis), to=diff.after.app)

    def _assignment(self, record: SlotRecord, chassis: ChassisRecord) -> AssignSlot:
        return AssignSlot(
            chassis=self.address,
            slot=record.slot,
            model=record.model or "unknown",
            serial=record.serial,
            software=record.software,
            firmware=chassis.firmware,
            api_version=chassis.api_version,
        )

    def _keep_alarms(self, tx: Transaction, look: list[Finding] | None, observed_at: datetime) -> None:
        place = Place(app=self.address, chassis=self.address)
        keep_alarms(tx, place, look, observed_at=observed_at, now=self._now(), rules=self._rules)

    def _failed(self, problem: str) -> None:
        if problem != self._problem:
            log.warning("the device gives no status; its last inventory stays", app=self.address, error=problem)
        self._problem = problem
        with self._client.transaction(reading=(CHASSIS, *KEPT_OF_ALARMS)) as tx:
            self._keep_alarms(tx, [device_finding(problem)], self._now())
            record = tx.documents.get(CHASSIS, self.address, ChassisRecord) or ChassisRecord()
            if record.problem == problem:
                return
            since = record.problem_since if record.problem else self._now()
            # The last poll that succeeded may be newer than what sparing wrote of it.
            trouble = {
                "url": self._device.url,
                "problem": problem,
                "problem_since": since,
                "last_poll": self._looked_at or record.last_poll,
            }
            tx.documents.put(CHASSIS, self.address, record.model_copy(update=trouble))

    def _succeeded(self) -> None:
        if self._problem:
            log.info("the device gives its status", app=self.address)
        self._problem = ""

    def _now(self) -> datetime:
        return datetime.fromtimestamp(self._clock.now_us() / 1_000_000, UTC)


def _report(record: SlotRecord, look: ChassisLook, observed_at: datetime) -> ReportModule:
    seen = (look.slots or {}).get(record.slot)
    unreadable = record.present and (seen is None or seen.slot.unreadable)
    has_tcr = record.present and record.app is not None and not unreadable
    return ReportModule(
        slot=record.slot,
        observed_at=observed_at,
        api_major=look.chassis.api_major,
        module=seen.module if seen is not None and has_tcr else None,
        unreadable=unreadable,
        served=record.app is not None,
    )
