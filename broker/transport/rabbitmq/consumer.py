"""Consumes one address over one channel."""

import threading
from collections.abc import Callable
from functools import partial
from typing import Any

from pika import BasicProperties
from pika.channel import Channel
from pika.spec import Basic, Queue

from broker.errors import NotConfirmed, TransportError
from broker.lifecycle.clock import Clock
from broker.transport.rabbitmq.declarer import Declarer
from broker.transport.rabbitmq.io_thread import IoThread
from broker.transport.rabbitmq.kept_channel import Attempt, KeptChannel
from broker.transport.rabbitmq.kept_connection import KeptConnection
from broker.transport.rabbitmq.parameters import Place
from broker.transport.rabbitmq.source import Source
from broker.transport.seam import Deliveries, Delivery, Link

CLOSE_SECONDS = 5.0


class RabbitMQConsumer:
    """A consumer of one queue. Public methods are for any thread."""

    def __init__(
        self,
        io: IoThread,
        connection: KeptConnection,
        declarer: Declarer,
        place: Place,
        source: Source,
        deliveries: Deliveries,
        prefetch: int,
        clock: Clock,
        closed: Callable[["RabbitMQConsumer"], None],
    ) -> None:
        self._io = io
        self._connection = connection
        self._declarer = declarer
        self._source = source
        self._queue = source.queue
        self._deliveries = deliveries
        self._prefetch = prefetch
        self._clock = clock
        self._closed = closed
        self._batch: list[Delivery] = []
        self._probes: list[threading.Event] = []
        self._last_tag = 0
        self._acked_tag = 0
        self._acks: dict[int, int] = {}
        self._acking = threading.Lock()
        self._kept = KeptChannel(
            io,
            connection,
            place,
            f"consumer of {source.name}",
            f"consume queue {self._queue!r}",
            clock,
            self._prepare,
            self._on_lost,
        )

    def ack(self, channel: int, tag: int) -> None:
        """Acknowledge every delivery of the channel up to and including the tag."""
        with self._acking:
            first = not self._acks
            self._acks[channel] = max(tag, self._acks.get(channel, 0))
        if first:  # the others ride along: one frame for all acks of a turn
            self._io.post(self._send_acks)

    def probe(self, timeout_seconds: float) -> int | None:
        """Make a round trip on the channel: return its number when it is alive, None when it is not.

        RabbitMQ is asked for the queue and how many consume from it: one that RabbitMQ does not know is not alive.
        """
        asked = self._ask(timeout_seconds)
        return asked[0] if asked is not None and asked[1].consumer_count > 0 else None

    def backlog(self, timeout_seconds: float) -> int | None:
        """Return how many messages the queue holds that nobody was given yet, None when RabbitMQ does not answer."""
        asked = self._ask(timeout_seconds)
        return None if asked is None else int(asked[1].message_count)

    def rebuild(self) -> None:
        """Close the channel and consume again on a new one, behind every other consumer of the address."""
        self._io.post(self._kept.reopen)

    def link(self) -> Link:
        """Say whether the consumer is registered and delivering."""
        connection = self._connection.link
        return connection if not connection.up else self._kept.link

    def close(self) -> None:
        """Close the channel for good; what was not acknowledged goes to another consumer. Returns when it is closed."""
        done = threading.Event()
        if self._io.post(lambda: self.end(done.set)) and not self._io.here():
            done.wait(CLOSE_SECONDS)

    def begin(self) -> None:
        """Consume from now on. For the I/O thread only."""
        self._connection.add(self._kept)

    def end(self, done: Callable[[], None]) -> None:
        """Close and call ``done`` when it is closed. For the I/O thread only."""
        self._send_acks()  # what was acknowledged before the close is not handed back
        self._batch.clear()
        self._closed(self)
        self._kept.close(done)

    def _ask(self, timeout_seconds: float) -> tuple[int, Queue.DeclareOk] | None:
        """Ask for the queue on the channel: return the channel's number and the answer, None when there is none."""
        answered = threading.Event()
        answers: list[tuple[int, Queue.DeclareOk]] = []

        def ask() -> None:
            attempt = self._kept.attempt
            if attempt is None or self._kept.ready is None:
                answered.set()
                return
            self._probes.append(answered)
            attempt.channel.queue_declare(self._queue, passive=True, callback=partial(answer, attempt))

        def answer(attempt: Attempt, frame: Any) -> None:
            if attempt.current:
                answers.append((attempt.number, frame.method))
            self._probes.remove(answered)
            answered.set()

        if not self._io.here() and self._io.post(ask):
            answered.wait(timeout_seconds)
        return answers[0] if answers else None

    def _prepare(self, attempt: Attempt) -> None:
        def declared(error: TransportError | None) -> None:
            if error is not None:
                attempt.failed(error)
            elif attempt.current:
                attempt.channel.basic_qos(prefetch_count=self._prefetch, callback=consume)

        def consume(_frame: object) -> None:
            if attempt.current:
                attempt.channel.add_on_cancel_callback(cancelled)
                attempt.channel.basic_consume(self._queue, deliver, callback=lambda _frame: attempt.ready())

        def cancelled(_frame: object) -> None:
            gone = f"RabbitMQ cancelled the consumer of queue {self._queue!r}: was the queue deleted? It is made again"
            attempt.failed(NotConfirmed(gone))

        def deliver(_channel: Channel, method: Basic.Deliver, properties: BasicProperties, body: bytes) -> None:
            if not self._batch:
                self._io.soon(self._hand_over)
            self._last_tag = method.delivery_tag
            envelope, origin = self._source.read(method, properties, body)
            now_us = self._clock.now_us()
            self._batch.append(
                Delivery(envelope, attempt.number, method.delivery_tag, method.redelivered, now_us, origin)
            )

        self._last_tag = self._acked_tag = 0
        self._source.declare(self._declarer, declared)

    def _on_lost(self, _attempt: Attempt, _error: TransportError) -> None:
        self._batch.clear()  # it will be delivered again
        for answered in self._probes:
            answered.set()
        self._probes.clear()

    def _hand_over(self) -> None:
        batch, self._batch = self._batch, []
        if batch:
            self._io.call(self._deliveries, batch)

    def _send_acks(self) -> None:
        with self._acking:
            acks, self._acks = self._acks, {}
        channel, attempt = self._kept.ready, self._kept.attempt
        if channel is None or attempt is None:
            return
        # a tag that RabbitMQ does not know would close the channel
        tag = min(acks.get(attempt.number, 0), self._last_tag)
        if tag > self._acked_tag:
            self._acked_tag = tag
            channel.basic_ack(tag, multiple=True)
