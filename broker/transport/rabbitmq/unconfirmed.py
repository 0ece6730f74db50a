"""Publishes what may be lost: copies of events for foreign listeners, and rings of a doorbell."""

import json
from collections.abc import Sequence

from pika import BasicProperties

from broker.errors import TransportError
from broker.lifecycle.clock import Clock
from broker.messages.envelope import Envelope
from broker.transport.rabbitmq.declarer import Declarer
from broker.transport.rabbitmq.faults import is_missing
from broker.transport.rabbitmq.io_thread import IoThread
from broker.transport.rabbitmq.kept_channel import Attempt, KeptChannel
from broker.transport.rabbitmq.kept_connection import KeptConnection
from broker.transport.rabbitmq.parameters import Place
from broker.transport.rabbitmq.topology import EVENTS
from broker.transport.rabbitmq.wire import JSON_CONTENT, MAX_SHORT, to_properties

DEFAULT_EXCHANGE = ""
IDS_A_RING = 1000


class Unconfirmed:
    """A channel to one exchange: what cannot be sent now is dropped, and nobody waits for a confirm.

    RabbitMQ closes the channel of a user who may not publish to an exchange, so each exchange has its own. Confirms are
    on only to see in the log that publishing works again. For the I/O thread only.
    """

    def __init__(
        self,
        io: IoThread,
        connection: KeptConnection,
        declarer: Declarer,
        place: Place,
        purpose: str,
        exchange: str,
        clock: Clock,
    ) -> None:
        self._connection = connection
        self._declarer = declarer
        self._exchange = exchange
        doing = f"publish to exchange {exchange or 'amq.default'!r}"
        self._kept = KeptChannel(
            io, connection, place, purpose, doing, clock, self._prepare, self._on_lost, proven_by_use=True
        )

    def begin(self) -> None:
        """Live on the connection from now on."""
        self._connection.add(self._kept)

    def send(self, routing_key: str, body: bytes, properties: BasicProperties) -> None:
        """Publish now or never."""
        channel = self._kept.ready
        # while RabbitMQ blocks publishing, all this would pile up in our own memory
        if channel is not None and self._connection.link.up:
            channel.basic_publish(self._exchange, routing_key, body, properties)

    def _prepare(self, attempt: Attempt) -> None:
        def founded(error: TransportError | None) -> None:
            if error is not None:
                attempt.failed(error)
            elif attempt.current:
                attempt.channel.confirm_delivery(lambda _frame: self._kept.prove(), lambda _frame: attempt.ready())

        self._declarer.declare_foundation(founded)

    def _on_lost(self, _attempt: Attempt, error: TransportError) -> None:
        """What was sent over the channel may be lost; the exchange must not stay so."""
        if is_missing(error):
            self._declarer.forget()


class Herald:
    """Announces events to foreign listeners. For the I/O thread only."""

    def __init__(
        self, io: IoThread, connection: KeptConnection, declarer: Declarer, place: Place, clock: Clock
    ) -> None:
        self._user = place.user
        self._events = Unconfirmed(io, connection, declarer, place, "announcing events", EVENTS, clock)

    def begin(self) -> None:
        """Live on the connection from now on."""
        self._events.begin()

    def announce(self, events: Sequence[Envelope]) -> None:
        """Publish each event under ``<source address>.<kind>``."""
        for event in events:
            key = f"{event.source}.{event.kind}"
            try:
                properties = to_properties(event, self._user)
            except ValueError:
                continue  # the subscribers' own copies are refused with the reason
            if len(key.encode()) <= MAX_SHORT:
                self._events.send(key, event.body, properties)


class Ringer:
    """Rings the doorbells of other processes. For the I/O thread only."""

    def __init__(
        self, io: IoThread, connection: KeptConnection, declarer: Declarer, place: Place, clock: Clock
    ) -> None:
        self._doorbells = Unconfirmed(io, connection, declarer, place, "ringing doorbells", DEFAULT_EXCHANGE, clock)

    def begin(self) -> None:
        """Live on the connection from now on."""
        self._doorbells.begin()

    def ring(self, doorbell: str, message_ids: Sequence[str]) -> None:
        """Publish ids to a doorbell's queue."""
        properties = BasicProperties(content_type=JSON_CONTENT, delivery_mode=1)
        for start in range(0, len(message_ids), IDS_A_RING):
            ids = list(message_ids[start : start + IDS_A_RING])
            self._doorbells.send(doorbell, json.dumps(ids).encode(), properties)
