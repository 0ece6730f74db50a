"""Who is there for an app, and whether it has anything to do: what somebody needs who gives out work to processes."""

from collections.abc import Collection
from dataclasses import dataclass

import sqlalchemy as sa

from broker.table.database import Database
from broker.table.schema import leases, messages, workers


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
    there = (
        sa.select(workers.c.id, workers.c.incarnation, workers.c.app, workers.c.beats, workers.c.status)
        .where(workers.c.app.in_(apps), workers.c.ended_us.is_(None))
        .order_by(workers.c.id)
    )
    held = sa.select(leases.c.app, leases.c.worker).where(leases.c.app.in_(apps), leases.c.worker != "")
    with database.read() as connection:
        present = tuple(Present(*row) for row in connection.execute(there))
        return Attendance(present, {row.app: row.worker for row in connection.execute(held)})


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
