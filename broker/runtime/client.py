"""The client: how an app sends, asks and publishes. What it accepts is durable when the call returns."""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from itertools import count
from typing import Any, TypeVar, overload

from broker.errors import InvalidMessage, TableUnavailable
from broker.handlers.context import Documents, Outbox
from broker.lifecycle.address import checked_address
from broker.lifecycle.clock import Clock
from broker.lifecycle.ids import derived_id, new_id, new_ids
from broker.lifecycle.record import record
from broker.messages.call import CallResult
from broker.messages.codec import encode_as_said
from broker.messages.codecs import JSON_ONLY, Codecs
from broker.messages.due import at_ms
from broker.messages.effects import Effects
from broker.messages.envelope import Envelope
from broker.messages.message import Command, Event, Message, Reply
from broker.messages.priority import checked_priority
from broker.runtime.answers import final_reply, partial_reply, to_result
from broker.runtime.group_commit import GroupCommit
from broker.runtime.middleware.hooks import NO_HOOKS, Hooks
from broker.runtime.replies import Replies
from broker.runtime.waiting import Waiting
from broker.table.documents import AppDocuments
from broker.table.queries import Answer
from broker.table.rows import Lease
from broker.table.store import HandlerTable
from broker.transport.seam import Transport

ReplyT = TypeVar("ReplyT", bound="Reply | None")


@record
class Run:
    """The handler run that this thread is in: what is sent meanwhile gets ids that follow from it."""

    seed: tuple[object, ...]
    positions: Iterator[int] = field(default_factory=count)

    def next_id(self, kind: str, body: bytes) -> str:
        """Return the id of the next message that the run sends: the same whenever the run is repeated."""
        return derived_id(*self.seed, next(self.positions), kind, sha256(body).hexdigest())


current_run: ContextVar[Run | None] = ContextVar("current_run", default=None)


@dataclass(frozen=True, slots=True)
class Transaction:
    """Messages, events and documents that are committed together when the ``with`` block ends without an exception."""

    outbox: Outbox
    documents: Documents

    def send(
        self,
        message: Command[Any] | Event,
        *,
        to: str,
        reply_to: str = "",
        at: datetime | None = None,
        priority: int | None = None,
    ) -> str:
        """Add a message to one app; return its id. ``reply_to``, ``at`` and ``priority`` as in ``Client.send``."""
        return self.outbox.send(message, to=to, reply_to=reply_to, at=at, priority=priority)

    def publish(self, event: Event) -> str:
        """Add an event to all who subscribed; return its id."""
        return self.outbox.publish(event)


class Client:
    """Sends in the name of one app. Safe to use from several threads."""

    def __init__(
        self,
        source: str,
        *,
        table: HandlerTable,
        transport: Transport,
        group_commit: GroupCommit,
        replies: Replies,
        clock: Clock,
        max_bytes: int,
        lease_of: Callable[[], Lease | None] = lambda: None,
        codecs_of: Callable[[], Codecs] = lambda: JSON_ONLY,
        hooks: Hooks = NO_HOOKS,
    ) -> None:
        self.source = source
        self._table = table
        self._transport = transport
        self._group_commit = group_commit
        self._replies = replies
        self._clock = clock
        self._max_bytes = max_bytes
        self._lease_of = lease_of
        self._codecs_of = codecs_of
        self._waiting = Waiting(table.database, clock, source)
        self._hooks = hooks
        self._listening = threading.Lock()
        self._doorbell = ""

    def send(
        self,
        message: Command[Any] | Event,
        *,
        to: str,
        deadline_ms: int | None = None,
        reply_to: str = "",
        at: datetime | None = None,
        priority: int | None = None,
        wait_for_table: float = 0.0,
    ) -> str:
        """Commit a message for one app and return its id; it will reach a final state whatever happens.

        ``deadline_ms`` is milliseconds since 1970 after which its handler is not started. ``reply_to`` is the address of
        the app that gets the reply, as a message of its own. ``at`` is when it is due, with a time zone (None, or past: at
        once). ``priority`` is 0 to 9 (None: its class's); of what waits for an app and is due, the highest is handled
        first. ``wait_for_table`` is how many seconds to go on trying while the database is away. Raises ValueError for a
        bad address, due time or priority, TypeError when ``at`` is no datetime, InvalidMessage when it is too large,
        TableUnavailable.
        """
        envelope = self._envelope(
            message,
            checked_address(to),
            new_id(),
            deadline_ms=deadline_ms,
            reply_to=reply_to,
            at=at,
            priority=priority,
        )
        self._commit(Effects(sent=(envelope,)), wait_seconds=wait_for_table)
        return envelope.message_id

    def send_call(
        self,
        messages: Sequence[Command[Any] | Event],
        *,
        to: str,
        stop_on_failure: bool = False,
        at: datetime | None = None,
        priority: int | None = None,
        wait_for_table: float = 0.0,
    ) -> list[str]:
        """Commit messages for one app in one transaction, to be handled in order; return their ids.

        ``stop_on_failure``: none begins before the ones before it have succeeded, and the first that fails cancels those
        that have not begun. ``at`` and ``priority`` hold for all of them. Raises as ``send``.
        """
        envelopes = self._call(messages, to, stop_on_failure=stop_on_failure, at=at, priority=priority)
        self._commit(Effects(sent=envelopes), wait_seconds=wait_for_table)
        return [envelope.message_id for envelope in envelopes]

    @overload
    def request_call(
        self, messages: Sequence[Command[ReplyT]], *, to: str, timeout: float, stop_on_failure: bool = False
    ) -> list[CallResult[ReplyT]]: ...

    @overload
    def request_call(
        self, messages: Sequence[Command[Any] | Event], *, to: str, timeout: float, stop_on_failure: bool = False
    ) -> list[CallResult[Any]]: ...

    def request_call(
        self, messages: Sequence[Command[Any] | Event], *, to: str, timeout: float, stop_on_failure: bool = False
    ) -> list[CallResult[Any]]:
        """Send messages as ``send_call`` does; return what became of each within ``timeout`` seconds, in their order.

        What is not final by then goes on: its result is NotYet, and its outcome is kept in the table. Raises as ``send``.
        """
        deadline = self._waiting.deadline(timeout)
        envelopes = self._call(messages, to, stop_on_failure=stop_on_failure)
        with self._replies.expect(*(envelope.message_id for envelope in envelopes)) as rung:
            self._commit(Effects(sent=envelopes), doorbell=self._listen(), wait_seconds=timeout)
            answers = self._waiting.all_final(envelopes, deadline, rung)
        return [
            to_result(message, envelope.message_id, answers.get(envelope.message_id))
            for message, envelope in zip(messages, envelopes, strict=True)
        ]

    def publish(self, event: Event, *, wait_for_table: float = 0.0) -> str:
        """Commit an event for every app that subscribed to it and return its id. Raises as ``send``."""
        envelope = self._envelope(event, "", new_id())
        self._commit(Effects(events=(envelope,)), wait_seconds=wait_for_table)
        return envelope.message_id

    def request(self, command: Command[ReplyT], *, to: str, timeout: float) -> ReplyT:
        """Send a command and return its reply.

        Raises ReplyTimeout after ``timeout`` seconds (the command goes on, its reply is kept in the table), RequestFailed
        with the reason when its handler failed, InvalidMessage or UnsupportedVersion when its reply is not what the command
        says or of a version not known here, and as ``send``.
        """
        deadline = self._waiting.deadline(timeout)
        envelope = self._envelope(command, checked_address(to), new_id())
        with self._replies.expect(envelope.message_id) as rung:
            self._commit(Effects(sent=(envelope,)), doorbell=self._listen(), wait_seconds=timeout)
            answer = self._waiting.final(envelope, deadline, rung)
        return final_reply(command, answer)

    def stream(self, command: Command[ReplyT], *, to: str, timeout: float) -> Iterator[ReplyT]:
        """Send a command now and iterate over its replies: the partial ones as its handler gives them, the final one last.

        Raises as ``request``; ``timeout`` is the seconds from now until the final one. Replies of an attempt that failed stay.
        """
        deadline = self._waiting.deadline(timeout)
        envelope = self._envelope(command, checked_address(to), new_id())
        self._commit(Effects(sent=(envelope,)), doorbell=self._listen(), wait_seconds=timeout)
        return self._streamed(command, envelope, deadline)

    def await_answer(self, envelope: Envelope, deadline: float, rung: threading.Event) -> Answer:
        """Return the final outcome of a request, woken by its doorbell or by a look of our own.

        ``deadline`` is by this process's monotonic clock. Raises ReplyTimeout.
        """
        return self._waiting.final(envelope, deadline, rung)

    def _streamed(self, command: Command[ReplyT], envelope: Envelope, deadline: float) -> Iterator[ReplyT]:
        with self._replies.expect(envelope.message_id) as rung:
            # Whoever rang before was not heard; what was kept before is found by the first look.
            rung.set()
            for found in self._waiting.replies(envelope, deadline, rung):
                yield final_reply(command, found) if isinstance(found, Answer) else partial_reply(command, found)

    @contextmanager
    def transaction(self, *, reading: Sequence[str] = ()) -> Iterator[Transaction]:
        """Collect messages, events and documents, and commit them together at the end of the block, or not at all.

        ``reading`` names collections of documents that the block will read: all of them come in one statement, at its
        begin. Raises Superseded when this app's worker no longer holds the lease, and as ``send``.
        """
        seed, user, now_us = self._seed(), self._transport.user, self._clock.now_us
        documents = AppDocuments(self._table.database, self.source)
        transaction = Transaction(
            Outbox(source=self.source, seed=seed, user=user, now_us=now_us, by_content=True, codecs=self._codecs_of()),
            Documents(documents.read_ahead(reading) if reading else documents),
        )
        yield transaction
        effects = transaction.outbox.effects(transaction.documents.writes())
        if effects:
            self._commit(effects, lease=self._lease_of())

    def _commit(
        self, effects: Effects, *, doorbell: str = "", lease: Lease | None = None, wait_seconds: float = 0.0
    ) -> None:
        for envelope in (*effects.sent, *effects.events):
            if len(envelope.body) > self._max_bytes:
                raise InvalidMessage(
                    f"{envelope.kind}: the body has {len(envelope.body)} bytes,"
                    f" allowed are {self._max_bytes} (INTERAPP_MESSAGE_MAX_BYTES)"
                )
        effects = self._hooks.sending(effects)
        deadline = self._clock.monotonic() + wait_seconds
        pause = 0.05
        while True:
            try:
                self._group_commit.commit(effects, app=self.source, doorbell=doorbell, lease=lease)
                break
            except TableUnavailable:
                # The ids stay the same: should the commit have come through after all, it is not written twice.
                if self._clock.monotonic() + pause > deadline:
                    raise
                time.sleep(pause)
                pause = min(1.0, pause * 2)

    def _call(
        self,
        messages: Sequence[Command[Any] | Event],
        to: str,
        *,
        stop_on_failure: bool,
        at: datetime | None = None,
        priority: int | None = None,
    ) -> tuple[Envelope, ...]:
        destination, size = checked_address(to), len(messages)
        call_id, *message_ids = new_ids(1 + size)
        return tuple(
            self._envelope(
                message,
                destination,
                call_id,
                message_id,
                call_size=size,
                stop_on_failure=stop_on_failure and size > 1,
                at=at,
                priority=priority,
            )
            for message, message_id in zip(messages, message_ids, strict=True)
        )

    def _envelope(
        self,
        message: Message,
        destination: str,
        call_id: str,
        message_id: str = "",
        *,
        call_size: int = 1,
        stop_on_failure: bool = False,
        deadline_ms: int | None = None,
        reply_to: str = "",
        at: datetime | None = None,
        priority: int | None = None,
    ) -> Envelope:
        body = encode_as_said(message, self._codecs_of())
        now_us = self._clock.now_us()
        run = current_run.get()
        return Envelope(
            message_id=(message_id or new_id()) if run is None else run.next_id(message.kind, body),
            kind=message.kind,
            body=body,
            destination=destination,
            source=self.source,
            call_id=call_id,
            call_size=call_size,
            stop_on_failure=stop_on_failure,
            reply_to=checked_address(reply_to) if reply_to else "",
            correlation_id=str(run.seed[0]) if run else "",
            content_type=message.content_type,
            version=message.version,
            deadline_ms=deadline_ms,
            at_ms=at_ms(at, now_us),
            priority=message.priority if priority is None else checked_priority(priority),
            keep_last=not destination and isinstance(message, Event) and message.keep_last,
            sent_us=now_us,
            user=self._transport.user,
        )

    def _seed(self) -> tuple[object, ...]:
        run = current_run.get()
        return (new_id(),) if run is None else (*run.seed, next(run.positions))

    def _listen(self) -> str:
        with self._listening:
            if not self._doorbell:
                self._doorbell = self._transport.listen(self._replies.rung)
            return self._doorbell
