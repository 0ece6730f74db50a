"""Carries W3C trace context from a message to what its handler sends."""

from contextvars import ContextVar
from dataclasses import replace
from typing import Any

from broker.handlers.context import Context
from broker.handlers.outcome import Outcome
from broker.messages.envelope import Envelope
from broker.observe.traceparent import child_of
from broker.runtime.middleware.middleware import Middleware


class Tracing(Middleware):
    """Every message that a handler sends, by its context or by a client, is a new span of the trace that caused it.

    It begins no trace: what was caused by nothing that is traced is sent without.
    """

    def __init__(self) -> None:
        self._causing: ContextVar[str] = ContextVar("causing", default="")

    def sending(self, envelope: Envelope) -> Envelope:
        """Give it a span of its own in the trace that it belongs to, if any."""
        cause = envelope.traceparent or self._causing.get()
        child = child_of(cause) if cause else None
        return envelope if child is None else replace(envelope, traceparent=child)

    def handling(self, ctx: Context[Any]) -> None:
        """Note which trace the messages belong to that this thread sends from now on."""
        self._causing.set(ctx.envelope.traceparent)

    def handled(self, ctx: Context[Any], outcome: Outcome, seconds: float) -> None:  # noqa: ARG002 the hook's signature
        """Forget it."""
        self._causing.set("")
