"""Publishes envelopes, mandatory and with confirms."""

import re
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from pika import BasicProperties
from pika.channel import Channel
from pika.spec import Basic

from broker.errors import Blocked, ConnectionLost, NotConfirmed, TransportError, Unroutable
from broker.lifecycle.clock import Clock
from broker.messages.envelope import Envelope
from broker.transport.rabbitmq.admission import Admission
from broker.transport.rabbitmq.confirms import Confirms, Sent
from broker.transport.rabbitmq.connection import Connection
from broker.transport.rabbitmq.declarer import Declarer
from broker.transport.rabbitmq.destinations import Destinations, not_publishable
from broker.transport.rabbitmq.faults import is_missing
from broker.transport.rabbitmq.framing import Framing
from broker.transport.rabbitmq.io_thread import IoThread
from broker.transport.rabbitmq.kept_channel import Attempt, KeptChannel
from broker.transport.rabbitmq.kept_connection import KeptConnection
from broker.transport.rabbitmq.outcomes import Outcomes
from broker.transport.rabbitmq.parameters import Place
from broker.transport.rabbitmq.topology import EXCHANGE
from broker.transport.seam import Link, Settled

MOST_OUTSTANDING = 20_000
MOST_BYTES = 64 * 1024 * 1024
BURST = 100
"""Messages sent in one turn of the loop; then confirms, deliveries and heartbeats have their turn."""

CONFIRM_SECONDS = 60.0
"""A confirm takes milliseconds; a queue that has lost most of its replicas never confirms."""

CHECK_SECONDS = 5.0
LARGER = re.compile(r"is larger than configured max size (\d+)")


class Publisher:
    """The publishing side of a transport. ``publish`` and ``link`` are for any thread, the rest for the I/O thread."""

    def __init__(
        self, io: IoThread, connection: KeptConnection, declarer: Declarer, place: Place, clock: Clock
    ) -> None:
        self._io = io
        self._connection = connection
        self._declarer = declarer
        self._place = place
        self._clock = clock
        self._admission = Admission(MOST_OUTSTANDING, MOST_BYTES)
        self._outcomes = Outcomes(io, self._admission)
        self._destinations = Destinations(io, declarer, clock, self._send, self._outcomes.add)
        self._confirms = Confirms()
        self._unsent: deque[Sent] = deque()
        self._pumping = False
        self._blocked: Blocked | None = None
        self._largest: int | None = None
        self._finished: Callable[[], None] | None = None
        doing = f"publish to exchange {EXCHANGE!r}"
        self._kept = KeptChannel(
            io, connection, place, "publishing", doing, clock, self._prepare, self._on_lost, proven_by_use=True
        )

    def begin(self) -> None:
        """Live on the connection from now on."""
        self._connection.add(self)
        self._connection.add(self._kept)
        self._io.later(CHECK_SECONDS, self._check_confirms)

    def publish(self, envelopes: Sequence[Envelope], settled: Settled) -> bool:
        """Take envelopes over; return False when the transport has ended and nothing was taken."""
        admitted = self._admission.admit(envelopes)
        return self._io.post(partial(self._accept, envelopes, admitted, settled))

    def link(self) -> Link:
        """Say whether publishing works."""
        if not self._connection.link.up:
            return self._connection.link
        refused = self._destinations.refused
        return Link(up=False, detail=str(refused)) if refused and self._kept.link.up else self._kept.link

    def finish(self, done: Callable[[], None]) -> None:
        """Take nothing more, and call ``done`` when everything has ended."""
        self._finished = done
        self._tell_finished()

    def abandon(self, error: TransportError) -> None:
        """End everything that has not ended: the transport closes."""
        self._end_all(error)
        self._outcomes.tell()

    def connected(self, _connection: Connection) -> None:
        """Forget what was learned on another connection: RabbitMQ may have other settings now, or an empty disk."""
        self._largest = None
        self._destinations.forget()

    def disconnected(self, error: TransportError) -> None:
        """End everything that has not ended."""
        self._blocked = None
        self._end_all(error)

    def blocked(self, error: Blocked | None) -> None:
        """Stop sending, or send again. What is sent already may still be confirmed."""
        self._blocked = error
        if error is not None:
            self._outcomes.add(self._unsent, error)
            self._unsent.clear()

    def _accept(self, envelopes: Sequence[Envelope], admitted: int, settled: Settled) -> None:
        if admitted < len(envelopes):
            most = f"{self._admission.most} messages or {self._admission.most_bytes} bytes"
            full = Blocked(f"{most} are on their way already; the rest comes when they are confirmed")
            self._outcomes.refuse(envelopes[admitted:], settled, full)
        taken = [Sent(envelope=envelope, settled=settled) for envelope in envelopes[:admitted]]
        if error := self._why_not():
            self._outcomes.add(taken, error)
            return
        for sent in taken:
            if sent.envelope.destination in self._destinations.declared:
                self._unsent.append(sent)
            else:
                self._destinations.hold(sent)
        self._pump()

    def _why_not(self) -> TransportError | None:
        if self._finished is not None:
            return ConnectionLost("the transport is closing")
        if self._blocked is not None:
            return self._blocked
        if self._kept.ready is None:
            detail = self._connection.link.detail or self._kept.link.detail
            return ConnectionLost(detail or f"not connected to RabbitMQ at {self._place.host}")
        return None

    def _send(self, sent: Sequence[Sent]) -> None:
        self._unsent.extend(sent)
        self._pump()

    def _prepare(self, attempt: Attempt) -> None:
        def founded(error: TransportError | None) -> None:
            if error is not None:
                attempt.failed(error)
            elif attempt.current:
                attempt.channel.confirm_delivery(self._on_confirm, lambda _frame: attempt.ready())

        self._confirms = Confirms()
        attempt.channel.add_on_return_callback(self._on_return)
        self._declarer.declare_foundation(founded)

    def _on_lost(self, _attempt: Attempt, error: TransportError) -> None:
        if larger := LARGER.search(str(error)):
            # such a message would close the channel again and again, and end all the others with it
            self._largest = int(larger[1])
        if is_missing(error):
            self._declarer.forget()
            self._destinations.forget()
        self._end_all(error)

    def _end_all(self, error: TransportError) -> None:
        self._outcomes.add(self._confirms.abandon(), error)
        self._outcomes.add(self._unsent, error)
        self._unsent.clear()
        self._destinations.abandon(error)
        self._tell_finished()

    def _pump(self) -> None:
        """Send what waits, burst by burst: the confirms of one are on their way while the next is encoded."""
        if not self._pumping and self._unsent:
            self._pumping = True
            self._io.soon(self._send_burst)

    def _send_burst(self) -> None:
        self._pumping = False
        channel, now = self._kept.ready, self._clock.monotonic()
        if channel is None:
            return
        connection: Connection = channel.connection
        framing = Framing(
            self._place.user,
            exchange=EXCHANGE,
            channel=channel.channel_number,
            largest_body=connection.largest_body,
        )
        messages = []
        for _ in range(min(BURST, len(self._unsent))):
            sent = self._unsent.popleft()
            try:
                self._check_size(sent.envelope)
                messages.append(framing.publishing(sent.envelope))
            except ValueError as exc:
                self._outcomes.add([sent], not_publishable(sent, exc))
            else:
                self._confirms.sent(sent, now)
        connection.emit(messages)
        self._pump()
        self._tell_finished()

    def _check_size(self, envelope: Envelope) -> None:
        if self._largest is not None and len(envelope.body) > self._largest:
            size = len(envelope.body)
            raise ValueError(f"{size} bytes are more than RabbitMQ takes, its max_message_size is {self._largest}")

    def _on_confirm(self, frame: Any) -> None:
        taken = self._confirms.taken(frame.method.delivery_tag, multiple=frame.method.multiple)
        if isinstance(frame.method, Basic.Nack):
            nack = NotConfirmed(f"RabbitMQ at {self._place.host} could not keep the message; it is to be sent again")
            self._outcomes.add(taken, nack)
        else:
            self._outcomes.add([sent for sent in taken if not self._returned(sent)], None)
            self._kept.prove()
        self._tell_finished()

    def _returned(self, sent: Sent) -> bool:
        why = self._confirms.why_returned(sent)
        if why is None:
            return False
        address = sent.envelope.destination
        self._destinations.declared.discard(address)  # its queue was deleted: the next message makes it again
        self._outcomes.add([sent], Unroutable(f"no queue for {address} ({why}); it is made with the next message"))
        return True

    def _on_return(self, _channel: Channel, method: Basic.Return, properties: BasicProperties, _body: bytes) -> None:
        why = f"{method.reply_code} {method.reply_text}"
        self._confirms.returned(properties.message_id or "", method.routing_key, why)

    def _check_confirms(self) -> None:
        """End what RabbitMQ has not answered for too long."""
        if self._blocked is None:  # then it is known why
            late = self._confirms.overdue(self._clock.monotonic() - CONFIRM_SECONDS)
            error = NotConfirmed(f"no confirm within {CONFIRM_SECONDS:g} s: look at the replicas of the queue")
            self._outcomes.add(late, error)
        self._io.later(CHECK_SECONDS, self._check_confirms)

    def _tell_finished(self) -> None:
        if self._finished is not None and not (len(self._confirms) or self._unsent or len(self._destinations)):
            self._finished()
