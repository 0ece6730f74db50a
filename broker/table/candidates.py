"""A row that the next claim may take, as the look for such rows finds it."""

from typing import NamedTuple

from broker.table.envelopes import to_envelope
from broker.table.rows import Claimed


class Candidate(NamedTuple):
    """The columns that a claim reads of a row, in their order; flags are 0 and 1 where they come from SQLite.

    A tuple, since a claim makes one of each row that it looks at: what a database's driver returns is that already.
    """

    seq: int
    id: str
    amqp_user: str
    kind: str
    state: str
    attempts: int
    suspect: bool
    """It was in the hands of a worker that was lost; it runs alone."""
    alone: bool
    """It ran alone when its worker was lost."""
    crashes: int
    cancel_requested: bool
    deadline_ms: int | None
    body_size: int
    stop_on_failure: bool
    """Its failure cancels what has not begun of its call."""
    claims: int
    generation: int
    """Of both, what the claim must find unchanged."""
    doorbell: str
    destination: str
    source: str
    call_id: str
    call_size: int
    correlation_id: str
    reply_to: str
    content_type: str
    version: int
    traceparent: str
    sent_us: int
    priority: int
    worker_died: bool
    """Its last worker is proven dead (not only silent)."""
    body: bytes | None
    """None when more bodies come before it than a claim takes."""

    @property
    def identity(self) -> tuple[str, str]:
        """Return its message id and the user who sent it: an app gets that once."""
        return self.id, self.amqp_user

    def claimed(self) -> Claimed:
        """Return the row as it is once it is claimed; it must have come with its body."""
        return Claimed(
            seq=self.seq,
            envelope=to_envelope(self),
            doorbell=self.doorbell,
            attempt=self.attempts + 1,
            claims=self.claims + 1,
            generation=self.generation,
        )


CANDIDATE_COLUMNS = Candidate._fields[: Candidate._fields.index("worker_died")]
"""Those of the row itself, but for its body."""
