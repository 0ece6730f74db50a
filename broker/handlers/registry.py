"""The registry: which function handles which message. An explicit value; whatever is wrong with it is said when it is built."""

import inspect
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import isfinite
from typing import Any, Generic, TypeVar, get_type_hints

from broker.handlers.context import Context, ResourceT
from broker.handlers.registering import Registering
from broker.handlers.retry import Backoff
from broker.messages.catalogue import Catalogue, place
from broker.messages.message import Command, Event, Message, Reply

MessageT = TypeVar("MessageT", bound=Message)


@dataclass(frozen=True, slots=True, kw_only=True)
class Handler(Generic[ResourceT]):
    """A function registered for a message class, with how it is run."""

    name: str
    """``package.module.function``, as the table shows it."""
    message: type[Message]
    function: Callable[[Any, Context[ResourceT]], Reply | None]
    timeout_seconds: float | None
    retry: Backoff
    isolated: bool = False
    """Whether it runs in a process of its own, which is killed when its time is up."""

    @property
    def reply(self) -> type[Reply] | None:
        """Return the class it must answer with, or None."""
        return self.message.reply_class() if issubclass(self.message, Command) else None


class HandlerRegistry(Generic[ResourceT]):
    """Handlers of one sort of app, and every kind that such an app sends or handles."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.catalogue = Catalogue()
        self._handlers: dict[str, Handler[ResourceT]] = {}

    def handles(
        self,
        message: type[MessageT],
        *,
        timeout: float | None = None,
        retry: Backoff | None = None,
        isolated: bool = False,
    ) -> Registering[MessageT, ResourceT]:
        """Register the decorated function for a Command, an Event, or a Reply that was sent to this app by ``reply_to``.

        ``timeout`` is in seconds (None: as long as it takes). ``isolated`` runs it in a process beside the worker,
        which is killed when the timeout has passed. Raises TypeError when the kind has a handler already, the function's
        annotations contradict the message, or an isolated function cannot be imported by name; ValueError when an
        isolated handler has no timeout.
        """
        return Registering(
            lambda function: self._add(message, function, timeout, retry or Backoff(), isolated=isolated)
        )

    def sends(self, *messages: type[Message]) -> None:
        """Add classes that this sort of app sends without handling them, so that they are in the catalogue."""
        for message in messages:
            self.catalogue.add(message)

    def _add(
        self,
        message: type[Message],
        function: Callable[..., Any],
        timeout: float | None,
        retry: Backoff,
        *,
        isolated: bool,
    ) -> None:
        name = f"{function.__module__}.{function.__qualname__}"
        if not issubclass(message, Command | Event | Reply):
            raise TypeError(f"{name}: {place(message)} is neither a Command nor an Event nor a Reply")
        if timeout is not None and timeout <= 0:
            raise ValueError(f"{name}: timeout={timeout!r} must be more than 0 seconds, or None")
        _check_annotations(name, message, function)
        if isolated:
            _check_isolated(name, function, timeout)
        self.catalogue.add(message)
        present = self._handlers.get(message.kind)
        if present is not None:
            raise TypeError(
                f"kind {message.kind!r} has two handlers in registry {self.name!r}: {present.name} and {name}"
            )
        handler: Handler[ResourceT] = Handler(
            name=name,
            message=message,
            function=function,
            timeout_seconds=timeout,
            retry=retry,
            isolated=isolated,
        )
        if handler.reply is not None:
            self.catalogue.add(handler.reply)
        self._handlers[message.kind] = handler

    def include(self, other: "HandlerRegistry[ResourceT]") -> None:
        """Add every handler of another registry; two for one kind are refused, naming both."""
        for handler in other:
            present = self._handlers.setdefault(handler.message.kind, handler)
            if present is not handler:
                kind = handler.message.kind
                raise TypeError(f"kind {kind!r} has two handlers: {present.name} and {handler.name}")
        self.catalogue.update(other.catalogue)

    def get(self, kind: str) -> Handler[ResourceT] | None:
        """Return the handler of a kind, or None."""
        return self._handlers.get(kind)

    def __iter__(self) -> Iterator[Handler[ResourceT]]:
        """Iterate over the handlers in the order of their kinds."""
        return iter(self._handlers[kind] for kind in sorted(self._handlers))


def _check_annotations(name: str, message: type[Message], function: Callable[..., Any]) -> None:
    parameters = list(inspect.signature(function).parameters)
    if len(parameters) != 2:  # noqa: PLR2004 the message and the context
        raise TypeError(f"{name} must take two arguments: the message and its Context")
    hints = get_type_hints(function)
    first = hints.get(parameters[0])
    if isinstance(first, type) and not issubclass(message, first):
        raise TypeError(f"{name} is registered for {place(message)}, but its first argument is a {place(first)}")
    if "return" in hints and issubclass(message, Command):
        expected = message.reply_class() or type(None)
        returned = hints["return"]
        if isinstance(returned, type) and not issubclass(returned, expected):
            raise TypeError(f"{name} returns {place(returned)}, but {place(message)} is answered by {place(expected)}")


def _check_isolated(name: str, function: Callable[..., Any], timeout: float | None) -> None:
    if function.__module__ == "__main__" or "<" in function.__qualname__:
        raise TypeError(
            f"{name} cannot be isolated: its process imports it by name, so make it a function of a module"
            " (no lambda, no function within a function, and not in the script that is run)"
        )
    if timeout is None or not isfinite(timeout):
        # Without one nothing would ever kill it, which is what it is isolated for.
        raise ValueError(f"{name}: isolated=True needs timeout=…, the seconds after which its process is killed")
