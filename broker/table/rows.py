"""What the handler table hands out and takes in: plain values, no behaviour."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from broker.lifecycle.record import record
from broker.lifecycle.state import Reason, State
from broker.messages.effects import NO_EFFECTS, Effects
from broker.messages.envelope import Envelope


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to claim for an app: the epoch that a worker took."""

    app: str
    worker: str
    epoch: int


@dataclass(frozen=True, slots=True)
class HandlerFacts:
    """What the table shows of the handler that will run."""

    name: str
    max_attempts: int


FactsOf = Callable[[str], HandlerFacts | None]
"""From a kind to its handler; None when the app has none."""


@record
class Claimed:
    """A row in state ``processing`` that this worker may run and settle."""

    seq: int
    envelope: Envelope
    doorbell: str
    attempt: int
    """Which run this is, from 1, counting only runs that count."""
    claims: int
    """How often the row was claimed: with the epoch, what an outcome must prove."""
    generation: int
    """How often an operator retried it."""
    due_us: int | None = None
    """Set on a row that is given back for a later time; None: it is due at once."""


@record
class Settlement:
    """What is to become of a claimed row."""

    row: Claimed
    state: State
    """``succeeded``, ``failed``, or ``waiting`` for another attempt."""
    reason: Reason | None = None
    error: str | None = None
    phase: str | None = None
    phases: str | None = None
    """JSON: a list of [phase, microseconds]; None for a handler without phases."""
    counted: bool = True
    due_us: int = 0
    ordered: bool = False
    reply_kind: str | None = None
    reply_version: int | None = None
    reply: str | None = None
    started_us: int = 0
    finished_us: int = 0
    effects: Effects = NO_EFFECTS
    read_documents: bool = False
    """Its handler read some, among them what outcomes before it may have written."""


@dataclass(frozen=True, slots=True)
class Consignment:
    """Rows that were committed together and are to be published."""

    envelopes: Sequence[Envelope] = ()
    entries: tuple[int, ...] = ()
    """What stands for them in the outbox until all are confirmed; none when that was committed before, in an unclear commit."""

    def __iter__(self) -> Iterator[Envelope]:
        """Iterate over what is to be published."""
        return iter(self.envelopes)

    def __add__(self, other: "Consignment") -> "Consignment":
        """Return both as one."""
        return Consignment([*self.envelopes, *other.envelopes], self.entries + other.entries)


@dataclass(frozen=True, slots=True)
class Settled:
    """What a settled batch leaves to do, and what was refused."""

    to_publish: Consignment
    """Rows of other apps that were committed with the outcomes."""
    to_announce: list[Envelope]
    """Events, for foreign listeners."""
    to_ring: list[tuple[str, str]]
    """(doorbell, message id) of requests that are final now."""
    refused: list[Claimed]
    """Rows that were no longer this worker's to settle."""

    def __add__(self, other: "Settled") -> "Settled":
        """Return what both leave to do."""
        return Settled(
            self.to_publish + other.to_publish,
            self.to_announce + other.to_announce,
            self.to_ring + other.to_ring,
            self.refused + other.refused,
        )


@dataclass(frozen=True, slots=True)
class Standing:
    """Where the row of a delivery stands."""

    state: State
    due_us: int
