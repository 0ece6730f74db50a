"""The bench that fault tests work on: senders, ledger services that can be killed, and what the ledger and the table say."""

from __future__ import annotations

import os
import signal
import sqlite3
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path

import ledger_service
import sqlalchemy as sa

from broker.errors import TableUnavailable
from broker.lifecycle.clock import SystemClock
from broker.lifecycle.state import State
from broker.runtime.client import Client
from broker.runtime.host import Host
from broker.settings import InterAppSettings
from broker.table.database import Database
from broker.table.queries import LARGEST, HandlerRow, HistoryEntry, list_handlers, read_history
from broker.table.schema import leases, outbox, workers
from servers.processes import InterappProcess, eventually
from servers.rabbitmq import RabbitMQAddress

APP = "slot-a"
QUEUE = f"interapp.{APP}"
FAULTS = Path(__file__).parent


@dataclass(frozen=True)
class Entry:
    """One line of the ledger."""

    what: str
    number: int
    attempt: int
    pid: int
    at_ns: int


class Supervised:
    """A process that is started again whenever it is killed."""

    def __init__(self, process: InterappProcess) -> None:
        """Take the running ``supervisor.py``."""
        self.process = process
        self.kills = 0

    def pids(self) -> list[int]:
        """Return the process of every start so far."""
        return [int(line.split()[1]) for line in self.process.stdout if line.startswith("child ")]

    def wait_started(self) -> int:
        """Wait until it runs again after the last kill; return its process id."""
        return eventually(lambda: self.pids()[self.kills :], 20, "the supervisor started it again")[0]

    def kill(self) -> None:
        """Kill what runs now (SIGKILL); it is started again."""
        os.kill(self.wait_started(), signal.SIGKILL)
        self.kills += 1

    def wait_for_line(self, pattern: str, timeout: float = 30.0) -> None:
        """Wait until what runs now has written a line that the pattern is found in."""
        start = f"child {self.wait_started()}"
        eventually(lambda: start in self.process.lines, 5, "its first line")
        self.process.wait_for_line(pattern, timeout, after=self.process.lines.index(start))


class Bench:
    """One app, its database and broker, and any number of services that share them."""

    def __init__(self, folder: Path, env: Mapping[str, str], rabbitmq: RabbitMQAddress | None = None) -> None:
        """Take where services run, their settings, and the RabbitMQ to look into."""
        self.folder = folder
        self.env = {"INTERAPP_LEASE_SECONDS": "3", **env}
        self.ledger = folder / "ledger"
        self.database = Database(env["INTERAPP_DATABASE_URL"])
        self.rabbitmq = rabbitmq
        self.vhost = env["INTERAPP_BROKER_URL"].rpartition("/")[2]
        self._faults: list[int] = []

    def service(
        self, seconds: float = 0.0, *, through: str = "", stepped: bool = False, env: Mapping[str, str] | None = None
    ) -> InterappProcess:
        """Return a service that works that long in each handler, not started.

        ``through`` names a point and what happens there, as ``fault_points.py`` takes them; ``stepped`` is for one whose
        clock is to be set, as ``stepped_clock.py`` does.
        """
        script = "fault_points.py" if through else "stepped_clock.py" if stepped else "ledger_service.py"
        return self.script(script, *through.split(), APP, str(self.ledger), str(seconds), env=env or {})

    def sending_process(self, numbers: range, *, through: str) -> InterappProcess:
        """Return a process that sends numbers one by one and prints what was accepted, not started."""
        return self.script("fault_points.py", *through.split(), "send", APP, str(numbers.start), str(numbers.stop))

    @contextmanager
    def supervised(self, what: str, *arguments: object) -> Iterator[Supervised]:
        """Run what a ``supervisor.py`` starts again whenever it is killed: ``serve`` this app, or ``send`` to it."""
        rest = (str(self.ledger), *arguments) if what == "serve" else arguments
        with self.script("supervisor.py", what, APP, *map(str, rest)) as process:
            yield Supervised(process)

    @contextmanager
    def sender(self, **settings: str) -> Iterator[Client]:
        """Yield a client of this process, which sends and never serves."""
        urls = {"broker_url": self.env["INTERAPP_BROKER_URL"], "database_url": self.env["INTERAPP_DATABASE_URL"]}
        with Host(InterAppSettings(**{**urls, **settings}), SystemClock()) as host:  # type: ignore[arg-type]
            yield host.client("sender")

    def send(self, client: Client, numbers: Sequence[int], **fields: object) -> list[str]:
        """Send numbers in order, in calls of 50; return the ids."""
        ids: list[str] = []
        for start in range(0, len(numbers), 50):
            notes = [ledger_service.Note(number=n, **fields) for n in numbers[start : start + 50]]  # type: ignore[arg-type]
            ids += client.send_call(notes, to=APP)
        return ids

    def script(self, script: str, *args: str, env: Mapping[str, str] | None = None) -> InterappProcess:
        """Return a script of this folder as a process with the bench's settings, not started."""
        full = {**self.env, "PYTHONPATH": os.pathsep.join(sys.path), **(env or {})}
        command = (sys.executable, str(FAULTS / script))
        return InterappProcess(*args, cwd=self.folder, env=full, command=command)

    # What the ledger, the table and RabbitMQ say.

    def rows(self) -> list[HandlerRow]:
        """Return every row of the app, in the order in which they were sent."""
        return [row for rows in list_handlers(self.database, limit=LARGEST) for row in rows]

    def unconfirmed(self) -> int:
        """Return how many entries the outbox has: what was committed at once and RabbitMQ has not confirmed."""
        with self.database.read() as connection:
            return connection.execute(sa.select(sa.func.count()).select_from(outbox)).scalar_one()

    def history(self, row: HandlerRow) -> list[HistoryEntry]:
        """Return what happened to a row beside success."""
        return read_history(self.database, row.seq)

    def epoch(self) -> int:
        """Return the epoch of the app's lease."""
        with self.database.read() as connection:
            return connection.execute(sa.select(leases.c.epoch).where(leases.c.app == APP)).scalar() or 0

    def wait_looked(self, process: InterappProcess, times: int = 3) -> None:
        """Wait until the worker of a process has looked at the table so many times more; it does so once a second."""
        query = sa.select(workers.c.beats).where(workers.c.pid == process.pid)

        def beats() -> int:
            with self.database.read() as connection:
                return connection.execute(query).scalar_one()

        enough = beats() + times
        eventually(lambda: beats() >= enough, 30, f"{process} has looked {times} times")

    def writable(self) -> bool:
        """Tell whether no process is in the middle of writing to SQLite, which has one lock for all; else true."""
        if self.database.file is None:
            return True
        with closing(sqlite3.connect(self.database.file, timeout=0.2, isolation_level=None)) as connection:
            try:
                connection.execute("BEGIN IMMEDIATE")
            except sqlite3.OperationalError:
                return False
            connection.execute("ROLLBACK")
        return True

    def entries(self) -> list[Entry]:
        """Return the ledger, oldest first."""
        if not self.ledger.exists():
            return []
        lines = (line.split() for line in self.ledger.read_text().splitlines())
        return [Entry(what, int(number), int(attempt), int(pid), int(at)) for what, number, attempt, pid, at in lines]

    def started(self) -> set[int]:
        """Return the numbers whose handler was started."""
        return {entry.number for entry in self.entries() if entry.what == "start"}

    def silent_seconds(self) -> float:
        """Return for how long no handler has started or ended."""
        entries = self.entries()
        return (time.monotonic_ns() - entries[-1].at_ns) / 1e9 if entries else 0.0

    def queue(self) -> dict[str, int]:
        """Return what RabbitMQ says of the app's queue, up to a second old; empty when there is none."""
        assert self.rabbitmq is not None
        found = (queue for queue in self.rabbitmq.management.list_queues(self.vhost) if queue["name"] == QUEUE)
        return next(found, {})

    def connections(self, name: str = "") -> list[str]:
        """Return the connections of this virtual host whose client-given name contains the text."""
        assert self.rabbitmq is not None
        found = self.rabbitmq.management.list_connections(self.vhost)
        return [each["name"] for each in found if name in each.get("client_properties", {}).get("connection_name", "")]

    # Waiting.

    def fault(self) -> None:
        """Note that a fault happened, or ended: the time to the next start of a handler is its recovery."""
        self._faults.append(time.monotonic_ns())

    def wait_started(self, count: int, timeout: float = 60.0) -> None:
        """Wait until so many different numbers were started."""
        eventually(lambda: len(self.started()) >= count, timeout, f"{count} numbers are started")

    def wait_final(self, count: int, timeout: float = 90.0) -> list[HandlerRow]:
        """Wait until so many rows are final and none is open; return all. The table may be away meanwhile."""
        rows: list[HandlerRow] = []

        def final() -> bool:
            try:
                rows[:] = self.rows()
            except TableUnavailable:
                return False
            return len(rows) >= count and all(row.state.final for row in rows)

        try:
            eventually(final, timeout, f"{count} rows are final")
        except AssertionError as exc:
            states = Counter((row.state.value, row.reason) for row in rows)
            msg = f"{exc}; rows: {dict(states)}"
            raise AssertionError(msg) from None
        return rows

    def wait_drained(self, timeout: float = 30.0) -> None:
        """Wait until the app's queue has a consumer and no message: everything was rung for and acknowledged."""

        def drained() -> bool:
            queue = self.queue()
            return queue.get("consumers", 0) >= 1 and queue.get("messages") == 0

        eventually(drained, timeout, f"{QUEUE} has a consumer and no message")

    # Comparing.

    def check(self, numbers: Sequence[int], *, ordered: bool = True) -> list[HandlerRow]:
        """Compare ledger, table and what was sent; return the rows.

        Nothing missing, every outcome a success, no run after the one whose outcome is in the table, first runs in the
        order of sending.
        """
        rows = self.wait_final(len(numbers))
        assert [row.state for row in rows] == [State.SUCCEEDED] * len(numbers), Counter(
            (row.state.value, row.reason, row.error) for row in rows
        )
        first_runs = list(dict.fromkeys(entry.number for entry in self.entries() if entry.what == "start"))
        assert sorted(first_runs) == sorted(numbers), "every number was handled, and no other"
        if ordered:
            assert first_runs == list(numbers), "handled for the first time in the order of sending"
        last = {entry.number: entry.attempt for entry in self.entries() if entry.what == "start"}
        assert sorted(last.values()) == sorted(row.attempts for row in rows), "no run came after the one that counts"
        return rows

    def check_no_overlap(self) -> None:
        """Check that no two runs of the slot overlapped, but for a run whose process was killed in it."""
        running: Entry | None = None
        ended = {(entry.number, entry.attempt, entry.pid) for entry in self.entries() if entry.what == "end"}
        for entry in self.entries():
            if entry.what == "end":
                running = None
            else:
                killed = running is not None and (running.number, running.attempt, running.pid) not in ended
                assert running is None or killed, f"{entry} began while {running} ran"
                running = entry

    def figures(self) -> dict[str, float]:
        """Return what the reliability report shows of this scenario: counts, and the worst recovery in seconds."""
        starts = [entry for entry in self.entries() if entry.what == "start"]
        first_runs = list(dict.fromkeys(entry.number for entry in starts))
        rows = self.rows()
        waits = [min((e.at_ns for e in starts if e.at_ns > fault), default=fault) - fault for fault in self._faults]
        return {
            "messages": len(rows),
            "faults": len(self._faults),
            "lost": sum(not row.state.final for row in rows),
            "run again": len(starts) - len(first_runs),
            "overtaken": sum(
                number < highest for number, highest in zip(first_runs, accumulate(first_runs, max), strict=True)
            ),
            "worst recovery s": round(max(waits, default=0) / 1e9, 2),
        }

    def close(self) -> None:
        """Close the connection to the database."""
        self.database.close()
