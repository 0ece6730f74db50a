"""The chassis as its service knows it. The only writer of its inventory; one poll at a time."""

import threading
from datetime import UTC, datetime

import structlog

from broker.lifecycle.clock import Clock
from broker.observe.health import Check
from broker.runtime.client import Client, Transaction
from lantime.client import LantimeClient
from lantime.contract import (
    CHASSIS,
    SLOTS,
    AssignSlot,
    ChassisRecord,
    Inventory,
    ReportModule,
    SlotChanged,
    SlotRecord,
)
from lantime.errors import DeviceError
from lantime.status.slot import ModuleKind
from modular_parent.inventory import SlotDiff, compare
from modular_parent.look import ChassisLook, read_look

log = structlog.get_logger("interapp.chassis")


class Chassis:
    """Polls the device and commits, in one transaction, what changed and who is told of it."""

    def __init__(self, address: str, device: LantimeClient, client: Client, clock: Clock) -> None:
        self.address = address
        self._device = device
        self._client = client
        self._clock = clock
        self._writing = threading.RLock()
        self._look: ChassisLook | None = None
        self._looked_at: datetime | None = None
        self._problem = "not polled yet"
        self._writes: dict[str, str | None] = {}
        """What the slots' services said of their writing, for slots that were not discovered by then."""

    def poll(self) -> Inventory:
        """Ask the device for its status, keep it, and tell the services of the slots what changed for them.

        Raises DeviceError when there is no usable answer (the inventory stays, with the problem noted), Superseded,
        TableUnavailable.
        """
        with self._writing:
            try:
                look = read_look(self._device.status())
            except DeviceError as exc:
                self._failed(str(exc))
                raise
            now = self._now()
            with self._client.transaction() as tx:
                self._keep(tx, look, now)
            self._look, self._looked_at = look, now
            self._succeeded()
            return self.inventory()

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
                tx.send(_report(slot, self._look, self._looked_at), to=record.app)
                tx.documents.put(SLOTS, slot, record.model_copy(update=said))
            else:
                # We are new ourselves: with its digest forgotten, the next poll reports the module.
                tx.documents.put(SLOTS, slot, record.model_copy(update={**said, "module_digest": None}))

    def inventory(self) -> Inventory:
        """Return what is known of the chassis and its slots. Raises TableUnavailable."""
        with self._client.transaction() as tx:
            chassis = tx.documents.get(CHASSIS, self.address, ChassisRecord) or ChassisRecord()
            return Inventory(chassis=chassis, slots=tuple(tx.documents.all(SLOTS, SlotRecord).values()))

    def check(self) -> Check:
        """Say whether the device gives its status."""
        return Check(ok=not self._problem, detail=self._problem)

    def _keep(self, tx: Transaction, look: ChassisLook, now: datetime) -> None:
        chassis = ChassisRecord(
            model=look.chassis.model,
            serial=look.chassis.serial,
            firmware=look.chassis.firmware,
            api_version=look.chassis.api_version,
            hostname=look.chassis.hostname,
            last_poll=now,
            warnings=look.warnings,
        )
        tx.documents.put(CHASSIS, self.address, chassis)
        if look.slots is None:
            return
        known = tx.documents.all(SLOTS, SlotRecord)
        for slot, diff in compare(known, look.slots, chassis=self.address, now=now).items():
            writing = self._writes.get(slot, diff.after.writing)
            tx.documents.put(SLOTS, slot, diff.after.model_copy(update={"writing": writing}))
            self._tell(tx, slot, diff, chassis)
            # The service of a slot whose TCR gave way to another kind of module is told that it is gone.
            served_by = diff.after.app or (diff.before.app if diff.before else None)
            if diff.report and served_by is not None:
                tx.send(_report(slot, look, now), to=served_by)

    def _tell(self, tx: Transaction, slot: str, diff: SlotDiff, chassis: ChassisRecord) -> None:
        if diff.change is not None:
            log.info(
                "module in slot",
                app=self.address,
                slot=slot,
                change=diff.change.value,
                model=diff.after.model,
                serial=diff.after.serial or "unknown",
            )
            tx.publish(SlotChanged(slot=slot, change=diff.change, before=diff.before, after=diff.after))
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

    def _failed(self, problem: str) -> None:
        if problem != self._problem:
            log.warning("the device gives no status; its last inventory stays", app=self.address, error=problem)
        self._problem = problem
        with self._client.transaction() as tx:
            record = tx.documents.get(CHASSIS, self.address, ChassisRecord) or ChassisRecord()
            since = record.problem_since if record.problem else self._now()
            tx.documents.put(
                CHASSIS, self.address, record.model_copy(update={"problem": problem, "problem_since": since})
            )

    def _succeeded(self) -> None:
        if self._problem:
            log.info("the device gives its status", app=self.address)
        self._problem = ""

    def _now(self) -> datetime:
        return datetime.fromtimestamp(self._clock.now_us() / 1_000_000, UTC)


def _report(slot: str, look: ChassisLook, observed_at: datetime) -> ReportModule:
    seen = (look.slots or {}).get(slot)
    has_tcr = seen is not None and seen.slot.module is not None and seen.slot.module.kind is ModuleKind.TCR
    return ReportModule(
        slot=slot,
        observed_at=observed_at,
        api_major=look.chassis.api_major,
        module=seen.module if seen is not None and has_tcr else None,
    )
