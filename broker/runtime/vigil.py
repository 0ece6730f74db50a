"""Watches over consumers: a connection that is up proves nothing, only messages that arrive and are worked off do.

The decision is pure; what it decides on is looked up by ``broker.runtime.guardian``.
"""

from dataclasses import dataclass
from enum import Enum

QUIET_SECONDS = 20.0
"""How long a consumer may show no progress while there is something to do."""

REBUILDS = 2
"""How often in a row a consumer is rebuilt before only a restart of the process is left."""


class Verdict(Enum):
    """What is to be done about a consumer."""

    WELL = "nothing"
    DOUBTFUL = "watch on"
    REBUILD = "close its channel and consume again"
    GIVE_UP = "end the process, so that its supervisor starts another"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sight:
    """One look at a consumer."""

    connected: bool
    """Whether the transport says that the consumer is registered. While it is not, the transport repairs it."""
    registered: bool
    """Whether RabbitMQ says so, asked on the consumer's own channel."""
    backlog: int
    """Messages that wait at RabbitMQ."""
    room: bool
    """Whether the prefetch has room for more."""
    delivered: int
    """How many deliveries have arrived since the start."""
    unknown: int
    """Deliveries at hand whose row has not been seen in the table."""
    worked: int
    """How often the worker has claimed or acknowledged something since the start."""
    busy: bool
    """Whether a handler runs."""
    active: bool
    """Whether this worker holds the lease: only then must deliveries come to it."""


class Vigil:
    """The memory of what was seen of one consumer."""

    def __init__(self) -> None:
        self.trouble = ""
        """What is wrong, empty when all is well."""
        self._since = 0.0
        self._marks = (-1, -1)
        self._rebuilds = 0

    def judge(self, sight: Sight, now: float) -> Verdict:
        """Return what is to be done; ``now`` is monotonic seconds."""
        marks = (sight.delivered, sight.worked)
        moved, self._marks = marks != self._marks, marks
        trouble = _trouble(sight)
        if not trouble or not sight.connected:
            self.trouble = ""
            self._since = now
            if not trouble and (moved or not sight.backlog):
                self._rebuilds = 0
            return Verdict.WELL
        # A consumer that RabbitMQ does not know cannot move; for the others, movement is proof enough.
        if moved and sight.registered:
            self.trouble = ""
            self._since = now
            return Verdict.WELL
        if now - self._since < QUIET_SECONDS:
            return Verdict.DOUBTFUL
        self.trouble = trouble
        self._since = now
        self._rebuilds += 1
        return Verdict.GIVE_UP if self._rebuilds > REBUILDS else Verdict.REBUILD


def _trouble(sight: Sight) -> str:
    if not sight.registered:
        return "RabbitMQ does not know the consumer, though its channel is open"
    if sight.active and sight.backlog and sight.room:
        return f"{sight.backlog} messages wait at RabbitMQ and none is delivered"
    if sight.active and sight.unknown and not sight.busy:
        return f"{sight.unknown} deliveries are at hand and none is worked off"
    return ""
