"""What one app's consumer was given and has not acknowledged yet. Pure: it decides, the worker acts."""

from collections import OrderedDict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum

from broker.messages.envelope import Envelope
from broker.table.rows import Standing
from broker.transport.seam import Delivery

ACK_AFTER_SECONDS = 60.0
"""A delivery whose row is committed is acknowledged after this long at the latest, so that a long backlog neither fills the
prefetch nor meets RabbitMQ's consumer timeout. Until then it would wake a standby."""

RECENT = 10_000
"""How many rows that were just settled are remembered: claims run ahead of the deliveries of a backlog, whose rings come later."""

Identity = tuple[str, str]


class Known(Enum):
    """What is known of the row of a delivery."""

    NO = "its row has not been seen"
    OPEN = "its row is committed and due"
    SETTLED = "its row is final, or waits for a later time"


@dataclass(slots=True)
class Received:
    """One delivery that is not acknowledged."""

    envelope: Envelope
    tag: int
    received_us: int
    known: Known = Known.NO
    committed_at: float = 0.0
    """Monotonic seconds since which its row is known to be committed."""


class Intake:
    """The unacknowledged deliveries of the newest channel, in order of arrival."""

    def __init__(self) -> None:
        self.channel = 0
        self._received: OrderedDict[int, Received] = OrderedDict()
        self._tags: dict[Identity, list[int]] = {}
        self._recent: OrderedDict[Identity, None] = OrderedDict()

    def add(self, deliveries: Iterable[Delivery]) -> bool:
        """Take deliveries in; return whether any of them is of a row that was not settled lately.

        Those of an older channel were given back by RabbitMQ and are forgotten.
        """
        news = False
        for delivery in deliveries:
            if delivery.channel < self.channel:
                continue
            if delivery.channel > self.channel:
                self.channel = delivery.channel
                self._received.clear()
                self._tags.clear()
            identity = delivery.envelope.identity
            known = Known.SETTLED if identity in self._recent else Known.NO
            news = news or known is Known.NO
            self._received[delivery.tag] = Received(delivery.envelope, delivery.tag, delivery.received_us, known)
            self._tags.setdefault(identity, []).append(delivery.tag)
        return news

    def unknown(self, *, foreign_only: bool) -> list[Envelope]:
        """Return the envelopes whose row has not been seen.

        One of our own senders (it always gives a call id) has committed its row before it published: only a foreign
        producer's needs a row at once.
        """
        return [
            received.envelope
            for received in self._received.values()
            if received.known is Known.NO and not (foreign_only and received.envelope.call_id)
        ]

    def open(self) -> list[Envelope]:
        """Return the envelopes whose row was neither final nor waiting for a later time when it was last seen."""
        return [received.envelope for received in self._received.values() if received.known is Known.OPEN]

    def unknown_count(self) -> int:
        """Return how many deliveries there are whose row has not been seen."""
        return sum(received.known is Known.NO for received in self._received.values())

    def learn(self, standings: Mapping[Identity, Standing], *, now_us: int, monotonic: float) -> None:
        """Note where rows stand."""
        for identity, standing in standings.items():
            later = standing.due_us > now_us
            self._note(identity, Known.SETTLED if standing.state.final or later else Known.OPEN, monotonic)

    def claimed(self, identities: Iterable[Identity], *, monotonic: float) -> None:
        """Note that these rows were seen in the table."""
        for identity in identities:
            self._note(identity, Known.OPEN, monotonic)

    def settled(self, identities: Iterable[Identity], *, monotonic: float) -> None:
        """Note that these rows are final or wait for a later time."""
        for identity in identities:
            self._note(identity, Known.SETTLED, monotonic)
            self._recent[identity] = None
        while len(self._recent) > RECENT:
            self._recent.popitem(last=False)

    def arrivals(self) -> dict[Identity, int]:
        """Return when each delivery came: (message id, user) to microseconds since 1970."""
        return {received.envelope.identity: received.received_us for received in self._received.values()}

    def acknowledge(self, *, monotonic: float) -> tuple[int, int] | None:
        """Return (channel, tag) up to which all may be acknowledged, and forget those; None when there is nothing."""
        last = None
        while self._received:
            tag, received = next(iter(self._received.items()))
            old = received.known is Known.OPEN and monotonic - received.committed_at >= ACK_AFTER_SECONDS
            if received.known is not Known.SETTLED and not old:
                break
            del self._received[tag]
            tags = self._tags[received.envelope.identity]
            tags.remove(tag)
            if not tags:
                del self._tags[received.envelope.identity]
            last = tag
        return None if last is None else (self.channel, last)

    def __len__(self) -> int:
        """Return how many deliveries are not acknowledged."""
        return len(self._received)

    def _note(self, identity: Identity, known: Known, monotonic: float) -> None:
        for tag in self._tags.get(identity, ()):
            received = self._received[tag]
            if received.known is Known.NO:
                received.committed_at = monotonic
            if received.known is not Known.SETTLED:
                received.known = known
