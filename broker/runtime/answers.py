"""From a row's outcome to what a requester is given."""

from typing import Any, TypeVar

from broker.errors import ContractError, InvalidMessage, RequestFailed
from broker.lifecycle.state import Reason, State
from broker.messages.call import CallFailed, CallResult, NotYet, Replied
from broker.messages.codec import decode, decode_reply
from broker.messages.message import Command, Event, Reply
from broker.table.queries import Answer
from broker.table.reports import PartialReply

ReplyT = TypeVar("ReplyT", bound="Reply | None")


def final_reply(command: Command[ReplyT], answer: Answer) -> ReplyT:
    """Return the reply of a final outcome.

    Raises RequestFailed with the reason when it failed, InvalidMessage or UnsupportedVersion when the reply is not what the
    command's class says, or of a version not known here.
    """
    if answer.state is State.FAILED:
        raise RequestFailed(answer.reason, answer.error)
    # The command's class says which it is.
    return _reply_in(answer, command)  # type: ignore[return-value]


def partial_reply(command: Command[ReplyT], partial: PartialReply) -> ReplyT:
    """Return a reply that came before the final one. Raises InvalidMessage as ``final_reply``."""
    expected = command.reply_class()
    if expected is None:
        raise InvalidMessage(f"{command.kind} is answered by nothing, but got the reply {partial.kind}")
    return decode(expected, partial.body.encode())  # type: ignore[return-value] # as above


def to_result(message: Command[Any] | Event, message_id: str, answer: Answer | None) -> CallResult[Any]:
    """Return what became of one message of a call; None: the table did not say how it stands."""
    if answer is None or not answer.state.final:
        return NotYet(answer.state if answer else None, message_id)
    if answer.state is State.FAILED:
        return CallFailed(Reason(answer.reason), answer.error, message_id)
    if isinstance(message, Event):
        return Replied(None, message_id)
    try:
        return Replied(final_reply(message, answer), message_id)
    except ContractError as exc:
        # One reply that cannot be read must not cost the results of the others.
        return CallFailed(Reason.INVALID, f"it succeeded, but its reply cannot be read: {exc}", message_id)


def _reply_in(answer: Answer, command: Command[Any]) -> Reply | None:
    expected = command.reply_class()
    if expected is None:
        return None
    if answer.reply_kind != expected.kind:
        raise InvalidMessage(f"{command.kind} was answered by {answer.reply_kind or 'nothing'}, not by {expected.kind}")
    return decode_reply(expected, (answer.reply or "").encode(), answer.reply_version or 1)
