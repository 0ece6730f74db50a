"""The decorator that registers a function for a message class, typed by that class: what answers it is what must be returned."""

from collections.abc import Callable
from typing import Any, Generic, TypeVar, overload

from broker.handlers.context import Context, ResourceT
from broker.messages.message import Command, Event, Message, Reply

MessageT_co = TypeVar("MessageT_co", bound=Message, covariant=True)
ReplyT = TypeVar("ReplyT", bound="Reply | None")


class Registering(Generic[MessageT_co, ResourceT]):
    """Registers one function and returns it unchanged."""

    def __init__(self, add: Callable[[Callable[..., Any]], None]) -> None:
        """``add`` checks the function and registers it. Raises what ``HandlerRegistry.handles`` says."""
        self._add = add

    @overload
    def __call__(
        self: "Registering[Command[ReplyT], ResourceT]", function: Callable[[MessageT_co, Context[ResourceT]], ReplyT]
    ) -> Callable[[MessageT_co, Context[ResourceT]], ReplyT]: ...

    @overload
    def __call__(
        self: "Registering[Event | Reply, ResourceT]", function: Callable[[MessageT_co, Context[ResourceT]], None]
    ) -> Callable[[MessageT_co, Context[ResourceT]], None]: ...

    def __call__(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Register the function."""
        self._add(function)
        return function
