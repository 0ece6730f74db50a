"""RabbitMQ as a transport: one thread, one connection to publish, one to consume."""

import itertools
import threading
from collections.abc import Callable, Sequence

from broker.errors import ConnectionLost
from broker.lifecycle.clock import Clock
from broker.lifecycle.ids import incarnation_id
from broker.messages.envelope import Envelope
from broker.transport.rabbitmq.consumer import RabbitMQConsumer
from broker.transport.rabbitmq.declarer import Declarer
from broker.transport.rabbitmq.doorbell import Doorbell
from broker.transport.rabbitmq.io_thread import IoThread
from broker.transport.rabbitmq.kept_connection import KeptConnection
from broker.transport.rabbitmq.parameters import connection_parameters, named, place_of
from broker.transport.rabbitmq.publisher import Publisher
from broker.transport.rabbitmq.source import Source, app_source, reserved_source
from broker.transport.rabbitmq.topology import doorbell_of
from broker.transport.rabbitmq.trouble import Trouble
from broker.transport.rabbitmq.unconfirmed import Herald, Ringer
from broker.transport.seam import Deliveries, Link, Reserved, Rung, Settled

CONFIRM_SECONDS = 5.0
"""How long closing waits for what was handed over to be confirmed."""

CLOSE_SECONDS = 8.0
"""After this long a connection that does not answer is dropped."""


class RabbitMQTransport:
    """Carries envelopes over RabbitMQ.

    RabbitMQ blocks a connection that publishes when memory or disk run out; consuming has a connection of its own, so
    that acknowledgements go on and the queues can get shorter.
    """

    def __init__(self, url: str, clock: Clock, *, connection_name: str = "interapp") -> None:
        """Take the URL (``amqp://`` or ``amqps://``) and the name that RabbitMQ's listings show.

        Raises SettingError when the URL can never be right. Nothing is connected before ``start``.
        """
        parameters = connection_parameters(url)
        self._place = place_of(url, parameters)
        self.user = self._place.user
        self._clock = clock
        self._io = IoThread("interapp-rabbitmq")
        trouble = Trouble(f"connection to {self._place.url}", clock)
        self._publishing = KeptConnection(
            self._io, named(parameters, f"{connection_name} publishing"), self._place, "publishing", trouble, clock
        )
        self._consuming = KeptConnection(
            self._io, named(parameters, f"{connection_name} consuming"), self._place, "consuming", trouble, clock
        )
        publishing_declarer, self._declarer = Declarer(self._place), Declarer(self._place)
        self._publishing.add(publishing_declarer)
        self._consuming.add(self._declarer)
        self._publisher = Publisher(self._io, self._publishing, publishing_declarer, self._place, clock)
        self._herald = Herald(self._io, self._publishing, publishing_declarer, self._place, clock)
        self._ringer = Ringer(self._io, self._publishing, publishing_declarer, self._place, clock)
        self._doorbell_name = doorbell_of(incarnation_id())
        self._doorbell = Doorbell(self._io, self._consuming, self._place, self._doorbell_name, clock)
        self._consumers: list[RabbitMQConsumer] = []
        self._started = False
        self._closing = False
        self._lifecycle = threading.Lock()

    def start(self) -> None:
        """Begin connecting; returns at once, whether or not RabbitMQ is there."""
        with self._lifecycle:
            if self._started:
                return
            self._started = True
        self._io.post(self._begin)
        self._io.start()

    def publish(self, envelopes: Sequence[Envelope], settled: Settled) -> None:
        """Send each envelope to its destination's queue, durably and confirmed, making the queue when needed."""
        if envelopes and not self._publisher.publish(envelopes, settled):
            # our thread has ended, and the caller's must never run a callback
            closed = ConnectionLost("the transport is closed")
            threading.Thread(
                target=settled, args=(envelopes, closed), name="interapp-rabbitmq-closed", daemon=True
            ).start()

    def announce(self, events: Sequence[Envelope]) -> None:
        """Give a copy of each event to foreign listeners, if any; at most once."""
        self._io.post(lambda: self._herald.announce(events))

    def consume(self, address: str, deliveries: Deliveries, *, prefetch: int) -> RabbitMQConsumer:
        """Consume the address, from now until closed; at most ``prefetch`` deliveries are unacknowledged at a time.

        Raises ValueError for what is no address.
        """
        return self._consume(app_source(address), deliveries, prefetch)

    def consume_reserved(self, queue: Reserved, deliveries: Deliveries, *, prefetch: int) -> RabbitMQConsumer:
        """Consume what reached no app, beside every other consumer of the queue."""
        return self._consume(reserved_source(queue), deliveries, prefetch)

    def listen(self, rung: Rung) -> str:
        """Return the name of this process's doorbell and call ``rung`` whenever another process rings it."""
        self._io.post(lambda: self._begin_listening(rung))
        return self._doorbell_name

    def ring(self, doorbell: str, message_ids: Sequence[str]) -> None:
        """Ring the doorbell of whoever waits for these requests; at most once, lost when nobody is there."""
        self._io.post(lambda: self._ringer.ring(doorbell, message_ids))

    def link(self) -> Link:
        """Say whether publishing works."""
        return self._publisher.link()

    def close(self) -> None:
        """Close every consumer, let what was handed over be confirmed (within seconds), close every connection."""
        with self._lifecycle:
            started, self._started = self._started, True
            closing, self._closing = self._closing, True
        if not closing:
            self._io.post(self._end)
        if not started:
            self._io.start()  # only to end what was handed over
        if not self._io.here():
            self._io.join(CLOSE_SECONDS + CONFIRM_SECONDS)

    def _begin(self) -> None:
        if not self._closing:
            self._publisher.begin()
            self._herald.begin()
            self._ringer.begin()
            self._publishing.begin()

    def _consume(self, source: Source, deliveries: Deliveries, prefetch: int) -> RabbitMQConsumer:
        consumer = RabbitMQConsumer(
            self._io,
            self._consuming,
            self._declarer,
            self._place,
            source,
            deliveries,
            prefetch,
            self._clock,
            closed=self._forget,
        )
        self._io.post(lambda: self._begin_consumer(consumer))
        return consumer

    def _begin_consumer(self, consumer: RabbitMQConsumer) -> None:
        if not self._closing:
            self._consumers.append(consumer)
            consumer.begin()
            self._consuming.begin()

    def _begin_listening(self, rung: Rung) -> None:
        if not self._closing:
            self._doorbell.listen(rung)
            self._consuming.begin()

    def _forget(self, consumer: RabbitMQConsumer) -> None:
        if consumer in self._consumers:
            self._consumers.remove(consumer)

    def _end(self) -> None:
        """Consumers first: their addresses are handed over while the last confirms come in."""
        stop = _once(self._stop)
        closed = _at_call(2, stop)
        finished = _once(lambda: self._publishing.close(closed))
        self._io.later(CLOSE_SECONDS, stop)
        self._io.later(CONFIRM_SECONDS, finished)
        self._publisher.finish(finished)
        for consumer in tuple(self._consumers):
            consumer.end(_nothing)
        self._consuming.close(closed)

    def _stop(self) -> None:
        self._publisher.abandon(ConnectionLost("the transport is closed"))
        self._publishing.drop()
        self._consuming.drop()
        # one more turn: pika closes dropped sockets in it
        self._io.later(0, self._io.stop)


def _at_call(number: int, job: Callable[[], None]) -> Callable[[], None]:
    """Return a function that runs the job when it is called for the n-th time."""
    calls = itertools.count(1)

    def called() -> None:
        if next(calls) == number:
            job()

    return called


def _once(job: Callable[[], None]) -> Callable[[], None]:
    """Return a function that runs the job when it is called for the first time."""
    return _at_call(1, job)


def _nothing() -> None:
    """Stands where nobody needs to be told."""
