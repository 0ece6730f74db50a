"""Counts and times handled messages."""

from typing import Any

from broker.handlers.context import Context
from broker.handlers.outcome import Failed, Outcome, Succeeded
from broker.lifecycle.state import Reason, State
from broker.observe.metrics import Metrics
from broker.runtime.middleware.middleware import Middleware

OTHER = "other"
"""Stands for every kind that the app has no handler for."""


class Metering(Middleware):
    """Notes every run of a handler in the metrics of the process."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    def handled(self, ctx: Context[Any], outcome: Outcome, seconds: float) -> None:
        """Note the run by app, kind and the state that the message is in now."""
        match outcome:
            case Succeeded():
                state = State.SUCCEEDED
            case Failed():
                state = State.FAILED
            case _:
                state = State.WAITING
        # Anybody can send any kind; each would be a series of its own for ever.
        unhandled = isinstance(outcome, Failed) and outcome.reason is Reason.UNHANDLED
        kind = OTHER if unhandled or not ctx.envelope.kind else ctx.envelope.kind
        self._metrics.handled(ctx.app, kind, state.value, seconds)
