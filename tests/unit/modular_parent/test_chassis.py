"""One poll of a chassis: what is kept and who is told, committed together."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import pytest

from broker.errors import TableUnavailable
from broker.handlers.context import Documents, Outbox
from broker.lifecycle.clock import ManualClock
from broker.messages.envelope import Envelope
from broker.runtime.client import Transaction
from lantime.answer import DeviceAnswer
from lantime.contract import (
    CHASSIS,
    SLOTS,
    AssignSlot,
    ChassisRecord,
    ChassisReplaced,
    ReportModule,
    SlotChange,
    SlotChanged,
    SlotRecord,
    SyncState,
)
from lantime.errors import DeviceError, DeviceUnreachable
from modular_parent.chassis import Chassis
from modular_parent.sync import SYNC, SyncRecord

ADDRESS = "m1000-a"
CLASSES = {message.kind: message for message in (AssignSlot, ChassisReplaced, ReportModule, SlotChanged)}
GPS = {"info": {"model": "gps180", "serial-number": "9"}}


def tcr(**more: Any) -> dict[str, Any]:
    """Return a TCR180 as the device reports it."""
    return {"info": {"model": "tcr180", "serial-number": "1"}, **more}


class Kept:
    """A client whose commits stay in memory, as the table would keep them; it can be away."""

    def __init__(self) -> None:
        self.documents: dict[tuple[str, str], str] = {}
        self.sent: list[tuple[str, Any]] = []
        self.away = False
        self._count = 0

    def read(self, collection: str, key: str) -> str | None:
        """Return a committed document."""
        return self.documents.get((collection, key))

    def read_all(self, collection: str) -> dict[str, str]:
        """Return the committed documents of a collection."""
        return {key: body for (of, key), body in self.documents.items() if of == collection}

    @contextmanager
    def transaction(self) -> Iterator[Transaction]:
        """Collect, and commit all or nothing."""
        self._count += 1
        outbox = Outbox(source=ADDRESS, seed=(self._count,), user="", now_us=lambda: 0)
        transaction = Transaction(outbox, Documents(self))
        yield transaction
        effects = transaction.outbox.effects(transaction.documents.writes())
        if self.away:
            raise TableUnavailable("away")
        for write in effects.documents:
            if write.body is None:
                self.documents.pop((write.collection, write.key), None)
            else:
                self.documents[write.collection, write.key] = write.body
        self.sent += [(envelope.destination, self._message(envelope)) for envelope in (*effects.sent, *effects.events)]

    def told(self) -> list[tuple[str, str]]:
        """Return what was sent since the last call, sorted: destination (of an event none) and kind."""
        sent, self.sent = self.sent, []
        return sorted((to, message.kind) for to, message in sent)

    def slot(self, slot: str) -> SlotRecord:
        """Return the committed record of a slot."""
        return SlotRecord.model_validate_json(self.documents[SLOTS, slot])

    def chassis(self) -> ChassisRecord:
        """Return the committed record of the chassis."""
        return ChassisRecord.model_validate_json(self.documents[CHASSIS, ADDRESS])

    def _message(self, envelope: Envelope) -> Any:
        return CLASSES[envelope.kind].model_validate_json(envelope.body)


class Device:
    """A device that answers with these slots, or does not answer."""

    def __init__(self) -> None:
        self.slots: list[dict[str, Any]] = []
        self.serial: str | None = "c1"
        self.error: DeviceError | None = None

    def status(self) -> DeviceAnswer:
        """Answer."""
        if self.error is not None:
            raise self.error
        chassis = {"model": "m1000", "serial-number": self.serial, "slots": self.slots}
        return DeviceAnswer(url="http://device", body={"data": {"chassis0": chassis}})

    def hold(self, **modules: Any) -> None:
        """Put these modules into the slots."""
        self.slots = [{"slot-id": slot, "module": module} for slot, module in modules.items()]


@pytest.fixture
def kept() -> Kept:
    """A client with an empty table."""
    return Kept()


@pytest.fixture
def device() -> Device:
    """A device with a TCR, another module and an empty slot."""
    device = Device()
    device.hold(clk1=tcr(), clk2=GPS, pwr1=None)
    return device


@pytest.fixture
def clock() -> ManualClock:
    """A clock that the test moves."""
    return ManualClock()


@pytest.fixture
def chassis(kept: Kept, device: Device, clock: ManualClock) -> Chassis:
    """The chassis' service, not polled yet."""
    return Chassis(ADDRESS, device, kept, clock)  # type: ignore[arg-type]  # what it uses of them


CHILD = f"{ADDRESS}.clk1"
ASSIGN, REPORT, CHANGED = (CHILD, "tcr.assign-slot"), (CHILD, "tcr.module-status"), ("", "chassis.slot-changed")


def test_the_first_poll_finds_everything(chassis: Chassis, kept: Kept) -> None:
    """Every slot is kept; a TCR's service is assigned and given its status; each module's appearance is an event."""
    inventory = chassis.poll()
    assert [(record.slot, record.present, record.app) for record in inventory.slots] == [
        ("clk1", True, CHILD),
        ("clk2", True, None),
        ("pwr1", False, None),
    ]
    assert kept.told() == [CHANGED, CHANGED, ASSIGN, REPORT]
    assert kept.chassis().model == "m1000"


def test_a_poll_that_sees_the_same_tells_nobody(chassis: Chassis, kept: Kept, clock: ManualClock) -> None:
    """A second poll of an unchanged device sends nothing, and says when it was."""
    chassis.poll()
    kept.told()
    clock.advance(30)
    chassis.poll()
    assert kept.told() == []
    assert kept.chassis().last_poll == datetime.fromtimestamp(clock.now_us() / 1_000_000, UTC)


def test_a_change_is_told_with_the_inventory_or_not_at_all(chassis: Chassis, kept: Kept, device: Device) -> None:
    """When the table is away in the very moment of a change, the next poll finds the change still and tells it."""
    chassis.poll()
    kept.told()
    before = dict(kept.documents)
    device.hold(clk1=tcr(mrs="new"), clk2=None, pwr1=None)
    kept.away = True
    with pytest.raises(TableUnavailable):
        chassis.poll()
    assert (kept.told(), kept.documents) == ([], before)
    kept.away = False
    chassis.poll()
    assert kept.told() == [CHANGED, REPORT]


def test_a_removed_module_is_reported_empty(chassis: Chassis, kept: Kept, device: Device) -> None:
    """The service of a TCR that was pulled is told that its slot is empty."""
    chassis.poll()
    kept.told()
    device.hold(clk1=None, clk2=GPS, pwr1=None)
    chassis.poll()
    (report,) = [message for to, message in kept.sent if to == CHILD]
    assert report.module is None
    assert kept.told() == [CHANGED, REPORT]


def test_a_tcr_that_gives_way_to_another_module_is_reported_gone(chassis: Chassis, kept: Kept, device: Device) -> None:
    """When another kind of module takes a TCR's place, the TCR's service is told once that it has no TCR any more."""
    chassis.poll()
    kept.told()
    device.hold(clk1=GPS, clk2=GPS, pwr1=None)
    chassis.poll()
    (report,) = [message for to, message in kept.sent if to == CHILD]
    assert (report.slot, report.module) == ("clk1", None)
    assert kept.told() == [CHANGED, REPORT]
    assert kept.slot("clk1").app is None
    chassis.poll()
    assert kept.told() == []


def test_a_device_that_is_away_keeps_its_inventory(
    chassis: Chassis, kept: Kept, device: Device, clock: ManualClock
) -> None:
    """While the device does not answer its last inventory stays, with the problem and since when; then it is well again."""
    chassis.poll()
    slots = chassis.inventory().slots
    begun = datetime.fromtimestamp(clock.now_us() / 1_000_000, UTC)
    device.error = DeviceUnreachable("timeout", url="http://device")
    for _ in range(2):
        with pytest.raises(DeviceError):
            chassis.poll()
        clock.advance(30)
    assert chassis.inventory().slots == slots
    assert kept.chassis().problem_since == begun
    assert "http://device" in (kept.chassis().problem or "")
    assert not chassis.check().ok
    device.error = None
    chassis.poll()
    assert (kept.chassis().problem, kept.chassis().problem_since) == (None, None)
    assert chassis.check().ok


def test_a_service_that_comes_up_is_welcomed(chassis: Chassis, kept: Kept) -> None:
    """A slot's service that says it is ready gets its assignment and its module's status; an unknown slot's gets nothing."""
    chassis.welcome("clk1")
    assert kept.told() == []
    chassis.poll()
    kept.told()
    chassis.welcome("clk1")
    assert kept.told() == [ASSIGN, REPORT]
    for slot in ("clk2", "pwr1", "none"):
        chassis.welcome(slot)
    assert kept.told() == []


def test_a_new_parent_reports_with_its_next_poll(
    chassis: Chassis, kept: Kept, device: Device, clock: ManualClock
) -> None:
    """A parent that was restarted has no status in hand: the slot's service is assigned now and given it by the next poll."""
    chassis.poll()
    kept.told()
    again = Chassis(ADDRESS, device, kept, clock)  # type: ignore[arg-type]  # as above
    again.welcome("clk1")
    assert kept.told() == [ASSIGN]
    again.poll()
    assert kept.told() == [REPORT]


def test_an_emptied_slots_service_is_told_when_it_comes_up(chassis: Chassis, kept: Kept, device: Device) -> None:
    """A service whose module was removed while it was down gets no assignment, and learns that the slot is empty."""
    chassis.poll()
    device.hold(clk1=None)
    chassis.poll()
    kept.told()
    chassis.welcome("clk1")
    (report,) = [message for _, message in kept.sent]
    assert report.module is None
    assert kept.told() == [REPORT]


def test_a_module_that_moved_is_told_with_both_slots(chassis: Chassis, kept: Kept, device: Device) -> None:
    """A module in another slot is one event for each of the two slots; its new service is assigned, the old one told."""
    chassis.poll()
    kept.told()
    device.hold(clk1=None, clk2=GPS, clk3=tcr(), pwr1=None)
    chassis.poll()
    events = {message.slot: message for to, message in kept.sent if not to}
    assert {slot: (event.change, event.moved_from, event.moved_to) for slot, event in events.items()} == {
        "clk1": (SlotChange.REMOVED, None, "clk3"),
        "clk3": (SlotChange.MOVED, "clk1", None),
    }
    new = f"{ADDRESS}.clk3"
    assert kept.told() == [CHANGED, CHANGED, REPORT, (new, "tcr.assign-slot"), (new, "tcr.module-status")]


def test_another_chassis_starts_anew(chassis: Chassis, kept: Kept, device: Device, clock: ManualClock) -> None:
    """When another chassis answers, nothing of the old one's slots is taken for its own, and every service is told."""
    device.hold(clk1=tcr(), clk2=tcr(mrs="b"), pwr1=None)
    chassis.poll()
    kept.told()
    state = SyncRecord(state=SyncState(), observed_at=datetime.fromtimestamp(0, UTC))
    kept.documents[SYNC, "clk1"] = state.model_dump_json()
    clock.advance(30)
    now = datetime.fromtimestamp(clock.now_us() / 1_000_000, UTC)
    device.serial = "c2"
    device.hold(clk1={"info": {"model": "tcr180", "serial-number": "77"}}, io1=None)
    chassis.poll()
    (event,) = [message for _, message in kept.sent if isinstance(message, ChassisReplaced)]
    assert (event.before.serial, event.after.serial) == ("c1", "c2")
    (appeared,) = [message for _, message in kept.sent if isinstance(message, SlotChanged)]
    assert (appeared.change, appeared.before) == (SlotChange.APPEARED, None)
    (assigned,) = [message for _, message in kept.sent if isinstance(message, AssignSlot)]
    assert assigned.serial == "77"
    gone = (f"{ADDRESS}.clk2", "tcr.module-status")
    assert kept.told() == [("", "chassis.replaced"), CHANGED, ASSIGN, REPORT, gone]
    assert (kept.slot("clk1").first_seen, kept.slot("clk1").serial) == (now, "77")
    assert {key for key in kept.documents if key[0] in {SLOTS, SYNC}} == {(SLOTS, "clk1"), (SLOTS, "io1")}
    chassis.poll()
    assert kept.told() == []


def test_a_chassis_that_does_not_tell_its_serial_number_is_the_same(
    chassis: Chassis, kept: Kept, device: Device
) -> None:
    """A chassis whose answer once leaves its serial number out was not replaced, nor is it when the number is back."""
    chassis.poll()
    kept.told()
    for serial in (None, "c1"):
        device.serial = serial
        chassis.poll()
        assert kept.told() == []
        assert kept.chassis().serial == "c1"
