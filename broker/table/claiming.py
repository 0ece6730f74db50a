"""A claim: which rows a worker takes next, and their move to ``processing``."""

from collections.abc import Mapping, Sequence
from itertools import islice
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from broker.lifecycle.clock import Clock
from broker.lifecycle.state import State
from broker.table import claim_statements as statements
from broker.table import fence
from broker.table.call_acts import cancel_rest
from broker.table.candidates import Candidate
from broker.table.claim_plan import CLAIM_MAX_BYTES, POISON_CRASHES, ClaimPlan, plan_claim
from broker.table.database import Database
from broker.table.encoded import array, jsonb
from broker.table.envelopes import ENVELOPE_COLUMNS, clean, to_envelope
from broker.table.history import INSERT_HISTORY, entry
from broker.table.rows import Claimed, FactsOf, Lease
from broker.table.schema import messages

ARRIVALS_MOST = 1_000
"""Of how many deliveries a claim in one statement is told when they came; the others came when they were claimed."""


class Claiming:
    """Claims for the workers of one process."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._kinds: set[str] = set()
        """Of what was claimed here and has a handler."""

    def claim(
        self,
        lease: Lease,
        facts_of: FactsOf,
        *,
        limit: int,
        arrivals: Mapping[tuple[str, str], int],
        ahead: bool,
    ) -> tuple[list[Claimed], bool]:
        """Do what ``HandlerTable.claim`` says."""
        now_us = self._clock.now_us()
        wanted = {
            "app": lease.app,
            "epoch": lease.epoch,
            "now_us": now_us,
            "limit": limit,
            "most_bytes": CLAIM_MAX_BYTES,
        }
        if not self._database.is_sqlite:
            claimed, found = self._claim_plain(lease, facts_of, wanted, arrivals, ahead=ahead)
            if claimed:
                return claimed, found >= limit or len(claimed) < found
            if statements.NOTHING.rows_at_once(self._database, {**wanted, "worker": lease.worker}):
                return [], False
        with self._database.write() as connection:
            fence.hold(connection, lease)
            candidates = [Candidate._make(row) for row in statements.CANDIDATES.rows(connection, wanted)]
            plan = plan_claim(candidates, now_ms=now_us // 1000)
            self._drop(connection, lease, plan, now_us)
            cancel_rest(connection, [d.row.seq for d in plan.drop if d.row.stop_on_failure], lease.worker, now_us)
            rows = self._claim_rows(lease, facts_of, plan, now_us, arrivals, ahead=ahead)
            claimed = self._take(connection, lease, plan, rows)
        # Fewer than were asked for, and all of them taken: what comes now rings.
        return claimed, len(candidates) >= limit or len(claimed) < len(candidates)

    def _take(
        self, connection: Connection, lease: Lease, plan: ClaimPlan, rows: Sequence[dict[str, Any]]
    ) -> list[Claimed]:
        changed = statements.CLAIM.execute(connection, rows)
        INSERT_HISTORY.execute(
            connection,
            [
                entry(row["seq"], row["now_us"], "worker lost", take.row.attempts, lease.worker, "claimed again, alone")
                for take, row in zip(plan.take, rows, strict=True)
                if take.row.state == State.PROCESSING
            ],
        )
        claimed = _as_claimed(plan)
        return claimed if len(claimed) == changed == len(rows) else _claimed(connection, lease, rows)

    def _claim_plain(
        self,
        lease: Lease,
        facts_of: FactsOf,
        wanted: Mapping[str, Any],
        arrivals: Mapping[tuple[str, str], int],
        *,
        ahead: bool,
    ) -> tuple[list[Claimed], int]:
        """Claim in one statement, as far as there is nothing to decide; return what was claimed, and how many rows were found."""
        by_user: dict[str, dict[str, int]] = {}
        for (message_id, user), received_us in islice(arrivals.items(), ARRIVALS_MOST):
            by_user.setdefault(clean(user), {})[clean(message_id)] = received_us
        known = [(kind, facts) for kind in tuple(self._kinds) if (facts := facts_of(kind)) is not None]
        values = {
            **wanted,
            "worker": lease.worker,
            "now_ms": wanted["now_us"] // 1000,
            "poison": POISON_CRASHES,
            "ahead": ahead,
            "kinds": array("text", [kind for kind, _ in known]),
            "handlers": array("text", [facts.name for _, facts in known]),
            "max_attempts": array("integer", [facts.max_attempts for _, facts in known]),
            "arrivals": jsonb(by_user),
        }
        rows = statements.CLAIM_PLAIN.rows_at_once(self._database, values)
        candidates = [Candidate._make(row[1:]) for row in rows]
        # An update promises no order.
        candidates.sort(key=lambda row: (-row.priority, row.seq))
        claimed = [row.claimed() for row in candidates]
        return claimed, rows[0][0] if rows else 0

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


def _as_claimed(plan: ClaimPlan) -> list[Claimed]:
    """Return the rows of the plan as they are once they are claimed, but those whose body was left out."""
    return [take.row.claimed() for take in plan.take if take.row.body is not None]


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
