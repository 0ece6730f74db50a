"""The rules of delivery, each switched off in the product from outside. The names are those of the executable model.

Each function takes one rule away, and nothing else; the product knows nothing of it.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from contextvars import ContextVar
from itertools import islice
from types import SimpleNamespace
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from broker.errors import Superseded, TableError
from broker.lifecycle.state import State
from broker.runtime.ahead import Claim
from broker.runtime.claims import Claims
from broker.runtime.holding import Holding
from broker.runtime.receiving import Receiving
from broker.runtime.running import Batch
from broker.runtime.worker import Worker
from broker.table import claim_plan, claim_statements, claiming, fence, operator_acts, outcomes
from broker.table.batch import Batch as Statement
from broker.table.candidates import Candidate
from broker.table.claim_plan import ClaimPlan, Drop, Take, plan_claim
from broker.table.leases import Holder, Leases
from broker.table.query import Query
from broker.table.rows import Claimed, FactsOf, Lease, Settlement
from broker.table.schema import leases, messages, workers
from broker.table.store import HandlerTable

Patch = pytest.MonkeyPatch
Identity = tuple[str, str]


def lease_locked(patch: Patch) -> None:
    """Look at the lease before the transaction, and do not lock it inside."""

    def looked_at_first(act: Callable[..., Any]) -> Callable[..., Any]:
        def acting(table: HandlerTable, lease: Lease, *arguments: Any, **named: Any) -> Any:
            held = sa.select(leases.c.epoch).where(leases.c.app == lease.app, leases.c.worker == lease.worker)
            with table.database.read() as connection:
                if connection.execute(held).scalar() != lease.epoch:
                    raise Superseded("not held")
            return act(table, lease, *arguments, **named)

        return acting

    patch.setattr(HandlerTable, "claim", looked_at_first(HandlerTable.claim))
    patch.setattr(HandlerTable, "settle", looked_at_first(HandlerTable.settle))
    patch.setattr(fence, "hold", lambda _connection, _lease: None)


def recheck_state(patch: Patch) -> None:
    """Claim what was found, whatever has become of it since."""
    _reword(patch, claim_statements.CLAIM, "AND NOT t.cancel_requested AND (", "AND (true OR ")


def fence_attempt(patch: Patch) -> None:
    """Fence outcomes by the epoch alone."""
    _reword(patch, outcomes.SETTLE, "AND t.claims = {claims}", "AND (true OR t.claims = {claims})")


def let_go(patch: Patch) -> None:
    """Start handlers as soon as the lease is taken."""
    patch.setattr(Leases, "older_holders", lambda _leases, _lease: [])


def all_olds(patch: Patch) -> None:
    """Wait for the last holder only."""
    _wait_for(patch, lambda lease: sa.and_(workers.c.epoch > 0, workers.c.epoch == lease.epoch - 1))


def no_mutual(patch: Patch) -> None:
    """Wait for every other holder, also for a newer one, and do not look at the own lease meanwhile."""
    _wait_for(patch, lambda _lease: workers.c.epoch > 0)
    patch.setattr(Leases, "holds", lambda _leases, _lease: True)


def start_check(patch: Patch) -> None:
    """Start the whole batch, however late it is and whoever holds the lease."""

    def stopping(worker: Worker, _batch: Batch, _now: float, *, first: bool) -> bool:
        return worker.tenure.stopping.is_set()

    patch.setattr(Worker, "_must_give_back", stopping)


def no_mark(patch: Patch) -> None:
    """Pass over what is older than the newest row claimed, unless it was tried before or has just been delivered."""
    claim, marks = HandlerTable.claim, dict[Lease, int]()
    chosen: ContextVar[Callable[[Iterable[Candidate]], Iterable[Candidate]]] = ContextVar("chosen")

    def claim_above_mark(
        table: HandlerTable,
        lease: Lease,
        facts_of: FactsOf,
        *,
        limit: int,
        arrivals: Mapping[Identity, int],
        ahead: bool,
    ) -> tuple[list[Claimed], bool]:
        mark = marks.get(lease, 0)

        def seen(row: Candidate) -> bool:
            return row.seq > mark or row.attempts > 0 or row.identity in arrivals

        chosen.set(lambda rows: islice(filter(seen, rows), limit))
        claimed, more = claim(table, lease, facts_of, limit=limit + 100, arrivals=arrivals, ahead=ahead)
        marks[lease] = max([mark, *(row.seq for row in claimed)])
        return claimed, more

    def plan(candidates: Iterable[Candidate], *, now_ms: int) -> ClaimPlan:
        return plan_claim(chosen.get()(candidates), now_ms=now_ms)

    patch.setattr(HandlerTable, "claim", claim_above_mark)
    patch.setattr(claiming, "plan_claim", plan)


def merge_recovery(patch: Patch) -> None:
    """Claim what a lost worker held before anything else, even what an ordered retry holds up."""
    higher, before = f"m.due_us = 0 AND {claim_statements._HIGHER}", f"m.due_us = 0 AND {claim_statements._BEFORE}"
    first = _replaced(
        claim_statements.CANDIDATES,
        (higher, f"m.due_us = 0 AND (m.state = 'processing' OR {claim_statements._HIGHER})"),
        (before, f"m.state = 'waiting' AND {before}"),
        ("ORDER BY s.priority DESC, s.seq", "ORDER BY m.state, s.priority DESC, s.seq"),
    )
    patch.setattr(claim_statements, "CANDIDATES", first)


def suspects(patch: Patch) -> None:
    """Claim what a dead worker held in a batch again, and count the death for each of them."""

    def plan(candidates: Iterable[Candidate], *, now_ms: int) -> ClaimPlan:
        take: list[Take] = []
        drop: list[Drop] = []
        for row in candidates:
            crashes = row.crashes + (row.state == State.PROCESSING and row.worker_died)
            ended = claim_plan._ending(row, crashes, now_ms)
            if ended is None:
                take.append(Take(row, suspect=False, crashes=crashes))
            else:
                drop.append(Drop(row, *ended, crashes))
        return ClaimPlan(take, drop)

    patch.setattr(claiming, "plan_claim", plan)


def no_dc(patch: Patch) -> None:
    """Count every redelivery as a death."""
    take_in = Receiving.take_in

    def counting(receiving: Receiving) -> bool:
        again = [delivery.envelope.message_id for delivery in receiving._arrived if delivery.redelivered]
        counted = sa.update(messages).where(
            messages.c.id.in_(again), messages.c.destination == receiving._app, messages.c.state == State.WAITING.value
        )
        if again:
            with receiving._table.database.write() as connection:
                connection.execute(counted.values(crashes=messages.c.crashes + 1))
        return take_in(receiving)

    patch.setattr(Receiving, "take_in", counting)


def cancel_flag(patch: Patch) -> None:
    """Cancel what runs as if it waited."""
    cancel = operator_acts._cancel

    def cancelling(connection: Connection, rows: Sequence[Any], who: str, now_us: int) -> None:
        waiting = [SimpleNamespace(**{**row._mapping, "state": State.WAITING}) for row in rows]
        cancel(connection, waiting, who, now_us)

    patch.setattr(operator_acts, "_cancel", cancelling)


def probe(patch: Patch) -> None:
    """Take the lease by any delivery at hand, even one of a closed channel."""
    patch.setattr(Receiving, "alive", lambda _receiving, _channel: True)


# Two rules that the model does not have: in it only the answers of outcomes get lost.


def unclear_claim(patch: Patch) -> None:
    """Take a claim whose answer was lost for one that did nothing."""
    patch.setattr(Claims, "_unclear", property(lambda _claims: False, lambda _claims, _unclear: None), raising=False)


def unclear_take(patch: Patch) -> None:
    """Take a take of the lease whose answer was lost for one that did nothing."""
    patch.setattr(Holding, "_try", lambda _holding, take: take())


# Two of what is claimed ahead, which the model does not know.


def call_off(patch: Patch) -> None:
    """Begin what was claimed ahead, whatever has become of the rows before it."""
    patch.setattr(Worker, "_call_off", lambda _worker: None)


def gave_back(patch: Patch) -> None:
    """Forget that rows were given back while a slow handler before them ran."""
    patch.setattr(Batch, "gave_back", property(lambda _batch: False, lambda _batch, _gave: None), raising=False)


# Settings: what must be as it is elsewhere for a rule to matter. They break no promise while the rule is on.


def claims_as_in_postgresql(patch: Patch) -> None:
    """Let others act between the look for candidates and the claim, which SQLite does not allow."""

    def claim(
        table: HandlerTable,
        lease: Lease,
        facts_of: FactsOf,
        *,
        limit: int,
        arrivals: Mapping[Identity, int],
        ahead: bool,
    ) -> tuple[list[Claimed], bool]:
        now_us = table._clock.now_us()
        values = {
            "app": lease.app,
            "epoch": lease.epoch,
            "now_us": now_us,
            "limit": limit,
            "most_bytes": claim_plan.CLAIM_MAX_BYTES,
        }
        with table.database.read() as connection:
            found = [Candidate._make(row) for row in claim_statements.CANDIDATES.rows(connection, values)]
        with table.database.write() as connection:
            fence.hold(connection, lease)
            plan = plan_claim(found, now_ms=now_us // 1000)
            table._claiming._drop(connection, lease, plan, now_us)
            rows = table._claiming._claim_rows(lease, facts_of, plan, now_us, arrivals, ahead=ahead)
            claimed = table._claiming._take(connection, lease, plan, rows)
            return claimed, len(found) >= limit or len(claimed) < len(found)

    patch.setattr(HandlerTable, "claim", claim)


def late_threads_write(patch: Patch) -> None:
    """Let a thread that was given up write its outcome all the same, as one may that was asking the table already."""
    run_batch, finish = Worker._run_batch, Batch.finish
    tables: dict[int, HandlerTable] = {}

    def running(worker: Worker, batch: Batch, claim: Claim) -> bool:
        tables[id(batch)] = worker._services.table
        return run_batch(worker, batch, claim)

    def finishing(batch: Batch, settlement: Settlement) -> bool:
        in_time = finish(batch, settlement)
        if not in_time:
            with suppress(TableError):
                tables[id(batch)].settle(batch.lease, [settlement])
        return in_time

    patch.setattr(Worker, "_run_batch", running)
    patch.setattr(Batch, "finish", finishing)


def beats_notice_nothing(patch: Patch) -> None:
    """Let no beat tell a worker that it has lost the lease, as when the thread that beats is held up."""
    patch.setattr(Worker, "lease_lost", lambda _worker, _lease: None)


def _wait_for(patch: Patch, condition: Callable[[Lease], sa.ColumnElement[bool]]) -> None:
    def older_holders(leases: Leases, lease: Lease) -> list[Holder]:
        query = sa.select(workers.c.id, workers.c.incarnation, workers.c.beats).where(
            workers.c.app == lease.app, workers.c.id != lease.worker, condition(lease)
        )
        with leases._database.read() as connection:
            return [Holder(*row) for row in connection.execute(query)]

    patch.setattr(Leases, "older_holders", older_holders)


def _reword(patch: Patch, batch: Statement, old: str, new: str) -> None:
    """Put another condition into a statement."""
    assert batch.statement.count(old) == 1
    patch.setattr(batch, "statement", batch.statement.replace(old, new))
    patch.setattr(batch, "_written", {})


def _replaced(statement: Query, *changes: tuple[str, str]) -> Query:
    text = statement.sqlite
    for old, new in changes:
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    return Query(text)
