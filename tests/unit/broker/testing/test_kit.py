"""The test kit: what integrators rely on when they test their handlers."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import pytest
from pydantic import BaseModel

from broker.errors import Reject, RetryLater
from broker.handlers.context import Context
from broker.handlers.registry import HandlerRegistry
from broker.handlers.retry import Backoff
from broker.lifecycle.state import Reason, State
from broker.messages.message import Command, Event, Reply
from broker.testing import Harness, KeptDocuments, run_handler


class Opened(Reply):
    kind: ClassVar[str] = "door.opened"
    times: int


class Rang(Event):
    kind: ClassVar[str] = "door.rang"
    who: str


class Open(Command[Opened]):
    kind: ClassVar[str] = "door.open"
    who: str = "someone"


class Tell(Command[None]):
    kind: ClassVar[str] = "door.tell"


class Count(BaseModel):
    times: int = 0


class Door:
    def __init__(self) -> None:
        self.opened_by: list[str] = []
        self.stuck = 0


handlers = HandlerRegistry[Door]("door")
handlers.sends(Rang, Tell)


@handlers.handles(Open, timeout=30.0, retry=Backoff(attempts=3, first=60.0, jitter=0.0))
def open_door(command: Open, ctx: Context[Door]) -> Opened:
    """Open the door, count how often, tell everybody."""
    if command.who == "burglar":
        raise Reject("no burglars")
    if ctx.cancelled:
        raise RetryLater(0.0, "asked to stop")
    if ctx.resource.stuck >= ctx.attempt:
        raise OSError("stuck")
    ctx.resource.opened_by.append(command.who)
    count = ctx.documents.get("doors", "front", Count) or Count()
    count = Count(times=count.times + 1)
    ctx.documents.put("doors", "front", count)
    ctx.publish(Rang(who=command.who))
    ctx.send(Tell(), to="neighbour")
    return Opened(times=count.times)


def test_one_handler_is_run_alone() -> None:
    """A handler gets its message, resource and documents; its reply, its sends and its documents are there to look at."""
    door, documents = Door(), KeptDocuments()
    documents.put("doors", "front", Count(times=4))
    first = run_handler(handlers, Open(who="ann"), door, documents=documents)
    assert first.reply == Opened(times=5)
    assert first.sent == [("neighbour", Tell())]
    assert first.published == [Rang(who="ann")]
    assert run_handler(handlers, Open(who="bob"), door, documents=documents).reply == Opened(times=6)
    assert door.opened_by == ["ann", "bob"]


def test_what_a_handler_raises_is_its_outcome() -> None:
    """Rejections, retries and the end of all attempts are told apart, and a wrong expectation says what came instead."""
    door = Door()
    assert run_handler(handlers, Open(who="burglar"), door).failed(Reason.REJECTED).error == "no burglars"
    door.stuck = 9
    assert run_handler(handlers, Open(), door).retried().after_seconds == 60.0
    assert run_handler(handlers, Open(), door, attempt=3).failed(Reason.ERROR).error == "OSError: stuck"
    assert run_handler(handlers, Open(), door, cancelled=True).retried().error == "asked to stop"
    assert run_handler(handlers, Tell(), door).failed(Reason.UNHANDLED)
    with pytest.raises(AssertionError, match=r"did not succeed.*no burglars"):
        _ = run_handler(handlers, Open(who="burglar"), door).reply
    with pytest.raises(AssertionError, match=r"did not fail \(error\).*no burglars"):
        run_handler(handlers, Open(who="burglar"), door).failed(Reason.ERROR)
    with pytest.raises(AssertionError, match=r"not tried again"):
        run_handler(handlers, Open(who="burglar"), door).retried()


def test_an_app_in_memory_has_the_real_table(interapp: Harness) -> None:
    """States, reasons, replies and what was sent are those of the real worker and the real table."""
    door = Door()
    interapp.serve(handlers, door)
    opened, refused = interapp.send(Open(who="ann")), interapp.send(Open(who="burglar"))
    assert interapp.succeeded(opened) == Opened(times=1)
    assert interapp.failed(refused, Reason.REJECTED).error == "no burglars"
    assert interapp.sent("neighbour") == [Tell()]
    assert [row.state for row in interapp.wait_all()] == [State.SUCCEEDED, State.FAILED]
    assert interapp.client.request(Open(), to="app", timeout=20).times == 2
    with pytest.raises(AssertionError, match=r"did not succeed.*no burglars"):
        interapp.succeeded(refused)


def test_the_clock_is_moved_not_waited_for(interapp: Harness) -> None:
    """Retries that are a minute apart take no time: the test moves the clock."""
    door = Door()
    door.stuck = 2
    interapp.serve(handlers, door)
    message_id = interapp.send(Open())
    for attempt in (1, 2):
        interapp.wait(message_id, State.WAITING, attempts=attempt)
        interapp.advance(120.0)
    assert interapp.succeeded(message_id) == Opened(times=1)
    assert [entry.what for entry in interapp.history(message_id)] == ["retry", "retry"]


def test_a_transport_that_misbehaves_changes_nothing(interapp: Harness) -> None:
    """Doubled, lost, unconfirmed and redelivered messages are each handled once, in the order of sending."""
    door = Door()
    interapp.serve(handlers, door)
    interapp.transport.double(3)
    interapp.transport.lose(3)
    interapp.transport.drop_confirms(3)
    sent = []
    for number in range(30):
        sent.append(interapp.send(Open(who=str(number))))
        if number % 7 == 0:
            interapp.transport.redeliver()
    interapp.wait_all()
    assert door.opened_by == [str(number) for number in range(30)]


def test_apps_of_one_process_talk(tmp_path: Path) -> None:
    """Several apps in one harness get each other's messages and events."""
    heard: list[str] = []
    listening = HandlerRegistry[list[str]]("neighbour")

    @listening.handles(Rang)
    def hear(event: Rang, ctx: Context[list[str]]) -> None:
        ctx.resource.append(event.who)

    @listening.handles(Tell)
    def listen(command: Tell, ctx: Context[list[str]]) -> None:
        ctx.resource.append("told")

    with Harness(tmp_path) as harness:
        harness.serve(listening, heard, "neighbour")
        harness.serve(handlers, Door())
        harness.send(Open(who="ann"))
        harness.wait_all(count=3)
    assert sorted(heard) == ["ann", "told"]
