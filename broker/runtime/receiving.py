"""One app's consumer: what it was given, the rows that must exist before it is acknowledged, and the acknowledgement."""

import threading
from collections.abc import Callable, Iterable, Sequence

from broker.lifecycle.clock import Clock
from broker.lifecycle.state import State
from broker.messages.envelope import Envelope
from broker.runtime.intake import Identity, Intake
from broker.runtime.middleware.hooks import NO_HOOKS, Hooks
from broker.table.store import HandlerTable
from broker.transport.seam import Consumer, Delivery, Link, Transport

PROBE_SECONDS = 5.0
"""How long a channel may take to prove that it is alive."""

CROWDED_SECONDS = 1.0
"""How long deliveries whose rows have not been seen may fill the prefetch: claims are just about to see most of them."""

SOON_US = 2_000_000
"""What is due later than this is seen by a look at the table before that."""


class Receiving:
    """The deliveries of one app, from now on. ``wake`` is called, on the transport's thread, whenever some arrived.

    ``due_later`` is told in how many microseconds the row of a delivery is due, when that is soon: what is due after the next
    look at the table is learnt from the table.
    """

    def __init__(
        self,
        app: str,
        *,
        transport: Transport,
        table: HandlerTable,
        clock: Clock,
        prefetch: int,
        max_bytes: int,
        wake: Callable[[], None],
        due_later: Callable[[int], None],
        hooks: Hooks = NO_HOOKS,
    ) -> None:
        self._app = app
        self._table = table
        self._clock = clock
        self._prefetch = prefetch
        self._max_bytes = max_bytes
        self._wake = wake
        self._due_later = due_later
        self._hooks = hooks
        self.rung = 0
        """Number of the channel that rang last; whoever answers the ring sets it back to 0."""
        self._crowded_at = -CROWDED_SECONDS
        self._lock = threading.Lock()
        self._arrived: list[Delivery] = []
        self._intake = Intake()
        self.delivered = 0
        """How many deliveries have arrived since the start."""
        self.acknowledged = 0
        """How often some of them were acknowledged."""
        self._consumer: Consumer = transport.consume(app, self._delivered, prefetch=prefetch)

    def take_in(self) -> bool:
        """Take in what arrived, giving foreign messages their rows; return whether a row may be to claim because of it.

        Raises TableUnavailable; nothing is forgotten then.
        """
        with self._lock:
            arrived, self._arrived = self._arrived, []
            news = self._intake.add(arrived)
            # Rings for what was settled, and others wait behind them: for what the table has by now.
            news = news or (bool(arrived) and len(self._intake) >= self._prefetch)
            if arrived:
                self.rung = arrived[-1].channel
            now = self._clock.monotonic()
            crowded = now - self._crowded_at >= CROWDED_SECONDS and self._intake.unknown_count() > self._prefetch // 2
            if crowded:
                self._crowded_at = now
        if arrived and self._hooks.receives:
            self._hooks.received(self._app, [delivery.envelope for delivery in arrived])
        if arrived or crowded:
            self.look_up(foreign_only=not crowded)
        return news or crowded

    def look_up(self, *, foreign_only: bool) -> bool:
        """Learn where the rows of deliveries stand, making those that are missing; return whether one is due.

        Raises TableUnavailable.
        """
        with self._lock:
            unknown = self._intake.unknown(foreign_only=foreign_only)
        if not unknown:
            return False
        return self._learn(unknown)

    def look_again(self) -> bool:
        """Look up every delivery that is not settled, after a claim that found nothing; return whether a new one is due.

        What was seen before and could not be claimed now has ended without a run (expired, cancelled) or is held up.
        Not acknowledged, it would keep its place in the prefetch and so what is behind it at RabbitMQ.
        Raises TableUnavailable.
        """
        with self._lock:
            seen = self._intake.open()
        if seen:
            self._learn(seen)
        return self.look_up(foreign_only=False)

    def keep_up(self) -> bool:
        """Take in, look up and acknowledge while a handler runs; return whether a row may be to claim after it.

        For the thread that watches it.

        What is not acknowledged meets RabbitMQ's consumer timeout, however long the handler: the channel would be closed, the
        standby rung, this run's outcome refused, and the standby would fare no better. Raises TableUnavailable.
        """
        news = self.take_in()
        due = self.look_up(foreign_only=False)
        self.acknowledge()
        return news or due

    def arrivals(self) -> dict[Identity, int]:
        """Return when each delivery came: (message id, user) to microseconds since 1970."""
        with self._lock:
            return self._intake.arrivals()

    def claimed(self, identities: Iterable[Identity]) -> None:
        """Note that these rows were seen in the table."""
        with self._lock:
            self._intake.claimed(identities, monotonic=self._clock.monotonic())

    def settled(self, identities: Iterable[Identity]) -> None:
        """Note that these rows are final or wait for a later time."""
        with self._lock:
            self._intake.settled(identities, monotonic=self._clock.monotonic())

    def acknowledge(self) -> None:
        """Acknowledge up to the last delivery below which all may be."""
        with self._lock:
            last = self._intake.acknowledge(monotonic=self._clock.monotonic())
        if last is not None:
            self.acknowledged += 1
            self._consumer.ack(*last)

    def alive(self, channel: int) -> bool:
        """Tell, after a round trip, whether this channel is still the one that RabbitMQ delivers by."""
        return self._consumer.probe(PROBE_SECONDS) == channel

    def registered(self) -> bool:
        """Tell, after a round trip on its channel, whether RabbitMQ knows the consumer."""
        return self._consumer.probe(PROBE_SECONDS) is not None

    def backlog(self) -> int:
        """Return how many messages wait at RabbitMQ, 0 when that cannot be told."""
        return self._consumer.backlog(PROBE_SECONDS) or 0

    def at_hand(self) -> tuple[int, int]:
        """Return how many deliveries are not acknowledged, and of how many of these no row has been seen."""
        with self._lock:
            return len(self._intake) + len(self._arrived), self._intake.unknown_count()

    def rebuild(self) -> None:
        """Close the channel and queue up behind the other consumers."""
        self._consumer.rebuild()

    def channel(self) -> int:
        """Return the number of the newest channel that something came by."""
        with self._lock:
            return self._intake.channel

    def link(self) -> Link:
        """Say whether the consumer is registered and delivering."""
        return self._consumer.link()

    def close(self) -> None:
        """Close the channel; what was not acknowledged goes to another consumer."""
        self._consumer.close()

    def _delivered(self, deliveries: Sequence[Delivery]) -> None:
        with self._lock:
            self._arrived += deliveries
            self.delivered += len(deliveries)
        self._wake()

    def _learn(self, envelopes: Sequence[Envelope]) -> bool:
        standings = self._table.arrived(self._app, envelopes, max_bytes=self._max_bytes)
        now_us, monotonic = self._clock.now_us(), self._clock.monotonic()
        with self._lock:
            self._intake.learn(standings, now_us=now_us, monotonic=monotonic)
        soon = [due for standing in standings.values() if 0 < (due := standing.due_us - now_us) <= SOON_US]
        if soon:
            self._due_later(min(soon))
        return any(standing.state is State.WAITING and standing.due_us <= now_us for standing in standings.values())
