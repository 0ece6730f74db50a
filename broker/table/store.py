"""Writes of the handler table: accept, arrive, claim, settle. Every method commits a whole batch at once."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from broker.errors import Superseded
from broker.lifecycle.clock import Clock
from broker.lifecycle.state import Reason, State
from broker.messages.due import EARLIEST_MS, LATEST_MS, UNUSABLE_AT
from broker.messages.effects import Effects
from broker.messages.envelope import Envelope
from broker.table import statements
from broker.table.arrays import array
from broker.table.call_acts import cancel_rest
from broker.table.claim_plan import CLAIM_MAX_BYTES, POISON_CRASHES, ClaimPlan, plan_claim
from broker.table.database import Database
from broker.table.documents import write_documents
from broker.table.envelopes import ENVELOPE_COLUMNS, copy_of, storable, to_envelope, to_row
from broker.table.last_events import keep_last
from broker.table.outbox import insert_alone, insert_to_publish, take_out, unconfirmed
from broker.table.rows import Candidate, Claimed, Consignment, FactsOf, Lease, Settled, Settlement, Standing
from broker.table.schema import history, messages
from broker.table.subscriptions import subscribers
from broker.table.tombstones import purged

KEPT_BYTES = 64 * 1024
"""How much of a body that is too large is kept."""


class HandlerTable:
    """The table as senders and workers use it."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self.database = database
        self._clock = clock
        self._kinds: set[str] = set()
        """Of what was claimed here and has a handler."""

    def accept(self, effects: Effects, *, app: str, doorbell: str = "", lease: Lease | None = None) -> Consignment:
        """Commit messages, events and documents together; return the rows to publish, one per event and subscriber too.

        ``app`` owns the documents. With a ``lease`` nothing is written unless it is still held: raises Superseded.
        An id that is in the table already, or was purged, is not written again. Raises TableUnavailable.
        """
        if lease is None and not effects.events and not effects.documents:
            # On PostgreSQL one statement, and so one round trip.
            rows = [to_row(envelope, doorbell=doorbell) for envelope in effects.sent]
            return Consignment(effects.sent, insert_alone(self.database, rows))
        with self.database.write() as connection:
            if lease is not None:
                _hold(connection, lease)
            return self._add(connection, effects, app=app, doorbell=doorbell)

    def arrived(self, app: str, envelopes: Sequence[Envelope], *, max_bytes: int) -> dict[tuple[str, str], Standing]:
        """Give every delivery without a row its row; return where each stands, by (message id, user).

        A late duplicate of a row that was purged gets none: it stands where that row ended. A body above ``max_bytes``
        becomes ``failed (invalid)`` with its first 64 KiB. Raises TableUnavailable.
        """
        delivered = {envelope.identity: storable(envelope) for envelope in envelopes}
        with self.database.read() as connection:
            standing = _standing(connection, app, delivered.values())
        missing = [envelope for envelope in delivered.values() if envelope.identity not in standing]
        if missing:
            now_us = self._clock.now_us()
            with self.database.write() as connection:
                rows = [_foreign_row(envelope, max_bytes, now_us) for envelope in missing]
                statements.INSERT_MESSAGES.execute(connection, rows)
                standing |= _standing(connection, app, missing) | purged(connection, app, missing)
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
        now_us = self._clock.now_us()
        wanted = {
            "app": lease.app,
            "epoch": lease.epoch,
            "now_us": now_us,
            "limit": limit,
            "most_bytes": CLAIM_MAX_BYTES,
        }
        if not self.database.is_sqlite:
            claim_alone = len(arrivals) == 1 and not ahead
            found = (
                self._claim_one(lease, facts_of, arrivals, now_us)
                if claim_alone
                else self._claim_plain(lease, facts_of, wanted, arrivals, ahead=ahead)
            )
            if found is not None:
                return found
        with self.database.write() as connection:
            _hold(connection, lease)
            candidates = [_candidate(row) for row in statements.CANDIDATES.rows(connection, wanted)]
            plan = plan_claim(candidates, now_ms=now_us // 1000)
            self._drop(connection, lease, plan, now_us)
            cancel_rest(connection, [d.row.seq for d in plan.drop if d.row.stop_on_failure], lease.worker, now_us)
            rows = self._claim_rows(lease, facts_of, plan, now_us, arrivals, ahead=ahead)
            claimed = self._take(connection, lease, plan, rows)
        # Fewer than were asked for, and all of them taken: what comes now rings.
        return claimed, len(candidates) >= limit or len(claimed) < len(candidates)

    def release(self, lease: Lease) -> None:
        """Make retries due that were scheduled before the wall clock was set back. Raises Superseded, TableUnavailable."""
        values = {"app": lease.app, "now_us": self._clock.now_us(), "set_back_us": statements.SET_BACK_US}
        with self.database.write() as connection:
            _hold(connection, lease)
            connection.execute(statements.RELEASE, values)

    def settle(self, lease: Lease, settlements: Sequence[Settlement], give_back: Sequence[Claimed] = ()) -> Settled:
        """Commit outcomes with their replies, documents and messages; hand rows that were not started back uncounted.

        A row that is given back is due at once, or at its ``due_us``.

        A row is settled only by the worker that claimed it, under the same epoch; what another moved meanwhile is
        returned as refused, and its effects are not written. Repeating the call after an unclear commit is safe.
        Raises Superseded, TableUnavailable.
        """
        rows = [_settle_row(lease, item) for item in settlements]
        if rows and not give_back and not self.database.is_sqlite and all(map(_stands_alone, settlements)):
            changed = statements.SETTLE_UNDER_LEASE.execute_at_once(self.database, rows)
            if changed == len(rows):
                return Settled(Consignment(), [], _to_ring(settlements), [])
            # Else it is found out below why not: the lease is lost, the rows are no longer ours, or it has been done before.
        with self.database.write() as connection:
            _hold(connection, lease)
            changed = statements.SETTLE.execute(connection, rows)
            mine = settlements if changed == len(settlements) else _still_mine(connection, lease, settlements)
            kept = {item.row.seq for item in mine}
            entries = _history(lease, mine)
            statements.INSERT_HISTORY.execute(
                connection, entries if mine is settlements else _not_written(connection, entries)
            )
            statements.GIVE_BACK.execute(
                connection,
                [
                    {"seq": row.seq, "epoch": lease.epoch, "claims": row.claims, "due_us": row.due_us}
                    for row in give_back
                ],
            )
            # After the rows that were given back: they wait again, and may be of a call that ends here.
            cancelled = cancel_rest(connection, _stopping(mine), lease.worker, self._clock.now_us())
            effects = Effects(
                tuple(envelope for item in mine for envelope in item.effects.sent),
                tuple(event for item in mine for event in item.effects.events),
                tuple(write for item in mine for write in item.effects.documents),
            )
            to_publish = self._add(connection, effects, app=lease.app) if effects else Consignment()
        return Settled(
            to_publish,
            list(effects.events),
            _to_ring(mine) + cancelled,
            [item.row for item in settlements if item.row.seq not in kept],
        )

    def confirmed(self, entries: Sequence[int]) -> None:
        """Note that RabbitMQ has all of what these entries of the outbox stand for. Raises TableUnavailable."""
        take_out(self.database, entries)

    def unconfirmed(self, sources: Sequence[str], *, user: str, before_us: int, limit: int) -> list[Consignment]:
        """Return what these senders committed before a time and RabbitMQ never confirmed, oldest first, about ``limit`` rows.

        Entries of which no row waits any more come without rows: they need no confirm. Raises TableUnavailable.
        """
        with self.database.read() as connection:
            return unconfirmed(connection, sources, user=user, before_us=before_us, limit=limit)

    def apps_with_work(self, apps: Sequence[str], *, within_us: int = 0) -> dict[str, int]:
        """Return those of the apps that have a row to claim within so many microseconds, and in how many (0: now)."""
        if not apps:
            return {}
        now_us = self._clock.now_us()
        with self.database.read() as connection:
            found = connection.execute(
                statements.APPS_WITH_WORK, {"apps": list(apps), "until_us": now_us + within_us}
            ).all()
        due_us = {row.app: now_us if row.now else row.due_us for row in found}
        return {app: max(0, due - now_us) for app, due in due_us.items() if due is not None}

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
        rows = [to_row(envelope, doorbell=doorbell) for envelope in envelopes]
        consignment = Consignment(envelopes, insert_to_publish(connection, rows))
        write_documents(connection, app, effects.documents, self._clock.now_us())
        return consignment

    def _take(
        self, connection: Connection, lease: Lease, plan: ClaimPlan, rows: Sequence[dict[str, Any]]
    ) -> list[Claimed]:
        changed = statements.CLAIM.execute(connection, rows)
        statements.INSERT_HISTORY.execute(
            connection,
            [
                _event(
                    row["seq"], row["now_us"], "worker lost", take.row.attempts, lease.worker, "claimed again, alone"
                )
                for take, row in zip(plan.take, rows, strict=True)
                if take.row.state is State.PROCESSING
            ],
        )
        claimed = [take.row.claimed for take in plan.take if take.row.claimed is not None]
        return claimed if len(claimed) == changed == len(rows) else _claimed(connection, lease, rows)

    def _claim_plain(
        self,
        lease: Lease,
        facts_of: FactsOf,
        wanted: Mapping[str, Any],
        arrivals: Mapping[tuple[str, str], int],
        *,
        ahead: bool,
    ) -> tuple[list[Claimed], bool] | None:
        """Claim in two statements, a look and the claim; None when there is more to do than to take rows that wait.

        The look comes before the lease is locked, so that an outcome of the same worker waits for the claim alone. What was
        found and is another's by then, or not as it was, is not claimed.
        """
        candidates = [_candidate(row) for row in statements.CANDIDATES.rows_at_once(self.database, wanted)]
        plan = plan_claim(candidates, now_ms=wanted["now_us"] // 1000)
        if not plan.take or plan.drop or any(take.suspect or take.row.claimed is None for take in plan.take):
            return None
        rows = self._claim_rows(lease, facts_of, plan, wanted["now_us"], arrivals, ahead=ahead)
        changed = statements.CLAIM_UNDER_LEASE.execute_at_once(self.database, rows)
        if changed == 0:
            return None
        if changed < len(rows):
            with self.database.read() as connection:
                return _claimed(connection, lease, rows), True
        claimed = [take.row.claimed for take in plan.take if take.row.claimed is not None]
        return claimed, len(candidates) >= wanted["limit"] or len(claimed) < len(candidates)

    def _claim_rows(
        self,
        lease: Lease,
        facts_of: FactsOf,
        plan: ClaimPlan,
        now_us: int,
        arrivals: Mapping[tuple[str, str], int],
        *,
        ahead: bool,
    ) -> list[dict[str, Any]]:
        """Return what the claim is told of each row, and remember the kinds that have a handler."""
        facts_by_kind = {kind: facts_of(kind) for kind in {take.row.kind for take in plan.take}}
        self._kinds.update(kind for kind, facts in facts_by_kind.items() if facts is not None)
        alone = len(plan.take) == 1 and not ahead
        rows = []
        for take in plan.take:
            facts = facts_by_kind[take.row.kind]
            rows.append(
                {
                    "seq": take.row.seq,
                    "app": lease.app,
                    "worker": lease.worker,
                    "epoch": lease.epoch,
                    "now_us": now_us,
                    "received_us": arrivals.get(take.row.identity, now_us),
                    "handler": facts.name if facts else None,
                    "max_attempts": facts.max_attempts if facts else None,
                    "alone": alone,
                    "suspect": take.suspect,
                    "crashes": take.crashes,
                    "seen_claims": take.row.claims,
                    "generation": take.row.generation,
                }
            )
        return rows

    def _claim_one(
        self, lease: Lease, facts_of: FactsOf, arrivals: Mapping[tuple[str, str], int], now_us: int
    ) -> tuple[list[Claimed], bool] | None:
        """Claim the first row, and tell whether there is a second; None when it takes more than one statement to decide."""
        known = [(kind, facts) for kind in tuple(self._kinds) if (facts := facts_of(kind)) is not None]
        ((message_id, user), received_us), *_ = arrivals.items()
        values = {
            "app": lease.app,
            "epoch": lease.epoch,
            "worker": lease.worker,
            "now_us": now_us,
            "now_ms": now_us // 1000,
            "limit": 2,
            "arrived": message_id,
            "user": user,
            "received_us": received_us,
            "poison": POISON_CRASHES,
            "kinds": array("text", [kind for kind, _ in known]),
            "handlers": array("text", [facts.name for _, facts in known]),
            "max_attempts": array("integer", [facts.max_attempts for _, facts in known]),
        }
        for found, *row in statements.CLAIM_ONE.rows_at_once(self.database, values):
            claimed = _candidate(row).claimed
            return None if claimed is None else ([claimed], found > 1)
        return None

    def _drop(self, connection: Connection, lease: Lease, plan: ClaimPlan, now_us: int) -> None:
        statements.DROP.execute(
            connection,
            [
                {
                    "seq": drop.row.seq,
                    "worker": lease.worker,
                    "epoch": lease.epoch,
                    "now_us": now_us,
                    "reason": drop.reason.value,
                    "error": drop.error,
                    "crashes": drop.crashes,
                }
                for drop in plan.drop
            ],
        )


def _hold(connection: Connection, lease: Lease) -> None:
    """Lock and renew the lease row for this transaction; raise Superseded when another has taken it."""
    held = connection.execute(statements.HOLD_LEASE, {"app": lease.app, "epoch": lease.epoch, "worker": lease.worker})
    if held.rowcount != 1:
        raise Superseded(f"{lease.worker} no longer holds the lease of {lease.app} (epoch {lease.epoch})")


def _claimed(connection: Connection, lease: Lease, rows: Sequence[Mapping[str, Any]]) -> list[Claimed]:
    """Return those of the rows that this claim took, as they stand now: some were not, or come without their body."""
    query = (
        sa.select(*ENVELOPE_COLUMNS, messages.c.doorbell, messages.c.attempts, messages.c.claims, messages.c.generation)
        .where(
            messages.c.seq.in_([row["seq"] for row in rows]),
            messages.c.state == State.PROCESSING.value,
            messages.c.epoch == lease.epoch,
        )
        .order_by(messages.c.priority.desc(), messages.c.seq)
    )
    return [
        Claimed(
            seq=row.seq,
            envelope=to_envelope(row),
            doorbell=row.doorbell,
            attempt=row.attempts,
            claims=row.claims,
            generation=row.generation,
        )
        for row in connection.execute(query)
    ]


def _standing(connection: Connection, app: str, envelopes: Iterable[Envelope]) -> dict[tuple[str, str], Standing]:
    query = sa.select(messages.c.id, messages.c.amqp_user, messages.c.state, messages.c.due_us).where(
        messages.c.id.in_([envelope.message_id for envelope in envelopes]), messages.c.destination == app
    )
    return {(row.id, row.amqp_user): Standing(State(row.state), row.due_us) for row in connection.execute(query)}


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


def _candidate(row: Sequence[Any]) -> Candidate:
    # Unpacked, not looked up by name: a claim does this for every row.
    (
        seq,
        message_id,
        user,
        kind,
        state,
        attempts,
        suspect,
        alone,
        crashes,
        cancel_requested,
        deadline_ms,
        body_size,
        stop_on_failure,
        claims,
        generation,
        doorbell,
        destination,
        source,
        call_id,
        call_size,
        correlation_id,
        reply_to,
        content_type,
        version,
        traceparent,
        sent_us,
        priority,
        worker_died,
        body,
    ) = row
    claimed = None
    if body is not None:
        envelope = Envelope(
            message_id=message_id,
            kind=kind,
            body=body,
            destination=destination,
            source=source,
            call_id=call_id,
            call_size=call_size,
            stop_on_failure=bool(stop_on_failure),
            correlation_id=correlation_id,
            reply_to=reply_to,
            content_type=content_type,
            version=version,
            deadline_ms=deadline_ms,
            priority=priority,
            traceparent=traceparent,
            sent_us=sent_us,
            user=user,
        )
        claimed = Claimed(
            seq=seq,
            envelope=envelope,
            doorbell=doorbell,
            attempt=attempts + 1,
            claims=claims + 1,
            generation=generation,
        )
    return Candidate(
        seq=seq,
        identity=(message_id, user),
        kind=kind,
        state=State(state),
        attempts=attempts,
        suspect=bool(suspect),
        alone=bool(alone),
        worker_died=bool(worker_died),
        crashes=crashes,
        cancel_requested=bool(cancel_requested),
        deadline_ms=deadline_ms,
        body_size=body_size,
        stop_on_failure=bool(stop_on_failure),
        claims=claims,
        generation=generation,
        claimed=claimed,
    )


def _stopping(settlements: Sequence[Settlement]) -> list[int]:
    """Return the rows whose failure ends their call."""
    return [item.row.seq for item in settlements if item.state is State.FAILED and item.row.envelope.stop_on_failure]


def _to_ring(settlements: Sequence[Settlement]) -> list[tuple[str, str]]:
    return [
        (item.row.doorbell, item.row.envelope.message_id)
        for item in settlements
        if item.row.doorbell and item.state.final
    ]


def _stands_alone(item: Settlement) -> bool:
    """Tell whether nothing but the row itself is written for this outcome."""
    return item.state is State.SUCCEEDED and not item.effects


def _settle_row(lease: Lease, item: Settlement) -> dict[str, object]:
    return {
        "seq": item.row.seq,
        "app": lease.app,
        "epoch": lease.epoch,
        "worker": lease.worker,
        "claims": item.row.claims,
        "state": item.state.value,
        "reason": item.reason.value if item.reason else None,
        "error": item.error,
        "phase": item.phase,
        "phases": item.phases,
        "uncounted": 0 if item.counted else 1,
        "due_us": item.due_us,
        "ordered": item.ordered,
        "reply_kind": item.reply_kind,
        "reply_version": item.reply_version,
        "reply": item.reply,
        "started_us": item.started_us,
        "finished_us": item.finished_us if item.state.final else None,
    }


def _still_mine(connection: Connection, lease: Lease, settlements: Sequence[Settlement]) -> list[Settlement]:
    """Return the settlements that this epoch's claim wrote, now or in a commit whose answer was lost."""
    query = sa.select(messages.c.seq, messages.c.state).where(
        messages.c.seq.in_([item.row.seq for item in settlements]), messages.c.epoch == lease.epoch
    )
    claims = {item.row.seq: item.row.claims for item in settlements}
    query = query.add_columns(messages.c.claims)
    states = {row.seq: row.state for row in connection.execute(query) if row.claims == claims[row.seq]}
    return [item for item in settlements if states.get(item.row.seq) == item.state.value]


def _history(lease: Lease, settlements: Sequence[Settlement]) -> list[dict[str, object]]:
    return [
        _event(
            item.row.seq,
            item.finished_us,
            "retry" if item.state is State.WAITING else f"failed ({item.reason})",
            item.row.attempt,
            lease.worker,
            item.error or "",
        )
        for item in settlements
        if item.state is not State.SUCCEEDED
    ]


def _not_written(connection: Connection, entries: list[dict[str, object]]) -> list[dict[str, object]]:
    """Return the entries that a commit whose answer was lost has not written already."""
    query = sa.select(history.c.seq, history.c.at_us, history.c.what).where(
        history.c.seq.in_([entry["seq"] for entry in entries])
    )
    written = {tuple(row) for row in connection.execute(query)}
    return [entry for entry in entries if (entry["seq"], entry["at_us"], entry["what"]) not in written]


def _event(seq: int, at_us: int, what: str, attempt: int, who: str, detail: str) -> dict[str, object]:
    return {"seq": seq, "at_us": at_us, "what": what, "attempt": attempt, "who": who, "detail": detail}
