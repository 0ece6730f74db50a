"""Carries envelopes within one process."""

import threading
from collections.abc import Sequence
from functools import partial

from broker.errors import Blocked, ConnectionLost, NotConfirmed, TransportError
from broker.lifecycle.address import checked_address
from broker.lifecycle.clock import Clock
from broker.lifecycle.ids import incarnation_id
from broker.messages.envelope import Envelope
from broker.transport.memory.consumer import MemoryConsumer
from broker.transport.memory.courier import Courier
from broker.transport.memory.mailbox import Channel, Mailbox
from broker.transport.seam import Deliveries, Link, Reserved, Rung, Settled


class MemoryTransport:
    """Carries envelopes between the apps of one process, with the promises of the seam and nothing on disk.

    Envelopes travel as they are: nobody but this process publishes, so there is no user to verify.
    """

    def __init__(self, clock: Clock) -> None:
        """Take the clock that stamps arrivals."""
        self.user = ""
        self._clock = clock
        self._courier = Courier(self._turn)
        self._mailboxes: dict[str, Mailbox] = {}
        self._consumers: dict[Channel, MemoryConsumer] = {}
        self._outcomes: list[tuple[Settled, list[Envelope], TransportError | None]] = []
        self._doorbell = f"memory.{incarnation_id()}"
        self._rung: list[Rung] = []
        self._rings: list[str] = []
        self._state = Link(False, "not started")
        self._lifecycle = threading.Lock()

    def start(self) -> None:
        """Begin carrying; returns at once."""
        with self._lifecycle:
            if self._state.detail == "not started":
                self._state = Link(True, "")
                self._courier.start()

    def publish(self, envelopes: Sequence[Envelope], settled: Settled) -> None:
        """Put each envelope into its destination's mailbox."""
        if envelopes and not self._courier.post(partial(self._accept, envelopes, settled)):
            # our thread has ended, and the caller's must never run a callback
            closed = ConnectionLost("the transport is closed")
            threading.Thread(
                target=settled, args=(envelopes, closed), name="interapp-memory-closed", daemon=True
            ).start()

    def announce(self, events: Sequence[Envelope]) -> None:
        """Do nothing: there are no foreign listeners within one process."""

    def consume(self, address: str, deliveries: Deliveries, *, prefetch: int) -> MemoryConsumer:
        """Consume the address, from now until closed; at most ``prefetch`` deliveries are unacknowledged at a time.

        Raises ValueError for what is no address.
        """
        with self._lifecycle:
            mailbox = self._mailboxes.setdefault(checked_address(address), Mailbox())
        consumer = MemoryConsumer(self._courier, mailbox, deliveries, prefetch, self._clock, self._moved)
        self._courier.post(partial(self._begin, consumer))
        return consumer

    def consume_reserved(self, queue: Reserved, deliveries: Deliveries, *, prefetch: int) -> MemoryConsumer:  # noqa: ARG002 the seam's
        """Consume nothing: every address has a mailbox here, and no mailbox gives anything up."""
        consumer = MemoryConsumer(self._courier, Mailbox(), deliveries, prefetch, self._clock, self._moved)
        self._courier.post(partial(self._begin, consumer))
        return consumer

    def listen(self, rung: Rung) -> str:
        """Return the name of this process's doorbell and call ``rung`` whenever it is rung."""
        self._courier.post(partial(self._rung.append, rung))
        return self._doorbell

    def ring(self, doorbell: str, message_ids: Sequence[str]) -> None:
        """Ring the doorbell, if it is this process's own; others cannot be heard."""
        if doorbell == self._doorbell:
            self._courier.post(partial(self._rings.extend, message_ids))

    def link(self) -> Link:
        """Say whether publishing works."""
        return self._state

    def close(self) -> None:
        """Close every consumer and end the thread; what nobody acknowledged is gone with the process."""
        with self._lifecycle:
            started, closed = self._state.detail != "not started", self._state.detail == "closed"
            self._state = Link(False, "closed")
        if closed:
            return
        if not started:
            self._courier.start()  # only to end what was handed over
        self._courier.post(self._end_consumers)
        self._courier.end()

    def _accept(self, envelopes: Sequence[Envelope], settled: Settled) -> None:
        for envelope in envelopes:
            self._note(settled, envelope, self._put(envelope))

    def _put(self, envelope: Envelope) -> TransportError | None:
        mailbox = self._mailboxes.get(envelope.destination)
        if mailbox is None:
            try:
                checked_address(envelope.destination)
            except ValueError as exc:
                return NotConfirmed(f"message {envelope.message_id!r} cannot be published: {exc}")
            with self._lifecycle:
                mailbox = self._mailboxes.setdefault(envelope.destination, Mailbox())
        return (
            None
            if mailbox.put(envelope)
            else Blocked(f"the queue of {envelope.destination} is full; it is tried again")
        )

    def _note(self, settled: Settled, envelope: Envelope, error: TransportError | None) -> None:
        if self._outcomes and self._outcomes[-1][0] is settled and type(self._outcomes[-1][2]) is type(error):
            self._outcomes[-1][1].append(envelope)
        else:
            self._outcomes.append((settled, [envelope], error))

    def _turn(self) -> None:
        """Tell what has happened in the jobs before, each callback once."""
        outcomes, self._outcomes = self._outcomes, []
        for settled, envelopes, error in outcomes:
            self._courier.guarded(partial(settled, envelopes, error))
        for mailbox in tuple(self._mailboxes.values()):
            if dealt := mailbox.deal():
                self._courier.guarded(partial(self._consumers[dealt[0]].hand_over, dealt[1]))
        if self._rings:
            rings, self._rings = self._rings, []
            for rung in self._rung:
                self._courier.guarded(partial(rung, rings))

    def _begin(self, consumer: MemoryConsumer) -> None:
        self._consumers[consumer.channel] = consumer
        consumer.begin()

    def _moved(self, ended: Channel, following: Channel | None) -> None:
        consumer = self._consumers.pop(ended)
        if following is not None:
            self._consumers[following] = consumer

    def _end_consumers(self) -> None:
        for consumer in tuple(self._consumers.values()):
            consumer.end()
