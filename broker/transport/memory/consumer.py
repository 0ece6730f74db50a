"""A consumer of the memory transport."""

import threading
from collections.abc import Callable, Sequence

from broker.lifecycle.clock import Clock
from broker.transport.memory.courier import Courier
from broker.transport.memory.mailbox import Channel, Kept, Mailbox
from broker.transport.seam import Deliveries, Delivery, Link


class MemoryConsumer:
    """A consumer of one mailbox. Public methods are for any thread."""

    def __init__(
        self,
        courier: Courier,
        mailbox: Mailbox,
        deliveries: Deliveries,
        prefetch: int,
        clock: Clock,
        moved: Callable[[Channel, Channel | None], None],
    ) -> None:
        """``moved`` is called on the transport's thread with a channel that ends and the one that follows, if any."""
        self._courier = courier
        self._mailbox = mailbox
        self._deliveries = deliveries
        self._prefetch = prefetch
        self._clock = clock
        self._moved = moved
        self._open = True
        self._channel = Channel(1, prefetch)
        self._acks: dict[int, int] = {}
        self._acking = threading.Lock()

    @property
    def channel(self) -> Channel:
        """The present channel."""
        return self._channel

    def ack(self, channel: int, tag: int) -> None:
        """Acknowledge every delivery of the channel up to and including the tag."""
        with self._acking:
            first = not self._acks
            self._acks[channel] = max(tag, self._acks.get(channel, 0))
        if first:
            self._courier.post(self._settle)

    def probe(self, timeout_seconds: float) -> int | None:
        """Make a round trip through the transport's thread: return the channel's number, None when it is closed."""
        return self._ask(timeout_seconds, lambda: self._channel.number)

    def backlog(self, timeout_seconds: float) -> int | None:
        """Return how many messages nobody was given yet, None when the channel is closed."""
        return self._ask(timeout_seconds, lambda: self._mailbox.waiting)

    def rebuild(self) -> None:
        """Close the channel and consume again on a new one, behind every other consumer of the address."""
        self._courier.post(self._reopen)

    def link(self) -> Link:
        """Say whether the consumer is registered and delivering."""
        return Link(True, "") if self._open else Link(False, "closed")

    def close(self) -> None:
        """Close the channel for good; what was not acknowledged goes to another consumer. Returns when it is closed."""
        done = threading.Event()

        def end() -> None:
            self.end()
            done.set()

        if self._courier.post(end) and not self._courier.here():
            done.wait()

    def begin(self) -> None:
        """Consume from now on. For the transport's thread only."""
        self._mailbox.open(self._channel)

    def end(self) -> None:
        """Close the channel. For the transport's thread only."""
        if self._open:
            self._settle()  # what was acknowledged before the close is not handed back
            self._open = False
            self._mailbox.close(self._channel)
            self._moved(self._channel, None)

    def hand_over(self, dealt: Sequence[tuple[int, Kept]]) -> None:
        """Call the sink with what the channel was given. For the transport's thread only."""
        number, now = self._channel.number, self._clock.now_us()
        self._deliveries([Delivery(kept.envelope, number, tag, kept.redelivered, now) for tag, kept in dealt])

    def _ask(self, timeout_seconds: float, question: Callable[[], int]) -> int | None:
        answered = threading.Event()
        answers: list[int] = []

        def answer() -> None:
            if self._open:
                answers.append(question())
            answered.set()

        if not self._courier.here() and self._courier.post(answer):
            answered.wait(timeout_seconds)
        return answers[0] if answers else None

    def _reopen(self) -> None:
        if self._open:
            self._settle()
            ended, self._channel = self._channel, Channel(self._channel.number + 1, self._prefetch)
            self._mailbox.close(ended)
            self._mailbox.open(self._channel)
            self._moved(ended, self._channel)

    def _settle(self) -> None:
        with self._acking:
            acks, self._acks = self._acks, {}
        if tag := acks.get(self._channel.number):
            self._mailbox.ack(self._channel, tag)
