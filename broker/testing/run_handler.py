"""Runs one handler for one message, alone: no table, no transport, no thread."""

from dataclasses import dataclass
from typing import Any

from broker.handlers.context import Context, Documents, Outbox, ResourceT
from broker.handlers.outcome import Failed, Outcome, Retry, Succeeded
from broker.handlers.registry import HandlerRegistry
from broker.handlers.run import run
from broker.lifecycle.clock import Clock, ManualClock
from broker.lifecycle.ids import new_id
from broker.lifecycle.state import Reason
from broker.messages.catalogue import Catalogue
from broker.messages.codec import decode, encode
from broker.messages.effects import DocumentWrite
from broker.messages.envelope import Envelope
from broker.messages.message import Command, Event, Message, Reply
from broker.testing.documents import KeptDocuments

APP = "app-under-test"


@dataclass(frozen=True, slots=True)
class HandlerRun:
    """What became of one run: its outcome, and what a worker would have committed with it."""

    outcome: Outcome
    catalogue: Catalogue
    documents: tuple[DocumentWrite, ...] = ()

    @property
    def reply(self) -> Reply | None:
        """The reply. Raises AssertionError when the handler did not succeed."""
        done = self.succeeded()
        if done.reply is None:
            return None
        message = decode(self.catalogue[done.reply_kind], done.reply)
        return message if isinstance(message, Reply) else None

    @property
    def sent(self) -> list[tuple[str, Message]]:
        """What it sent: destinations and messages, in order. Raises AssertionError when the handler did not succeed."""
        return [(envelope.destination, self._message(envelope)) for envelope in self.succeeded().effects.sent]

    @property
    def published(self) -> list[Message]:
        """The events that it published, in order. Raises AssertionError when the handler did not succeed."""
        return [self._message(envelope) for envelope in self.succeeded().effects.events]

    def succeeded(self) -> Succeeded:
        """Return its success. Raises AssertionError that says what came instead."""
        if not isinstance(self.outcome, Succeeded):
            raise AssertionError(f"the handler did not succeed: {self.outcome}")  # noqa: TRY004 a test expected something else
        return self.outcome

    def failed(self, reason: Reason | None = None) -> Failed:
        """Return its failure, for that reason if one is given. Raises AssertionError that says what came instead."""
        if not isinstance(self.outcome, Failed) or reason not in (None, self.outcome.reason):
            raise AssertionError(f"the handler did not fail{f' ({reason})' if reason else ''}: {self.outcome}")
        return self.outcome

    def retried(self) -> Retry:
        """Return when and why it is tried again. Raises AssertionError that says what came instead."""
        if not isinstance(self.outcome, Retry):
            raise AssertionError(f"the handler is not tried again: {self.outcome}")  # noqa: TRY004 as above
        return self.outcome

    def _message(self, envelope: Envelope) -> Message:
        return decode(self.catalogue[envelope.kind], envelope.body)


def run_handler(
    registry: HandlerRegistry[ResourceT],
    message: Command[Any] | Event,
    resource: ResourceT,
    *,
    documents: KeptDocuments | None = None,
    attempt: int = 1,
    cancelled: bool = False,
    app: str = APP,
    clock: Clock | None = None,
) -> HandlerRun:
    """Run the registry's handler of the message once, as a worker would, and return what became of it.

    The message is encoded and decoded on the way, so that what it cannot carry shows. What a success put into
    ``documents`` is there for the next run; ``attempt`` counts from 1. Never raises what the handler raises: that is
    its outcome.
    """
    clock = clock or ManualClock()
    kept = KeptDocuments() if documents is None else documents
    envelope = Envelope(
        message_id=new_id(),
        kind=message.kind,
        body=encode(message),
        destination=app,
        source="test",
        call_id=new_id(),
        version=message.version,
        sent_us=clock.now_us(),
    )
    context = Context(
        resource=resource,
        app=app,
        envelope=envelope,
        attempt=attempt,
        documents=Documents(kept),
        outbox=Outbox(source=app, seed=(envelope.message_id, "", app, 0), user="", now_us=clock.now_us),
        cancel_requested=lambda: cancelled,
    )
    outcome = run(registry.get(message.kind), context)
    writes = outcome.effects.documents if isinstance(outcome, Succeeded) else ()
    kept.write(writes)
    return HandlerRun(outcome, registry.catalogue, writes)
