"""What is known of a row before its outcome: replies and progress that its handler reported, and who gave up waiting."""

from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from broker.errors import Superseded
from broker.lifecycle.clock import Clock
from broker.lifecycle.state import State
from broker.messages.envelope import Envelope
from broker.table import fence
from broker.table.batch import Batch
from broker.table.database import Database
from broker.table.rows import Claimed, Lease
from broker.table.schema import history, messages, replies

GAVE_UP = "requester gave up"
"""In the history of a row: its requester's time was over. An outcome after that is late."""

CHUNK = 500

NOTE_GAVE_UP = Batch(
    {"id": "text", "destination": "text", "amqp_user": "text", "at_us": "bigint", "what": "text", "who": "text"},
    "INSERT INTO history (seq, at_us, what, attempt, who, detail)"
    " SELECT m.seq, {at_us}, {what}, m.attempts, {who}, '' FROM {batch} JOIN messages AS m ON"
    " m.id = {id} AND m.destination = {destination} AND m.amqp_user = {amqp_user} WHERE m.open {in_order}",
)

WRITE_PROGRESS = sa.text(
    "UPDATE messages SET progress = :progress"
    " WHERE seq = :seq AND state = 'processing' AND epoch = :epoch AND claims = :claims"
)


@dataclass(frozen=True, slots=True)
class PartialReply:
    """A reply that a handler gave while it ran; ``body`` is JSON."""

    number: int
    """From 1, over all attempts."""
    attempt: int
    kind: str
    body: str
    at_us: int


def add_reply(database: Database, clock: Clock, lease: Lease, row: Claimed, *, kind: str, body: str) -> int:
    """Keep a reply of a running handler, committed; return its number.

    Raises Superseded when the row is not this worker's to write any more, TableUnavailable.
    """
    mine = sa.select(messages.c.seq).where(
        messages.c.seq == row.seq,
        messages.c.state == State.PROCESSING.value,
        messages.c.epoch == lease.epoch,
        messages.c.claims == row.claims,
    )
    last = sa.select(sa.func.max(replies.c.number)).where(replies.c.seq == row.seq)
    with database.write() as connection:
        # Both locked until the commit: neither a successor nor the end of a handler that was given up comes in between.
        fence.hold(connection, lease)
        if connection.execute(mine.with_for_update()).one_or_none() is None:
            raise Superseded(f"message {row.envelope.message_id} is no longer {lease.worker}'s to reply to")
        number = (connection.execute(last).scalar() or 0) + 1
        connection.execute(
            sa.insert(replies).values(
                seq=row.seq, number=number, attempt=row.attempt, kind=kind, body=body, at_us=clock.now_us()
            )
        )
    return number


def write_progress(database: Database, lease: Lease, row: Claimed, progress: str) -> None:
    """Keep how far a running handler is (JSON); nothing when the row is no longer this worker's. Raises TableUnavailable."""
    with database.write() as connection:
        connection.execute(
            WRITE_PROGRESS, {"seq": row.seq, "epoch": lease.epoch, "claims": row.claims, "progress": progress}
        )


def read_replies(database: Database, seq: int) -> list[PartialReply]:
    """Return the partial replies of a row in order. Raises TableUnavailable."""
    query = sa.select(*COLUMNS).where(replies.c.seq == seq).order_by(replies.c.number)
    with database.read() as connection:
        return [PartialReply(*row) for row in connection.execute(query)]


def find_replies(database: Database, envelope: Envelope, *, after: int) -> list[PartialReply]:
    """Return the partial replies to a message, those with a number above ``after``, in order. Raises TableUnavailable."""
    query = (
        sa.select(*COLUMNS)
        .join_from(messages, replies, replies.c.seq == messages.c.seq)
        .where(
            messages.c.id == envelope.message_id,
            messages.c.destination == envelope.destination,
            messages.c.amqp_user == envelope.user,
            replies.c.number > after,
        )
        .order_by(replies.c.number)
    )
    with database.read() as connection:
        return [PartialReply(*row) for row in connection.execute(query)]


def note_gave_up(database: Database, clock: Clock, envelopes: Sequence[Envelope], who: str) -> None:
    """Write into the history of those rows that are still open that nobody waits for them any more. Raises TableUnavailable."""
    now_us = clock.now_us()
    with database.write() as connection:
        NOTE_GAVE_UP.execute(
            connection,
            [
                {
                    "id": envelope.message_id,
                    "destination": envelope.destination,
                    "amqp_user": envelope.user,
                    "at_us": now_us,
                    "what": GAVE_UP,
                    "who": who,
                }
                for envelope in envelopes
            ],
        )


def given_up(database: Database, seqs: Sequence[int]) -> set[int]:
    """Return those of the rows whose requester gave up waiting. Raises TableUnavailable."""
    found: set[int] = set()
    for start in range(0, len(seqs), CHUNK):
        query = sa.select(history.c.seq).where(
            history.c.seq.in_(seqs[start : start + CHUNK]), history.c.what == GAVE_UP
        )
        with database.read() as connection:
            found |= set(connection.execute(query).scalars())
    return found


COLUMNS = tuple(replies.c[name] for name in PartialReply.__dataclass_fields__)
"""The columns of a PartialReply, in its order."""
