"""The doorbell: one queue of this process's own, where others say which outcomes are in the table now."""

import json
from typing import Any

from pika.channel import Channel

from broker.lifecycle.clock import Clock
from broker.transport.rabbitmq.io_thread import IoThread
from broker.transport.rabbitmq.kept_channel import Attempt, KeptChannel
from broker.transport.rabbitmq.kept_connection import KeptConnection
from broker.transport.rabbitmq.parameters import Place
from broker.transport.seam import Rung


class Doorbell:
    """An exclusive queue that goes away with the connection and comes back under its name. For the I/O thread only.

    A ring that is lost meanwhile is made up for: whoever waits also looks at the table.
    """

    def __init__(self, io: IoThread, connection: KeptConnection, place: Place, name: str, clock: Clock) -> None:
        self._io = io
        self._connection = connection
        self._name = name
        self._rung: list[Rung] = []
        self._ids: list[str] = []
        self._kept = KeptChannel(
            io,
            connection,
            place,
            "the doorbell",
            f"declare and consume queue {name!r}",
            clock,
            self._prepare,
            self._on_lost,
        )

    def listen(self, rung: Rung) -> None:
        """Call ``rung`` from now on."""
        self._rung.append(rung)
        if len(self._rung) == 1:
            self._connection.add(self._kept)

    def _prepare(self, attempt: Attempt) -> None:
        def declared(_frame: object) -> None:
            if attempt.current:
                attempt.channel.add_on_cancel_callback(lambda _frame: self._kept.reopen())
                attempt.channel.basic_consume(
                    self._name, self._on_ring, auto_ack=True, callback=lambda _frame: attempt.ready()
                )

        attempt.channel.queue_declare(self._name, exclusive=True, auto_delete=True, callback=declared)

    def _on_ring(self, _channel: Channel, _method: object, _properties: object, body: bytes) -> None:
        try:
            ids: Any = json.loads(body)
        except (ValueError, RecursionError):
            return  # not from one of ours
        if not isinstance(ids, list):
            return
        if not self._ids:
            self._io.soon(self._tell)
        self._ids += [one for one in ids if isinstance(one, str)]

    def _tell(self) -> None:
        ids, self._ids = self._ids, []
        for rung in tuple(self._rung):
            self._io.call(rung, ids)

    def _on_lost(self, _attempt: Attempt, _error: Exception) -> None:
        """Do nothing: the queue goes with its connection."""
