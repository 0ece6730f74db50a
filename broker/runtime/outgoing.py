"""Takes committed rows to the transport, notes what was confirmed, and publishes again what was not."""

import threading
from collections.abc import Iterable, Sequence

from broker.errors import TransportError
from broker.lifecycle.clock import Clock
from broker.messages.envelope import Envelope
from broker.table.rows import Consignment
from broker.table.store import HandlerTable
from broker.transport.seam import Transport

RELAY_AFTER_SECONDS = 3.0
"""A row this old that was never confirmed is published again."""

RELAY_BATCH = 1000


class Outgoing:
    """The way out of one process. ``publish`` never blocks and never fails: what is committed is not lost."""

    def __init__(self, table: HandlerTable, transport: Transport, clock: Clock) -> None:
        self._table = table
        self._transport = transport
        self._clock = clock
        self._lock = threading.Lock()
        self._confirmed: list[int] = []

    def publish(self, consignment: Consignment, events: Sequence[Envelope] = ()) -> None:
        """Hand committed rows to the transport, and events to foreign listeners."""
        if consignment.envelopes:
            left = len(consignment.envelopes)

            def settled(envelopes: Sequence[Envelope], error: TransportError | None) -> None:
                nonlocal left
                # A failure needs no note: its entry stays in the outbox, which is where the relay looks.
                if error is None:
                    with self._lock:
                        left -= len(envelopes)
                        if left == 0:
                            self._confirmed += consignment.entries

            self._transport.publish(consignment.envelopes, settled)
        if events:
            self._transport.announce(events)

    def ring(self, rings: Iterable[tuple[str, str]]) -> None:
        """Ring each doorbell with the ids of the requests that are final now."""
        by_doorbell: dict[str, list[str]] = {}
        for doorbell, message_id in rings:
            by_doorbell.setdefault(doorbell, []).append(message_id)
        for doorbell, message_ids in by_doorbell.items():
            self._transport.ring(doorbell, message_ids)

    def flush(self) -> None:
        """Write down what was confirmed since the last time. Raises TableUnavailable; nothing is forgotten then."""
        with self._lock:
            confirmed, self._confirmed = self._confirmed, []
        try:
            self._table.confirmed(confirmed)
        except Exception:
            with self._lock:
                self._confirmed = confirmed + self._confirmed
            raise

    def relay(self, sources: Sequence[str]) -> int:
        """Publish again what these senders committed and RabbitMQ never confirmed; return how many. Raises TableUnavailable."""
        if not sources or not self._transport.link().up:
            return 0
        before_us = self._clock.now_us() - round(RELAY_AFTER_SECONDS * 1_000_000)
        found = self._table.unconfirmed(sources, user=self._transport.user, before_us=before_us, limit=RELAY_BATCH)
        for consignment in found:
            if consignment.envelopes:
                self.publish(consignment)
            else:
                with self._lock:
                    self._confirmed += consignment.entries
        return sum(len(consignment.envelopes) for consignment in found)
