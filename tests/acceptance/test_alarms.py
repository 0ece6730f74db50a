"""Alarms by the installed command: every scenario of a simulated device over HTTPS, and a service that is killed."""

from __future__ import annotations

import base64
import json
import signal
import ssl
import urllib.request
from collections.abc import Iterator

import pytest
from acceptance.fleet import CHASSIS, Fleet, matching

from broker.lifecycle.state import State
from broker.table.queries import LARGEST, HandlerRow, Wanted, list_handlers, read_letter
from lantime.alarms.listing import WantedAlarms, active_alarms, ended_alarms
from lantime.contract import Alarm
from lantime.simulator.scenario import Scenario
from servers.postgresql import PostgreSQLAddress
from servers.processes import InterappProcess
from servers.rabbitmq import RabbitMQAddress

CLK1 = f"{CHASSIS}.clk1"

# The scenarios share one installation, which is what takes time.
pytestmark = pytest.mark.xdist_group("alarms")

PAGER = '''
"""A subscriber in the service of the chassis."""

from typing import Any

from broker.handlers.context import Context
from broker.handlers.registry import HandlerRegistry
from lantime.contract import AlarmCleared, AlarmRaised

handlers = HandlerRegistry[Any]("pager", extends="chassis")


@handlers.handles(AlarmRaised)
def raised(event: AlarmRaised, ctx: Context[Any]) -> None:
    """Take note."""


@handlers.handles(AlarmCleared)
def cleared(event: AlarmCleared, ctx: Context[Any]) -> None:
    """Take note."""
'''

EXPECTED: dict[Scenario, set[Alarm]] = {
    Scenario.COLD_START: {Alarm.SYNC_LOST, Alarm.OSCILLATOR_NOT_WARM},
    Scenario.NO_SIGNAL: {Alarm.SYNC_LOST, Alarm.HOLDOVER, Alarm.SIGNAL_LOST},
    Scenario.NO_SIGNAL_OTHER_SOURCE: {Alarm.SIGNAL_LOST, Alarm.LOWER_PRIORITY_SOURCE},
    Scenario.INCONSISTENT_TELEGRAM: {Alarm.SYNC_LOST, Alarm.HOLDOVER, Alarm.TELEGRAM_INCONSISTENT},
    Scenario.JITTER: {Alarm.SYNC_LOST, Alarm.HOLDOVER, Alarm.JITTER},
    Scenario.UTC_OFFSET_MISSING: {Alarm.SYNC_LOST, Alarm.UTC_OFFSET_MISSING},
    Scenario.WRONG_CODE: {Alarm.SYNC_LOST, Alarm.HOLDOVER, Alarm.SIGNAL_LOST},
}
"""What each scenario of the simulator raises at the slot."""

OCCURRENCES = {Scenario.NO_SIGNAL_OTHER_SOURCE: [Alarm.SOURCE_CHANGED] * 2}
"""What each scenario tells in passing, there and back."""


class Installation:
    """A device over HTTPS, and the services of its chassis and of clk1 as processes."""

    def __init__(self, fleet: Fleet) -> None:
        self.fleet = fleet
        (fleet.folder / "pager.py").write_text(PAGER, encoding="utf-8")
        simulator = ("simulator", "--model", "M3000", "--port", str(fleet.simulator_port))
        device = fleet._start(InterappProcess(*simulator, cwd=fleet.folder))
        self.certificate = device.wait_for_line(r"certificate (\S+)")[1]
        fleet.env |= {
            "LANTIME_URL": f"https://127.0.0.1:{fleet.simulator_port}",
            "LANTIME_CA_FILE": self.certificate,
            "ALARM_CLEAR_SECONDS": "1",
            "ALARM_FLAPPING_RAISES": "100",
            "INTERAPP_PLUGINS": "pager:handlers",
            "PYTHONPATH": str(fleet.folder),
        }
        self.parent = fleet.parent().wait_ready()
        self.child = fleet.child("clk1").wait_ready()
        fleet.wait_handlers(kind="tcr.module-status", destination=CLK1, state="succeeded")

    def control(self, action: str, **arguments: object) -> None:
        """Do something to the device, as its admin."""
        request = urllib.request.Request(
            f"https://127.0.0.1:{self.fleet.simulator_port}/simulator/{action}",
            json.dumps(arguments).encode(),
            {"Authorization": "Basic " + base64.b64encode(b"admin:admin").decode()},
        )
        trust = ssl.create_default_context(cafile=self.certificate)
        opener = urllib.request.build_opener(
            urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=trust)
        )
        opener.open(request, timeout=10).close()

    def active(self) -> set[Alarm]:
        """Return which alarms are active, for waiting."""
        return {each.alarm.alarm for each in active_alarms(self.fleet._database, WantedAlarms(), pytest.fail)}

    def ended(self) -> int:
        """Return how many have ended, for waiting."""
        return len(ended_alarms(self.fleet._database, WantedAlarms(), pytest.fail))

    def wait_active(self, *expected: Alarm) -> None:
        """Wait until exactly these are active."""
        self.fleet.wait_until(lambda: self.active() == set(expected), f"active: {sorted(expected)}")

    def wait_told(self) -> tuple[list[str], list[str]]:
        """Wait until the subscriber handled what was told; return the correlation keys raised and cleared, in order."""
        kinds = ("lantime.alarm-raised", "lantime.alarm-cleared")
        self.fleet.wait_until(
            lambda: all(row.state is State.SUCCEEDED for kind in kinds for row in self._rows(kind)),
            "the subscriber has handled every event",
        )
        raised, cleared = ([self._key(row) for row in self._rows(kind)] for kind in kinds)
        return raised, cleared

    def _rows(self, kind: str) -> list[HandlerRow]:
        chunks = list_handlers(self.fleet._database, Wanted(kinds=(kind,)), limit=LARGEST)
        return [row for rows in chunks for row in rows]

    def _key(self, row: HandlerRow) -> str:
        return str(json.loads(read_letter(self.fleet._database, row.seq).body)["correlation_key"])


@pytest.fixture(scope="module")
def installation(
    tmp_path_factory: pytest.TempPathFactory, rabbitmq: RabbitMQAddress, postgresql: PostgreSQLAddress
) -> Iterator[Installation]:
    """One installation for all scenarios."""
    folder = tmp_path_factory.mktemp("alarms")
    with (
        rabbitmq.fresh_vhost() as amqp_url,
        postgresql.fresh_database() as database_url,
        Fleet(folder, amqp_url, database_url) as fleet,
    ):
        yield Installation(fleet)


def test_every_scenario_is_expected() -> None:
    """There is no scenario of a module in its slot for which nobody said what it raises."""
    assert EXPECTED.keys() == set(Scenario) - {Scenario.LOCKED, Scenario.MODULE_PULLED}


@pytest.mark.parametrize("scenario", EXPECTED)
def test_a_scenario_raises_its_alarms_and_clears_them(installation: Installation, scenario: Scenario) -> None:
    """What happens at the time code input raises exactly its alarms; when it is over they are cleared and in the history."""
    fleet, expected = installation.fleet, EXPECTED[scenario]
    installation.wait_active()
    before = {line["correlation_key"] for line in fleet.listing("alarms", "--history")}
    installation.control("set-scenario", slot="clk1", scenario=scenario)
    installation.wait_active(*expected)

    active = fleet.listing("alarms")
    assert {line["alarm"] for line in active} == expected
    assert {(line["app"], line["chassis"], line["slot"], line["cleared_at"]) for line in active} == {
        (CLK1, CHASSIS, "clk1", None)
    }
    ranks = ["critical", "error", "warning", "info"]
    assert [line["severity"] for line in active] == sorted((line["severity"] for line in active), key=ranks.index)

    installation.control("restore-signal", slot="clk1")
    installation.wait_active()
    history = [line for line in fleet.listing("alarms", "--history") if line["correlation_key"] not in before]
    assert sorted(line["alarm"] for line in history) == sorted([*expected, *OCCURRENCES.get(scenario, [])])
    assert {line["correlation_key"] for line in active} <= {line["correlation_key"] for line in history}
    assert all(line["duration_seconds"] > 0 for line in history if line["alarm"] != Alarm.SOURCE_CHANGED)
    assert not any(line["flapping"] or line["returns"] for line in history)


def test_a_module_is_missing_and_another_comes(installation: Installation) -> None:
    """A pulled module is an alarm of the chassis, another one in its place an occurrence; the slot itself has none."""
    fleet = installation.fleet
    installation.wait_active()
    installation.control("pull", slot="clk2")
    installation.wait_active(Alarm.MODULE_MISSING)
    [line] = fleet.listing("alarms", "--severity", "critical", "--app", CHASSIS)
    assert (line["slot"], line["severity"], line["details"]["serial"]) == ("clk2", "critical", "068111020512")
    installation.control("plug", slot="clk2", serial="068111029999")
    installation.wait_active()
    [replaced] = matching(fleet.listing("alarms", "--history"), {"alarm": "module-replaced"})
    assert (replaced["details"]["before"], replaced["details"]["after"]) == ("068111020512", "068111029999")


def test_a_device_without_a_status_is_an_alarm(installation: Installation) -> None:
    """While the REST API is off there is one alarm of the chassis as a whole; who watches sees it come and go."""
    fleet = installation.fleet
    installation.wait_active()
    watch = fleet._start(
        InterappProcess("alarms", "--watch", "--severity", "critical", cwd=fleet.folder, env=fleet.env)
    )
    installation.control("disable-api")
    watch.wait_for_line(rf"raised +critical  {CHASSIS}  device-unreachable  .*not enabled")
    installation.wait_active(Alarm.DEVICE_UNREACHABLE)
    shown = fleet.run("alarms")
    assert "device-unreachable" in shown
    assert "the REST API is probably not enabled" in shown
    installation.control("enable-api")
    installation.wait_active()
    watch.wait_for_line(rf"cleared  critical  {CHASSIS}  device-unreachable  .*after ")
    watch.send_signal(signal.SIGINT)
    assert watch.wait() == 0


def test_a_killed_service_loses_no_alarm_and_doubles_none(installation: Installation) -> None:
    """Killed between raise and clear, and again while an alarm waits to be cleared, each pair is told exactly once."""
    fleet = installation.fleet
    installation.wait_active()
    raised_before, cleared_before = installation.wait_told()
    assert sorted(raised_before) == sorted(cleared_before), "the scenarios before told their pairs once"
    installation.control("set-scenario", slot="clk1", scenario="no-signal")
    installation.wait_active(*EXPECTED[Scenario.NO_SIGNAL])
    installation.child.kill()
    installation.control("restore-signal", slot="clk1")
    fleet.wait_handlers(kind="tcr.module-status", destination=CLK1, state="waiting")

    slow = fleet.child("clk1", ALARM_CLEAR_SECONDS="100")
    fleet.wait_handlers(kind="lantime.settle-alarms", destination=CLK1, state="waiting")
    slow.kill()
    assert installation.active() == EXPECTED[Scenario.NO_SIGNAL], "not cleared before its time"
    installation.child = fleet.child("clk1")
    installation.wait_active()

    raised, cleared = installation.wait_told()
    new = sorted(set(raised) - set(raised_before))
    assert [key.split("/")[1] for key in new] == ["holdover.clk1", "signal-lost.clk1", "sync-lost.clk1"]
    assert len(raised) == len(set(raised))
    assert sorted(cleared) == sorted(raised)
