"""HTTP sessions from the device to the table: the services of chassis and slot in process, and what keeps them."""

import base64
import json
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from typing import Any, Self

import pytest
import sqlalchemy as sa
from click.testing import CliRunner
from structlog.testing import capture_logs

from broker.cli.root import interapp
from broker.errors import Superseded, TableUnavailable
from broker.lifecycle.clock import ManualClock, SystemClock
from broker.runtime.client import Client, Transaction
from broker.runtime.host import Host
from broker.settings import InterAppSettings
from broker.table.documents import AppDocuments, find_documents
from lantime.contract import (
    HTTP_SESSION_SETTINGS,
    HTTP_SESSIONS,
    HttpSession,
    HttpSessionSettings,
    HttpSessionsInForce,
    PollChassisNow,
    PollSlotNow,
    SetHttpSessions,
)
from lantime.contract.http_sessions import SETTINGS
from lantime.exchange import Exchange
from lantime.http_sessions.keeper import Keeper
from lantime.http_sessions.kept import read_kept
from lantime.http_sessions.recorder import Recorder
from lantime.settings import LantimeSettings
from lantime.simulator.server import Simulator
from modular_parent.service import ChassisService, PoolService
from servers.processes import eventually
from tcr_child.pool import PoolMember

PASSWORD = "Gehe1m&Streng"
CHASSIS = "m1000-a"
SLOT = "m1000-a.clk1"


class Services:
    """Chassis and slots in one process, against a simulator over HTTPS."""

    def __init__(self, sim: Simulator, url: str) -> None:
        self._settings = LantimeSettings(
            url=sim.url, username="info", password=PASSWORD, ca_file=sim.certificate_file, poll_seconds=3600.0
        )
        self._host = Host(InterAppSettings(broker_url="memory://", database_url=url), SystemClock())
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        self._stack.enter_context(self._host)
        for service in (
            ChassisService(self._settings, SystemClock()),
            PoolService([CHASSIS], SystemClock()),
            PoolMember(self._settings, SystemClock()),
        ):
            service.start(self._host)
            self._stack.callback(service.stop)
        eventually(lambda: SLOT in self._host.apps(), what="the slot is served")
        return self

    def __exit__(self, *_exc_info: object) -> None:
        self._stack.close()

    def ask(self, message: Any, to: str) -> Any:
        return self._host.client("test").request(message, to=to, timeout=20)

    def sessions(self, app: str, count: int) -> list[HttpSession]:
        """Wait until so many are kept of an app, and return them."""

        def there() -> list[HttpSession] | None:
            found = [session for each in read_kept(self._host.database, app) for session in each.sessions]
            return found if len(found) >= count else None

        found = eventually(there, what=f"{count} sessions of {app}")
        assert found is not None
        return found


@pytest.fixture
def sim() -> Iterator[Simulator]:
    """A LANTIME over HTTPS whose password is not the usual one."""
    with Simulator(tls=True) as running:
        running.change_login("info", PASSWORD)
        yield running


@pytest.fixture
def url(tmp_path: Path) -> str:
    """Where the table is."""
    return f"sqlite:///{tmp_path / 'interapp.db'}"


def test_each_app_keeps_its_own_and_no_credentials(
    sim: Simulator, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Chassis and slot keep what each of them exchanged; no login and no token is in any table, log or listing."""
    monkeypatch.setenv("INTERAPP_DATABASE_URL", url)
    with Services(sim, url) as services:
        services.ask(PollSlotNow(), SLOT)
        sim.fail_requests(1, 503, "/api/status")
        services.ask(PollChassisNow(), CHASSIS)
        chassis, slot = services.sessions(CHASSIS, 4), services.sessions(SLOT, 2)
        listed = [
            CliRunner().invoke(interapp, args) for args in (["http-sessions"], ["http-sessions", "--json"], ["stats"])
        ]
        tokens = [*sim.accounts._tokens, base64.b64encode(f"info:{PASSWORD}".encode()).decode(), PASSWORD]
    assert [(each.method, each.path, each.status) for each in chassis] == [
        ("PUT", "/api/get-token", 200),
        ("GET", "/api/status", 200),
        ("GET", "/api/status", 503),
        ("GET", "/api/status", 200),
    ]
    assert [(each.method, each.path, each.status) for each in slot] == [
        ("PUT", "/api/get-token", 200),
        ("GET", "/api/status/chassis0/slots/clk1", 200),
    ]
    assert [each.error for each in chassis] == [None, None, "503 Service Unavailable", None]
    assert all(each.bytes_received > 0 and each.round_trip_ms > 0 for each in chassis)
    assert all(each.responded_at is not None and each.requested_at <= each.responded_at for each in chassis)
    assert len(tokens) >= 4
    with sqlite3.connect(tmp_path / "interapp.db") as connection:
        dump = "\n".join(connection.iterdump())
    assert "/api/get-token" in dump
    said = capfd.readouterr()
    for place in (dump, said.out, said.err, *(each.output for each in listed)):
        assert [token for token in tokens if token in place] == []


def test_it_is_switched_at_run_time_and_stays_so(sim: Simulator, url: str) -> None:
    """Off records nothing and keeps what there is, a smaller maximum drops the oldest, and both survive a restart."""
    with Services(sim, url) as services:
        services.sessions(CHASSIS, 2)
        assert services.ask(SetHttpSessions(enabled=False), CHASSIS) == HttpSessionsInForce(enabled=False, maximum=500)
        services.ask(PollChassisNow(), CHASSIS)
        assert services.ask(SetHttpSessions(), SLOT) == HttpSessionsInForce(enabled=True, maximum=500)
    with Services(sim, url) as services:
        assert services.ask(SetHttpSessions(), CHASSIS) == HttpSessionsInForce(enabled=False, maximum=500)
        services.ask(PollChassisNow(), CHASSIS)
        services.ask(SetHttpSessions(enabled=True), CHASSIS)
        services.ask(PollChassisNow(), CHASSIS)
        # Nothing of what was exchanged while it was off: the new process would have asked for a token of its own.
        assert [each.path for each in services.sessions(CHASSIS, 3)] == ["/api/get-token", "/api/status", "/api/status"]
        assert services.ask(SetHttpSessions(maximum=1), CHASSIS) == HttpSessionsInForce(enabled=True, maximum=1)
        database = services._host.database
        eventually(lambda: sum(len(chunk or ()) for chunk in read_kept(database, CHASSIS)[0].chunks.values()) == 1)


# What keeps them, by itself


class Turns:
    """A shift that lasts as many turns as it is given something to do in, and counts what is committed."""

    def __init__(self, client: Client, *turns: Callable[[], object]) -> None:
        self.client: Any = self
        self.commits = 0
        self.refusal: Exception | None = None
        self._client = client
        self._turns = list(turns)

    def transaction(self) -> AbstractContextManager[Transaction]:
        self.commits += 1
        if self.refusal is not None:
            raise self.refusal
        return self._client.transaction()

    def wait(self, seconds: float) -> bool:
        assert seconds == 1.0
        if not self._turns:
            return True
        self._turns.pop(0)()
        return False


class Bench:
    """A recorder and its keeper on a real table."""

    def __init__(self, url: str) -> None:
        self.host = Host(InterAppSettings(database_url=url), SystemClock())
        self.clock = ManualClock()
        self.count = 0

    def __enter__(self) -> Self:
        self.host.start()
        self.begin()
        return self

    def __exit__(self, *_exc_info: object) -> None:
        self.host.stop()

    def begin(self) -> None:
        """Be a new process."""
        self.recorder = Recorder()
        self.keeper = Keeper("a", self.recorder, self.host.database)

    def keep(self, *turns: Callable[[], object]) -> Turns:
        shift = self.shift(*turns)
        self.keeper.keep(shift)
        return shift

    def shift(self, *turns: Callable[[], object]) -> Turns:
        return Turns(self.host.client("a"), *turns)

    def record(self, count: int = 1) -> None:
        for _ in range(count):
            self.clock.advance(1)
            now_us = self.clock.now_us()
            self.recorder.record(
                Exchange(
                    method="GET",
                    path=f"/{self.count}",
                    started_us=now_us,
                    ended_us=now_us,
                    round_trip_ms=1.0,
                    status=200,
                )
            )
            self.count += 1

    def use(self, **settings: Any) -> None:
        revision = self.recorder.settings.revision + 1
        self.recorder.use(HttpSessionSettings(**settings, revision=revision))

    def paths(self) -> list[str]:
        return [session.path for each in read_kept(self.host.database, "a") for session in each.sessions]

    def corrupt(self, key: str, body: str, collection: str = HTTP_SESSIONS) -> None:
        with self.host.database.write() as connection:
            connection.execute(
                sa.text("INSERT OR REPLACE INTO documents VALUES ('a', :collection, :key, :body, 1)"),
                {"collection": collection, "key": key, "body": body},
            )


@pytest.fixture
def bench(url: str) -> Iterator[Bench]:
    """A keeper that the test turns by hand."""
    with Bench(url) as bench:
        yield bench


def test_an_app_is_known_from_its_first_shift(bench: Bench) -> None:
    """The settings are kept as soon as an app runs, so that a command can be sent to all; its later shifts write none."""
    assert bench.keep().commits == 1
    assert AppDocuments(bench.host.database, "a").read(HTTP_SESSION_SETTINGS, SETTINGS) is not None
    bench.begin()
    assert bench.keep().commits == 0


def test_one_transaction_for_all_of_a_second(bench: Bench) -> None:
    """However many exchanges there are in a second, one transaction keeps them; none of them, no transaction."""
    bench.keep()
    assert bench.keep(lambda: bench.record(30), lambda: None, lambda: bench.record(30), lambda: None).commits == 2
    assert len(bench.paths()) == 60


def test_off_costs_no_transaction(bench: Bench) -> None:
    """While it is off nothing is read or written."""
    bench.keep()
    assert bench.keep(lambda: bench.use(enabled=False), bench.record, bench.record).commits == 0
    assert bench.paths() == []


def test_the_last_of_a_shift_is_kept(bench: Bench) -> None:
    """What came in since the last write is kept when the shift ends, if the worker still may write."""
    bench.keep(bench.record)
    bench.begin()
    bench.keep(bench.record)
    assert bench.paths() == ["/0", "/1"]


def test_a_table_that_is_away_loses_nothing(bench: Bench) -> None:
    """What cannot be written is written when the table answers, in order."""
    shift = bench.shift(
        bench.record,
        lambda: setattr(shift, "refusal", TableUnavailable("away")),
        bench.record,
        bench.record,
        lambda: setattr(shift, "refusal", None),
        bench.record,
    )
    bench.keeper.keep(shift)
    assert bench.paths() == ["/0", "/1", "/2", "/3"]


def test_another_worker_of_the_app_goes_on_alone(bench: Bench) -> None:
    """A superseded worker ends its shift and forgets what it could not write: it is not written when it is active again."""
    shift = bench.shift(bench.record, lambda: setattr(shift, "refusal", Superseded("no")), bench.record, bench.record)
    with pytest.raises(Superseded):
        bench.keeper.keep(shift)
    superseded = bench.recorder, bench.keeper
    bench.begin()
    bench.keep(bench.record)
    bench.recorder, bench.keeper = superseded
    bench.keep(bench.record)
    assert bench.paths() == ["/0", "/2", "/3"]


def test_settings_set_before_they_were_loaded_hold(bench: Bench) -> None:
    """A command that is handled while the service starts is not undone by the settings that were kept before it."""
    bench.keep()
    bench.use(enabled=False, maximum=7)
    bench.keep(bench.record)
    assert bench.recorder.settings.enabled is False
    assert bench.paths() == []


def test_what_was_taken_in_before_it_was_known_to_be_off_is_not_kept(bench: Bench) -> None:
    """The first exchanges of a service whose recording is off are not kept."""
    bench.keep()
    bench.corrupt(SETTINGS, '{"enabled": false, "maximum": 5, "revision": 3}', HTTP_SESSION_SETTINGS)
    bench.begin()
    bench.record()
    bench.keep()
    assert bench.paths() == []
    assert bench.recorder.settings == HttpSessionSettings(enabled=False, maximum=5, revision=3)


def test_the_maximum_holds_while_it_changes(bench: Bench) -> None:
    """The newest are kept, as many as the maximum says, while it shrinks and grows and services restart."""
    bench.keep(lambda: bench.record(120), lambda: bench.use(maximum=10), lambda: None)
    assert bench.paths() == [f"/{n}" for n in range(110, 120)]
    bench.keep(lambda: bench.use(maximum=100), lambda: bench.record(5), lambda: bench.record(5))
    assert bench.paths() == [f"/{n}" for n in range(110, 130)]


@pytest.mark.parametrize(
    "body",
    [
        "",
        "no json",
        "[]",
        "{}",
        '{"sessions": 7}',
        '{"sessions": [{"method": "GET"}]}',
        '{"sessions": [{"method": "GET", "path": "/", "requested_at": "2026-11-26T10:00:00", "round_trip_ms": 1}]}',
        '{"sessions": [{"method": "GET", "path": "/", "requested_at": "2026-11-26T10:00:00Z", "round_trip_ms": -1}]}',
    ],
)
def test_a_damaged_document_is_passed_over(bench: Bench, body: str, monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    """A document that is damaged or of another version is named once, shown by nobody, and harms no other."""
    monkeypatch.setenv("INTERAPP_DATABASE_URL", url)
    bench.keep(bench.record)
    bench.corrupt("000000000000", body)
    bench.corrupt("of another version", body)
    with capture_logs() as logs:
        bench.begin()
        bench.keep(bench.record, bench.record)
    assert bench.paths() == ["/1", "/2"]
    assert len([line for line in logs if "cannot be read" in line["event"]]) == 2
    for command in ("http-sessions", "stats"):
        done = CliRunner().invoke(interapp, [command, "--json"])
        assert done.exit_code == 0
        assert "000000000000" in done.stderr
        assert "of another version" in done.stderr
        assert "passed over" in done.stderr
        assert [json.loads(line) for line in done.stdout.splitlines()]


def test_damaged_settings_are_made_anew(bench: Bench) -> None:
    """Settings that cannot be read are replaced by the default."""
    bench.corrupt(SETTINGS, '{"maximum": "many"}', HTTP_SESSION_SETTINGS)
    bench.keep(bench.record)
    (found,) = find_documents(bench.host.database, HTTP_SESSION_SETTINGS)
    assert HttpSessionSettings.model_validate_json(found.body) == HttpSessionSettings()
    assert bench.paths() == ["/0"]
