"""One poll of a chassis: what is kept and who is told, committed together."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import pytest
from structlog.testing import capture_logs

from broker.errors import TableUnavailable
from broker.handlers.context import Documents, Outbox
from broker.lifecycle.clock import ManualClock
from broker.messages.envelope import Envelope
from broker.runtime.client import Transaction
from lantime.alarms.keep import ALARM_MEMORY
from lantime.answer import DeviceAnswer
from lantime.contract import (
    CHASSIS,
    CLOCKS,
    NOTIFICATIONS,
    SLOTS,
    SYSTEM,
    AssignSlot,
    ChassisRecord,
    ChassisReplaced,
    ModuleRecord,
    NotificationTriggered,
    ReportModule,
    SlotChange,
    SlotChanged,
    SlotRecord,
    SyncState,
    SystemChanged,
)
from lantime.errors import DeviceError, DeviceUnreachable, Problem
from lantime.status.states import ClockState
from modular_parent.chassis import Chassis
from modular_parent.listing import slot_line
from modular_parent.sparing import BEHIND_SECONDS
from modular_parent.sync import SYNC, SyncRecord

ADDRESS = "m1000-a"
CLASSES: dict[str, Any] = {
    message.kind: message
    for message in (AssignSlot, ChassisReplaced, NotificationTriggered, ReportModule, SlotChanged, SystemChanged)
}
GPS = {"info": {"model": "gps180", "serial-number": "9"}}


def tcr(**more: Any) -> dict[str, Any]:
    """Return a TCR180 as the device reports it."""
    return {"info": {"model": "tcr180", "serial-number": "1"}, **more}


class Kept:
    """A client whose commits stay in memory, as the table would keep them; it can be away.

    What is read although it was not announced is noted: it would be a statement of its own.
    """

    def __init__(self) -> None:
        self.announced: Sequence[str] = ()
        self.unannounced: list[str] = []
        self.documents: dict[tuple[str, str], str] = {}
        self.sent: list[tuple[str, Any]] = []
        self.written: list[str] = []
        self.away = False
        self._count = 0

    def read(self, collection: str, key: str) -> str | None:
        """Return a committed document."""
        self._reads(collection)
        return self.documents.get((collection, key))

    def read_all(self, collection: str) -> dict[str, str]:
        """Return the committed documents of a collection."""
        self._reads(collection)
        return {key: body for (of, key), body in self.documents.items() if of == collection}

    @contextmanager
    def transaction(self, *, reading: Sequence[str] = ()) -> Iterator[Transaction]:
        """Collect, and commit all or nothing."""
        self._count += 1
        self.announced = reading
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
            self.written.append(write.collection)
        # Alarms have their own tests.
        told = [each for each in (*effects.sent, *effects.events) if not each.kind.startswith("lantime.")]
        self.sent += [(envelope.destination, self._message(envelope)) for envelope in told]

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

    def _reads(self, collection: str) -> None:
        if collection not in self.announced:
            self.unannounced.append(collection)

    def _message(self, envelope: Envelope) -> Any:
        return CLASSES[envelope.kind].model_validate_json(envelope.body)


class Device:
    """A device that answers with these slots, or does not answer."""

    url = "http://device"

    def __init__(self) -> None:
        self.slots: list[dict[str, Any]] = []
        self.more: dict[str, Any] = {}
        self.model: str | None = "m1000"
        self.serial: str | None = "c1"
        self.error: DeviceError | None = None

    def status(self) -> DeviceAnswer:
        """Answer."""
        if self.error is not None:
            raise self.error
        chassis = {"model": self.model, "serial-number": self.serial, "slots": self.slots}
        return DeviceAnswer(url=self.url, body={"data": {"chassis0": chassis, **self.more}})

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
    assert (report.slot, report.module, report.served) == ("clk1", None, False)
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


def test_what_a_service_says_of_its_writing_is_kept(chassis: Chassis, kept: Kept, device: Device) -> None:
    """Whether a slot's service writes is kept when it comes up, over polls, and said anew by another service of the slot."""
    chassis.poll()
    chassis.welcome("clk1", "read-only")
    assert kept.slot("clk1").writing == "read-only"
    chassis.poll()
    assert kept.slot("clk1").writing == "read-only"
    chassis.welcome("clk1", "field")
    assert kept.slot("clk1").writing == "field"
    assert slot_line(ADDRESS, kept.slot("clk1"))["writing"] == "field"


def test_a_service_that_comes_up_before_its_slot_is_seen_is_remembered(chassis: Chassis, kept: Kept) -> None:
    """What a service said before the first poll found its slot is kept with the slot; a slot without a service says nothing."""
    chassis.welcome("clk1", "field")
    assert (SLOTS, "clk1") not in kept.documents
    chassis.poll()
    assert kept.slot("clk1").writing == "field"
    empty = kept.slot("clk1").model_copy(update={"app": None})
    assert slot_line(ADDRESS, empty)["writing"] is None


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


def reports(reference: str = "clk1-tcr", *triggered: str, uptime: int = 1) -> dict[str, Any]:
    """Return what a device reports of its system, with these notifications triggered."""
    sync = {"reference": reference, "clock-status": {"clock": "synchronized"}}
    events = [
        {"object-id": name, "type": "error", "triggered": int(name in triggered), "last-triggered": "never"}
        for name in ("a", "b")
    ]
    return {"system": {"uptime": uptime, "sync-status": sync}, "notification": {"events": events}}


def test_a_quiet_poll_writes_nothing(chassis: Chassis, kept: Kept, device: Device, clock: ManualClock) -> None:
    """When nothing differs but times and load, the poll writes nothing until what is kept is ten seconds behind."""
    device.more = reports()
    chassis.refresh()
    assert set(kept.written) == {ALARM_MEMORY, CHASSIS, SLOTS, SYSTEM, NOTIFICATIONS}
    for second in range(1, int(BEHIND_SECONDS)):
        kept.written.clear()
        clock.advance(1)
        device.more = reports(uptime=second)
        chassis.refresh()
        assert kept.written == []
    clock.advance(1)
    chassis.refresh()
    assert sorted(kept.written) == [CHASSIS, SLOTS, SLOTS, SLOTS, SYSTEM]
    now = datetime.fromtimestamp(clock.now_us() / 1_000_000, UTC)
    assert (kept.chassis().last_poll, kept.slot("clk1").last_seen) == (now, now)


def test_a_poll_reads_at_once_what_it_compares_with(chassis: Chassis, kept: Kept, device: Device) -> None:
    """Every poll, one that gets no status too, announces all that it reads, so that it comes in one statement."""
    device.more = reports()
    for _ in range(2):
        chassis.poll()
        device.hold(clk1=tcr(mrs="new"), clk2=GPS, pwr1=None)
    device.error = DeviceUnreachable(Problem.TIMEOUT, url="http://device")
    with pytest.raises(DeviceUnreachable):
        chassis.refresh()
    assert kept.unannounced == []


def test_what_the_device_says_again_is_not_read_again(chassis: Chassis) -> None:
    """A poll that is told the same of a slot as the one before takes what was read then."""
    chassis.refresh()
    before = chassis._look
    chassis.refresh()
    after = chassis._look
    assert before is not None
    assert after is not None
    assert before.slots
    assert after.slots is not None
    assert all(look is before.slots[slot] for slot, look in after.slots.items())


def test_a_quiet_poll_writes_what_changed(chassis: Chassis, kept: Kept, device: Device, clock: ManualClock) -> None:
    """A poll that sees one slot, or the reference, change writes that and no more."""
    device.more = reports()
    chassis.refresh()
    kept.written.clear()
    clock.advance(1)
    device.hold(clk1=tcr(mrs="new"), clk2=GPS, pwr1=None)
    chassis.refresh()
    assert kept.written == [SLOTS]
    device.more = reports("clk2-gps")
    chassis.refresh()
    assert kept.written == [SLOTS, SYSTEM]


def test_a_poll_that_is_asked_for_writes_its_time(
    chassis: Chassis, kept: Kept, device: Device, clock: ManualClock
) -> None:
    """Whoever has the device polled now is answered with the time of that poll; the first poll of a process is kept, too."""
    chassis.refresh()
    clock.advance(1)
    inventory = chassis.poll()
    now = datetime.fromtimestamp(clock.now_us() / 1_000_000, UTC)
    assert inventory.chassis.last_poll == now
    assert {record.last_seen for record in inventory.slots} == {now}
    clock.advance(1)
    again = Chassis(ADDRESS, device, kept, clock)  # type: ignore[arg-type]  # as above
    again.refresh()
    assert kept.chassis().last_poll == datetime.fromtimestamp(clock.now_us() / 1_000_000, UTC)


def test_a_device_that_goes_away_was_polled_when_it_was(
    chassis: Chassis, kept: Kept, device: Device, clock: ManualClock
) -> None:
    """When polls begin to fail, the time of the last good one is exact, and a second failure writes nothing."""
    chassis.refresh()
    clock.advance(3)
    chassis.refresh()
    good = datetime.fromtimestamp(clock.now_us() / 1_000_000, UTC)
    device.error = DeviceUnreachable("timeout", url="http://device")
    clock.advance(1)
    with pytest.raises(DeviceError):
        chassis.refresh()
    assert kept.chassis().last_poll == good
    kept.written.clear()
    with pytest.raises(DeviceError):
        chassis.refresh()
    assert kept.written == []


CHANGE, NOTE = ("", "chassis.system-changed"), ("", "chassis.notification")


def test_notifications_and_changes_are_published_once(
    chassis: Chassis, kept: Kept, device: Device, clock: ManualClock
) -> None:
    """Each change of the system and each notification is one event, committed with what is kept, also across a restart."""
    device.more = reports("clk1-tcr", "a")
    chassis.poll()
    assert NOTE not in kept.told()
    device.more = reports("clk2-gps", "a", "b")
    kept.away = True
    with pytest.raises(TableUnavailable):
        chassis.refresh()
    kept.away = False
    chassis.refresh()
    (event,) = [message for _, message in kept.sent if message.kind == NOTE[1]]
    assert (event.id, event.severity) == ("b", "error")
    assert kept.told() == [NOTE, CHANGE]
    again = Chassis(ADDRESS, device, kept, clock)  # type: ignore[arg-type]  # as above
    again.refresh()
    assert kept.told() == []
    device.more = reports("clk1-tcr", "a")
    again.refresh()
    device.more = reports("clk1-tcr", "a", "b")
    again.refresh()
    assert kept.told() == [NOTE, CHANGE]


def test_a_silent_device_keeps_its_system(chassis: Chassis, kept: Kept, device: Device) -> None:
    """What was understood of the system stays when the device reports nothing of it, and a warning says so."""
    device.more = reports("clk1-tcr", "a")
    before = chassis.poll()
    device.more = {"system": None, "notification": "gone"}
    after = chassis.poll()
    assert (after.system, after.notifications) == (before.system, before.notifications)
    assert len(after.notifications) == 2
    assert any("nothing of its system" in warning for warning in after.chassis.warnings)


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
    assert {to for to, each in kept.sent if isinstance(each, ReportModule) and not each.served} == {gone[0]}
    assert kept.told() == [("", "chassis.replaced"), CHANGED, ASSIGN, REPORT, gone]
    assert (kept.slot("clk1").first_seen, kept.slot("clk1").serial) == (now, "77")
    assert {key for key in kept.documents if key[0] in {SLOTS, SYNC}} == {(SLOTS, "clk1"), (SLOTS, "io1")}
    chassis.poll()
    assert kept.told() == []


def test_what_a_service_said_of_its_writing_outlives_the_chassis_and_the_process_it_was_said_to(
    kept: Kept, device: Device, clock: ManualClock
) -> None:
    """A service that goes on while chassis and parent are replaced says nothing anew: what it said stays."""
    before, after = (Chassis(ADDRESS, device, kept, clock) for _ in range(2))  # type: ignore[arg-type]  # what it uses of them
    before.poll()
    before.welcome("clk1", "field")
    device.serial = "c2"
    after.poll()
    assert kept.slot("clk1").writing == "field"


def test_a_chassis_that_never_answered_has_its_address(chassis: Chassis, kept: Kept, device: Device) -> None:
    """A device that gave no status yet is known by the URL that was tried."""
    device.error = DeviceUnreachable(Problem.REFUSED, url=device.url)
    with pytest.raises(DeviceUnreachable):
        chassis.poll()
    assert kept.chassis().url == device.url


def test_the_log_says_what_of_the_system_changed(chassis: Chassis, device: Device) -> None:
    """A change of the reference is one line that names the reference, and nothing that is as it was."""
    for reference in ("clk1-tcr", "clk2-tcr"):
        device.more = {"system": {"sync-status": {"clock-status": {"clock": "synchronized"}, "reference": reference}}}
        with capture_logs() as logged:
            chassis.poll()
    (line,) = [line for line in logged if line["event"] == "system changed"]
    assert line["reference"] == "clk1-tcr -> clk2-tcr"
    assert not {"clock", "leds"} & line.keys()


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


def test_what_an_answer_does_not_say_of_the_chassis_stays(chassis: Chassis, kept: Kept, device: Device) -> None:
    """A chassis that once does not tell its model keeps the one that is known."""
    chassis.poll()
    device.model = None
    chassis.poll()
    assert kept.chassis().model == "m1000"
