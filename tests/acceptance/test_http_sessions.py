"""``interapp http-sessions``, installed, as an operator uses it while the services run."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from acceptance.fleet import CHASSIS, Fleet

from lantime.simulator.server import Simulator
from servers.processes import InterappProcess, eventually, run_interapp

SLOT = "m1000-a.clk1"
PASSWORD = "Gehe1m&Streng"
Line = dict[str, Any]


@pytest.fixture
def sim() -> Iterator[Simulator]:
    """A LANTIME over HTTPS."""
    with Simulator(tls=True) as running:
        running.change_login("info", PASSWORD)
        yield running


@pytest.fixture
def env(sim: Simulator) -> dict[str, str]:
    """The settings of services that poll it every second."""
    return {
        "LANTIME_URL": sim.url,
        "LANTIME_CA_FILE": str(sim.certificate_file),
        "LANTIME_USERNAME": "info",
        "LANTIME_PASSWORD": PASSWORD,
        "LANTIME_POLL_SECONDS": "1",
    }


class Operator:
    """Uses the command line in the folder of the services."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __call__(self, *args: str, code: int = 0) -> str:
        done = run_interapp(*args, cwd=self._folder)
        assert done.returncode == code, done.stdout + done.stderr
        assert PASSWORD not in done.stdout + done.stderr
        return done.stdout

    def sessions(self, *args: str) -> list[Line]:
        return [json.loads(line) for line in self("http-sessions", "--limit", "10000", "--json", *args).splitlines()]

    def wait(self, count: int, *args: str, what: str, but: Callable[[Line], bool] = lambda _: True) -> list[Line]:
        """Wait until so many sessions are listed."""

        def there() -> list[Line] | None:
            found = [line for line in self.sessions(*args) if but(line)]
            return found if len(found) >= count else None

        found = eventually(there, 30, what)
        assert found is not None
        return found

    def statistics(self) -> dict[str, Line]:
        (line,) = self("stats", "--json").splitlines()
        return {each["app"]: each for each in json.loads(line)["http_sessions"]}


def test_the_http_communication_of_chassis_and_slot(
    sim: Simulator, env: dict[str, str], tmp_path: Path, start_interapp: Callable[..., InterappProcess]
) -> None:
    """It is listed for each app with its errors, counted, bounded, switched off and on, and all that survives a restart."""
    operator = Operator(tmp_path)
    services = start_interapp("up", env=env)
    chassis = operator.wait(3, "--app", "m1000-a", what="polls of the chassis")
    eventually(lambda: "m1000-a.clk1" in operator("workers"), what="the slot's service runs")
    operator("send", SLOT, "tcr.poll-now", "--wait", "20")
    slot = operator.wait(2, "--app", "m1000-a.*", what="the poll of the slot")
    assert [(line["method"], line["path"], line["status"]) for line in chassis[:2]] == [
        ("PUT", "/api/get-token", 200),
        ("GET", "/api/status", 200),
    ]
    assert [line["path"] for line in slot] == ["/api/get-token", "/api/status/chassis0/slots/clk1"]

    # what fails is seen
    sim.fail_requests(2, 503, "/api/status")
    failed = operator.wait(2, "--errors", what="two errors")
    assert [(line["app"], line["status"], line["error"]) for line in failed] == [
        ("m1000-a", 503, "503 Service Unavailable")
    ] * 2
    counted = operator.statistics()
    assert counted["m1000-a"]["errors"] == 2
    assert 0 < counted["m1000-a"]["error_rate"] < 1
    assert 0 < counted["m1000-a"]["p50_ms"] <= counted["m1000-a"]["p99_ms"]
    assert (counted[SLOT]["count"], counted[SLOT]["errors"]) == (2, 0)
    assert "HTTP sessions" in operator("stats")

    # watched while it happens
    watch = start_interapp("http-sessions", "--watch", env={})
    watch.wait_for_line(r"m1000-a  GET  /api/status  200")
    watch.send_signal(signal.SIGINT)
    assert watch.wait() == 0

    # one app is switched off, all are bounded
    assert operator("http-sessions", "--disable", "--app", "m1000-a") == (
        "m1000-a: off, at most 500 HTTP sessions are kept\n"
    )
    assert operator("http-sessions", "--max", "3").splitlines() == [
        "m1000-a: off, at most 3 HTTP sessions are kept",
        "m1000-a.clk1: on, at most 3 HTTP sessions are kept",
    ]
    bounded = operator.sessions("--app", "m1000-a")
    assert len(bounded) == 3
    (told,) = [
        json.loads(line)
        for line in operator("handlers", "--kind", "lantime.set-http-sessions", "--app", SLOT, "--json").splitlines()
    ]
    assert (told["state"], told["reply"]) == ("succeeded", {"enabled": True, "maximum": 3})

    # and stays so in the next process
    assert services.terminate() == 0
    services = start_interapp("up", env=env)
    services.wait_for_line("the device gives its status")
    sent = len(sim.request_log)
    eventually(lambda: len(sim.request_log) > sent + 2, what="it is polled")
    assert operator.sessions("--app", "m1000-a") == bounded
    assert operator("http-sessions", "--enable", "--app", "m1000-a", "--json").count('"maximum": 3') == 1
    newest = bounded[-1]["requested_at"]
    operator.wait(3, "--app", "m1000-a", what="three new ones", but=lambda line: bool(line["requested_at"] > newest))
    assert len(operator.sessions("--app", "m1000-a")) == 3
    assert services.terminate() == 0
    assert PASSWORD not in services.output()


def test_as_microservices(tmp_path: Path, amqp_url: str, postgres_url: str) -> None:
    """Parent and child as processes of their own, over RabbitMQ and PostgreSQL, each keep theirs and are set together."""
    with Fleet(tmp_path, amqp_url, postgres_url) as fleet:
        fleet.simulator()
        parent, child = fleet.parent().wait_ready(), fleet.child("clk1").wait_ready()
        # A service without a way to the device has nothing to keep, and is not asked.
        deaf = fleet.service("child", env={"TCR_SLOT_ID": "clk2"}, without=("LANTIME_URL",)).wait_ready()
        fleet.run("send", f"{CHASSIS}.clk1", "tcr.poll-now", "--wait", "20")

        def kept() -> set[str]:
            return {line["app"] for line in fleet.listing("http-sessions")}

        fleet.wait_until(lambda: kept() == {CHASSIS, f"{CHASSIS}.clk1"}, "both keep theirs")
        set_now = fleet.listing("http-sessions", "--disable", "--max", "2")
        assert [(line["app"], line["state"], line["enabled"], line["maximum"]) for line in set_now] == [
            (CHASSIS, "succeeded", False, 2),
            (f"{CHASSIS}.clk1", "succeeded", False, 2),
        ]
        refused = json.loads(fleet.run("http-sessions", "--disable", "--app", f"{CHASSIS}.clk2", "--json", code=1))
        assert (refused["state"], "LANTIME_URL" in refused["error"]) == ("failed", True)
        for service in (parent, child, deaf):
            assert service.terminate() == 0
