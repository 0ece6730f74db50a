"""Leases: which worker may claim for an app. Workers: who is there, and who has not let go of a lease yet."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from broker.errors import Superseded
from broker.lifecycle.clock import Clock
from broker.table.batch import Batch
from broker.table.columns import Row
from broker.table.database import Database
from broker.table.envelopes import clean
from broker.table.rows import Lease
from broker.table.schema import leases, workers

ENTER = sa.text(
    """
    INSERT INTO workers (id, incarnation, app, host, pid, version, started_us, seen_us, status)
    VALUES (:id, :incarnation, :app, :host, :pid, :version, :now_us, :now_us, 'starting')
    ON CONFLICT (id) DO UPDATE SET started_us = :now_us, seen_us = :now_us, status = 'starting', detail = '', ended_us = NULL
    """
)
TAKE = sa.text(
    """
    INSERT INTO leases (app, epoch, worker, renewals) VALUES (:app, 1, :worker, 0)
    ON CONFLICT (app) DO UPDATE SET epoch = leases.epoch + 1, worker = excluded.worker, renewals = leases.renewals + 1
    RETURNING epoch
    """
)
TAKE_IF_UNCHANGED = sa.text(
    """
    UPDATE leases SET epoch = epoch + 1, worker = :worker, renewals = renewals + 1
    WHERE app = :app AND epoch = :epoch AND worker = :holder AND renewals = :renewals
    RETURNING epoch
    """
)
TAKE_AGAIN = sa.text(
    """
    UPDATE leases SET epoch = epoch + 1, renewals = renewals + 1
    WHERE app = :app AND epoch = :epoch AND worker = :worker
    RETURNING epoch
    """
)
BEAT = Batch.update(
    "workers",
    {"id": "text", "seen_us": "bigint", "status": "text", "detail": "text"},
    set_="beats = t.beats + 1, seen_us = {seen_us}, status = {status}, detail = {detail}",
    key="t.id = {id}",
)
RENEW = Batch.update(
    "leases",
    {"id": "text", "app": "text", "epoch": "bigint"},
    set_="renewals = t.renewals + 1",
    key="t.app = {app}",
    where="t.worker = {id} AND t.epoch = {epoch}",
)
BEAT_AND_RENEW = RENEW.after(BEAT)
"""PostgreSQL's form of both, of which each row of the batch gives the values; those without a lease have no app."""


@dataclass(frozen=True, slots=True)
class LeaseRow:
    """A lease as it stands. While its holder lives, ``renewals`` grows. No worker: it is free."""

    app: str
    epoch: int
    worker: str
    renewals: int


@dataclass(frozen=True, slots=True)
class Holder:
    """A worker that has not let go of an older epoch."""

    worker: str
    incarnation: str
    beats: int


@dataclass(frozen=True, slots=True)
class WorkerStart:
    """What a worker says of itself when it starts."""

    id: str
    incarnation: str
    app: str
    host: str
    pid: int
    version: str


class Leases:
    """Takes, renews and lets go of leases; keeps the rows of workers. Every method may raise TableUnavailable."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def enter(self, start: WorkerStart) -> None:
        """Add the row of a worker that starts. Safe to repeat, and for an app that a process runs once more."""
        values = {
            "id": start.id,
            "incarnation": start.incarnation,
            "app": start.app,
            "host": start.host,
            "pid": start.pid,
            "version": start.version,
            "now_us": self._clock.now_us(),
        }
        with self._database.write() as connection:
            connection.execute(ENTER, values)

    def take(self, app: str, worker: str) -> Lease:
        """Take the next epoch at once: for a worker that RabbitMQ rings."""
        with self._database.write() as connection:
            epoch = connection.execute(TAKE, {"app": app, "worker": worker}).scalar_one()
            _hold_epoch(connection, worker, epoch)
        return Lease(app, worker, epoch)

    def take_unchanged(self, seen: LeaseRow, worker: str) -> Lease | None:
        """Take the next epoch when the lease is still as it was seen; None when somebody was quicker."""
        with self._database.write() as connection:
            epoch = connection.execute(
                TAKE_IF_UNCHANGED,
                {
                    "app": seen.app,
                    "worker": worker,
                    "epoch": seen.epoch,
                    "holder": seen.worker,
                    "renewals": seen.renewals,
                },
            ).scalar()
            if epoch is None:
                return None
            _hold_epoch(connection, worker, epoch)
        return Lease(seen.app, worker, epoch)

    def renew_epoch(self, lease: Lease) -> Lease:
        """Take the next epoch of a lease that is held. Raises Superseded when it is not."""
        with self._database.write() as connection:
            epoch = connection.execute(
                TAKE_AGAIN, {"app": lease.app, "worker": lease.worker, "epoch": lease.epoch}
            ).scalar()
            if epoch is None:
                raise Superseded(f"{lease.worker} no longer holds the lease of {lease.app} (epoch {lease.epoch})")
            _hold_epoch(connection, lease.worker, epoch)
        return Lease(lease.app, lease.worker, epoch)

    def make(self, apps: Sequence[str]) -> None:
        """Make a free lease for every app that has none."""
        with self._database.write() as connection:
            for app in apps:
                connection.execute(
                    sa.text(
                        "INSERT INTO leases (app, epoch, worker, renewals) VALUES (:app, 0, '', 0) ON CONFLICT DO NOTHING"
                    ),
                    {"app": app},
                )

    def look(self, apps: Sequence[str]) -> dict[str, LeaseRow]:
        """Return the leases of these apps."""
        with self._database.read() as connection:
            found = connection.execute(sa.select(leases).where(leases.c.app.in_(apps)))
            return {row.app: LeaseRow(*row) for row in found}

    def older_holders(self, lease: Lease) -> list[Holder]:
        """Return the workers that took an older epoch of the app and have neither let go nor been found dead."""
        query = sa.select(workers.c.id, workers.c.incarnation, workers.c.beats).where(
            workers.c.app == lease.app, workers.c.epoch > 0, workers.c.epoch < lease.epoch, workers.c.id != lease.worker
        )
        with self._database.read() as connection:
            return [Holder(*row) for row in connection.execute(query)]

    def holds(self, lease: Lease) -> bool:
        """Tell whether the lease is still this worker's."""
        return _is_held(lease, self.look([lease.app]))

    def let_go(self, lease: Lease, *, free: bool = False) -> None:
        """Note that the worker runs nothing under any epoch; ``free`` offers the lease to whoever looks next."""
        with self._database.write() as connection:
            # First the lease, then the worker, as whatever writes to both does: the other way round a beat and this one would
            # wait for each other.
            if free:
                connection.execute(
                    sa.update(leases)
                    .where(leases.c.app == lease.app, leases.c.epoch == lease.epoch, leases.c.worker == lease.worker)
                    .values(worker="", renewals=leases.c.renewals + 1)
                )
            # Any epoch: a take whose commit was unclear may have left a later one than the worker knows of.
            _hold_epoch(connection, lease.worker, 0)

    def found_dead(self, worker: str) -> None:
        """Note that a worker is proven dead: it holds nothing, and what killed it can be told from its rows.

        One that had said that it stops was killed by nothing: the process did not wait for its last handler.
        """
        with self._database.write() as connection:
            connection.execute(
                sa.update(workers)
                .where(workers.c.id == worker)
                .values(
                    epoch=0,
                    died=workers.c.ended_us.is_(None),
                    status=sa.case((workers.c.ended_us.is_(None), "died"), else_=workers.c.status),
                    ended_us=sa.func.coalesce(workers.c.ended_us, self._clock.now_us()),
                )
            )

    def beat(self, statuses: Mapping[str, tuple[str, str]], held: Sequence[Lease]) -> list[Lease]:
        """Show that these workers (id to status and detail) live and renew their leases; return the leases still held."""
        now_us = self._clock.now_us()
        lease_of = {lease.worker: lease for lease in held}
        rows = [
            {
                "id": id_,
                "seen_us": now_us,
                "status": clean(status),
                "detail": clean(detail),
                "app": lease.app if (lease := lease_of.get(id_)) else None,
                "epoch": lease.epoch if lease else None,
            }
            for id_, (status, detail) in statuses.items()
        ]
        if self._beat(rows) == len(held):
            return list(held)
        current = self.look([lease.app for lease in held])
        return [lease for lease in held if _is_held(lease, current)]

    def _beat(self, rows: Sequence[Row]) -> int:
        """Write down a beat; return how many leases it renewed."""
        if self._database.is_sqlite:
            with self._database.write() as connection:
                BEAT.execute(connection, rows)
                return RENEW.execute(connection, rows)
        return BEAT_AND_RENEW.execute_at_once(self._database, rows) if rows else 0

    def leave(self, worker: str) -> None:
        """Note that a worker has ended in good order."""
        now_us = self._clock.now_us()
        with self._database.write() as connection:
            connection.execute(
                sa.update(workers)
                .where(workers.c.id == worker)
                .values(status="stopped", detail="", ended_us=now_us, seen_us=now_us)
            )


def _is_held(lease: Lease, current: Mapping[str, LeaseRow]) -> bool:
    row = current.get(lease.app)
    return row is not None and (row.epoch, row.worker) == (lease.epoch, lease.worker)


def _hold_epoch(connection: Connection, worker: str, epoch: int) -> None:
    connection.execute(sa.update(workers).where(workers.c.id == worker).values(epoch=epoch))
