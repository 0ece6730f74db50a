"""From a row's outcome to what a requester is given."""

from typing import ClassVar

import pytest

from broker.errors import InvalidMessage, RequestFailed
from broker.lifecycle.state import Reason, State
from broker.messages.call import CallFailed, CallResult, NotYet, Replied
from broker.messages.message import Command, Event, Reply
from broker.runtime.answers import final_reply, partial_reply, to_result
from broker.table.queries import Answer
from broker.table.reports import PartialReply


class Done(Reply):
    kind: ClassVar[str] = "test.done"
    n: int


class Do(Command[Done]):
    kind: ClassVar[str] = "test.do"


class Quiet(Command[None]):
    kind: ClassVar[str] = "test.quiet"


class Happened(Event):
    kind: ClassVar[str] = "test.happened"


def answer(state: State, reply: str | None = None) -> Answer:
    """Return how a row stands."""
    reason = "rejected" if state is State.FAILED else ""
    return Answer(state, reason, "no" if reason else "", "test.done" if reply else None, reply)


@pytest.mark.parametrize(
    ("message", "found", "result"),
    [
        (Do(), answer(State.SUCCEEDED, '{"n": 1}'), Replied(Done(n=1), "id")),
        (Quiet(), answer(State.SUCCEEDED), Replied(None, "id")),
        (Happened(), answer(State.SUCCEEDED), Replied(None, "id")),
        (Do(), answer(State.FAILED), CallFailed(Reason.REJECTED, "no", "id")),
        (Do(), answer(State.PROCESSING), NotYet(State.PROCESSING, "id")),
        (Do(), None, NotYet(None, "id")),
    ],
)
def test_each_standing_has_its_result(message: Command[Done], found: Answer | None, result: CallResult[Done]) -> None:
    """Whatever a row says, its message has a result."""
    assert to_result(message, "id", found) == result


@pytest.mark.parametrize("reply", ['{"n": "1"}', "", "[]", '{"n": 1, "more": 2}'])
def test_a_reply_that_cannot_be_read_costs_one_result(reply: str) -> None:
    """A reply of another shape is a failed result in a call, and InvalidMessage for a single request."""
    result = to_result(Do(), "id", answer(State.SUCCEEDED, reply))
    assert isinstance(result, CallFailed)
    assert result.reason is Reason.INVALID
    assert "it succeeded, but its reply cannot be read" in result.error
    with pytest.raises(InvalidMessage):
        final_reply(Do(), answer(State.SUCCEEDED, reply))


def test_a_failure_is_raised() -> None:
    """A single request that failed raises its reason and its error."""
    with pytest.raises(RequestFailed, match=r"failed \(rejected\): no"):
        final_reply(Do(), answer(State.FAILED))


def test_a_partial_reply_is_checked_as_the_final_one() -> None:
    """A partial reply is of the command's reply class; a command without one has no partial replies."""
    assert partial_reply(Do(), PartialReply(1, 1, "test.done", '{"n": 2}', 5)) == Done(n=2)
    for command, body in ((Do(), '{"m": 2}'), (Quiet(), "{}")):
        with pytest.raises(InvalidMessage):
            partial_reply(command, PartialReply(1, 1, "test.done", body, 5))
