"""A transport that misbehaves on request, within what the seam allows: unconfirmed, lost, twice, again."""

import threading
from collections.abc import Sequence
from dataclasses import replace

from broker.errors import NotConfirmed, TransportError
from broker.lifecycle.clock import Clock
from broker.messages.envelope import Envelope
from broker.transport.memory.consumer import MemoryConsumer
from broker.transport.memory.transport import MemoryTransport
from broker.transport.seam import Deliveries, Settled

NOWHERE = "nowhere"
"""Where lost messages go: nobody consumes it."""


class UnreliableTransport(MemoryTransport):
    """Carries within the process as ``memory://`` does, until it is told otherwise. Methods are for any thread."""

    def __init__(self, clock: Clock) -> None:
        super().__init__(clock)
        self._open: list[tuple[str, MemoryConsumer]] = []
        self._changing = threading.Lock()
        self._unconfirmed = self._lost = self._doubled = 0

    def drop_confirms(self, count: int) -> None:
        """Deliver the next messages, and say of each that it was not confirmed: they are published again later."""
        with self._changing:
            self._unconfirmed += count

    def lose(self, count: int) -> None:
        """Confirm the next messages and deliver them to nobody, as a RabbitMQ whose disk is wiped afterwards."""
        with self._changing:
            self._lost += count

    def double(self, count: int) -> None:
        """Deliver each of the next messages twice."""
        with self._changing:
            self._doubled += count

    def redeliver(self, address: str | None = None) -> None:
        """Close the channels of an app's consumers, or of all: they consume again, and what is not acknowledged comes again.

        So it is after a lost connection, and after RabbitMQ cancelled a consumer.
        """
        with self._changing:
            consumers = [consumer for name, consumer in self._open if address in (None, name)]
        for consumer in consumers:
            consumer.rebuild()

    def publish(self, envelopes: Sequence[Envelope], settled: Settled) -> None:
        """Put each envelope into its destination's mailbox, or do with it what was asked for."""
        for envelope in envelopes:
            self._publish(envelope, settled)

    def consume(self, address: str, deliveries: Deliveries, *, prefetch: int) -> MemoryConsumer:
        """Consume the address, from now until closed. Raises ValueError for what is no address."""
        consumer = super().consume(address, deliveries, prefetch=prefetch)
        with self._changing:
            self._open.append((address, consumer))
        return consumer

    def _publish(self, envelope: Envelope, settled: Settled) -> None:
        with self._changing:
            lost, unconfirmed, doubled = self._lost > 0, self._unconfirmed > 0, self._doubled > 0
            self._lost -= lost
            self._unconfirmed -= unconfirmed and not lost
            self._doubled -= doubled and not lost
        if lost:
            super().publish([replace(envelope, destination=NOWHERE)], lambda _, error: settled([envelope], error))
            return
        if doubled:
            super().publish([envelope], _nobody_asked)
        if unconfirmed:
            refusal = NotConfirmed(f"message {envelope.message_id!r}: its confirm was dropped on request")
            super().publish([envelope], lambda sent, _: settled(sent, refusal))
        else:
            super().publish([envelope], settled)


def _nobody_asked(_envelopes: Sequence[Envelope], _error: TransportError | None) -> None:
    """Stand for whoever published what is delivered once more."""
