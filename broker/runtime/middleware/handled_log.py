"""Logs every handled message."""

from typing import Any

import structlog

from broker.handlers.context import Context
from broker.handlers.outcome import Outcome, Succeeded
from broker.runtime.middleware.middleware import Middleware

log = structlog.get_logger("interapp.handled")


class HandledLog(Middleware):
    """One line per handled message, at level debug."""

    def handled(self, ctx: Context[Any], outcome: Outcome, seconds: float) -> None:
        """Log which message it was, what became of it and how long its handler ran."""
        envelope = ctx.envelope
        more = {} if isinstance(outcome, Succeeded) else {"error": outcome.error, "phase": outcome.phase or None}
        log.debug(
            "handled",
            app=ctx.app,
            id=envelope.message_id,
            kind=envelope.kind,
            outcome=type(outcome).__name__.lower(),
            ms=round(seconds * 1000, 3),
            attempt=ctx.attempt,
            trace=envelope.traceparent or None,
            **more,
        )
