"""What became of each message of a call, for whoever asked."""

from dataclasses import dataclass
from typing import Generic, TypeVar

from broker.lifecycle.state import Reason, State

ReplyT_co = TypeVar("ReplyT_co", covariant=True)


@dataclass(frozen=True, slots=True)
class Replied(Generic[ReplyT_co]):
    """The message was handled."""

    reply: ReplyT_co
    """What answers it: None for a command that is answered by nothing."""
    message_id: str


@dataclass(frozen=True, slots=True)
class CallFailed:
    """The message's handler ended as failed."""

    reason: Reason
    error: str
    message_id: str


@dataclass(frozen=True, slots=True)
class NotYet:
    """The time was over first. The message goes on; its outcome is kept in the table, where it is shown as late."""

    state: State | None
    """Where it stood; None when the table did not say."""
    message_id: str


CallResult = Replied[ReplyT_co] | CallFailed | NotYet
