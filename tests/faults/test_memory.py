"""Memory stays bounded, and work goes on, with very many waiting rows, a slow child and a large purge."""

import json
import os
import re
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from bench import APP, FAULTS, Bench
from filling import fill
from sqlalchemy import event

from broker.lifecycle.clock import SystemClock
from broker.lifecycle.state import State
from broker.table.claim_statements import CANDIDATES
from broker.table.database import Database
from broker.table.leases import Leases
from broker.table.retention import DAY_US, PART_ROWS
from broker.table.rows import Settlement
from broker.table.store import HandlerTable
from broker.table.upgrade import upgrade
from servers.processes import InterappProcess, eventually, run_interapp
from servers.rabbitmq import RabbitMQAddress

WAITING = 150_000
"""In memory they would be more than 150 MiB."""

GROWTH_MIB = 40.0

PARENT_FIRST = 10_000_000
"""Above every number that is filled in."""

ENDED = 8_000


def rss_mib(process: InterappProcess) -> float:
    """Return the resident memory of a process in MiB."""
    lines = Path(f"/proc/{process.pid}/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmRSS:"))


class Growth:
    """The most that processes have grown since ``begin``, looked at again and again."""

    def __init__(self, *processes: InterappProcess) -> None:
        self._processes = processes
        self._before = [rss_mib(process) for process in processes]
        self._most = [0.0 for _ in processes]
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Look for as long as the block lasts."""
        self._thread.start()
        try:
            yield
        finally:
            self._stopping.set()
            self._thread.join()

    def mib(self) -> dict[str, float]:
        """Return the growth by process, in MiB."""
        return {str(process)[:60]: round(most, 1) for process, most in zip(self._processes, self._most, strict=True)}

    def _look(self) -> None:
        while not self._stopping.wait(0.05):
            for place, process in enumerate(self._processes):
                if process.running:
                    self._most[place] = max(self._most[place], rss_mib(process) - self._before[place])


def eager_sender(bench: Bench) -> InterappProcess:
    """Return a parent that sends all the time, not started."""
    env = {**bench.env, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = (sys.executable, str(FAULTS / "eager_sender.py"))
    return InterappProcess(APP, str(PARENT_FIRST), cwd=bench.folder, env=env, command=command)


@pytest.fixture(params=["postgresql", "sqlite"])
def large_bench(
    request: pytest.FixtureRequest, tmp_path: Path, rabbitmq: RabbitMQAddress, amqp_url: str
) -> Iterator[Bench]:
    """A bench on each database, without figures in the end: they look at every row."""
    postgresql = request.param == "postgresql"
    database_url = request.getfixturevalue("postgres_url") if postgresql else f"sqlite:///{tmp_path}/interapp.db"
    bench = Bench(tmp_path, {"INTERAPP_BROKER_URL": amqp_url, "INTERAPP_DATABASE_URL": database_url}, rabbitmq)
    yield bench
    bench.close()


@pytest.mark.timeout(240)  # a machine that does much else may take this long to fill it
def test_memory_is_flat_with_very_many_waiting_rows(large_bench: Bench) -> None:
    """With 150,000 rows waiting, a slow child and a parent that sends faster, both stay small, work goes on, commands answer."""
    bench = large_bench
    with bench.service(seconds=0.01) as child, eager_sender(bench) as parent:
        child.wait_for_line("active")
        parent.wait_for_line("sent")
        bench.wait_started(50)
        growth = Growth(child, parent)
        with growth.watched():
            fill(bench.database, WAITING)
            before = len(bench.started())
            sent = len(parent.lines)
            for command in (["handlers", "--limit", "20", "--json"], ["stats", "--json"]):
                done = run_interapp(*command, cwd=bench.folder, env=bench.env, timeout=60)
                assert done.returncode == 0, done
                lines = [json.loads(line) for line in done.stdout.splitlines()]
                assert len(lines) == (20 if command[0] == "handlers" else 1), done
            assert lines[0]["states"]["waiting"] > WAITING - 10_000
            eventually(lambda: len(bench.started()) >= before + 200, 60, "200 more are started")
            eventually(lambda: len(parent.lines) >= sent + 20, 60, "1,000 more are sent")
        assert all(mib < GROWTH_MIB for mib in growth.mib().values()), growth.mib()
        with bench.database.read() as connection:
            passed_over = "SELECT count(*) FROM messages WHERE seq <= 50 AND state <> 'succeeded'"
            assert connection.exec_driver_sql(passed_over).scalar() == 0, "the oldest are handled first"
        assert parent.terminate() == 0
        assert child.terminate() == 0
    bench.check_no_overlap()


def test_a_claim_reads_only_what_it_takes(postgres_url: str) -> None:
    """A backlog that came in a burst, before PostgreSQL knows of it, is neither collected nor sorted for each claim and look."""
    database = Database(postgres_url)
    upgrade(database)
    fill(database, 50_000)
    values = {"app": APP, "epoch": 1, "now_us": SystemClock().now_us(), "limit": 100, "most_bytes": 1}
    with database.read() as connection:
        explain = sa.text(f"EXPLAIN (ANALYZE, TIMING OFF, COSTS OFF) {CANDIDATES.postgresql}")
        lines = connection.execute(explain, values).scalars().all()
    database.close()
    read = [int(rows) for line in lines for rows in re.findall(r"actual rows=(\d+)", line)]
    assert read, "\n".join(lines)
    assert max(read) <= 2 * values["limit"], "\n".join(lines)
    assert not [line for line in lines if "Bitmap" in line], "\n".join(lines)


def test_a_purge_does_not_stall_the_hot_path(bench: Bench) -> None:
    """While 8,000 rows that ended are purged by hand, messages go on being handled all the time, and none of theirs is lost."""
    with bench.sender() as client, bench.service(seconds=0.005) as child:
        child.wait_for_line("active")
        fill(bench.database, ENDED, state="succeeded", sent_us=SystemClock().now_us() - 10 * DAY_US)
        bench.send(client, range(1000))
        bench.wait_started(50)
        # Ledgers tell monotonic time, tombstones wall clock.
        offset_ns = time.time_ns() - time.monotonic_ns()
        done = run_interapp("handlers", "purge", "--older-than", "5d", cwd=bench.folder, env=bench.env, timeout=60)
        assert (done.returncode, done.stdout.split()[0]) == (0, str(ENDED)), done
        with bench.database.read() as connection:
            query = "SELECT purged_us, count(*) FROM tombstones GROUP BY purged_us ORDER BY purged_us"
            parts = [tuple(row) for row in connection.exec_driver_sql(query)]
        assert max(count for _, count in parts) <= PART_ROWS
        first, last = parts[0][0], parts[-1][0]
        starts = [(entry.at_ns + offset_ns) // 1000 for entry in bench.entries() if entry.what == "start"]
        quarters = [(at - first) * 4 // (last - first) for at in starts if first <= at < last]
        assert set(quarters) == {0, 1, 2, 3}, f"handlers ran all the time: {quarters} in {(last - first) / 1e6} s"
        bench.check(range(1000))
        assert child.terminate() == 0


def test_an_update_looks_at_each_row_of_its_batch_once(postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A claim and its outcomes, before PostgreSQL knows of the rows, do not go through the whole batch for each row."""
    clock = SystemClock()
    database = Database(postgres_url)
    upgrade(database)
    fill(database, 2_000)
    plans: list[str] = []

    def explain(_connection: object, cursor: Any, statement: str, values: object, *_: object) -> None:
        if statement.startswith("UPDATE messages"):
            cursor.execute(f"EXPLAIN (ANALYZE, TIMING OFF, COSTS OFF) {statement}", values)
            plans.append("\n".join(line for (line,) in cursor.fetchall()))

    execute = database._straight.execute

    def explain_at_once(statement: str, values: Mapping[str, Any]) -> Any:
        with database.engine.connect() as connection:
            driver: Any = connection.connection.driver_connection
            found = driver.execute(f"EXPLAIN (ANALYZE, TIMING OFF, COSTS OFF) {statement}", values)
            plans.append("\n".join(line for (line,) in found))
            driver.rollback()
        return execute(statement, values)

    lease = Leases(database, clock).take(APP, "worker")
    event.listen(database.engine, "before_cursor_execute", explain)
    monkeypatch.setattr(database._straight, "execute", explain_at_once)
    table = HandlerTable(database, clock)
    for changes in (3, 4):
        plans.clear()
        claimed, _ = table.claim(lease, lambda _kind: None, limit=500, arrivals={})
        *done, last = [
            Settlement(row=row, state=State.SUCCEEDED, started_us=number, finished_us=number)
            for number, row in enumerate(claimed)
        ]
        assert len(done) >= 498
        if changes == 3:
            table.settle(lease, [*done, last])
        else:
            table.settle(lease, done, [last.row])
        assert len(plans) >= changes, "of the look, the claim and the outcomes; a transaction has one more"
        for plan in plans:
            assert "Rows Removed by Join Filter" not in plan, plan
        # One whose end is decided by the claim, which so is a transaction, too.
        with database.write() as connection:
            connection.execute(
                sa.text(
                    "UPDATE messages SET cancel_requested = true WHERE seq = (SELECT max(seq) - 1000 FROM messages)"
                )
            )
    database.close()


def test_a_claim_is_not_compiled(postgres_url: str) -> None:
    """However dear a claim looks to PostgreSQL, it runs it and does not compile it: that would take longer each time."""
    database = Database(postgres_url)
    upgrade(database)
    values = {"app": APP, "epoch": 1, "now_us": SystemClock().now_us(), "limit": 100, "most_bytes": 1}
    with database.read() as connection:
        setting = connection.execute(sa.text("SHOW jit")).scalar_one()
        connection.execute(sa.text("SET jit_above_cost = 0"))
        explain = sa.text(f"EXPLAIN (ANALYZE, TIMING OFF, COSTS OFF) {CANDIDATES.postgresql}")
        lines = connection.execute(explain, values).scalars().all()
    database.close()
    assert setting == "off"
    assert "JIT:" not in lines
