"""Writes of the handler table: accept, arrive, claim, settle. Every method commits a whole batch at once."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from broker.lifecycle.clock import Clock
from broker.lifecycle.state import Reason, State
from broker.messages.due import EARLIEST_MS, LATEST_MS, UNUSABLE_AT
from broker.messages.effects import Effects
from broker.messages.envelope import Envelope
from broker.table import call_parts, fence, outcomes, statements
from broker.table.call_acts import cancel_rest
from broker.table.claiming import Claiming
from broker.table.columns import Columns
from broker.table.database import Database
from broker.table.documents import write_documents
from broker.table.envelopes import copy_of, storable, to_columns, to_row
from broker.table.history import INSERT_HISTORY
from broker.table.last_events import keep_last
from broker.table.outbox import insert_alone, insert_to_publish, take_out, unconfirmed
from broker.table.query import Query
from broker.table.rows import Claimed, Consignment, FactsOf, Lease, Settled, Settlement, Standing
from broker.table.schema import messages
from broker.table.subscriptions import subscribers
from broker.table.tombstones import purged

KEPT_BYTES = 64 * 1024
"""How much of a body that is too large is kept."""


class HandlerTable:
    """The table as senders and workers use it."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self.database = database
        self._clock = clock
        self._claiming = Claiming(database, clock)

    def accept(self, effects: Effects, *, app: str, doorbell: str = "", lease: Lease | None = None) -> Consignment:
        """Commit messages, events and documents together; return the rows to publish, one per event and subscriber too.

        ``app`` owns the documents. With a ``lease`` nothing is written unless it is still held: raises Superseded.
        An id that is in the table already, or was purged, is not written again. Raises TableUnavailable.
        """
        if lease is None and not effects.events and not effects.documents:
            # On PostgreSQL one statement, and so one round trip.
            rows = to_columns(effects.sent, doorbell=doorbell)
            return Consignment(effects.sent, insert_alone(self.database, rows))
        with self.database.write() as connection:
            if lease is not None:
                fence.hold(connection, lease)
            return self._add(connection, effects, app=app, doorbell=doorbell)

    def arrived(self, app: str, envelopes: Sequence[Envelope], *, max_bytes: int) -> dict[tuple[str, str], Standing]:
        """Give every delivery without a row its row; return where each stands, by (message id, user).

        A late duplicate of a row that was purged gets none: it stands where that row ended. A body above ``max_bytes``
        becomes ``failed (invalid)`` with its first 64 KiB. Raises TableUnavailable.
        """
        delivered = {envelope.identity: storable(envelope) for envelope in envelopes}
        standing = _standings(_STANDING.rows_at_once(self.database, _named(app, delivered.values())))
        missing = [envelope for envelope in delivered.values() if envelope.identity not in standing]
        if missing:
            now_us = self._clock.now_us()
            with self.database.write() as connection:
                rows = [_foreign_row(envelope, max_bytes, now_us) for envelope in missing]
                call_parts.insert(connection, Columns.of(rows))
                made = _standings(_STANDING.rows(connection, _named(app, missing)))
                standing |= made | purged(connection, app, missing)
        return {identity: standing[kept.identity] for identity, kept in delivered.items() if kept.identity in standing}

    def claim(
        self,
        lease: Lease,
        facts_of: FactsOf,
        *,
        limit: int,
        arrivals: Mapping[tuple[str, str], int],
        ahead: bool = False,
    ) -> tuple[list[Claimed], bool]:
        """Move the first due rows to ``processing``, committed; return them in order, and whether there may be more.

        The order is that of their priorities, the highest first, and within one that in which they were sent.

        ``arrivals`` tells when a delivery came, by (message id, user), in microseconds. ``ahead``: others run meanwhile, so that
        their worker's death does not tell that it was one of these, even of a single one. Raises Superseded when the lease is no
        longer held, TableUnavailable.
        """
        return self._claiming.claim(lease, facts_of, limit=limit, arrivals=arrivals, ahead=ahead)

    def release(self, lease: Lease) -> None:
        """Make retries due that were scheduled before the wall clock was set back. Raises Superseded, TableUnavailable."""
        values = {"app": lease.app, "now_us": self._clock.now_us(), "set_back_us": statements.SET_BACK_US}
        with self.database.write() as connection:
            fence.hold(connection, lease)
            connection.execute(statements.RELEASE, values)

    def settle(self, lease: Lease, settlements: Sequence[Settlement], give_back: Sequence[Claimed] = ()) -> Settled:
        """Commit outcomes with their replies, documents and messages; hand rows that were not started back uncounted.

        A row that is given back is due at once, or at its ``due_us``.

        A row is settled only by the worker that claimed it, under the same epoch; what another moved meanwhile is
        returned as refused, and its effects are not written. Repeating the call after an unclear commit is safe.
        Raises Superseded, TableUnavailable.
        """
        rows = outcomes.to_columns(lease, settlements)
        alone = bool(rows) and not give_back and all(map(outcomes.stands_alone, settlements))
        if alone and not self.database.is_sqlite:
            changed = outcomes.SETTLE_UNDER_LEASE.execute_at_once(self.database, rows)
            if changed == len(rows):
                return Settled(Consignment(), [], outcomes.to_ring(settlements), [])
            # Else it is found out below why not: the lease is lost, the rows are no longer ours, or it has been done before.
        with self.database.write() as connection:
            fence.hold(connection, lease)
            changed = outcomes.SETTLE.execute(connection, rows)
            if alone and changed == len(rows):
                return Settled(Consignment(), [], outcomes.to_ring(settlements), [])
            mine = settlements if changed == len(settlements) else outcomes.still_mine(connection, lease, settlements)
            kept = {item.row.seq for item in mine}
            entries = outcomes.histories(lease, mine)
            INSERT_HISTORY.execute(
                connection, entries if mine is settlements else outcomes.not_written(connection, entries)
            )
            outcomes.GIVE_BACK.execute(
                connection,
                [
                    {"seq": row.seq, "epoch": lease.epoch, "claims": row.claims, "due_us": row.due_us}
                    for row in give_back
                ],
            )
            # After the rows that were given back: they wait again, and may be of a call that ends here.
            cancelled = cancel_rest(connection, outcomes.stopping(mine), lease.worker, self._clock.now_us())
            effects = Effects(
                tuple(envelope for item in mine for envelope in item.effects.sent),
                tuple(event for item in mine for event in item.effects.events),
                tuple(write for item in mine for write in item.effects.documents),
            )
            to_publish = self._add(connection, effects, app=lease.app) if effects else Consignment()
        return Settled(
            to_publish,
            list(effects.events),
            outcomes.to_ring(mine) + cancelled,
            [item.row for item in settlements if item.row.seq not in kept],
        )

    def confirmed(self, entries: Sequence[int]) -> None:
        """Note that RabbitMQ has all of what these entries of the outbox stand for. Raises TableUnavailable."""
        take_out(self.database, entries)

    def unconfirmed(self, sources: Sequence[str], *, user: str, before_us: int, limit: int) -> list[Consignment]:
        """Return what these senders committed before a time and RabbitMQ never confirmed, oldest first, about ``limit`` rows.

        Entries of which no row waits any more come without rows: they need no confirm. Raises TableUnavailable.
        """
        return unconfirmed(self.database, sources, user=user, before_us=before_us, limit=limit)

    def apps_with_work(self, apps: Sequence[str], *, within_us: int = 0) -> dict[str, int]:
        """Return those of the apps that have a row to claim within so many microseconds, and in how many (0: now)."""
        if not apps:
            return {}
        now_us = self._clock.now_us()
        wanted = {"apps": list(apps), "until_us": now_us + within_us}
        found = statements.APPS_WITH_WORK.rows_at_once(self.database, wanted)
        first_us = {app: now_us if now else due_us for app, now, due_us in found}
        return {app: max(0, due_us - now_us) for app, due_us in first_us.items() if due_us is not None}

    def given_back(self, app: str, kinds: Collection[str]) -> list[tuple[str, int, int]]:
        """Return the rows of these kinds that were given back for a time that has not come: kind, seq, due_us.

        Raises TableUnavailable.
        """
        query = sa.select(messages.c.kind, messages.c.seq, messages.c.due_us).where(
            sa.text("open"),
            messages.c.destination == app,
            messages.c.kind.in_(kinds),
            messages.c.state == State.WAITING.value,
            messages.c.due_us > self._clock.now_us(),
            # Neither a retry, which ran before, nor one that was never claimed.
            messages.c.started_us.is_(None),
            messages.c.claims > 0,
        )
        with self.database.read() as connection:
            return [(row.kind, row.seq, row.due_us) for row in connection.execute(query)]

    def to_cancel(self, seqs: Collection[int]) -> set[int]:
        """Return those of the running rows that an operator wants cancelled. Raises TableUnavailable."""
        if not seqs:
            return set()
        query = sa.select(messages.c.seq).where(messages.c.seq.in_(seqs), messages.c.cancel_requested)
        with self.database.read() as connection:
            return set(connection.execute(query).scalars())

    def _add(self, connection: Connection, effects: Effects, *, app: str, doorbell: str = "") -> Consignment:
        keep_last(connection, effects.events)
        copies = [copy_of(event, to) for event, to in subscribers(connection, effects.events)]
        envelopes = [*effects.sent, *copies]
        rows = to_columns(envelopes, doorbell=doorbell)
        consignment = Consignment(envelopes, insert_to_publish(connection, rows))
        write_documents(connection, app, effects.documents, self._clock.now_us())
        return consignment


_STANDING = Query("SELECT id, amqp_user, state, due_us FROM messages WHERE id AMONG :ids AND destination = :app")


def _named(app: str, envelopes: Iterable[Envelope]) -> dict[str, object]:
    return {"app": app, "ids": [envelope.message_id for envelope in envelopes]}


def _standings(rows: Iterable[Sequence[Any]]) -> dict[tuple[str, str], Standing]:
    return {(id_, user): Standing(State(state), due_us) for id_, user, state, due_us in rows}


def _foreign_row(envelope: Envelope, max_bytes: int, now_us: int) -> dict[str, object]:
    row = to_row(envelope) | {
        "received_us": now_us,
        "sent_us": envelope.sent_us or now_us,
        # Whoever gives an id for a call does not say how many messages it has.
        "call_size": 0 if envelope.call_id else 1,
    }
    error = ""
    if envelope.at_ms == UNUSABLE_AT:
        error = f"header x-at must be an integer, milliseconds since 1970, from {EARLIEST_MS} to {LATEST_MS}"
        row["due_us"] = 0
    if len(envelope.body) > max_bytes:
        error = f"the body has {len(envelope.body)} bytes, allowed are {max_bytes} (INTERAPP_MESSAGE_MAX_BYTES)"
        row["body"] = envelope.body[:KEPT_BYTES]
    if error:
        row |= {
            "state": State.FAILED.value,
            "reason": Reason.INVALID.value,
            "error": error,
            "finished_us": now_us,
        }
    return row
