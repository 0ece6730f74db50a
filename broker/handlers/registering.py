"""The decorator that registers a handler for a message class, typed by that class: what answers it is what must be returned."""

from collections.abc import Awaitable, Callable
from typing import Any, Generic, TypeVar, overload

from broker.handlers.context import Context, ResourceT
from broker.handlers.executor import MessageExecutor
from broker.messages.message import Command, Event, Message, Reply

MessageT_co = TypeVar("MessageT_co", bound=Message, covariant=True)
ReplyT = TypeVar("ReplyT", bound="Reply | None")
ExecutorT = TypeVar("ExecutorT", bound=MessageExecutor[Any, Any])


class Registering(Generic[MessageT_co, ResourceT]):
    """Registers one function or executor and returns it unchanged."""

    def __init__(self, add: Callable[[Callable[..., Any]], None]) -> None:
        """``add`` checks the function and registers it. Raises what ``HandlerRegistry.handles`` says."""
        self._add = add

    @overload
    def __call__(
        self: "Registering[Command[ReplyT], ResourceT]", function: Callable[[MessageT_co, Context[ResourceT]], ReplyT]
    ) -> Callable[[MessageT_co, Context[ResourceT]], ReplyT]: ...

    @overload
    def __call__(
        self: "Registering[Command[ReplyT], ResourceT]",
        function: Callable[[MessageT_co, Context[ResourceT]], Awaitable[ReplyT]],
    ) -> Callable[[MessageT_co, Context[ResourceT]], Awaitable[ReplyT]]: ...

    @overload
    def __call__(
        self: "Registering[Event | Reply, ResourceT]",
        function: Callable[[MessageT_co, Context[ResourceT]], Awaitable[None] | None],
    ) -> Callable[[MessageT_co, Context[ResourceT]], Awaitable[None] | None]: ...

    @overload
    def __call__(
        self, function: Callable[[MessageT_co, Context[ResourceT]], ExecutorT]
    ) -> Callable[[MessageT_co, Context[ResourceT]], ExecutorT]: ...

    def __call__(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Register the function, or the executor's class."""
        self._add(function)
        return function
