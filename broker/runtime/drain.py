"""Drains RabbitMQ's queues for what reached no app into rows, where an operator finds it.

Any number of processes may drain at once: RabbitMQ gives each a share, a row is committed before its delivery is
acknowledged, and what is delivered again is recognised. So there is nothing to take turns for, and no pause when one dies.
"""

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import structlog

from broker.errors import TableError
from broker.observe.health import Check
from broker.table.database import Database
from broker.table.dead_letters import DeadLetter, keep_dead_letters
from broker.transport.seam import Consumer, Delivery, Reserved, Transport

log = structlog.get_logger("interapp.drain")

PREFETCH = 20
"""Few at a time: their bodies may be large."""

TABLE_PAUSE_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Arrived:
    """Deliveries of one reserved queue."""

    queue: Reserved
    deliveries: Sequence[Delivery]


class Drain:
    """The drain of one process."""

    def __init__(self, database: Database, transport: Transport, *, max_bytes: int) -> None:
        """``max_bytes`` is how much of a body is kept."""
        self._database = database
        self._transport = transport
        self._max_bytes = max_bytes
        self._consumers: dict[Reserved, Consumer] = {}
        self._lock = threading.Lock()
        self._arrived: list[Arrived] = []
        self._wake = threading.Event()
        self._stopping = threading.Event()
        self._trouble = ""
        self._thread = threading.Thread(target=self._run, name="drain", daemon=True)

    def start(self) -> None:
        """Begin to consume."""
        for queue in Reserved:
            self._consumers[queue] = self._transport.consume_reserved(
                queue, partial(self._delivered, queue), prefetch=PREFETCH
            )
        self._thread.start()

    def stop(self) -> None:
        """End; what is not in the table yet goes back to RabbitMQ."""
        self._stopping.set()
        self._wake.set()
        self._thread.join()
        for consumer in self._consumers.values():
            consumer.close()

    def check(self) -> Check:
        """Say whether what reaches no app gets into the table."""
        links = [consumer.link() for consumer in self._consumers.values()]
        trouble = self._trouble or next((link.detail for link in links if not link.up), "")
        return Check(ok=not trouble, detail=trouble)

    def _delivered(self, queue: Reserved, deliveries: Sequence[Delivery]) -> None:
        with self._lock:
            self._arrived.append(Arrived(queue, deliveries))
        self._wake.set()

    def _run(self) -> None:
        while True:
            self._wake.wait()
            self._wake.clear()
            if self._stopping.is_set():
                return
            with self._lock:
                arrived, self._arrived = self._arrived, []
            try:
                if arrived and not self._keep(arrived):
                    return
            except Exception as exc:
                # Nothing known gets here. RabbitMQ still has them: it is asked to deliver them again.
                log.exception("unexpected; dead letters are taken in again")
                self._trouble = f"{type(exc).__name__}: {exc}"
                for consumer in self._consumers.values():
                    consumer.rebuild()

    def _keep(self, arrived: Sequence[Arrived]) -> bool:
        """Commit, then acknowledge; return whether that was done before the end."""
        letters = [to_dead_letter(delivery) for part in arrived for delivery in part.deliveries]
        while True:
            try:
                new = keep_dead_letters(self._database, letters, max_bytes=self._max_bytes)
                break
            except TableError as exc:
                if not self._trouble:
                    log.warning("dead letters wait for the table", error=str(exc))
                self._trouble = str(exc)
            if self._stopping.wait(TABLE_PAUSE_SECONDS):
                return False
        self._trouble = ""
        if new:
            log.warning("messages reached no app; see interapp dead-letters", count=new, reason=letters[-1].reason)
        for part in arrived:
            last = part.deliveries[-1]
            self._consumers[part.queue].ack(last.channel, last.tag)
        return True


def to_dead_letter(delivery: Delivery) -> DeadLetter:
    """Return the row that a delivery of a reserved queue becomes."""
    origin = delivery.origin
    if origin is None:
        raise ValueError(f"{delivery.envelope.message_id} came from no reserved queue")
    return DeadLetter(
        queue=origin.queue,
        reason=origin.reason,
        routing_key=origin.routing_key,
        headers=origin.headers,
        envelope=delivery.envelope,
        arrived_us=delivery.received_us,
    )
