"""The seam between the runtime and whatever carries messages.

A queue is a doorbell: it wakes the worker, the handler table says what to do. So a transport may deliver late, twice or in
another order, and lose what it had not confirmed. What it must keep:

1. ``publish`` returns at once and ends every envelope exactly once: confirmed, or not with the reason. It never blocks and
   holds a bounded number of envelopes; what does not fit is ended at once with ``Blocked`` (the relay comes later).
2. What was confirmed for an address is delivered to a consumer of that address at least once, also to one that
   starts later, until it is acknowledged, as long as the carrier keeps its disk (``memory``: its process).
3. Of several consumers of one address one is *active*; another gets deliveries only after the active one's channel closed.
4. Everything not acknowledged is delivered again after its channel closed, with ``redelivered`` true.
5. Within one channel of an active consumer, fresh deliveries come in the order in which they were published.
6. A lost connection, a cancelled consumer or a closed channel is repaired by the transport itself, with back-off; each
   repair is a new channel number. Settling a delivery of an older channel does nothing.
7. Sinks and callbacks are called on the transport's own thread and must return at once. Handlers never run there.
8. Bytes it cannot understand never stop a consumer: they are delivered as they are, with empty fields.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from broker.errors import TransportError
from broker.messages.envelope import Envelope


class Reserved(StrEnum):
    """Queues of interapp itself, in which lies what reached no app."""

    UNROUTABLE = "unroutable"
    """What was sent to an address that has no queue."""
    DEAD_LETTERS = "dead-letters"
    """What a queue gave up: too old, too often delivered, rejected, too many."""


@dataclass(frozen=True, slots=True)
class Origin:
    """How a delivery came to a reserved queue."""

    queue: str
    """Name of the reserved queue at the carrier."""
    reason: str
    """Why, in words."""
    routing_key: str
    headers: str
    """Every header, as JSON."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """An envelope as received over a transport."""

    envelope: Envelope
    channel: int
    """Number of the channel it came by; grows with every repair of the consumer."""
    tag: int
    """Its position in that channel, from 1."""
    redelivered: bool
    received_us: int
    """Wall clock at arrival, in microseconds since 1970."""
    origin: Origin | None = None
    """What came from a reserved queue has one. Its envelope has no destination when that is no address, and no id when the
    producer gave none."""


@dataclass(frozen=True, slots=True)
class Link:
    """How one side of a transport stands, for health and logs."""

    up: bool
    detail: str
    """Empty when all is well, else one line that names the thing and the way out."""


Settled = Callable[[Sequence[Envelope], TransportError | None], None]
"""Called with envelopes that were confirmed (None), or that were not and why."""

Deliveries = Callable[[Sequence[Delivery]], None]
"""Called with what arrived since the last call, in order of arrival."""

Rung = Callable[[Sequence[str]], None]
"""Called with the ids of the requests whose outcome is in the table now."""


class Consumer(Protocol):
    """Receives what is sent to one address."""

    def ack(self, channel: int, tag: int) -> None:
        """Acknowledge every delivery of the channel up to and including the tag."""
        ...

    def probe(self, timeout_seconds: float) -> int | None:
        """Make a round trip on the channel: return its number when it is alive, None when it is not."""
        ...

    def backlog(self, timeout_seconds: float) -> int | None:
        """Return how many messages wait at the carrier for a consumer of the address, None when that cannot be told."""
        ...

    def rebuild(self) -> None:
        """Close the channel and consume again on a new one, behind every other consumer of the address."""
        ...

    def link(self) -> Link:
        """Say whether the consumer is registered and delivering."""
        ...

    def close(self) -> None:
        """Close the channel for good; what was not acknowledged goes to another consumer. Returns when it is closed."""
        ...


class Transport(Protocol):
    """Carries envelopes. One instance serves every app of a process."""

    user: str
    """Name that RabbitMQ knows us by (AMQP ``user_id``); empty where there is none."""

    def start(self) -> None:
        """Begin connecting; returns at once, whether or not the other side is there."""
        ...

    def publish(self, envelopes: Sequence[Envelope], settled: Settled) -> None:
        """Send each envelope to its destination, durably and confirmed, making the destination's queue when needed."""
        ...

    def announce(self, events: Sequence[Envelope]) -> None:
        """Give a copy of each event to foreign listeners, if any; at most once."""
        ...

    def consume(self, address: str, deliveries: Deliveries, *, prefetch: int) -> Consumer:
        """Consume the address, from now until closed; at most ``prefetch`` deliveries are unacknowledged at a time."""
        ...

    def consume_reserved(self, queue: Reserved, deliveries: Deliveries, *, prefetch: int) -> Consumer:
        """Consume what reached no app, as ``consume`` does, but every consumer of the queue gets a share.

        Whatever a consumer has acknowledged is gone: it must be kept elsewhere by then.
        """
        ...

    def listen(self, rung: Rung) -> str:
        """Return the name of this process's doorbell and call ``rung`` whenever another process rings it."""
        ...

    def ring(self, doorbell: str, message_ids: Sequence[str]) -> None:
        """Ring the doorbell of whoever waits for these requests; at most once, lost when nobody is there."""
        ...

    def link(self) -> Link:
        """Say whether publishing works."""
        ...

    def close(self) -> None:
        """Let what was handed over be confirmed (within a few seconds), then close every connection."""
        ...
