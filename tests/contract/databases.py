"""Handler tables for the contract suite: one database, several processes' views of it, a clock that a test moves."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Generic, TypeVar

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from broker.lifecycle.clock import ManualClock
from broker.lifecycle.ids import new_id
from broker.lifecycle.state import State
from broker.messages.effects import Effects
from broker.messages.envelope import Envelope
from broker.table.database import Database
from broker.table.leases import Leases, WorkerStart
from broker.table.rows import Claimed, FactsOf, HandlerFacts, Lease, Settlement
from broker.table.store import HandlerTable
from broker.table.upgrade import upgrade
from servers.processes import eventually

T = TypeVar("T")

KINDS = ("sqlite", "postgresql")
"""What every promise of the table is tried on."""

APP = "m1000-a.clk1"
SENDER = "m1000-a"


def database_url(kind: str, request: pytest.FixtureRequest, folder: Path, *, empty: bool = False) -> str:
    """Return the URL of a fresh database of this kind; PostgreSQL's has the tables already unless it must be ``empty``."""
    fixture = "postgres_url" if empty else "ready_postgres_url"
    return f"sqlite:///{folder / 'table.db'}" if kind == "sqlite" else str(request.getfixturevalue(fixture))


class Place:
    """One database with the tables, as one process uses it. ``another`` is the view of another process."""

    def __init__(self, url: str, clock: ManualClock) -> None:
        self.url = url
        self.clock = clock
        self.database = Database(url)
        self.table = HandlerTable(self.database, clock)
        self.leases = Leases(self.database, clock)
        self._others: list[Place] = []

    @classmethod
    @contextmanager
    def opened(cls, url: str) -> Iterator[Place]:
        """Make the tables; close every connection at the end."""
        place = cls(url, ManualClock())
        try:
            upgrade(place.database)
            yield place
        finally:
            place.close()

    def close(self) -> None:
        """Close this view and those made from it."""
        for other in self._others:
            other.close()
        self.database.close()

    def another(self) -> Place:
        """Return the view of another process, with connections of its own."""
        other = Place(self.url, self.clock)
        self._others.append(other)
        return other

    def worker(self, name: str, app: str = APP) -> str:
        """Add the row of a worker; return its id."""
        worker = f"{app}@{name}"
        self.leases.enter(WorkerStart(worker, name, app, "host", 1, "0"))
        return worker

    def lease(self, name: str = "host:1/a", app: str = APP) -> Lease:
        """Return a lease that a new worker has just taken."""
        return self.leases.take(app, self.worker(name, app))

    def send(self, *envelopes: Envelope) -> list[Envelope]:
        """Commit messages in one transaction, as their sender does."""
        return self.table.accept(Effects(sent=envelopes), app=SENDER)

    def claim(self, lease: Lease, limit: int = 100, facts_of: FactsOf = lambda _kind: FACTS) -> list[Claimed]:
        """Claim what is due."""
        return self.table.claim(lease, facts_of, limit=limit, arrivals={})[0]

    def rows(self, order: str = "seq") -> list[Mapping[str, Any]]:
        """Return every row of the table in this order."""
        return self.select(f"SELECT * FROM messages ORDER BY {order}")

    def row(self, message_id: str) -> Mapping[str, Any]:
        """Return the one row with this id."""
        (row,) = self.select("SELECT * FROM messages WHERE id = :id", id=message_id)
        return row

    def history(self) -> list[tuple[int, str, int]]:
        """Return the history: row, what, attempt."""
        return [
            (row["seq"], row["what"], row["attempt"]) for row in self.select("SELECT * FROM history ORDER BY number")
        ]

    def select(self, query: str, **values: object) -> list[Mapping[str, Any]]:
        """Run a query."""
        with self.database.read() as connection:
            return list(connection.execute(sa.text(query), values).mappings())

    def execute(self, statement: str, **values: object) -> None:
        """Run and commit a statement, as an operator or another process would."""
        with self.database.write() as connection:
            connection.execute(sa.text(statement), values)

    @contextmanager
    def meanwhile(self, statement: str, act: Callable[[], T], **values: object) -> Iterator[Background[T]]:
        """Run a statement in another process's transaction, ``act`` beside it, and commit when ``act`` waits for it.

        The block runs after both have ended.
        """
        other = self.another()
        with other.database.write() as connection:
            connection.execute(sa.text(statement), values)
            background = Background(act)
            eventually(lambda: self._waits(connection), what="waiting for the other transaction")
        background.join()
        yield background

    def _waits(self, holder: Connection) -> bool:
        """Tell whether somebody waits for the transaction that ``holder`` has open."""
        if self.database.is_sqlite:
            writing = self.database._writing
            assert isinstance(writing, type(threading.Lock()))
            return writing.locked()
        query = sa.text(
            "SELECT count(*) FROM pg_stat_activity"
            " WHERE pg_backend_pid() = ANY (pg_blocking_pids(pid)) AND datname = current_database()"
        )
        return bool(holder.execute(query).scalar_one())


class Background(Generic[T]):
    """A call that runs beside the test."""

    def __init__(self, act: Callable[[], T]) -> None:
        self._act = act
        self._result: list[T] = []
        self._error: list[BaseException] = []
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def join(self, seconds: float = 20.0) -> None:
        """Wait for its end."""
        self._thread.join(seconds)
        assert not self._thread.is_alive(), "it still runs"

    def result(self) -> T:
        """Return what it returned, or raise what it raised."""
        self.join()
        if self._error:
            raise self._error[0]
        return self._result[0]

    def _run(self) -> None:
        try:
            self._result.append(self._act())
        except BaseException as exc:  # noqa: BLE001 the test that asks for the result gets it
            self._error.append(exc)


FACTS = HandlerFacts("tests.handler", 3)


def message(message_id: str = "", **fields: Any) -> Envelope:
    """Return a message from SENDER to APP, with these fields."""
    values: dict[str, Any] = {
        "message_id": message_id or new_id(),
        "kind": "test.note",
        "body": b"{}",
        "destination": APP,
        "source": SENDER,
        "call_id": "call",
        "sent_us": 1,
    }
    return Envelope(**values | fields)


def messages(count: int, **fields: Any) -> list[Envelope]:
    """Return messages ``n000``, ``n001``, ….

    Their ids sort in the order of their numbers, which is no promise: the order is that in which they are sent.
    """
    return [message(f"n{number:03}", **fields) for number in range(count)]


def succeeded(row: Claimed, **fields: Any) -> Settlement:
    """Return that the handler of a row ended well."""
    return Settlement(row=row, state=State.SUCCEEDED, **fields)


def retry(row: Claimed, **fields: Any) -> Settlement:
    """Return that a row is to be tried again."""
    return Settlement(row=row, state=State.WAITING, error="not now", **fields)


def ids(rows: Sequence[Claimed]) -> list[str]:
    """Return the message ids of claimed rows."""
    return [row.envelope.message_id for row in rows]
