"""What a middleware may do: named hooks, each of which does nothing unless it is written."""

from collections.abc import Sequence
from typing import Any

from broker.handlers.context import Context
from broker.handlers.outcome import Outcome
from broker.messages.envelope import Envelope
from broker.table.rows import Settlement


class Middleware:
    """Derive from it and write the hooks that are needed. Hooks that are not written cost nothing.

    They are called by several threads, and while a message waits: be quick. What one raises is logged, once per kind of
    error, and harms no message.
    """

    def sending(self, envelope: Envelope) -> Envelope:
        """Return what is committed in place of a message or event that is about to be: the same but for ``traceparent``."""
        return envelope

    def received(self, app: str, envelopes: Sequence[Envelope]) -> None:
        """Learn of deliveries for an app that its worker has taken in. None has been handled yet; some may be duplicates."""

    def handling(self, ctx: Context[Any]) -> None:
        """Learn that a handler is about to start, in the thread that runs it (for an isolated one: that waits for it)."""

    def handled(self, ctx: Context[Any], outcome: Outcome, seconds: float) -> None:
        """Learn how a handler ended and how long it ran. Not committed yet.

        In the thread of ``handling``, unless the handler outlived its timeout: then in another.
        """

    def settled(self, app: str, settlements: Sequence[Settlement]) -> None:
        """Learn of outcomes that are committed."""
