"""What the door alarm promises: first one handler alone, then whole apps in memory."""

from dataclasses import dataclass
from typing import Any

from broker.lifecycle.state import Reason
from broker.testing import Harness, KeptDocuments, run_handler
from door_alarm import chassis, slot
from door_alarm.messages import ArmDoor, Armed, DoorOpened, ReportDoor


@dataclass
class Rack:
    """Stands for a TcrSlot: the alarm needs its name alone."""

    slot: str = "clk1"


RACK: Any = Rack()


def test_arming_twice_changes_nothing_the_second_time() -> None:
    """The executor compares before it sets, and its reply says whether anything was changed."""
    documents = KeptDocuments()
    first = run_handler(slot.handlers, ArmDoor(armed=True), RACK, documents=documents)
    second = run_handler(slot.handlers, ArmDoor(armed=True), RACK, documents=documents)
    assert (first.reply, second.reply) == (Armed(armed=True, changed=True), Armed(armed=True, changed=False))
    assert second.documents == ()


def test_an_open_door_is_not_armed() -> None:
    """What makes no sense is rejected, never retried."""
    documents = KeptDocuments()
    run_handler(slot.handlers, ReportDoor(open=True), RACK, documents=documents)
    run = run_handler(slot.handlers, ArmDoor(armed=True), RACK, documents=documents)
    assert run.failed(Reason.REJECTED).error == "the door is open: close it first"


def test_only_an_armed_door_rings() -> None:
    """The event is published once, when the door of an armed rack opens."""
    documents = KeptDocuments()

    def said(is_open: bool) -> list[Any]:
        return run_handler(slot.handlers, ReportDoor(open=is_open), RACK, documents=documents).published

    assert said(True) == said(False) == []
    run_handler(slot.handlers, ArmDoor(armed=True), RACK, documents=documents)
    assert said(True) == [DoorOpened(slot="clk1")]
    assert said(True) == []


def test_the_chassis_writes_it_down(interapp: Harness) -> None:
    """Both apps in one process, with the real worker and the real handler table: the event reaches its subscriber."""
    interapp.serve(chassis.handlers, RACK, "m1000-a")
    interapp.serve(slot.handlers, RACK, "m1000-a.clk1")
    interapp.send(ArmDoor(armed=True), to="m1000-a.clk1")
    interapp.send(ReportDoor(open=True), to="m1000-a.clk1")
    interapp.wait_all(count=3)
    assert interapp.sent("m1000-a") == [DoorOpened(slot="clk1")]
