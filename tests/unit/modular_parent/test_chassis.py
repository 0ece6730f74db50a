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
    CLOCKS,
    SLOTS,
    AssignSlot,
    ChassisRecord,
    ModuleRecord,
    ReportModule,
    SlotChanged,
    SlotRecord,
)
from lantime.errors import DeviceError, DeviceUnreachable
from lantime.status.states import ClockState
from modular_parent.chassis import Chassis

ADDRESS = "m1000-a"
CLASSES = {message.kind: message for message in (AssignSlot, ReportModule, SlotChanged)}
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
        self.model: str | None = "m1000"
        self.error: DeviceError | None = None

    def status(self) -> DeviceAnswer:
        """Answer."""
        if self.error is not None:
            raise self.error
        return DeviceAnswer(
            url="http://device", body={"data": {"chassis0": {"model": self.model, "slots": self.slots}}}
        )

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


def other_clock(model: str = "grc180", **more: Any) -> dict[str, Any]:
    """Return a clock module that is no TCR."""
    sync = {"clock-status": {"clock": "synchronized"}}
    return {"info": {"model": model, "serial-number": "5"}, "sync-status": sync, **more}


def test_a_clock_without_a_service_is_kept_here(chassis: Chassis, kept: Kept, device: Device) -> None:
    """Of a clock module that is no TCR the chassis' service keeps the status; of others and of TCRs it does not."""
    device.hold(clk1=other_clock("tcr180"), clk2=other_clock(), pwr1=GPS)
    chassis.poll()
    assert [key for of, key in kept.documents if of == CLOCKS] == ["clk2"]
    record = ModuleRecord.model_validate_json(kept.documents[CLOCKS, "clk2"])
    assert record.status is not None
    assert (record.model, record.status.clock, record.stale) == ("grc180", ClockState.SYNCHRONIZED, {})
    device.hold(clk1=other_clock("tcr180"), clk2=other_clock("tcr180"), pwr1=GPS)
    chassis.poll()
    assert [key for of, key in kept.documents if of == CLOCKS] == [], "its service keeps it from now on"


def test_what_was_understood_of_such_a_clock_stays(chassis: Chassis, kept: Kept, device: Device) -> None:
    """What was understood of it stays while it cannot be read, and when it is pulled; another module ends it."""
    device.hold(clk2=other_clock())
    chassis.poll()
    for odd, present in (([], True), ({"info": {}}, True), (None, False)):
        device.hold(clk2=odd)
        chassis.poll()
        record = ModuleRecord.model_validate_json(kept.documents[CLOCKS, "clk2"])
        assert record.status is not None
        assert (record.present, record.status.clock, set(record.stale)) == (present, ClockState.SYNCHRONIZED, {"clock"})
    device.hold(clk2={"info": {"model": "psu"}})
    chassis.poll()
    assert (CLOCKS, "clk2") not in kept.documents


def test_a_tcr_that_cannot_be_read_is_told_once_and_not_as_pulled(chassis: Chassis, kept: Kept, device: Device) -> None:
    """When garbage stands in place of a TCR, its service is told that, once; its slot still holds the module."""
    chassis.poll()
    kept.told()
    for _ in range(2):
        device.hold(clk1=[1], clk2=GPS, pwr1=None)
        chassis.poll()
    (report,) = [message for to, message in kept.sent if to == CHILD]
    assert (report.unreadable, report.module) == (True, None)
    assert kept.told() == [REPORT]
    assert kept.slot("clk1").present
    assert "clk1" in "".join(kept.chassis().warnings)
    chassis.welcome("clk1")
    assert [message.unreadable for _, message in kept.sent if message.kind == "tcr.module-status"] == [True]


def test_a_service_is_not_told_that_its_slot_is_empty_when_nobody_knows(
    chassis: Chassis, kept: Kept, device: Device
) -> None:
    """A service that comes up after a poll without a list of slots is told that its module could not be read."""
    chassis.poll()
    device.slots = "none"  # type: ignore[assignment]  # as a device may say
    chassis.poll()
    kept.told()
    chassis.welcome("clk1")
    (report,) = [message for _, message in kept.sent if message.kind == "tcr.module-status"]
    assert report.unreadable


def test_what_an_answer_does_not_say_of_the_chassis_stays(chassis: Chassis, kept: Kept, device: Device) -> None:
    """A chassis that once does not tell its model keeps the one that is known."""
    chassis.poll()
    device.model = None
    chassis.poll()
    assert kept.chassis().model == "m1000"
