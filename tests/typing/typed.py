"""Read by mypy in a test: what is asked is typed by the command, and a handler by the message that it is registered for."""

from typing import Any, ClassVar, assert_type

from broker.handlers.context import Context
from broker.handlers.registry import HandlerRegistry
from broker.messages.call import CallResult, Replied
from broker.messages.message import Command, Event, Reply
from broker.runtime.client import Client


class Sum(Reply):
    kind: ClassVar[str] = "test.sum"
    total: int


class Add(Command[Sum]):
    kind: ClassVar[str] = "test.add"
    one: int
    other: int


class Note(Command[None]):
    kind: ClassVar[str] = "test.note"


class Happened(Event):
    kind: ClassVar[str] = "test.happened"


handlers = HandlerRegistry[str]("typed")


@handlers.handles(Add)
def add(message: Add, _ctx: Context[str]) -> Sum:
    """Answer with what the class says."""
    return Sum(total=message.one + message.other)


@handlers.handles(Note)
def note(_message: Note, ctx: Context[str]) -> None:
    """Answer with nothing."""
    assert_type(ctx.resource, str)


@handlers.handles(Happened)
def happened(_message: Happened, _ctx: Context[str]) -> None:
    """Take an event."""


@handlers.handles(Sum)
def summed(_message: Sum, _ctx: Context[str]) -> None:
    """Take a reply that came by reply_to."""


def ask(client: Client) -> None:
    """Ask in every way."""
    command = Add(one=1, other=2)
    assert_type(client.request(command, to="a", timeout=1), Sum)
    for reply in client.stream(command, to="a", timeout=1):
        assert_type(reply, Sum)
    alike = client.request_call([command, command], to="a", timeout=1)
    assert_type(alike, list[CallResult[Sum]])
    for result in alike:
        if isinstance(result, Replied):
            assert_type(result.reply, Sum)
    assert_type(client.request_call([command, Note(), Happened()], to="a", timeout=1), list[CallResult[Any]])


@handlers.handles(Add)  # wrong: no reply
def no_reply(_message: Add, _ctx: Context[str]) -> None:
    """Forget the reply."""


@handlers.handles(Note)  # wrong: a needless reply
def needless_reply(_message: Note, _ctx: Context[str]) -> Sum:
    """Answer what asked for nothing."""
    return Sum(total=0)


@handlers.handles(Note)  # wrong: another message
def other_message(_message: Add, _ctx: Context[str]) -> None:
    """Take another message."""


@handlers.handles(Happened)  # wrong: another resource
def other_resource(_message: Happened, _ctx: Context[int]) -> None:
    """Expect another resource."""


@handlers.handles(Happened)  # wrong: an event is not answered
def answered_event(_message: Happened, _ctx: Context[str]) -> Sum:
    """Answer an event."""
    return Sum(total=0)
