"""Which destinations have their queue, and what waits until one has."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from broker.errors import NotConfirmed, TransportError
from broker.lifecycle.address import checked_address
from broker.lifecycle.clock import Clock
from broker.transport.rabbitmq.backoff import Backoff
from broker.transport.rabbitmq.confirms import Sent
from broker.transport.rabbitmq.declarer import Declarer
from broker.transport.rabbitmq.io_thread import IoThread
from broker.transport.rabbitmq.trouble import Trouble

FIRST_RETRY_SECONDS = 0.25
CEILING_SECONDS = 15.0
FORGET_SECONDS = 60.0
"""A destination that cannot be declared is no trouble any more when nobody has published to it for so long."""


@dataclass(slots=True)
class Refusal:
    """A destination whose queue cannot be declared."""

    error: TransportError
    asked: float
    """Monotonic seconds when somebody last published to it."""
    trouble: Trouble
    backoff: Backoff


class Destinations:
    """Declares each destination once a connection, before the first message to it. For the I/O thread only.

    One that is refused does not hold up the others.
    """

    def __init__(
        self,
        io: IoThread,
        declarer: Declarer,
        clock: Clock,
        send: Callable[[Sequence[Sent]], None],
        end: Callable[[Sequence[Sent], TransportError], None],
    ) -> None:
        """``send`` gets what may be sent now, ``end`` what may not and why."""
        self._io = io
        self._declarer = declarer
        self._clock = clock
        self._send = send
        self._end = end
        self._waiting: dict[str, list[Sent]] = {}
        self._refusals: dict[str, Refusal] = {}
        self.declared: set[str] = set()
        """Destinations that have their queue."""
        self.refused: TransportError | None = None
        """Why some destination has no queue; None when all have theirs. Any thread may read it."""

    def __len__(self) -> int:
        """Return how many envelopes wait for a declaration."""
        return sum(map(len, self._waiting.values()))

    def hold(self, sent: Sent) -> None:
        """Keep an envelope until its destination's queue is declared."""
        address = sent.envelope.destination
        if address in self._waiting:
            self._waiting[address].append(sent)
        elif refusal := self._refusals.get(address):
            refusal.asked = self._clock.monotonic()
            self._end([sent], refusal.error)
        else:
            try:
                checked_address(address)
            except ValueError as exc:
                self._end([sent], not_publishable(sent, exc))
                return
            self._waiting[address] = [sent]
            self._declarer.declare_mailbox(address, partial(self._on_declared, address))

    def forget(self) -> None:
        """Declare each again before the next message to it: something was deleted, or RabbitMQ has an empty disk."""
        self.declared.clear()

    def abandon(self, error: TransportError) -> None:
        """End everything that waits: the channel or connection is gone."""
        waiting, self._waiting = self._waiting, {}
        for held in waiting.values():
            self._end(held, error)
        for refusal in self._refusals.values():
            refusal.trouble.end()
        self._refusals.clear()
        self._note_refused()

    def _on_declared(self, address: str, error: TransportError | None) -> None:
        held = self._waiting.pop(address, [])
        if error is None:
            self.declared.add(address)
            if refusal := self._refusals.pop(address, None):
                refusal.trouble.end()
            self._send(held)
        else:
            self._end(held, error)
            if held or address in self._refusals:
                self._refuse(address, error)
        self._note_refused()

    def _refuse(self, address: str, error: TransportError) -> None:
        refusal = self._refusals.get(address)
        if refusal is None:
            trouble = Trouble(f"publishing to {address}", self._clock)
            backoff = Backoff(FIRST_RETRY_SECONDS, CEILING_SECONDS)
            refusal = self._refusals[address] = Refusal(error, self._clock.monotonic(), trouble, backoff)
        refusal.error = error
        refusal.trouble.begin(error)
        self._io.later(refusal.backoff.next_delay(), partial(self._try_again, address, refusal))

    def _try_again(self, address: str, refusal: Refusal) -> None:
        if self._refusals.get(address) is not refusal:
            return
        if self._clock.monotonic() - refusal.asked > FORGET_SECONDS:
            del self._refusals[address]
            refusal.trouble.end()
            self._note_refused()
        else:
            self._declarer.declare_mailbox(address, partial(self._on_declared, address))

    def _note_refused(self) -> None:
        self.refused = next((refusal.error for refusal in self._refusals.values()), None)


def not_publishable(sent: Sent, cause: ValueError) -> NotConfirmed:
    """Return the error for an envelope that can never be published."""
    envelope = sent.envelope
    error = NotConfirmed(f"message {envelope.message_id!r} to {envelope.destination!r} cannot be published: {cause}")
    error.__cause__ = cause
    return error
