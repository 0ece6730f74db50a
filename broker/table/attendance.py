"""Who is there for an app, and whether it has anything to do: what somebody needs who gives out work to processes."""

from collections.abc import Collection
from dataclasses import dataclass

import sqlalchemy as sa

from broker.table.database import Database
from broker.table.schema import leases, messages, workers

# Built once: whoever gives out work asks twice a second, and to build them takes longer than to run them.
_APPS: sa.BindParameter[str] = sa.bindparam("apps", expanding=True)
_THERE = (
    sa.select(workers.c.id, workers.c.incarnation, workers.c.app, workers.c.beats, workers.c.status)
    .where(workers.c.app.in_(_APPS), workers.c.ended_us.is_(None))
    .order_by(workers.c.id)
)
_HELD = sa.select(leases.c.app, leases.c.worker).where(leases.c.app.in_(_APPS), leases.c.worker != "")


@dataclass(frozen=True, slots=True)
class Present:
    """A row of a worker or of a pool's member that has not ended, as it was last written."""

    id: str
    incarnation: str
    app: str
    beats: int
    status: str


@dataclass(frozen=True, slots=True)
class Attendance:
    """One look at several apps. ``holders`` has, by app, the id of the worker that holds its lease."""

    present: tuple[Present, ...]
    holders: dict[str, str]


def attendance(database: Database, apps: Collection[str]) -> Attendance:
    """Return who is there for these apps, by id, and who holds their leases. Raises TableUnavailable."""
    asked = {"apps": apps}
    with database.read() as connection:
        present = tuple(Present(*row) for row in connection.execute(_THERE, asked))
        return Attendance(present, {row.app: row.worker for row in connection.execute(_HELD, asked)})


def apps_with_open_rows(database: Database, apps: Collection[str], now_us: int) -> set[str]:
    """Return those of the apps that have a row in processing, or one that waits and is due. Raises TableUnavailable."""
    if not apps:
        return set()
    query = (
        sa.select(messages.c.destination)
        .where(sa.text("open"), messages.c.destination.in_(apps), messages.c.due_us <= now_us)
        .distinct()
    )
    with database.read() as connection:
        return set(connection.execute(query).scalars())
