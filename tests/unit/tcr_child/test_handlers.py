"""What a slot's service does with messages, run as a worker runs them."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pydantic import BaseModel, JsonValue

from broker.handlers.context import Context, Documents, Outbox
from broker.handlers.outcome import Failed, Outcome, Retry, Succeeded
from broker.handlers.run import run
from broker.lifecycle.clock import ManualClock
from broker.lifecycle.state import Reason
from broker.messages.codec import decode, encode
from broker.messages.envelope import Envelope
from broker.messages.message import Command
from lantime.answer import DeviceAnswer
from lantime.client import LantimeClient
from lantime.contract import AssignSlot, GetSlotStatus, PollSlotNow, ReportModule, SlotStatus, SyncChanged
from lantime.errors import DeviceUnreachable, LoginRefused, SlotNotFound
from lantime.status.slot import Slot, parse_slot
from lantime.status.states import ClockState
from tcr_child.handlers import handlers
from tcr_child.module import ASSIGNMENT, MODULE, STATUS, Assignment, ModuleRecord
from tcr_child.slot import TcrSlot

CHASSIS = "m1000-a"


def module(clock: str = "synchronized", model: str = "tcr180") -> dict[str, JsonValue]:
    """Return a module as the device reports it."""
    return {
        "info": {"model": model, "serial-number": "1", "software-revision": "2.0"},
        "sync-status": {"clock-status": {"clock": clock, "oscillator": "warmed-up"}},
    }


class Service:
    """One slot's service: its documents in memory, its handlers run as a worker would, and what they published."""

    def __init__(self, device: LantimeClient | None = None) -> None:
        self.clock = ManualClock()
        self.slot = TcrSlot(CHASSIS, "clk1", device, self.clock)
        self.kept: dict[tuple[str, str], str] = {}
        self.published: list[SyncChanged] = []
        self._count = 0

    def read(self, collection: str, key: str) -> str | None:
        """Return a committed document."""
        return self.kept.get((collection, key))

    def read_all(self, collection: str) -> dict[str, str]:
        """Return the committed documents of a collection."""
        return {key: body for (of, key), body in self.kept.items() if of == collection}

    def document(self, key: str, model: type[BaseModel]) -> Any:
        """Return a committed document about the module."""
        return model.model_validate_json(self.kept[MODULE, key])

    def handle(self, message: Command[Any], *, attempt: int = 1) -> Outcome:
        """Run the message's handler; commit what it did when it succeeded."""
        self._count += 1
        envelope = Envelope(
            message_id=str(self._count), kind=message.kind, body=encode(message), destination=f"{CHASSIS}.clk1"
        )
        context = Context(
            resource=self.slot,
            app=envelope.destination,
            envelope=envelope,
            attempt=attempt,
            documents=Documents(self),
            outbox=Outbox(source=envelope.destination, seed=(self._count,), user="", now_us=self.clock.now_us),
        )
        outcome = run(handlers.get(message.kind), context)
        if isinstance(outcome, Succeeded):
            for write in outcome.effects.documents:
                assert write.body is not None
                self.kept[write.collection, write.key] = write.body
            # Alarms have their own tests.
            changes = [event for event in outcome.effects.events if event.kind == SyncChanged.kind]
            self.published += [decode(SyncChanged, event.body) for event in changes]
            assert outcome.effects.sent == ()
        return outcome

    def status(self) -> SlotStatus:
        """Ask for what is known; it always succeeds."""
        outcome = self.handle(GetSlotStatus())
        assert isinstance(outcome, Succeeded)
        assert outcome.reply is not None
        return decode(SlotStatus, outcome.reply)

    def now(self) -> datetime:
        """Return the time."""
        return datetime.fromtimestamp(self.clock.now_us() / 1_000_000, UTC)

    def report(self, content: dict[str, JsonValue] | None, *, ago: float = 0.0) -> Outcome:
        """Give the service the module's status as it was some seconds ago."""
        observed = self.now() - timedelta(seconds=ago)
        return self.handle(ReportModule(slot="clk1", observed_at=observed, api_major=16, module=content))


@pytest.fixture
def service() -> Service:
    """A service that does not talk to the device itself."""
    return Service()


def assignment(**fields: str) -> AssignSlot:
    """Return an assignment of the slot."""
    return AssignSlot(**{"chassis": CHASSIS, "slot": "clk1", "model": "tcr180", "serial": "1"} | fields)  # type: ignore[arg-type]


def test_a_service_that_knows_nothing_says_so(service: Service) -> None:
    """Before anything arrived a request succeeds, and all that is not known is null."""
    assert service.status() == SlotStatus(chassis=CHASSIS, slot="clk1", assigned=False)


def test_an_assignment_is_kept(service: Service) -> None:
    """Which module is served is known from the assignment on, before its first status."""
    assert isinstance(service.handle(assignment(software="2.0", firmware="fw_7")), Succeeded)
    kept = service.document(ASSIGNMENT, Assignment)
    assert (kept.model, kept.serial, kept.firmware, kept.assigned_at) == ("tcr180", "1", "fw_7", service.now())
    status = service.status()
    assert (status.assigned, status.model, status.serial, status.software) == (True, "tcr180", "1", "2.0")
    assert (status.present, status.status, status.age_seconds) == (None, None, None)


@pytest.mark.parametrize("wrong", [{"slot": "clk2"}, {"chassis": "m1000-b"}])
def test_an_assignment_for_another_slot_is_rejected(service: Service, wrong: dict[str, str]) -> None:
    """A service takes no module of another slot; the rejection names both places."""
    outcome = service.handle(assignment(**wrong))
    assert isinstance(outcome, Failed)
    assert outcome.reason is Reason.REJECTED
    assert "m1000-a.clk1" in outcome.error
    assert next(iter(wrong.values())) in outcome.error
    assert service.kept == {}


def test_a_report_is_kept_and_told(service: Service) -> None:
    """The module's status is read and kept; how old it is, is told to whoever asks."""
    assert isinstance(service.report(module()), Succeeded)
    service.clock.advance(2.5)
    status = service.status()
    assert (status.present, status.model, status.age_seconds) == (True, "tcr180", 2.5)
    assert status.status is not None
    assert status.status.clock is ClockState.SYNCHRONIZED
    assert service.published == [], "a first look is no change"


def test_a_report_of_another_slot_is_rejected(service: Service) -> None:
    """A status that is not of this slot is rejected and changes nothing."""
    outcome = service.handle(ReportModule(slot="clk2", observed_at=service.now(), module=module()))
    assert isinstance(outcome, Failed)
    assert outcome.reason is Reason.REJECTED
    assert service.kept == {}


def test_a_change_of_sync_is_published_once(service: Service) -> None:
    """When the clock loses its synchronisation one event says so, with the state before and after and the time."""
    service.report(module())
    service.clock.advance(1)
    service.report(module("holdover"))
    service.report(module("holdover"))
    (event,) = service.published
    assert (event.before.clock, event.after.clock) == (ClockState.SYNCHRONIZED, ClockState.HOLDOVER)
    assert (event.slot, event.observed_at) == ("clk1", service.now())


def test_a_report_that_comes_late_changes_nothing(service: Service) -> None:
    """A status that is older than what is known is handled without effect: the newer one stays and nothing is told."""
    service.report(module("holdover"))
    before = dict(service.kept)
    assert service.report(module(), ago=5.0) == Succeeded()
    assert service.kept == before
    assert service.published == []


def test_a_removed_module_is_told_and_its_status_stays(service: Service) -> None:
    """When the slot is empty the service says so; the last status stays, and the loss of sync is an event."""
    service.report(module())
    service.clock.advance(1)
    service.report(None)
    status = service.status()
    assert (status.present, status.model, status.serial) == (False, "tcr180", "1")
    assert status.status is not None
    assert service.document(STATUS, ModuleRecord).present is False
    assert [event.after.clock for event in service.published] == [ClockState.UNKNOWN]


@pytest.mark.parametrize("content", [{}, {"info": None}, {"info": {}}, {"info": {"model": 7}, "sync-status": []}])
def test_an_odd_module_never_fails(service: Service, content: dict[str, JsonValue]) -> None:
    """Whatever JSON the device reports for the module, the report is handled and the service goes on."""
    assert isinstance(service.report(content), Succeeded)
    service.status()


@pytest.mark.parametrize(
    "garbage", [{"module": None, "unreadable": True}, {"module": {"info": 5}}, {"module": {"info": {}}}]
)
def test_what_was_understood_stays_visible_with_its_age(service: Service, garbage: dict[str, Any]) -> None:
    """A report that cannot be read leaves the last status for whoever asks, each part with the time it was understood."""
    service.report(module())
    understood = service.now()
    service.clock.advance(30)
    report = ReportModule(slot="clk1", observed_at=service.now(), api_major=16, **garbage)
    assert isinstance(service.handle(report), Succeeded)
    status = service.status()
    assert status.status is not None
    assert (status.present, status.model, status.status.clock) == (True, "tcr180", ClockState.SYNCHRONIZED)
    assert status.stale == {"clock": understood, "oscillator": understood}
    assert [event.after.clock for event in service.published] == [ClockState.UNKNOWN], "it is not known any more"


def test_an_age_is_never_negative(service: Service) -> None:
    """A status that was observed by a clock ahead of ours is not older than now."""
    service.report(module(), ago=-3.0)
    assert service.status().age_seconds == 0.0


def test_nothing_of_the_module_before_is_shown_for_a_new_one(service: Service) -> None:
    """From its assignment on a new module is shown as what it is; what was observed of the one before says nothing of it."""
    service.handle(assignment(serial="1"))
    service.report(module())
    service.clock.advance(1)
    service.handle(assignment(serial="2", software="3.0"))
    status = service.status()
    assert (status.assigned, status.serial, status.software) == (True, "2", "3.0")
    assert (status.present, status.status, status.observed_at, status.age_seconds) == (None, None, None, None)
    new = {**module(), "info": {"model": "tcr180", "serial-number": "2"}}
    service.report(new)
    assert (service.status().present, service.status().serial) == (True, "2")


@pytest.mark.parametrize("serial", ["1", None])
def test_the_same_module_assigned_again_stays_shown(service: Service, serial: str | None) -> None:
    """An assignment of the module that is known, or of one that does not tell its serial number, hides nothing."""
    service.report(module())
    service.handle(AssignSlot(chassis=CHASSIS, slot="clk1", model="tcr180", serial=serial))
    assert service.status().status is not None


def test_a_module_that_was_read_before_its_assignment_is_shown(service: Service) -> None:
    """A service that reads the new module before it is assigned goes on showing it."""
    service.handle(assignment(serial="1"))
    service.report({**module(), "info": {"model": "tcr180", "serial-number": "2"}})
    assert (service.status().serial, service.status().present) == ("2", True)
    service.handle(assignment(serial="2"))
    assert (service.status().serial, service.status().present) == ("2", True)


# Reading the device itself.


def test_polling_without_a_device_is_rejected(service: Service) -> None:
    """A service that was given no device cannot read it: the rejection says which settings are missing."""
    outcome = service.handle(PollSlotNow())
    assert isinstance(outcome, Failed)
    assert outcome.reason is Reason.REJECTED
    for name in ("LANTIME_URL", "LANTIME_USERNAME", "LANTIME_PASSWORD"):
        assert name in outcome.error


class Slots:
    """A device as the handler uses it: one slot, or the error that reading it raises."""

    def __init__(self, found: object, *, whole: object = (), credentials_missing: bool = False) -> None:
        self.found = found
        self.whole = whole
        self.credentials_missing = credentials_missing
        self.url = "http://device"

    def status(self, *, cancelled: Callable[[], bool]) -> DeviceAnswer:
        """Return the whole status, which has the slots ``whole``."""
        return DeviceAnswer(url="http://device", body={"data": {"chassis0": {"slots": self.whole}}})

    def slot(self, slot_id: str, *, cancelled: Callable[[], bool]) -> object:
        """Return the slot, or raise."""
        assert not cancelled()
        assert slot_id == "clk1"
        if isinstance(self.found, Exception):
            raise self.found
        return self.found


def polling(found: object, **more: Any) -> Service:
    """Return a service with such a device."""
    return Service(Slots(found, **more))  # type: ignore[arg-type]  # what the handler uses of it


def test_a_poll_reads_keeps_and_answers() -> None:
    """Polling reads the slot now, keeps what it saw, tells what changed, and answers with it."""
    service = polling(parse_slot("clk1", {"module": module("holdover")}, api_major=16))
    service.report(module())
    service.clock.advance(1)
    outcome = service.handle(PollSlotNow())
    assert isinstance(outcome, Succeeded)
    assert outcome.reply is not None
    reply = decode(SlotStatus, outcome.reply)
    assert reply.status is not None
    assert (reply.status.clock, reply.observed_at, reply.age_seconds) == (ClockState.HOLDOVER, service.now(), 0.0)
    assert len(service.published) == 1
    assert json.loads(service.kept[MODULE, STATUS])["present"] is True


@pytest.mark.parametrize(
    ("found", "says"),
    [
        (Slot(slot_id="clk1"), "slot clk1 holds no module"),
        (SlotNotFound("clk1", url="http://device"), "slot clk1 holds no module"),
        (LoginRefused("wrong password", url="http://device"), "the device refuses the login: "),
    ],
    ids=["empty", "no slot", "login"],
)
def test_a_poll_that_cannot_succeed_is_rejected(found: object, says: str) -> None:
    """What another attempt will not mend is rejected with what the device said, and nothing is kept."""
    service = polling(found)
    outcome = service.handle(PollSlotNow())
    assert isinstance(outcome, Failed)
    assert outcome.reason is Reason.REJECTED
    assert says in outcome.error
    assert service.kept == {}


def test_a_poll_that_sees_no_module_and_no_empty_slot_is_tried_again() -> None:
    """What cannot be read may be another answer the next time: the poll has further attempts, and nothing is wiped."""
    service = polling(parse_slot("clk1", {"module": [1]}))
    service.report(module())
    outcome = service.handle(PollSlotNow())
    assert isinstance(outcome, Retry)
    assert "slot clk1 is no module" in outcome.error
    assert service.document(STATUS, ModuleRecord).present


def test_a_device_without_paths_of_slots_is_polled_as_a_whole() -> None:
    """A device that does not know the path of a slot is asked for its whole status, and the slot is found in that."""
    slots = [{"slot-id": "clk2", "module": module("holdover")}, {"slot-id": "clk1", "module": module()}]
    service = polling(SlotNotFound("clk1", url="http://device"), whole=slots)
    assert isinstance(service.handle(PollSlotNow()), Succeeded)
    assert service.document(STATUS, ModuleRecord).sync.clock is ClockState.SYNCHRONIZED


def test_a_poll_without_a_login_is_rejected() -> None:
    """A device whose login is not set is not asked."""
    outcome = polling(AssertionError("it was asked"), credentials_missing=True).handle(PollSlotNow())
    assert isinstance(outcome, Failed)
    assert outcome.reason is Reason.REJECTED


@pytest.mark.parametrize("attempt", [1, 3, 4])
def test_a_device_that_is_away_is_tried_again(attempt: int) -> None:
    """While the device cannot be reached the poll has further attempts, four in all; then it fails with the error."""
    outcome = polling(DeviceUnreachable("timeout", url="http://device", detail="no route")).handle(
        PollSlotNow(), attempt=attempt
    )
    if attempt < 4:
        assert isinstance(outcome, Retry)
        assert outcome.counted
    else:
        assert isinstance(outcome, Failed)
        assert outcome.reason is Reason.ERROR
    assert "no route" in outcome.error
