"""How long what is final stays: purges rows that are old or too many, in parts that hold nothing up.

Rows are looked through in the order in which they were sent, a window at a time. An index on the time they ended would find them
sooner, and would cost every outcome a write.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from broker.lifecycle.clock import Clock
from broker.table.batch import Batch
from broker.table.call_parts import forget_empty
from broker.table.database import Database
from broker.table.dead_letters import Fate
from broker.table.outbox import is_of_entry
from broker.table.queries import LARGEST
from broker.table.schema import dead_letters, history, messages, outbox, replies, tombstones

GUARD = "retention"
"""What a process guards while it purges."""

WINDOW = 1000
"""How many rows are looked at in one transaction."""

PART_ROWS = 200
PART_BYTES = 4 * 1024 * 1024
"""How much is deleted in one transaction."""

TOMBSTONE_DAYS = 90
"""How long the identity of a purged row is kept: longer than any copy of its message may lie about."""

DAY_US = 86_400 * 1_000_000

BURY = Batch.insert(
    "tombstones",
    {"id": "text", "destination": "text", "amqp_user": "text", "state": "text", "purged_us": "bigint"},
    on_conflict="ON CONFLICT DO NOTHING",
)

NEEDED = (
    messages.c.seq,
    messages.c.id,
    messages.c.destination,
    messages.c.amqp_user,
    messages.c.state,
    messages.c.body_size,
    messages.c.call_id,
    messages.c.call_size,
)


@dataclass(frozen=True, slots=True)
class Limits:
    """Which final rows go. A row that is open never does."""

    before_us: int = 0
    """Those that ended before this time, in microseconds since 1970 …"""
    spared_from: int = LARGEST
    """… except from this row on, which are the newest ones."""
    surplus_below: int = 0
    """And those below this row, however young: there are too many."""

    def condition(self) -> sa.ColumnElement[bool]:
        """Return what a row must fulfil to go."""
        ended_us = sa.func.coalesce(messages.c.finished_us, messages.c.sent_us)
        old = sa.and_(ended_us < self.before_us, messages.c.seq < self.spared_from)
        return sa.and_(sa.text("NOT open"), sa.or_(old, messages.c.seq < self.surplus_below))


class Retention:
    """Purges one table. Every method raises TableUnavailable."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def nth_newest(self, count: int) -> int:
        """Return the row from which on there are ``count`` rows; 0 when there are fewer, LARGEST for none."""
        if count == 0:
            return LARGEST
        query = sa.select(messages.c.seq).order_by(messages.c.seq.desc()).limit(1).offset(min(count, LARGEST) - 1)
        with self._database.read() as connection:
            return connection.execute(query).scalar() or 0

    def count(self, limits: Limits) -> int:
        """Return how many rows would go."""
        return sum(len(seqs) for seqs, _ in self._windows(limits))

    def purge(self, limits: Limits) -> Iterator[int]:
        """Purge part by part; yield how many rows went with each. Whoever iterates may pause in between.

        A window without such rows yields 0: looking through a large table shall be slow, too.
        """
        for seqs, sizes in self._windows(limits):
            if not seqs:
                yield 0
            for part in parts(seqs, sizes):
                with self._database.write() as connection:
                    gone = self._bury(connection, limits, part)
                yield gone

    def forget(self) -> Iterator[int]:
        """Drop old tombstones, and dead letters that were decided on as long ago, part by part; yield how many each time."""
        before_us = self._clock.now_us() - TOMBSTONE_DAYS * DAY_US
        # As long as a dead letter can be replayed, its message must be recognised.
        kept = sa.select(dead_letters.c.number).where(
            dead_letters.c.message_id == tombstones.c.id, dead_letters.c.state == Fate.KEPT.value
        )
        identity = sa.tuple_(tombstones.c.id, tombstones.c.destination, tombstones.c.amqp_user)
        yield from self._drop(tombstones, identity, tombstones.c.purged_us < before_us, ~kept.exists())
        decided = dead_letters.c.state != Fate.KEPT.value
        yield from self._drop(dead_letters, sa.tuple_(dead_letters.c.number), decided, dead_letters.c.at_us < before_us)

    def sweep(self) -> Iterator[int]:
        """Drop entries of the outbox whose rows have all ended, part by part: nobody relays for a sender that is gone."""
        yield from self._drop(outbox, sa.tuple_(outbox.c.number), ~sa.exists().where(is_of_entry()))

    def _drop(self, table: sa.Table, identity: sa.Tuple, *conditions: sa.ColumnElement[bool]) -> Iterator[int]:
        while True:
            with self._database.write() as connection:
                found = connection.execute(sa.select(*identity.clauses).where(*conditions).limit(PART_ROWS)).all()
                if found:
                    connection.execute(sa.delete(table).where(identity.in_([tuple(row) for row in found])))
            if not found:
                return
            yield len(found)

    def _windows(self, limits: Limits) -> Iterator[tuple[list[int], list[int]]]:
        """Yield the rows that may go, with the sizes of their bodies, a window at a time."""
        after = 0
        seq = messages.c.seq
        while True:
            last = sa.select(seq).where(seq > after).order_by(seq).limit(1).offset(WINDOW - 1)
            with self._database.read() as connection:
                upto = connection.execute(last).scalar()
                query = sa.select(seq, messages.c.body_size).where(seq > after, limits.condition()).order_by(seq)
                rows = connection.execute(query if upto is None else query.where(seq <= upto)).all()
            yield [row.seq for row in rows], [row.body_size for row in rows]
            if upto is None:
                return
            after = upto

    def _bury(self, connection: Connection, limits: Limits, seqs: Sequence[int]) -> int:
        """Delete those of the rows that may still go, and what belongs to them; keep their identities."""
        # Looked at again, and locked: an operator may have retried one meanwhile. What he holds now is left to the next time.
        query = sa.select(*NEEDED).where(messages.c.seq.in_(seqs), limits.condition())
        rows: Sequence[Any] = connection.execute(query.with_for_update(skip_locked=True)).all()
        now_us = self._clock.now_us()
        BURY.execute(
            connection,
            [
                {
                    "id": row.id,
                    "destination": row.destination,
                    "amqp_user": row.amqp_user,
                    "state": row.state,
                    "purged_us": now_us,
                }
                for row in rows
            ],
        )
        gone = [row.seq for row in rows]
        connection.execute(sa.delete(history).where(history.c.seq.in_(gone)))
        connection.execute(sa.delete(replies).where(replies.c.seq.in_(gone)))
        connection.execute(sa.delete(messages).where(messages.c.seq.in_(gone)))
        forget_empty(connection, (row.call_id for row in rows if row.call_size != 1))
        return len(gone)


def parts(seqs: Sequence[int], sizes: Sequence[int]) -> Iterator[list[int]]:
    """Yield the rows in parts of at most PART_ROWS rows and PART_BYTES bytes; one row is a part, however large."""
    part: list[int] = []
    part_bytes = 0
    for seq, size in zip(seqs, sizes, strict=True):
        if part and (len(part) == PART_ROWS or part_bytes + size > PART_BYTES):
            yield part
            part, part_bytes = [], 0
        part.append(seq)
        part_bytes += size
    if part:
        yield part
