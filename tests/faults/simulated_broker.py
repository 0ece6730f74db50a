"""RabbitMQ as the property test plays it: one active consumer per queue, and every way in which it may fail."""

from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from enum import Enum

from broker.errors import NotConfirmed, TransportError
from broker.lifecycle.clock import Clock
from broker.messages.envelope import Envelope
from broker.transport.seam import Consumer, Deliveries, Delivery, Link, Reserved, Rung, Settled

UP = Link(True, "")


class Weather(Enum):
    """What becomes of what is published."""

    FINE = "queued and confirmed"
    CONFIRM_LOST = "queued, but the sender never learns it"
    AWAY = "not queued"


class Requeued(Enum):
    """Where a closed channel's deliveries go."""

    FRONT = "before what was never delivered, as they were"
    BACK = "behind what was never delivered"
    REVERSED = "before what was never delivered, in reverse"


@dataclass(slots=True)
class Kept:
    """A message that the broker keeps until it is acknowledged."""

    envelope: Envelope
    redelivered: bool = False


@dataclass(slots=True, eq=False)
class Channel:
    """One life of a consumer, as the broker knows it. What lies in ``socket`` was sent and not read yet."""

    number: int
    prefetch: int
    open: bool = True
    last_tag: int = 0
    unacked: OrderedDict[int, Kept] = field(default_factory=OrderedDict)
    socket: list[Delivery] = field(default_factory=list)


class Broker:
    """The queues. Only the queue of the app that is tried has consumers."""

    def __init__(
        self, clock: Clock, app: str, acknowledged: Callable[[Envelope], None], say: Callable[[str], None]
    ) -> None:
        """``acknowledged`` is told of each message that the broker forgets, ``say`` of whatever else it does."""
        self.weather = Weather.FINE
        self.ready: list[Kept] = []
        self.channels: list[Channel] = []
        self._clock = clock
        self._app = app
        self._acknowledged = acknowledged
        self._say = say

    def publish(self, envelope: Envelope) -> None:
        """Queue a message."""
        if envelope.destination == self._app:
            self.ready.append(Kept(envelope))
            self._say(f"broker: queued {envelope.message_id}")

    def deliver(self, count: int) -> None:
        """Send so many messages to the active consumer, as far as its prefetch has room."""
        if not self.channels:
            return
        active = self.channels[0]
        for _ in range(min(count, active.prefetch - len(active.unacked), len(self.ready))):
            kept = self.ready.pop(0)
            active.last_tag += 1
            active.unacked[active.last_tag] = kept
            self._say(f"broker: {kept.envelope.message_id} is delivery {active.last_tag} of channel {active.number}")
            active.socket.append(
                Delivery(kept.envelope, active.number, active.last_tag, kept.redelivered, self._clock.now_us())
            )

    def ack(self, channel: Channel, tag: int) -> None:
        """Forget what the channel was given, up to and including the tag."""
        for each in [each for each in channel.unacked if channel.open and each <= tag]:
            envelope = channel.unacked.pop(each).envelope
            self._say(f"broker: {envelope.message_id} was acknowledged")
            self._acknowledged(envelope)

    def close(self, channel: Channel, where: Requeued = Requeued.FRONT) -> None:
        """Close a channel; the consumer learns it when it next reads."""
        if not channel.open:
            return
        channel.open = False
        self.channels.remove(channel)
        self._say(f"broker: channel {channel.number} closed, {len(channel.unacked)} deliveries requeued {where.value}")
        back = [Kept(kept.envelope, redelivered=True) for kept in channel.unacked.values()]
        channel.unacked.clear()
        match where:
            case Requeued.FRONT:
                self.ready[:0] = back
            case Requeued.BACK:
                self.ready += back
            case Requeued.REVERSED:
                self.ready[:0] = back[::-1]

    def wipe(self) -> list[Envelope]:
        """Lose every message and every channel; return what was lost."""
        lost = [*self.ready, *(kept for channel in self.channels for kept in channel.unacked.values())]
        for channel in list(self.channels):
            self.close(channel)
        self.ready.clear()
        return [kept.envelope for kept in lost]


class SimulatedConsumer:
    """A process's consumer. ``point`` is where others may act, or the process may die, before it does a thing."""

    def __init__(self, broker: Broker, sink: Deliveries, prefetch: int, point: Callable[[str], None]) -> None:
        self._broker = broker
        self._sink = sink
        self._prefetch = prefetch
        self._point = point
        self._closed = False
        self.channel = self._open(1)

    def read(self) -> None:
        """Do what the I/O thread does: hand over what was sent, then repair a closed channel."""
        sent, self.channel.socket = self.channel.socket, []
        if sent:
            self._sink(sent)
        if not self.channel.open and not self._closed:
            self.channel = self._open(self.channel.number + 1)

    def ack(self, channel: int, tag: int) -> None:
        """Acknowledge, unless the channel is closed by now."""
        self._point("ack")
        if channel == self.channel.number:
            self._broker.ack(self.channel, tag)

    def probe(self, timeout_seconds: float) -> int | None:
        """Return the channel's number when the broker knows it."""
        return self.channel.number if self.channel.open else None

    def backlog(self, timeout_seconds: float) -> int | None:
        """Return how many messages no consumer was given."""
        return len(self._broker.ready)

    def rebuild(self) -> None:
        """Consume again behind the others."""
        self._broker.close(self.channel)
        if not self._closed:
            self.channel = self._open(self.channel.number + 1)

    def link(self) -> Link:
        """Say that all is well."""
        return UP

    def close(self) -> None:
        """Close the channel for good."""
        self._closed = True
        self._broker.close(self.channel)

    def _open(self, number: int) -> Channel:
        channel = Channel(number, self._prefetch)
        self._broker.channels.append(channel)
        return channel


class SimulatedTransport:
    """The transport of one process."""

    user = ""

    def __init__(self, broker: Broker, point: Callable[[str], None]) -> None:
        self._broker = broker
        self._point = point
        self.consumers: list[SimulatedConsumer] = []

    def start(self) -> None:
        """Do nothing: it is connected."""

    def publish(self, envelopes: Sequence[Envelope], settled: Settled) -> None:
        """Publish as the weather allows."""
        self._point("publish")
        error: TransportError | None = None
        if self._broker.weather is not Weather.FINE:
            error = NotConfirmed(f"simulated: {self._broker.weather.value}")
        if self._broker.weather is not Weather.AWAY:
            for envelope in envelopes:
                self._broker.publish(envelope)
        settled(envelopes, error)

    def announce(self, events: Sequence[Envelope]) -> None:
        """Tell nobody."""

    def consume(self, address: str, deliveries: Deliveries, *, prefetch: int) -> Consumer:
        """Consume the app's queue."""
        consumer = SimulatedConsumer(self._broker, deliveries, prefetch, self._point)
        self.consumers.append(consumer)
        return consumer

    def consume_reserved(self, queue: Reserved, deliveries: Deliveries, *, prefetch: int) -> Consumer:
        """Refuse: nothing of the test reaches a reserved queue."""
        raise NotImplementedError

    def listen(self, rung: Rung) -> str:
        """Return no doorbell: nothing of the test waits for a reply."""
        return ""

    def ring(self, doorbell: str, message_ids: Iterable[str]) -> None:
        """Ring nobody."""

    def link(self) -> Link:
        """Say that all is well."""
        return UP

    def close(self) -> None:
        """Close every channel, as the kernel does for a process that died."""
        for consumer in self.consumers:
            consumer.close()
