"""One address of the memory transport: its messages, its channels, who has what. No threads, no I/O."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

from broker.messages.envelope import Envelope

MOST = 50_000
MOST_BYTES = 64 * 1024 * 1024
"""What one address keeps. The rest lies in the handler table, and comes when there is room."""


@dataclass(frozen=True, slots=True)
class Kept:
    """An envelope that is kept until it is acknowledged."""

    envelope: Envelope
    redelivered: bool = False


@dataclass(slots=True, eq=False)
class Channel:
    """One life of a consumer: what it was given and has not acknowledged."""

    number: int
    prefetch: int
    last_tag: int = 0
    unacked: deque[tuple[int, Kept]] = field(default_factory=deque)


class Mailbox:
    """Messages for one address, given to one channel at a time: the one that has been open longest."""

    def __init__(self, most: int = MOST, most_bytes: int = MOST_BYTES) -> None:
        self._most = most
        self._most_bytes = most_bytes
        self._waiting: deque[Kept] = deque()
        self._channels: list[Channel] = []
        self._count = 0
        self._bytes = 0

    def put(self, envelope: Envelope) -> bool:
        """Keep an envelope until it is acknowledged; return False when it is one too many. One alone always fits."""
        size = len(envelope.body)
        if self._count >= self._most or (self._count and self._bytes + size > self._most_bytes):
            return False
        self._count += 1
        self._bytes += size
        self._waiting.append(Kept(envelope))
        return True

    @property
    def waiting(self) -> int:
        """How many messages no channel has been given."""
        return len(self._waiting)

    def open(self, channel: Channel) -> None:
        """Add a channel behind the others."""
        self._channels.append(channel)

    def close(self, channel: Channel) -> None:
        """Remove a channel; what it has not acknowledged comes first again, in order, marked as redelivered."""
        if channel in self._channels:
            self._channels.remove(channel)
            self._waiting.extendleft(Kept(kept.envelope, redelivered=True) for _, kept in reversed(channel.unacked))
            channel.unacked.clear()

    def ack(self, channel: Channel, tag: int) -> None:
        """Forget what the channel was given, up to and including the tag."""
        while channel.unacked and channel.unacked[0][0] <= tag:
            _, kept = channel.unacked.popleft()
            self._count -= 1
            self._bytes -= len(kept.envelope.body)

    def deal(self) -> tuple[Channel, Sequence[tuple[int, Kept]]] | None:
        """Give the active channel what it may have now; None when there is nothing to give or nobody to give it to."""
        if not self._channels:
            return None
        active = self._channels[0]
        room = min(active.prefetch - len(active.unacked), len(self._waiting))
        if room <= 0:
            return None
        dealt = [(active.last_tag + position, self._waiting.popleft()) for position in range(1, room + 1)]
        active.last_tag += room
        active.unacked.extend(dealt)
        return active, dealt
