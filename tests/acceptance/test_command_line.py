"""The installed ``interapp`` command: exit codes, streams and errors as an operator meets them, and processes that run services."""

import json
import os
import pty
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import pytest

from broker.errors import Reject
from broker.handlers.context import Context
from broker.handlers.registry import HandlerRegistry
from broker.handlers.retry import Backoff
from broker.lifecycle.clock import SystemClock
from broker.messages.message import Command, Reply
from broker.runtime.app import App
from broker.runtime.host import Host
from broker.settings import InterAppSettings
from broker.table.queries import list_handlers
from servers.processes import INTERAPP, InterappProcess, clean_environment, eventually, run_interapp


class Pong(Reply):
    kind: ClassVar[str] = "t.pong"
    number: int


class Ping(Command[Pong]):
    kind: ClassVar[str] = "t.ping"
    number: int


registry = HandlerRegistry[None]("t")


@registry.handles(Ping, retry=Backoff(attempts=1))
def ping(command: Ping, ctx: Context[None]) -> Pong:
    """Answer; refuse a negative number, break at zero."""
    if command.number < 0:
        raise Reject("no negative numbers")
    return Pong(number=100 // command.number)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder whose ``interapp.db`` was filled by a real host: 2 succeeded, 1 rejected, 1 error, 1 waiting."""
    folder = tmp_path_factory.mktemp("command-line")
    url = f"sqlite:///{folder / 'interapp.db'}"
    with Host(InterAppSettings(broker_url="memory://", database_url=url), SystemClock()) as host:
        host.add(App(address="t1", registry=registry, resource=None))
        client = host.client("sender")
        for number in (1, 2, -1, 0):
            client.send(Ping(number=number), to="t1")
        client.send(Ping(number=5), to="nobody")

        def final() -> bool:
            rows = [row for chunk in list_handlers(host.database, limit=10) for row in chunk]
            return sum(row.state.final for row in rows) == 4

        eventually(final, what="four messages are final")
    return folder


def listed(folder: Path, *args: str) -> list[dict[str, Any]]:
    """Return what a listing prints, as objects."""
    done = run_interapp(*args, "--json", cwd=folder)
    assert (done.returncode, done.stderr) == (0, "")
    return [json.loads(line) for line in done.stdout.splitlines()]


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


# Reading


def test_handlers(folder: Path) -> None:
    """The listing tells state, reason and reply of every message, in the order in which they were sent."""
    rows = listed(folder, "handlers")
    assert [(row["state"], row["reason"]) for row in rows] == [
        ("succeeded", None),
        ("succeeded", None),
        ("failed", "rejected"),
        ("failed", "error"),
        ("waiting", None),
    ]
    assert rows[1]["reply"] == {"number": 50}
    assert rows[2]["error"] == "no negative numbers"
    assert rows[3]["error"].startswith("ZeroDivisionError")
    assert all(row["handler"].endswith("ping") for row in rows[:4])


def test_every_listing_is_json_lines(folder: Path) -> None:
    """Every listing answers with JSON Lines and nothing else."""
    assert len(listed(folder, "communications")) == 5
    assert [worker["status"] for worker in listed(folder, "workers")] == ["stopped"]
    assert listed(folder, "stats")[0]["states"] == {"waiting": 1, "processing": 0, "succeeded": 2, "failed": 2}
    assert "tcr.get-status" in {kind["kind"] for kind in listed(folder, "kinds")}


def test_show_by_the_id_of_the_listing(folder: Path) -> None:
    """The short id that a listing shows is enough to see the story."""
    listing = run_interapp("handlers", "--reason", "rejected", cwd=folder).stdout.splitlines()
    done = run_interapp("handlers", "show", listing[1].split()[0], cwd=folder)
    assert done.returncode == 0
    assert "no negative numbers" in done.stdout
    assert '"number": -1' in done.stdout


def test_a_terminal_gets_colours(folder: Path) -> None:
    """On a terminal the listing is drawn in colours and fits its width."""
    master, terminal = pty.openpty()
    subprocess.run(["stty", "cols", "80", "rows", "24"], stdin=terminal, check=True)
    env = clean_environment({"TERM": "xterm-256color"}, folder)
    subprocess.run([str(INTERAPP), "handlers"], cwd=folder, env=env, stdout=terminal, check=True, timeout=30)
    os.close(terminal)
    shown = b""
    while True:
        try:
            part = os.read(master, 65536)
        except OSError:
            break
        if not part:
            break
        shown += part
    os.close(master)
    lines = shown.decode().splitlines()
    assert len(lines) == 6
    assert "\x1b[31mfailed (error)" in lines[4]


def test_a_reader_that_goes_away(folder: Path) -> None:
    """``interapp … | head`` ends quietly, without a traceback."""
    command = f"{INTERAPP} handlers --json | head -c 1; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(
        ["bash", "-c", command],
        cwd=folder,
        env=clean_environment({}, folder),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr == ""


def test_a_disk_that_is_full(folder: Path) -> None:
    """Output that cannot be written is one line and exit code 1."""
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [str(INTERAPP), "handlers", "--json"],
            cwd=folder,
            env=clean_environment({}, folder),
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert done.returncode == 1
    assert "No space left on device" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_nothing_there(tmp_path: Path) -> None:
    """In an empty folder every listing is empty and successful, and leaves the folder empty."""
    for command in (
        ["handlers"],
        ["handlers", "--json"],
        ["communications"],
        ["workers"],
        ["stats"],
        ["slots"],
        ["chassis"],
    ):
        done = run_interapp(*command, cwd=tmp_path)
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert list(tmp_path.iterdir()) == []


# Settings and usage


@pytest.mark.parametrize(
    ("env", "named"),
    [
        ({"INTERAPP_BROKER_URL": "ftp://x"}, ["INTERAPP_BROKER_URL", "ftp://x", "amqp://"]),
        ({"INTERAPP_HTTP_PORT": "99999"}, ["INTERAPP_HTTP_PORT", "99999", "65535"]),
        ({"INTERAPP_DATABASE_URL": "mysql://x/y"}, ["INTERAPP_DATABASE_URL", "mysql://x/y", "sqlite://"]),
        ({"INTERAPP_LOG_LEVEL": "loud"}, ["INTERAPP_LOG_LEVEL", "loud", "debug"]),
        ({"INTERAPP_BROKER_URL": "amqp://u:geheim@host:99999/"}, ["INTERAPP_BROKER_URL", "port"]),
    ],
)
def test_settings_that_can_never_be_right(tmp_path: Path, env: dict[str, str], named: list[str]) -> None:
    """A wrong setting ends every command at once: one line with setting, value and what is allowed, exit code 2."""
    for command in (["up"], ["handlers"], ["send", "t1", "tcr.get-status"]):
        done = run_interapp(*command, cwd=tmp_path, env=env)
        assert (done.returncode, done.stdout) == (2, "")
        assert len(done.stderr.splitlines()) == 1
        assert all(part in done.stderr for part in named)
        assert "geheim" not in done.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("content", "named"),
    [
        ("[interapp]\nhttp_prot = 1", "INTERAPP_HTTP_PROT"),
        ("[interapp]\nhttp_port = 99999", "INTERAPP_HTTP_PORT"),
        ("no toml", "TOML"),
    ],
)
def test_wrong_config_file(tmp_path: Path, content: str, named: str) -> None:
    """A wrong file of --config is named with what is wrong in it, exit code 2."""
    (tmp_path / "interapp.toml").write_text(content)
    done = run_interapp("--config", "interapp.toml", "handlers", cwd=tmp_path)
    assert done.returncode == 2
    assert named in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_config_file(folder: Path, tmp_path: Path) -> None:
    """--config names the database from any folder; the environment wins over it."""
    (tmp_path / "interapp.toml").write_text(f"[interapp]\ndatabase_url = 'sqlite:///{folder / 'interapp.db'}'")
    assert len(listed(tmp_path, "--config", "interapp.toml", "handlers")) == 5
    env = {"INTERAPP_DATABASE_URL": "sqlite:///other.db"}
    assert run_interapp("--config", "interapp.toml", "handlers", cwd=tmp_path, env=env).stdout == ""
    assert run_interapp("--config", "none.toml", "handlers", cwd=tmp_path).returncode == 2


@pytest.mark.parametrize("command", ["parent", "child"])
def test_services_of_their_own_need_a_shared_broker(tmp_path: Path, command: str) -> None:
    """A service that would talk to nobody says what to set."""
    done = run_interapp(command, cwd=tmp_path)
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    for part in ("INTERAPP_BROKER_URL", "memory://", "amqp://", "interapp up"):
        assert part in done.stderr


def test_version_is_quick(tmp_path: Path) -> None:
    """``interapp --version`` takes at most six times as long as an empty Python."""

    def best(*command: str) -> float:
        times = []
        for _ in range(7):
            began = time.perf_counter()
            subprocess.run(command, check=True, capture_output=True, cwd=tmp_path)
            times.append(time.perf_counter() - began)
        return min(times)

    assert best(str(INTERAPP), "--version") <= 6 * best(sys.executable, "-c", "pass")
    assert run_interapp("--version", cwd=tmp_path).stdout.startswith("interapp ")
    assert run_interapp("--config", "/dev/null", "--version", cwd=tmp_path).stdout.startswith("interapp ")


# Watching


def test_watch(tmp_path: Path, start_interapp: Callable[..., InterappProcess]) -> None:
    """Without a terminal --watch prints a line for every change, also of a table that was not there yet, until Ctrl-C."""
    watch = start_interapp("handlers", "--watch")
    sent = run_interapp("send", "t1", "a.b", "--any-kind", cwd=tmp_path).stdout.strip()
    watch.wait_for_line(f"{sent[-8:]}  a.b  cli -> t1  waiting")
    assert run_interapp("handlers", "cancel", sent, cwd=tmp_path).returncode == 0
    watch.wait_for_line(rf"{sent[-8:]}  a.b  cli -> t1  failed \(cancelled\)")
    watch.send_signal(signal.SIGINT)
    assert watch.wait() == 0
    assert watch.stderr == []
    assert len(watch.stdout) == 2


# Processes that run services

SERVICE = """
import sys
from broker.cli.root import told
from broker.errors import InterAppError, SettingError, TableUnavailable
from broker.runtime.service import run_services
from broker.settings import InterAppSettings

class Service:
    def __init__(self, name):
        self.name = name
        self.tries = 0
    def start(self, host):
        self.tries += 1
        if self.name == "late" and self.tries == 1:
            raise TableUnavailable("gone for a moment")
        print("started", self.name, flush=True)
    def stop(self):
        print("stopping", self.name, flush=True)
        if self.name == "broken":
            raise RuntimeError("cannot stop")
        if self.name == "stuck":
            import threading
            threading.Event().wait()

def build(name):
    if name == "wrong":
        raise SettingError("LANTIME_URL", "x", "a URL")
    return Service(name)

try:
    sys.exit(run_services(InterAppSettings.load(), [lambda name=name: build(name) for name in sys.argv[1:]]))
except InterAppError as exc:
    told(exc).show()
    sys.exit(told(exc).exit_code)
"""


@pytest.fixture
def start_services(tmp_path: Path, start_interapp: Callable[..., InterappProcess]) -> Callable[..., InterappProcess]:
    """Run services by their names in a process: `start_services("one", "two", env={…})`."""
    script = tmp_path / "services.py"
    script.write_text(SERVICE)

    def start(*names: str, env: dict[str, str] | None = None) -> InterappProcess:
        return start_interapp(*names, command=(sys.executable, str(script)), env=env or {})

    return start


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_services_run_until_a_signal(start_services: Callable[..., InterappProcess], number: int) -> None:
    """Services start in order, are told to be ready once, and stop in reverse order; one that breaks harms no other."""
    process = start_services("one", "broken", "late", "two")
    process.wait_for_line(" ready ")
    process.send_signal(number)
    assert process.wait() == 0
    assert process.stdout == [
        *(f"started {name}" for name in ("one", "broken", "late", "two")),
        *(f"stopping {name}" for name in ("two", "late", "broken", "one")),
    ]
    assert "gone for a moment" in process.output()
    assert "cannot stop" in process.output()


def test_a_second_signal_ends_at_once(start_services: Callable[..., InterappProcess]) -> None:
    """Who does not want to wait for a stop that hangs sends a second signal: exit code 1."""
    process = start_services("stuck")
    process.wait_for_line(" ready ")
    process.send_signal(signal.SIGTERM)
    process.wait_for_line("stopping stuck")
    process.send_signal(signal.SIGTERM)
    assert process.wait() == 1


def test_a_wrong_setting_starts_nothing(start_services: Callable[..., InterappProcess], tmp_path: Path) -> None:
    """A service that cannot be built ends the process before any other starts."""
    process = start_services("one", "wrong")
    assert process.wait() == 2
    assert process.lines == ["Error: LANTIME_URL='x' is not allowed: a URL"]
    assert not (tmp_path / "interapp.db").exists()


def readiness(port: int) -> dict[str, Any]:
    """Return the answer of /readyz with its status code; {} while nobody answers."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=5) as response:
            return {"code": response.status, **json.load(response)}
    except urllib.error.HTTPError as exc:
        with exc:
            return {"code": exc.code, **json.load(exc)}
    except (OSError, ValueError):
        return {}


def test_health(start_services: Callable[..., InterappProcess]) -> None:
    """Once everything runs, /readyz is green and names what it looked at."""
    port = free_port()
    process = start_services("one", env={"INTERAPP_HTTP_PORT": str(port)})
    process.wait_for_line(" ready ")
    answer = eventually(lambda: readiness(port), what="an answer")
    assert (answer["code"], answer["status"]) == (200, "ok")
    assert answer["checks"].keys() == {"table", "transport"}
    assert process.terminate() == 0
    assert readiness(port) == {}


def test_the_database_is_away(start_services: Callable[..., InterappProcess]) -> None:
    """While the database is away a process waits, says so in one line, is alive but not ready, and can be stopped."""
    port = free_port()
    url = f"postgresql://u:geheim@127.0.0.1:{free_port()}/d"
    process = start_services("one", env={"INTERAPP_HTTP_PORT": str(port), "INTERAPP_DATABASE_URL": url})
    process.wait_for_line("waiting for the table")
    answer = eventually(lambda: readiness(port), what="an answer")
    assert (answer["code"], answer["status"]) == (503, "failing")
    assert answer["checks"]["table"] == {"ok": False, "detail": "waiting for the table"}
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/livez", timeout=5) as response:
        assert response.status == 200
    assert process.terminate(timeout=10) == 0
    assert process.stdout == []
    assert sum("waiting for the table" in line for line in process.stderr) == 1
    assert "geheim" not in process.output()


def test_a_port_that_is_taken(start_services: Callable[..., InterappProcess]) -> None:
    """A health port that is in use ends the process with one line that names the setting."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        process = start_services("one", env={"INTERAPP_HTTP_PORT": str(taken.getsockname()[1])})
        assert process.wait() == 1
    assert len(process.lines) == 1
    assert "INTERAPP_HTTP_PORT" in process.lines[0]


def test_logs_as_json(start_services: Callable[..., InterappProcess]) -> None:
    """With INTERAPP_LOG_FORMAT=json every line on stderr is an object."""
    process = start_services("one", env={"INTERAPP_LOG_FORMAT": "json"})
    process.wait_for_line('"ready"')
    assert process.terminate() == 0
    events = [json.loads(line) for line in process.stderr]
    assert [event["event"] for event in events][-2:] == ["stopping", "stopped"]


# PostgreSQL and RabbitMQ


def test_postgresql(tmp_path: Path, postgres_url: str) -> None:
    """On PostgreSQL everything is as on SQLite: an empty database lists nothing, acts and stories work."""
    env = {"INTERAPP_DATABASE_URL": postgres_url}

    def run(*args: str) -> str:
        done = run_interapp(*args, cwd=tmp_path, env=env)
        assert (done.returncode, done.stderr) == (0, ""), args
        return done.stdout

    assert run("handlers") == run("stats") == run("workers") == ""
    sent = run("send", "m1000-a.clk1", "tcr.get-status").strip()
    assert run("handlers", "cancel", sent[-8:]) == f"{sent}: cancelled\n"
    assert (
        run("handlers", "--reason", "cancelled", "--app", "m1000-a.*", "--since", "1h", "--kind", "tcr.*").count("\n")
        == 2
    )
    assert run("handlers", "retry", "--failed", "--reason", "cancelled") == "1 waiting again\n"
    story = json.loads(run("handlers", "show", sent, "--json"))
    assert [entry["what"] for entry in story["history"]] == ["operator cancel", "operator retry"]
    assert json.loads(run("stats", "--json"))["states"]["waiting"] == 1
    assert run("communications", "--state", "waiting").count("\n") == 2


def test_rabbitmq_confirms(tmp_path: Path, amqp_url: str) -> None:
    """With RabbitMQ there, send waits for its confirm and has nothing to say but the id."""
    env = {"INTERAPP_BROKER_URL": amqp_url}
    done = run_interapp("send", "m1000-a.clk1", "tcr.get-status", cwd=tmp_path, env=env)
    assert (done.returncode, done.stderr) == (0, "")
    story = run_interapp("handlers", "show", done.stdout.strip(), "--json", cwd=tmp_path, env=env)
    assert json.loads(story.stdout)["published"] is True
