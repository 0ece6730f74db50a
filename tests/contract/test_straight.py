"""Statements that are a transaction by themselves: how many of PostgreSQL's connections they take."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
import sqlalchemy as sa
from contract.databases import Background

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


def connections(beside: sa.Connection) -> set[int]:
    """Return the server's processes for the product."""
    return set(beside.execute(sa.text(HERE)).scalars())


def test_many_threads_share_a_few_connections(database: Database, beside: sa.Connection) -> None:
    """Who finds all of them in use waits for one: to open one costs more than ten statements."""
    pids: list[int] = []

    def ask() -> None:
        pids.extend(row[0] for row in database.at_once("SELECT pg_backend_pid() FROM pg_sleep(0.01)", {}).fetchall())

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
    waiting = [
        Background(lambda: database.at_once("SELECT pg_advisory_lock_shared(%(key)s)", lock)) for _ in range(KEPT)
    ]
    blocked = sa.text("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted")
    eventually(lambda: beside.execute(blocked).scalar() == KEPT, what="all wait for the lock")
    assert database.at_once("SELECT 1", {}).fetchall() == [(1,)]
    assert beside.execute(blocked).scalar() == KEPT, "none of them has got it, or this proves nothing"
    beside.execute(sa.text("SELECT pg_advisory_unlock(:key)"), lock)
    for thread in waiting:
        thread.result()
    eventually(lambda: len(connections(beside)) == KEPT, what="the one beyond those that are kept is closed")


def test_what_fails_gives_its_place_back(database: Database, beside: sa.Connection) -> None:
    """Statements that are refused, and sessions that were ended, leave room for others: nobody waits for them."""
    for _ in range(2 * KEPT):
        with pytest.raises(TableError):
            database.at_once("SELECT 1/0", {})
    for _ in range(2 * KEPT):
        database.at_once("SELECT 1", {})
        beside.execute(sa.text(f"SELECT pg_terminate_backend(pid) FROM ({HERE}) AS here"))
        with pytest.raises(TableUnavailable):
            database.at_once("SELECT 1", {})
    began = threading.Barrier(KEPT + 1)

    def meet() -> None:
        began.wait(10)
        database.at_once("SELECT pg_sleep(0.01)", {})

    threads = [Background(meet) for _ in range(KEPT)]
    began.wait(10)
    for thread in threads:
        thread.result()
    assert len(connections(beside)) <= KEPT
