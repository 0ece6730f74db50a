"""Calls the hooks of every middleware, in order, and keeps from messages what goes wrong in them."""

import asyncio
import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any

import structlog

from broker.handlers.context import Context
from broker.handlers.outcome import Outcome
from broker.messages.effects import Effects
from broker.messages.envelope import Envelope
from broker.runtime.middleware.middleware import Middleware
from broker.table.rows import Settlement

log = structlog.get_logger("interapp.middleware")

TRACEPARENT_MAX_LENGTH = 512
"""Today's have 55 characters; later versions may have more."""

RAISED = (Exception, SystemExit, asyncio.CancelledError)
"""What a hook may raise without harm; Ctrl-C is no hook's."""


class Hooks:
    """The hooks that are written, by name. ``sends``, ``receives``, ``handles``, ``settles``: whether there is any."""

    def __init__(self, middleware: Iterable[Middleware] = ()) -> None:
        """Take them in the order in which they are called. Raises TypeError when one is no Middleware."""
        every = list(middleware)
        for each in every:
            if not isinstance(each, Middleware):
                raise TypeError(f"{each!r} is no Middleware: derive its class from {Middleware.__module__}.Middleware")
        self._sending = [each.sending for each in every if type(each).sending is not Middleware.sending]
        self._received = [each.received for each in every if type(each).received is not Middleware.received]
        self._handling = [each.handling for each in every if type(each).handling is not Middleware.handling]
        self._handled = [each.handled for each in every if type(each).handled is not Middleware.handled]
        self._settled = [each.settled for each in every if type(each).settled is not Middleware.settled]
        self.sends = bool(self._sending)
        self.receives = bool(self._received)
        self.handles = bool(self._handling or self._handled)
        self.settles = bool(self._settled)
        self._said: set[tuple[str, type[BaseException]]] = set()
        self._saying = threading.Lock()

    def sending(self, effects: Effects) -> Effects:
        """Return what is to be committed."""
        if not self._sending:
            return effects
        return replace(
            effects, sent=tuple(map(self._sent, effects.sent)), events=tuple(map(self._sent, effects.events))
        )

    def received(self, app: str, envelopes: Sequence[Envelope]) -> None:
        """Tell that deliveries were taken in."""
        self._tell(self._received, app, envelopes)

    def handling(self, ctx: Context[Any]) -> None:
        """Tell that a handler is about to start."""
        self._tell(self._handling, ctx)

    def handled(self, ctx: Context[Any], outcome: Outcome, seconds: float) -> None:
        """Tell how a handler ended."""
        self._tell(self._handled, ctx, outcome, seconds)

    def settled(self, app: str, settlements: Sequence[Settlement]) -> None:
        """Tell what was committed."""
        self._tell(self._settled, app, settlements)

    def _sent(self, envelope: Envelope) -> Envelope:
        for hook in self._sending:
            try:
                envelope = _checked(hook(envelope), envelope)
            except RAISED as exc:
                self._say(hook, exc)
        return envelope

    def _tell(self, hooks: Sequence[Callable[..., None]], *what: Any) -> None:
        for hook in hooks:
            try:
                hook(*what)
            except RAISED as exc:
                self._say(hook, exc)

    def _say(self, hook: Callable[..., Any], error: BaseException) -> None:
        name = getattr(hook, "__qualname__", repr(hook))
        with self._saying:
            if (name, type(error)) in self._said:
                return
            self._said.add((name, type(error)))
        log.error("a middleware failed; its messages go on", hook=name, exc_info=error)


def _checked(changed: object, envelope: Envelope) -> Envelope:
    """Return what a hook made of the envelope. Raises ValueError when it is something else: the table may not take it."""
    if not isinstance(changed, Envelope) or replace(changed, traceparent="") != replace(envelope, traceparent=""):
        raise ValueError("sending must return the envelope with nothing changed but its traceparent")
    trace: object = changed.traceparent
    if (
        not isinstance(trace, str)
        or len(trace) > TRACEPARENT_MAX_LENGTH
        or not (trace.isascii() and trace.isprintable())
    ):
        raise ValueError(f"traceparent must be printable ASCII of {TRACEPARENT_MAX_LENGTH} characters at most")
    return changed


NO_HOOKS = Hooks()
