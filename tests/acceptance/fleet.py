"""A small installation as its operator has it: simulator, parent, children and command line, each a process."""

from __future__ import annotations

import base64
import http.client
import json
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack, closing
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple, Self, TypeVar

import kombu

from broker.cli.lines import handler_line, worker_status
from broker.lifecycle.clock import SystemClock
from broker.table.census import count_handlers, list_workers
from broker.table.database import Database
from broker.table.queries import LARGEST, list_handlers
from modular_parent.listing import slot_line, slot_records
from servers.ports import ReservedPort
from servers.processes import InterappProcess, eventually, run_interapp

CHASSIS = "m3000-a"
Line = dict[str, Any]
"""One line of a listing's JSON Lines."""

SHOWN_ROWS = 40
"""How much of the table a failed assertion shows."""

OK = 200
UNAVAILABLE = 503
_NO_ENVIRONMENT: Mapping[str, str] = MappingProxyType({})
_ProcessT = TypeVar("_ProcessT", bound=InterappProcess)


class Answer(NamedTuple):
    """What a port of this machine answered over HTTP; status 0: nobody does."""

    status: int
    body: dict[str, Any]


def ask(
    port: int, path: str, *, method: str = "GET", body: object = None, login: tuple[str, str] | None = None
) -> Answer:
    """Make one HTTP request to a port of this machine; any proxy of the environment does not matter."""
    headers = {"Content-Type": "application/json"}
    if login is not None:
        headers["Authorization"] = "Basic " + base64.b64encode(":".join(login).encode()).decode()
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=10.0)) as connection:
        try:
            connection.request(method, path, None if body is None else json.dumps(body), headers)
            answer = connection.getresponse()
            return Answer(answer.status, json.loads(answer.read()))
        except (OSError, http.client.HTTPException):
            return Answer(0, {})


class Health(NamedTuple):
    """What `/livez` or `/readyz` said; status 0: nobody listens."""

    status: int
    checks: dict[str, dict[str, Any]]

    def red(self) -> str:
        """Return the details of the checks that are not well, one line each."""
        return "\n".join(f"{name}: {check['detail']}" for name, check in self.checks.items() if not check["ok"])


class Service(InterappProcess):
    """A service of ours with `/livez` and `/readyz` on a port of its own."""

    def __init__(
        self, *args: str, cwd: Path, env: Mapping[str, str], port: int, command: tuple[str, ...] | None = None
    ) -> None:
        more = {} if command is None else {"command": command}
        super().__init__(*args, cwd=cwd, env={**env, "INTERAPP_HTTP_PORT": str(port)}, **more)
        self.port = port

    def health(self, path: str = "readyz") -> Health:
        """Ask for `/readyz` or `/livez`."""
        answer = ask(self.port, f"/{path}")
        return Health(answer.status, answer.body.get("checks", {}))

    def wait_ready(self, timeout: float = 30.0) -> Self:
        """Wait until `/readyz` is green; AssertionError with what is red and the output otherwise."""

        def ready() -> bool:
            assert self.running, f"{self} ended with {self.returncode}:\n{self.output()}"
            return self.health().status == OK

        try:
            eventually(ready, timeout, f"{self} is ready")
        except AssertionError as exc:
            msg = f"{exc}; red:\n{self.health().red()}\noutput:\n{self.output()}"
            raise AssertionError(msg) from None
        return self

    def wait_red(self, pattern: str, timeout: float = 20.0) -> str:
        """Wait until `/readyz` is red for a reason with these words while `/livez` is green; return all reasons."""

        def red() -> str:
            health = self.health()
            return health.red() if health.status == UNAVAILABLE and pattern in health.red() else ""

        reasons = eventually(red, timeout, f"{self} is red with {pattern!r}; output:\n{self.output()}")
        assert self.health("livez").status == OK, "nothing that a restart could mend"
        return reasons

    def lines_with(self, words: str) -> list[str]:
        """Return what it wrote on lines with these words."""
        return [line for line in self.lines if words in line]


class Simulator(InterappProcess):
    """`interapp simulator` on a port that stays the same over restarts."""

    def __init__(self, *args: str, cwd: Path, port: int) -> None:
        super().__init__("simulator", "--no-tls", "--model", "M3000", "--port", str(port), *args, cwd=cwd)
        self.port = port

    def wait_ready(self) -> Self:
        """Wait until it listens."""
        self.wait_for_line("LANTIME simulator M3000")
        return self

    def control(self, action: str, **arguments: object) -> None:
        """Do `POST /simulator/<action>` as its admin: `control("pull", slot="clk1")`."""
        body = {name.replace("_", "-"): value for name, value in arguments.items()}
        answer = ask(self.port, f"/simulator/{action}", method="POST", body=body, login=("admin", "admin"))
        assert answer.status == OK, answer


class Fleet:
    """Processes over one RabbitMQ and one database; leaving the `with` block ends them and looks at what they wrote."""

    def __init__(self, folder: Path, broker_url: str, database_url: str) -> None:
        self.folder = folder
        self.broker_url = broker_url
        self.processes: list[InterappProcess] = []
        self._stack = ExitStack()
        self._database = Database(database_url)
        self._stack.callback(self._database.close)
        self.simulator_port = self._port()
        self.env = {
            "INTERAPP_BROKER_URL": broker_url,
            "INTERAPP_DATABASE_URL": database_url,
            "LANTIME_NAME": CHASSIS,
            "LANTIME_URL": f"http://127.0.0.1:{self.simulator_port}",
            "LANTIME_USERNAME": "info",
            "LANTIME_PASSWORD": "info",
            "LANTIME_POLL_SECONDS": "1",
            # At once: no message waits for its time where a test wants every row final.
            "ALARM_CLEAR_SECONDS": "0",
            "ALARM_FLAPPING_RAISES": "100",
        }

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_exc_info: object) -> None:
        self._stack.close()
        if kind is None:
            for process in self.processes:
                assert_no_traceback(process.output(), str(process))

    def simulator(self) -> Simulator:
        """Start a LANTIME M3000."""
        return self._start(Simulator(cwd=self.folder, port=self.simulator_port)).wait_ready()

    def service(
        self,
        *args: str,
        env: Mapping[str, str] = _NO_ENVIRONMENT,
        without: Iterable[str] = (),
        command: tuple[str, ...] | None = None,
    ) -> Service:
        """Start `interapp ARGS…` with a health port; `env` wins over the fleet's, `without` names what is not set."""
        merged = {name: value for name, value in {**self.env, **env}.items() if name not in set(without)}
        port = int(merged.get("INTERAPP_HTTP_PORT") or self._port())
        return self._start(Service(*args, cwd=self.folder, env=merged, port=port, command=command))

    def parent(self, **env: str) -> Service:
        """Start the service of the chassis."""
        return self.service("parent", env=env)

    def child(self, slot: str, **env: str) -> Service:
        """Start the service of a slot."""
        return self.service("child", env={"TCR_SLOT_ID": slot, **env})

    def run(self, *args: str, code: int = 0, env: Mapping[str, str] = _NO_ENVIRONMENT, timeout: float = 30.0) -> str:
        """Run `interapp ARGS…` to its end, check its exit code, return its stdout."""
        done = run_interapp(*args, cwd=self.folder, env={**self.env, **env}, timeout=timeout)
        assert_no_traceback(done.stdout + done.stderr, " ".join(args))
        assert done.returncode == code, f"{args}: exit code {done.returncode}\n{done.stdout}{done.stderr}"
        return done.stdout

    def listing(self, *args: str) -> list[Line]:
        """Return what `interapp ARGS… --json` lists."""
        return [json.loads(line) for line in self.run(*args, "--json").splitlines()]

    def handlers(self, *args: str, **fields: object) -> list[Line]:
        """Return the lines of `interapp handlers ARGS… --json` with these fields, in the order they were sent."""
        return matching(self.listing("handlers", "--limit", "100000", *args), fields)

    def slots(self) -> dict[str, Line]:
        """Return what `interapp slots --json` lists, by slot."""
        return {str(line["slot"]): line for line in self.listing("slots")}

    def rows(self, **fields: object) -> list[Line]:
        """Return what `handlers` would list, without the second that a process takes: for waiting."""
        now_us = SystemClock().now_us()
        rows = (row for chunk in list_handlers(self._database, limit=LARGEST) for row in chunk)
        return matching([handler_line(row, now_us) for row in rows], fields)

    def final(self) -> int:
        """Return how many handlers have ended; for waiting for many."""
        states = count_handlers(self._database, now_us=0, recent_us=0).states
        return sum(count for state, count in states.items() if state.final)

    def wait_handlers(self, count: int = 1, timeout: float = 20.0, **fields: object) -> list[Line]:
        """Wait until at least `count` rows have these fields and return them.

        AssertionError with the end of the table and all output otherwise.
        """
        self.wait_until(lambda: len(self.rows(**fields)) >= count, f"{count} rows with {fields}", timeout)
        return self.rows(**fields)

    def wait_until(self, check: Callable[[], object], what: str, timeout: float = 20.0) -> None:
        """Wait for something in the table; AssertionError with the end of the table and all output otherwise."""
        try:
            eventually(check, timeout, what)
        except AssertionError as exc:
            table = "\n".join(json.dumps(line) for line in self.rows()[-SHOWN_ROWS:])
            outputs = "\n".join(f"--- {process}\n{process.output()}" for process in self.processes)
            msg = f"{exc}\n{table}\n{outputs}"
            raise AssertionError(msg) from None

    def slot_rows(self) -> dict[str, Line]:
        """Return what `slots` would list, for waiting."""
        return {record.slot: slot_line(chassis, record) for chassis, record in slot_records(self._database)}

    def worker_statuses(self, app: str) -> list[str]:
        """Return where the workers of an app stand as `interapp workers` would list them, sorted; for waiting."""
        now_us = SystemClock().now_us()
        return sorted(worker_status(row, now_us) for row in list_workers(self._database, app=app))

    def publish(self, routing_key: str, messages: Iterable[tuple[bytes, Mapping[str, Any]]]) -> None:
        """Publish bodies with AMQP properties to exchange `interapp` as a foreign producer (kombu), confirmed."""
        publish_foreign(self.broker_url, routing_key, messages)

    def _start(self, process: _ProcessT) -> _ProcessT:
        self.processes.append(process)
        self._stack.enter_context(process)
        return process

    def _port(self) -> int:
        port = ReservedPort()
        self._stack.callback(port.release)
        return port.number


def publish_foreign(
    broker_url: str, routing_key: str, messages: Iterable[tuple[bytes, Mapping[str, Any]]], *, together: bool = False
) -> None:
    """Publish bodies with AMQP properties to exchange `interapp` by kombu; RabbitMQ has all of them when it returns.

    Each is confirmed before the next, or all are committed `together`. Never unconfirmed: a quorum queue may drop what
    such a producer still had under way when it closes its connection.
    """
    with (
        kombu.Connection(broker_url, transport_options={"confirm_publish": not together}) as connection,
        connection.channel() as channel,
    ):
        if together:
            channel.tx_select()
        for body, properties in messages:
            # not a Producer: it would add a content type of its own
            others = dict(properties)
            content_type, headers = others.pop("content_type", None), others.pop("headers", None)
            message = channel.prepare_message(body, content_type=content_type, headers=headers, properties=others)
            channel.basic_publish(message, exchange="interapp", routing_key=routing_key)
        if together:
            channel.tx_commit()


def matching(lines: Iterable[Line], fields: Mapping[str, object]) -> list[Line]:
    """Return the lines that have all these fields."""
    return [line for line in lines if all(line[name] == value for name, value in fields.items())]


def assert_no_traceback(output: str, what: str) -> None:
    """No user ever reads a traceback."""
    assert "Traceback" not in output, f"{what} wrote a traceback:\n{output}"
