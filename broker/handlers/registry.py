"""The registry: which function handles which message. An explicit value; whatever is wrong with it is said when it is built."""

import inspect
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from math import isfinite
from typing import Any, Generic, TypeVar, get_type_hints

from broker.handlers.context import Context, ResourceT
from broker.handlers.executor_checks import check_executor
from broker.handlers.rate import Rate
from broker.handlers.registering import Registering
from broker.handlers.retry import Backoff
from broker.messages.catalogue import Catalogue, place
from broker.messages.codecs import Codec, Codecs
from broker.messages.message import Command, Event, Message, Reply

MessageT = TypeVar("MessageT", bound=Message)


@dataclass(frozen=True, slots=True, kw_only=True)
class Handler(Generic[ResourceT]):
    """A function or an executor registered for a message class, with how it is run."""

    name: str
    """``package.module.function``, as the table shows it."""
    message: type[Message]
    function: Callable[[Any, Context[ResourceT]], Any]
    """The function, or the executor's class."""
    timeout_seconds: float | None
    retry: Backoff
    isolated: bool = False
    """Whether it runs in a process of its own, which is killed when its time is up."""
    rate: Rate | None = None
    """How often it may be started; None: as often as messages come."""
    executor: bool = field(init=False)
    """Whether it is run phase by phase."""
    reply: type[Reply] | None = field(init=False)
    """The class it must answer with, or None."""

    def __post_init__(self) -> None:
        """Find out once what every run asks."""
        reply = self.message.reply_class() if issubclass(self.message, Command) else None
        object.__setattr__(self, "executor", isinstance(self.function, type))
        object.__setattr__(self, "reply", reply)


class HandlerRegistry(Generic[ResourceT]):
    """Handlers of one sort of app, and every kind that such an app sends or handles.

    With ``extends`` they are further handlers for the apps whose registry has that name, from a package of its own.
    """

    def __init__(self, name: str, *, extends: str = "", codecs: Iterable[Codec] = ()) -> None:
        """``codecs`` are those that such an app uses beside JSON. Raises TypeError when they contradict each other."""
        self.name = name
        self.extends = extends
        self.catalogue = Catalogue()
        self.codecs = Codecs(codecs)
        self._handlers: dict[str, Handler[ResourceT]] = {}

    def handles(
        self,
        message: type[MessageT],
        *,
        timeout: float | None = None,
        retry: Backoff | None = None,
        isolated: bool = False,
        rate: Rate | None = None,
    ) -> Registering[MessageT, ResourceT]:
        """Register the decorated function, or the decorated MessageExecutor, for a message class.

        That is a Command, an Event, or a Reply that was sent to this app by ``reply_to``.

        ``timeout`` is in seconds (None: as long as it takes). ``isolated`` runs it in a process beside the worker,
        which is killed when the timeout has passed. ``rate`` limits how often it is started; who must wait keeps its place.
        Raises TypeError when the kind has a handler already, its annotations contradict the message, what is isolated
        cannot be imported by name, or the rate is none; ValueError when an isolated handler has no timeout.
        """
        return Registering(
            lambda function: self._add(message, function, timeout, retry or Backoff(), isolated=isolated, rate=rate)
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
        rate: Rate | None,
    ) -> None:
        name = f"{function.__module__}.{function.__qualname__}"
        if not issubclass(message, Command | Event | Reply):
            raise TypeError(f"{name}: {place(message)} is neither a Command nor an Event nor a Reply")
        if timeout is not None and timeout <= 0:
            raise ValueError(f"{name}: timeout={timeout!r} must be more than 0 seconds, or None")
        if isinstance(function, type):
            check_executor(name, message, function)
        else:
            _check_annotations(name, message, function)
        if rate is not None and not isinstance(rate, Rate):
            raise TypeError(f"{name}: rate={rate!r} must be a Rate, as in Rate(count=5, per_seconds=60)")
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
            rate=rate,
        )
        if handler.reply is not None:
            self.catalogue.add(handler.reply)
        self._handlers[message.kind] = handler

    def extended(self, extensions: "Iterable[HandlerRegistry[Any]]") -> "HandlerRegistry[ResourceT]":
        """Return this registry with the handlers of those that extend it; itself when none does.

        Raises TypeError when two have a handler for one kind, or two classes one kind, naming both.
        """
        mine = [other for other in extensions if other.extends == self.name]
        if not mine:
            return self
        whole = HandlerRegistry[ResourceT](self.name)
        for part in (self, *mine):
            whole.include(part)
        return whole

    def include(self, other: "HandlerRegistry[ResourceT]") -> None:
        """Add every handler and codec of another registry; two for one kind or content type are refused, naming both."""
        for handler in other:
            present = self._handlers.setdefault(handler.message.kind, handler)
            if present is not handler:
                kind = handler.message.kind
                raise TypeError(f"kind {kind!r} has two handlers: {present.name} and {handler.name}")
        self.catalogue.update(other.catalogue)
        self.codecs |= other.codecs

    def check_codecs(self) -> None:
        """Raise InvalidMessage, naming it, when a message class is sent with a content type that has no codec here."""
        for message in self.catalogue:
            self.codecs.of(message)

    def rates(self) -> dict[str, Rate]:
        """Return the rate limits by kind."""
        return {kind: handler.rate for kind, handler in self._handlers.items() if handler.rate is not None}

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
            f"{name} cannot be isolated: its process imports it by name, so make it a function or a class of a module"
            " (no lambda, no function or class within a function, and not in the script that is run)"
        )
    if timeout is None or not isfinite(timeout):
        # Without one nothing would ever kill it, which is what it is isolated for.
        raise ValueError(f"{name}: isolated=True needs timeout=…, the seconds after which its process is killed")
