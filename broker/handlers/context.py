"""What a handler gets beside its message."""

from collections.abc import Callable
from dataclasses import field
from datetime import datetime
from hashlib import sha256
from typing import Any, Generic, Protocol, TypeVar

from pydantic import BaseModel

from broker.handlers.reporter import KeptReports, Reporter, checked_partial, progress_json
from broker.lifecycle.address import checked_address, is_address
from broker.lifecycle.ids import derived_id
from broker.lifecycle.record import record
from broker.messages.codec import encode, encode_as_said
from broker.messages.codecs import JSON_ONLY, Codecs
from broker.messages.due import at_ms
from broker.messages.effects import NO_EFFECTS, DocumentWrite, Effects
from broker.messages.envelope import Envelope
from broker.messages.message import Command, Event, Message, Reply
from broker.messages.priority import checked_priority

ResourceT = TypeVar("ResourceT")
ModelT = TypeVar("ModelT", bound=BaseModel)


class DocumentReader(Protocol):
    """Reads committed documents of the handler's own app."""

    def read(self, collection: str, key: str) -> str | None:
        """Return a document's JSON, or None when there is none."""
        ...

    def read_all(self, collection: str) -> dict[str, str]:
        """Return every document of a collection: key to JSON."""
        ...


class Documents:
    """The app's documents, with this run's writes on top. Writes are committed with the outcome, or not at all."""

    def __init__(self, reader: DocumentReader) -> None:
        self._reader = reader
        self._writes: dict[tuple[str, str], str | None] = {}

    def get(self, collection: str, key: str, model: type[ModelT]) -> ModelT | None:
        """Return a document as the model, or None when there is none.

        Raises ValueError (pydantic's) when what is kept does not fit the model.
        """
        body = (
            self._writes.get((collection, key))
            if (collection, key) in self._writes
            else self._reader.read(collection, key)
        )
        return None if body is None else model.model_validate_json(body)

    def all(self, collection: str, model: type[ModelT]) -> dict[str, ModelT]:
        """Return every document of a collection by key, in the order of the keys."""
        found: dict[str, str | None] = dict(self._reader.read_all(collection))
        found.update({key: body for (of, key), body in self._writes.items() if of == collection})
        return {key: model.model_validate_json(body) for key, body in sorted(found.items()) if body is not None}

    def put(self, collection: str, key: str, document: BaseModel) -> None:
        """Keep a document under the key, in place of any that is there."""
        self._writes[(collection, key)] = document.model_dump_json()

    def delete(self, collection: str, key: str) -> None:
        """Drop a document; harmless when there is none."""
        self._writes[(collection, key)] = None

    def writes(self) -> tuple[DocumentWrite, ...]:
        """Return what is to be committed."""
        if not self._writes:
            return ()
        return tuple(DocumentWrite(collection, key, body) for (collection, key), body in self._writes.items())


class Outbox:
    """Collects what is sent in one transaction. Ids follow from a seed and the position: the same run sends the same.

    With ``by_content`` they also follow from kind and body: for what is committed before its run has ended, since a later
    run may send something else in that place.
    """

    def __init__(
        self,
        *,
        source: str,
        seed: tuple[object, ...],
        user: str,
        now_us: Callable[[], int],
        by_content: bool = False,
        codecs: Codecs = JSON_ONLY,
    ) -> None:
        self._codecs = codecs
        self._by_content = by_content
        self._source = source
        self._seed = seed
        self._user = user
        self._now_us = now_us
        self._sent: list[Envelope] = []
        self._events: list[Envelope] = []

    def send(
        self,
        message: Command[Any] | Event,
        *,
        to: str,
        correlation_id: str = "",
        deadline_ms: int | None = None,
        reply_to: str = "",
        traceparent: str = "",
        at: datetime | None = None,
        priority: int | None = None,
    ) -> str:
        """Add a message to one app; return its id. ``reply_to`` is the address that gets its reply as a message.

        Raises ValueError or TypeError for an address, time or priority that is none.
        """
        envelope = self._envelope(
            message,
            checked_address(to),
            correlation_id=correlation_id,
            deadline_ms=deadline_ms,
            reply_to=checked_address(reply_to) if reply_to else "",
            traceparent=traceparent,
            at=at,
            priority=priority,
        )
        self._sent.append(envelope)
        return envelope.message_id

    def answer(self, reply: Reply, request: Envelope) -> None:
        """Add the reply to a request as a message to the address in its ``reply_to``, when it names one that an app can have."""
        if is_address(request.reply_to):
            self._sent.append(
                self._envelope(
                    reply,
                    request.reply_to,
                    correlation_id=request.message_id,
                    traceparent=request.traceparent,
                )
            )

    def publish(self, event: Event, *, correlation_id: str = "", traceparent: str = "") -> str:
        """Add an event to all who subscribed; return its id."""
        envelope = self._envelope(event, "", correlation_id=correlation_id, traceparent=traceparent)
        self._events.append(envelope)
        return envelope.message_id

    def effects(self, documents: tuple[DocumentWrite, ...] = ()) -> Effects:
        """Return everything collected."""
        if not (self._sent or self._events or documents):
            return NO_EFFECTS
        return Effects(tuple(self._sent), tuple(self._events), documents)

    def _envelope(
        self,
        message: Message,
        destination: str,
        *,
        correlation_id: str,
        deadline_ms: int | None = None,
        reply_to: str = "",
        traceparent: str = "",
        at: datetime | None = None,
        priority: int | None = None,
    ) -> Envelope:
        now_us = self._now_us()
        position = len(self._sent) + len(self._events)
        body = encode_as_said(message, self._codecs)
        content = (message.kind, destination, sha256(body).hexdigest()) if self._by_content else ()
        return Envelope(
            message_id=derived_id(*self._seed, position, *content),
            kind=message.kind,
            body=body,
            destination=destination,
            source=self._source,
            call_id=derived_id(*self._seed, "call"),
            correlation_id=correlation_id,
            content_type=message.content_type,
            reply_to=reply_to,
            version=message.version,
            deadline_ms=deadline_ms,
            at_ms=at_ms(at, now_us),
            priority=message.priority if priority is None else checked_priority(priority),
            keep_last=not destination and isinstance(message, Event) and message.keep_last,
            traceparent=traceparent,
            sent_us=now_us,
            user=self._user,
        )


@record
class Context(Generic[ResourceT]):
    """One run of one handler: what it works on, which message this is, and where its effects are collected."""

    resource: ResourceT
    """What the app gave its handlers to work on."""
    app: str
    """Address of the app that handles the message."""
    envelope: Envelope
    attempt: int
    """Which run of the message this is, from 1."""
    documents: Documents
    outbox: Outbox
    cancel_requested: Callable[[], bool] = field(default=lambda: False)
    codecs: Codecs = JSON_ONLY
    """Those of the app, beside JSON."""
    answered_by: type[Reply] | None = None
    """The class of the message's reply; None when it has none."""
    reporter: Reporter = field(default_factory=KeptReports)

    @property
    def cancelled(self) -> bool:
        """Whether the handler should stop: cancelled by an operator, out of time, or its worker was superseded."""
        return self.cancel_requested()

    def reply(self, partial: Reply) -> None:
        """Reply before the end: committed at once, whatever becomes of this run. The last reply is what the handler returns.

        Raises TypeError when the message is not answered by such a reply, TableUnavailable, and Superseded when this run
        does not count any more.
        """
        checked_partial(partial, self.answered_by)
        self.reporter.reply(partial.kind, encode(partial).decode())

    def progress(self, fraction: float, text: str = "") -> None:
        """Show how far this run is, from 0 to 1, and what it is at. Cheap: only the newest is written, now and then.

        Raises ValueError or TypeError for what is no fraction.
        """
        self.reporter.progress(progress_json(fraction, text))

    def send(
        self,
        message: Command[Any] | Event,
        *,
        to: str,
        deadline_ms: int | None = None,
        reply_to: str = "",
        at: datetime | None = None,
        priority: int | None = None,
    ) -> str:
        """Send a message with this run's outcome, or not at all; return its id.

        ``reply_to`` is the address of the app that gets its reply as a message. ``at`` is when it is due, with a time zone
        (None, or past: at once), ``priority`` 0 to 9 (None: its class's). Raises ValueError, TypeError.
        """
        return self.outbox.send(
            message,
            to=to,
            correlation_id=self.envelope.message_id,
            deadline_ms=deadline_ms,
            reply_to=reply_to,
            traceparent=self.envelope.traceparent,
            at=at,
            priority=priority,
        )

    def publish(self, event: Event) -> str:
        """Publish an event with this run's outcome, or not at all; return its id."""
        return self.outbox.publish(
            event, correlation_id=self.envelope.message_id, traceparent=self.envelope.traceparent
        )
