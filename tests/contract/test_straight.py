"""Statements that are a transaction by themselves: how many of PostgreSQL's connections they take."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
import sqlalchemy as sa
from contract.databases import Background, Place, message, messages, succeeded

from broker.errors import TableError, TableUnavailable
from broker.table.database import Database
from servers.processes import eventually

KEPT = 3
HERE = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'interapp'"


@pytest.fixture
def database(postgres_url: str) -> Iterator[Database]:
    """A database whose process keeps three connections."""
    database = Database(postgres_url, pool_size=KEPT)
    yield database
    database.close()


@pytest.fixture
def beside(postgres_url: str) -> Iterator[sa.Connection]:
    """A look at the same database from elsewhere."""
    engine = sa.create_engine(sa.make_url(postgres_url).set(drivername="postgresql+psycopg"))
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        yield connection
    engine.dispose()


def run(database: Database, statement: str, values: Mapping[str, object] | None = None) -> Any:
    """Run a statement as a transaction by itself; return its cursor."""
    return database.at_once(lambda: (statement, values or {}))


def connections(beside: sa.Connection) -> set[int]:
    """Return the server's processes for the product."""
    return set(beside.execute(sa.text(HERE)).scalars())


def test_many_threads_share_a_few_connections(database: Database, beside: sa.Connection) -> None:
    """Who finds all of them in use waits for one: to open one costs more than ten statements."""
    pids: list[int] = []

    def ask() -> None:
        pids.extend(row[0] for row in run(database, "SELECT pg_backend_pid() FROM pg_sleep(0.01)").fetchall())

    threads = [Background(lambda: [ask() for _ in range(4)]) for _ in range(10)]
    for thread in threads:
        thread.result()
    assert len(pids) == 40
    assert set(pids) == connections(beside)
    assert len(set(pids)) <= KEPT


def test_statements_that_wait_for_a_lock_hold_up_no_other(database: Database, beside: sa.Connection) -> None:
    """While all connections wait for a lock another statement gets one of its own, which is closed afterwards."""
    lock = {"key": 7}
    beside.execute(sa.text("SELECT pg_advisory_lock(:key)"), lock)
    waiting = [Background(lambda: run(database, "SELECT pg_advisory_lock_shared(%(key)s)", lock)) for _ in range(KEPT)]
    blocked = sa.text("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted")
    eventually(lambda: beside.execute(blocked).scalar() == KEPT, what="all wait for the lock")
    assert run(database, "SELECT 1").fetchall() == [(1,)]
    assert beside.execute(blocked).scalar() == KEPT, "none of them has got it, or this proves nothing"
    beside.execute(sa.text("SELECT pg_advisory_unlock(:key)"), lock)
    for thread in waiting:
        thread.result()
    eventually(lambda: len(connections(beside)) == KEPT, what="the one beyond those that are kept is closed")


def test_what_fails_gives_its_place_back(database: Database, beside: sa.Connection) -> None:
    """Statements that are refused, and sessions that were ended, leave room for others: nobody waits for them."""
    for _ in range(2 * KEPT):
        with pytest.raises(TableError):
            run(database, "SELECT 1/0")
    for _ in range(2 * KEPT):
        run(database, "SELECT 1")
        beside.execute(sa.text(f"SELECT pg_terminate_backend(pid) FROM ({HERE}) AS here"))
        with pytest.raises(TableUnavailable):
            run(database, "SELECT 1")
    began = threading.Barrier(KEPT + 1)

    def meet() -> None:
        began.wait(10)
        run(database, "SELECT pg_sleep(0.01)")

    threads = [Background(meet) for _ in range(KEPT)]
    began.wait(10)
    for thread in threads:
        thread.result()
    assert len(connections(beside)) <= KEPT


def test_a_refused_row_leaves_the_connection(postgres_url: str, beside: sa.Connection) -> None:
    """Who sends again what is there needs no new connection for it, and what is new in it is written."""
    with Place.opened(postgres_url) as place:
        place.send(*messages(2))
        before = connections(beside)
        for number in range(3):
            place.send(*messages(2), message(f"new {number}"))
        assert connections(beside) == before
        assert len(place.rows()) == 5


def test_a_statement_is_planned_once(database: Database) -> None:
    """It keeps the plan of its first use: to plan a claim takes longer than to claim a row."""
    for number in range(3):
        assert run(database, "SELECT %(number)s::int + 1", {"number": number}).fetchall() == [(number + 1,)]
    plans = "SELECT generic_plans, custom_plans FROM pg_prepared_statements WHERE statement LIKE '%%::int + 1'"
    assert run(database, plans).fetchall() == [(3, 0)]


def test_a_plan_from_when_the_table_was_small_goes_by_the_index(postgres_url: str) -> None:
    """What was planned when there was one row does not read all of the table once there are many."""
    with Place.opened(postgres_url) as place:
        lease = place.lease()
        place.send(message("first"))
        # Now it knows that the table is one page, which is read as a whole sooner than an index.
        place.execute("ANALYZE messages")
        (first,) = place.claim(lease)
        place.table.settle(lease, [succeeded(first)])
        place.send(*messages(3000, destination="another.app"), message("last"))
        read = scans(place.database)
        (last,) = place.claim(lease)
        place.table.settle(lease, [succeeded(last)])
        assert scans(place.database) == read


def scans(database: Database) -> int:
    """Return how often all of the table was read, by the connection that claims."""
    run(database, "SELECT pg_stat_force_next_flush()")
    query = "SELECT seq_scan FROM pg_stat_user_tables WHERE relname = 'messages'"
    return int(run(database, query).fetchall()[0][0])
