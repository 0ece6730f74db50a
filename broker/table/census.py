"""Counts of the handler table, and the workers that serve it."""

from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from broker.lifecycle.state import Reason, State
from broker.table.database import Database
from broker.table.schema import leases, messages, workers

LARGEST = 2**63 - 1
"""The largest number that either database can count to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerRow:
    """One worker incarnation; ``leading``: it holds its app's lease."""

    id: str
    app: str
    host: str
    pid: int
    version: str
    started_us: int
    seen_us: int
    ended_us: int | None
    status: str
    detail: str
    died: bool
    epoch: int
    leading: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """How many rows there are, by state and reason; ``recent`` means since the time that was asked for."""

    states: dict[State, int]
    reasons: dict[Reason, int]
    scheduled: int
    """Of those that wait: for a later time."""
    oldest_due_us: int | None
    """Since when the oldest row could be claimed that waits and is due: it was sent then, or became due."""
    recent_sent: int
    recent_finished: dict[State, int]


def list_workers(database: Database, *, app: str | None = None, limit: int = LARGEST) -> list[WorkerRow]:
    """Return the newest workers by app, oldest first. Raises TableUnavailable."""
    names = [name for name in WorkerRow.__dataclass_fields__ if name != "leading"]
    query = (
        sa.select(*(workers.c[name] for name in names), (leases.c.worker == workers.c.id).label("leading"))
        .select_from(workers.outerjoin(leases, leases.c.app == workers.c.app))
        .order_by(workers.c.started_us.desc())
        .limit(min(limit, LARGEST))
    )
    if app is not None:
        query = query.where(workers.c.app == app)
    with database.read() as connection:
        found = [WorkerRow(**row._asdict() | {"leading": bool(row.leading)}) for row in connection.execute(query)]
    return sorted(found, key=lambda worker: (worker.app, worker.started_us))


def count_handlers(database: Database, *, now_us: int, recent_us: int) -> Counts:
    """Count every row; ``recent_us`` is the time from which on a row counts as recent. Raises TableUnavailable."""

    def number(condition: sa.ColumnElement[bool]) -> sa.ColumnElement[Any]:
        return sa.func.coalesce(sa.func.sum(sa.case((condition, 1), else_=0)), 0)

    by_state = sa.select(
        messages.c.state,
        messages.c.reason,
        sa.func.count().label("rows"),
        number(messages.c.sent_us >= recent_us).label("sent"),
        number(messages.c.finished_us >= recent_us).label("finished"),
    ).group_by(messages.c.state, messages.c.reason)
    due_us = messages.c.due_us
    since_us = sa.case((due_us > messages.c.sent_us, due_us), else_=messages.c.sent_us)
    waiting = sa.select(
        sa.func.min(sa.case((due_us <= now_us, since_us))).label("oldest"),
        number(messages.c.due_us > now_us).label("scheduled"),
    ).where(messages.c.state == State.WAITING.value, sa.text("open"))
    with database.read() as connection:
        groups = connection.execute(by_state).all()
        standing = connection.execute(waiting).one()
    states = {state: sum(row.rows for row in groups if row.state == state) for state in State}
    return Counts(
        states=states,
        reasons={Reason(row.reason): row.rows for row in groups if row.reason},
        scheduled=standing.scheduled,
        oldest_due_us=standing.oldest,
        recent_sent=sum(row.sent for row in groups),
        recent_finished={
            state: sum(row.finished for row in groups if row.state == state) for state in State if state.final
        },
    )
