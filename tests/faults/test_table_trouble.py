"""Promises 1 to 3 while the database refuses to be written: a full disk, files nobody may write, too many connections."""

import secrets
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import Any

import ledger_service
import psycopg
import pytest
from acceptance.fleet import OK, UNAVAILABLE, ask
from bench import APP, Bench
from psycopg import sql
from table_away import LateSender, check_nothing_acknowledged, check_nothing_ran_twice
from write_trouble import Trouble, full_disk, immutable_files, obey_modes, obeying_modes

from broker.errors import TableUnavailable
from servers.ports import ReservedPort
from servers.postgresql import PostgreSQLServer
from servers.processes import INTERAPP, InterappProcess, eventually, run_interapp
from servers.rabbitmq import RabbitMQAddress

CONNECTIONS = 20
"""How many connections all programs together may have."""

OpenBench = Callable[..., AbstractContextManager[Bench]]


@pytest.fixture
def health_port() -> Iterator[int]:
    """A port for a service's health."""
    port = ReservedPort()
    yield port.number
    port.release()


def red(port: int) -> str:
    """Return which checks of a service are red, with their details; empty when none is."""
    checks: dict[str, dict[str, Any]] = ask(port, "/readyz").body.get("checks", {})
    return "\n".join(f"{name}: {check['detail']}" for name, check in checks.items() if not check["ok"])


def said(process: InterappProcess, words: str) -> list[str]:
    """Return the lines with these words."""
    return [line for line in process.lines if words in line]


def check_said_once(process: InterappProcess, words: str) -> None:
    """Check that a trouble was told in one line by whoever had it, without a traceback, and its end too."""
    told = [line.partition("error=")[0][20:] for line in said(process, words)]
    assert len(told) == len(set(told)) > 0, process.output()
    assert not said(process, "Traceback"), process.output()


@pytest.mark.parametrize("make", [full_disk, immutable_files])
def test_sqlite_that_cannot_be_written(
    make: Callable[[Path], AbstractContextManager[Trouble]],
    tmp_path: Path,
    rabbitmq: RabbitMQAddress,
    amqp_url: str,
    open_bench: OpenBench,
    health_port: int,
) -> None:
    """SQLite's disk full, or its files read-only, under load: told with the way out, nothing acknowledged, all handled after."""
    with (
        make(tmp_path / "disk") as trouble,
        open_bench(amqp_url, f"sqlite:///{trouble.folder}/interapp.db", rabbitmq) as bench,
        bench.sender() as client,
        bench.service(seconds=0.05, env={"INTERAPP_HTTP_PORT": str(health_port)}) as child,
    ):
        child.wait_for_line("active")
        bench.send(client, range(60))
        bench.wait_started(10)
        trouble.begin()
        bench.fault()
        child.wait_for_line("waiting for the table")
        with pytest.raises(TableUnavailable) as caught:
            client.send(ledger_service.Note(number=999), to=APP)
        for told in (str(caught.value), eventually(lambda: red(health_port), 10, "health is red"), child.output()):
            assert trouble.says in told
            assert "interapp.db" in told
        waiting = LateSender(client, 60, wait_seconds=60)
        started = len(bench.started())
        check_nothing_acknowledged(bench, 60)
        assert len(bench.started()) == started, "nothing was started while the table was away"
        trouble.end()
        bench.fault()
        waiting.join(30)
        assert waiting.error is None
        bench.check(range(61))
        bench.check_no_overlap()
        check_nothing_ran_twice(bench)
        eventually(lambda: not red(health_port), 20, "health is green")
        check_said_once(child, trouble.says)
        bench.wait_drained()
        assert child.terminate() == 0


def test_sqlite_damaged_while_it_is_used(
    tmp_path: Path, rabbitmq: RabbitMQAddress, amqp_url: str, health_port: int
) -> None:
    """A SQLite file overwritten under a running service: told once with the way out, red, alive, and nothing acknowledged."""
    bench = Bench(
        tmp_path,
        {"INTERAPP_BROKER_URL": amqp_url, "INTERAPP_DATABASE_URL": f"sqlite:///{tmp_path}/interapp.db"},
        rabbitmq,
    )
    with bench.sender() as client, bench.service(seconds=0.05, env={"INTERAPP_HTTP_PORT": str(health_port)}) as child:
        child.wait_for_line("active")
        bench.send(client, range(60))
        bench.wait_started(5)
        for name in ("interapp.db", "interapp.db-wal"):
            overwrite(tmp_path / name)
        child.wait_for_line("waiting for the table")
        eventually(lambda: "restore it from a backup" in red(health_port), 20, "health is red")
        assert ask(health_port, "/livez").status == OK
        check_nothing_acknowledged(bench, 60)
        check_said_once(child, "cannot be used")
        assert child.running
    bench.close()


def overwrite(file: Path) -> None:
    """Write noise over a file, in its place: whoever has it open reads it."""
    with file.open("r+b") as written:
        written.write(secrets.token_bytes(file.stat().st_size))


@contextmanager
def mode(path: Path, forbidding: int) -> Iterator[None]:
    """Give a path this mode for as long as the block lasts."""
    before = path.stat().st_mode & 0o777
    path.chmod(forbidding)
    try:
        yield
    finally:
        path.chmod(before)


@pytest.mark.parametrize(
    ("what", "forbidding", "says"),
    [
        ("interapp.db", 0o444, "let this user write the file and its folder"),
        (".", 0o555, "see that its folder is there, and that this user may write in it"),
        (".", 0o000, "let this user enter its folder"),
    ],
    ids=["file", "folder", "closed folder"],
)
def test_sqlite_that_may_not_be_written_at_the_start(
    what: str,
    forbidding: int,
    says: str,
    tmp_path: Path,
    rabbitmq: RabbitMQAddress,
    amqp_url: str,
    open_bench: OpenBench,
    health_port: int,
) -> None:
    """A file or folder without the right to write, at the start: one line with the way out, red, and well once it is granted."""
    folder = tmp_path / "data"
    folder.mkdir()
    with open_bench(amqp_url, f"sqlite:///{folder}/interapp.db", rabbitmq) as bench:
        if what != ".":
            with bench.sender() as client:
                bench.send(client, range(10))
        child = obey_modes(bench.service(env={"INTERAPP_HTTP_PORT": str(health_port)}))
        with ExitStack() as running:
            with mode(folder / what, forbidding):
                running.enter_context(child)
                child.wait_for_line("(waits|waiting) for the table")
                assert says in child.output()
                assert "interapp.db" in child.output()
                eventually(lambda: ask(health_port, "/readyz").status == UNAVAILABLE, 10, "health is red")
                assert ask(health_port, "/livez").status == OK, "nothing that a restart could mend"
                sending = InterappProcess(
                    *obeying_modes([str(INTERAPP), "send", APP, "ledger.note", "{}", "--any-kind"])[1:],
                    cwd=tmp_path,
                    env=bench.env,
                    command=tuple(obeying_modes([str(INTERAPP)])[:1]),
                )
                with sending:
                    assert sending.wait() == 1
                    assert len(sending.stderr) == 1, sending.output()
                    assert says in sending.output()
            child.wait_for_line("the table answers|made the tables", timeout=40)
            child.wait_for_line("active")
            with bench.sender() as client:
                bench.send(client, range(10, 20) if what != "." else range(20))
                bench.check(range(20))
            check_said_once(child, says)
            assert child.terminate() == 0


class Crowd:
    """Other programs, which take every connection that a role may have."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._connections: list[psycopg.Connection[Any]] = []

    def fill(self) -> int:
        """Take all that are left; return how many they have."""
        try:
            while True:
                self._connections.append(psycopg.connect(self._url))
        except psycopg.OperationalError:
            return len(self._connections)

    def leave(self) -> None:
        """Free them."""
        for connection in self._connections:
            connection.close()
        self._connections.clear()


@pytest.fixture
def limited_url(table_bench: Bench, broken_postgresql: PostgreSQLServer) -> str:
    """The bench's database as a role that may have a few connections at a time."""
    name, url = f"limited_{secrets.token_hex(4)}", table_bench.env["INTERAPP_DATABASE_URL"]
    database = url.rpartition("/")[2]
    with psycopg.connect(broken_postgresql.url, autocommit=True) as administrator:
        role = sql.Identifier(name)
        administrator.execute(
            sql.SQL("CREATE ROLE {} LOGIN PASSWORD 'x' CONNECTION LIMIT {}").format(role, CONNECTIONS)
        )
        administrator.execute(sql.SQL("ALTER DATABASE {} OWNER TO {}").format(sql.Identifier(database), role))
    return f"postgresql://{name}:x@{url.rpartition('@')[2]}"


@pytest.mark.xdist_group("broken PostgreSQL")
def test_postgresql_with_too_many_connections(
    table_bench: Bench, broken_postgresql: PostgreSQLServer, limited_url: str, health_port: int
) -> None:
    """Others take all connections: told in one line, nothing acknowledged, and all is handled once some are free."""
    bench, crowd = table_bench, Crowd(limited_url)
    env = {"INTERAPP_DATABASE_URL": limited_url, "INTERAPP_HTTP_PORT": str(health_port)}
    with (
        psycopg.connect(broken_postgresql.url, autocommit=True) as administrator,
        bench.sender(database_url=limited_url) as client,
        bench.service(seconds=0.02, env=env) as child,
    ):
        child.wait_for_line("active")
        bench.send(client, range(100))
        bench.wait_started(20)
        role = limited_url.partition("//")[2].partition(":")[0]
        ours = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = %s AND application_name = 'interapp'"

        def crowded_out() -> bool:
            administrator.execute(ours, [role])
            return crowd.fill() == CONNECTIONS

        # Ours come back at once, and may be quicker.
        eventually(crowded_out, 20, "none of our sessions is left")
        bench.fault()
        child.wait_for_line("waiting for the table.*too many connections")
        with pytest.raises(TableUnavailable, match="too many connections"):
            # waits a little: its first try finds a connection that was cut
            client.send(ledger_service.Note(number=999), to=APP, wait_for_table=1)
        sent = run_interapp("send", APP, "ledger.note", "{}", "--any-kind", cwd=bench.folder, env={**bench.env, **env})
        assert (sent.returncode, len(sent.stderr.splitlines())) == (1, 1)
        assert "too many connections" in sent.stderr
        eventually(lambda: "too many connections" in red(health_port), 10, "health is red")
        waiting = LateSender(client, 100, wait_seconds=60)
        started = len(bench.started())
        check_nothing_acknowledged(bench, 100)
        assert len(bench.started()) == started, "nothing was started while the table was away"
        crowd.leave()
        bench.fault()
        waiting.join(30)
        assert waiting.error is None
        bench.check(range(101))
        bench.check_no_overlap()
        check_nothing_ran_twice(bench)
        assert not said(child, "Traceback")
        bench.wait_drained()
        assert child.terminate() == 0
