"""``interapp alarms`` over a database with alarms of two apps."""

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from pydantic import BaseModel

from broker.cli.root import interapp
from broker.messages.effects import DocumentWrite
from broker.table.database import Database
from broker.table.documents import write_documents
from broker.table.upgrade import upgrade
from lantime.alarms.listing import WantedAlarms
from lantime.alarms.watch import follow_alarms
from lantime.contract import ALARM_HISTORY, ALARMS, ActiveAlarm, Alarm, EndedAlarm, Severity

NOW = datetime.now(UTC)
KEYS = [
    *("app", "chassis", "slot", "alarm", "severity", "text", "raised_at", "cleared_at", "duration_seconds"),
    *("flapping", "returns", "dismissed", "gone_since", "unconfirmed_since", "correlation_key", "details"),
]


class Kept:
    """Alarms as the services keep them, and the command line that lists them."""

    def __init__(self, file: Path) -> None:
        self.database = Database(f"sqlite:///{file}")

    def put(self, collection: str, app: str, key: str, document: BaseModel | str | None) -> None:
        """Keep a document, or drop it."""
        body = document.model_dump_json() if isinstance(document, BaseModel) else document
        with self.database.write() as connection:
            write_documents(connection, app, [DocumentWrite(collection, key, body)], 0)

    def run(self, *args: str) -> Result:
        """Run ``interapp alarms ARGS…``."""
        return CliRunner().invoke(interapp, ["alarms", *args])

    def listed(self, *args: str) -> list[str]:
        """Return the names of the alarms that are listed."""
        result = self.run(*args, "--json")
        assert result.exit_code == 0, result.output
        return [json.loads(line)["alarm"] for line in result.stdout.splitlines()]


def active(
    alarm: Alarm, severity: Severity, *, slot: str | None = "clk1", ago: float = 60.0, **more: Any
) -> ActiveAlarm:
    """Return an active alarm."""
    return ActiveAlarm(
        chassis="m1000-a",
        slot=slot,
        alarm=alarm,
        severity=severity,
        text=f"the text of {alarm}",
        correlation_key=f"key/{alarm}",
        raised_at=NOW - timedelta(seconds=ago),
        **more,
    )


def ended(alarm: Alarm, *, ago: float) -> EndedAlarm:
    """Return an alarm that ended some seconds ago, after a minute."""
    raised = active(alarm, Severity.ERROR, ago=ago + 60).model_dump(include=set(EndedAlarm.model_fields))
    return EndedAlarm(**raised | {"cleared_at": NOW - timedelta(seconds=ago), "duration_seconds": 60.0})


@pytest.fixture
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Kept]:
    """A database with four active alarms and three ended ones."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("INTERAPP_DATABASE_URL", f"sqlite:///{tmp_path / 'interapp.db'}")
    kept = Kept(tmp_path / "interapp.db")
    upgrade(kept.database)
    child, parent = "m1000-a.clk1", "m1000-a"
    kept.put(ALARMS, child, "1", active(Alarm.JITTER, Severity.WARNING, ago=10, flapping=True, returns=3))
    kept.put(ALARMS, child, "2", active(Alarm.HOLDOVER, Severity.WARNING, ago=7200, unconfirmed_since=NOW))
    kept.put(ALARMS, child, "3", active(Alarm.SYNC_LOST, Severity.ERROR, gone_since=NOW - timedelta(seconds=5)))
    kept.put(ALARMS, parent, "4", active(Alarm.DEVICE_UNREACHABLE, Severity.CRITICAL, slot=None))
    for number, (alarm, ago) in enumerate([(Alarm.JITTER, 30), (Alarm.HOLDOVER, 7200), (Alarm.SYNC_LOST, 60)]):
        kept.put(ALARM_HISTORY, child, str(number), ended(alarm, ago=ago))
    yield kept
    kept.database.close()


def test_what_is_gone_lasts_no_longer(kept: Kept) -> None:
    """The duration of an alarm that is not cleared yet ends where the trouble did, as its clearing will say."""
    (line,) = [json.loads(line) for line in kept.run("--json").stdout.splitlines() if "sync-lost" in line]
    assert line["duration_seconds"] == 55.0


@pytest.mark.parametrize(
    ("args", "expected"),
    [
        ((), ["device-unreachable", "sync-lost", "holdover", "jitter"]),
        (("--limit", "2"), ["device-unreachable", "sync-lost"]),
        (("--severity", "error"), ["device-unreachable", "sync-lost"]),
        (("--app", "m1000-a"), ["device-unreachable"]),
        (("--app", "m1000-a.*"), ["sync-lost", "holdover", "jitter"]),
        (("--app", "m1000-b"), []),
        (("--since", "1h"), ["device-unreachable", "sync-lost", "jitter"]),
        (("--history",), ["holdover", "sync-lost", "jitter"]),
        (("--history", "--limit", "2"), ["sync-lost", "jitter"]),
        (("--history", "--since", "1h"), ["sync-lost", "jitter"]),
        (("--history", "--severity", "critical"), []),
    ],
)
def test_alarms_are_listed_in_order(kept: Kept, args: tuple[str, ...], expected: list[str]) -> None:
    """Active alarms come by severity, then by age; ended ones by their end; each option leaves out what it says."""
    assert kept.listed(*args) == expected


@pytest.mark.parametrize("args", [(), ("--history",)])
def test_a_line_has_fixed_keys(kept: Kept, args: tuple[str, ...]) -> None:
    """Every JSON line has the same keys in the same order, active or ended; an active alarm's duration counts."""
    lines = [json.loads(line) for line in kept.run(*args, "--json").stdout.splitlines()]
    assert {tuple(line) for line in lines} == {tuple(KEYS)}
    assert all((line["cleared_at"] is None) == (args == ()) for line in lines)
    assert all(line["duration_seconds"] >= 10 for line in lines)


def test_people_see_what_is_odd_about_an_alarm(kept: Kept) -> None:
    """Flapping, coming back, being gone and not being confirmed are noted; titles stand above."""
    shown = kept.run().stdout.splitlines()
    assert shown[0].split() == ["APP", "SLOT", "ALARM", "SEVERITY", "SINCE", "DURATION", "TEXT", "NOTE"]
    assert "the text of device-unreachable" in shown[1]
    assert "gone since" in shown[2]
    assert "not confirmed since" in shown[3]
    assert "2 h" in shown[3]
    assert "flapping, came back 3 times" in shown[4]


def test_without_a_database_nothing_is_listed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before anything ran there are no alarms, which is no failure, and no file is made."""
    monkeypatch.setenv("INTERAPP_DATABASE_URL", f"sqlite:///{tmp_path / 'none.db'}")
    for args in ([], ["--json"], ["--history"]):
        result = CliRunner().invoke(interapp, ["alarms", *args])
        assert (result.exit_code, result.output) == (0, "")
    assert list(tmp_path.iterdir()) == []


def test_an_alarm_of_a_later_version_hides_no_other(kept: Kept) -> None:
    """What cannot be read is left out and named on stderr; the rest is listed."""
    later = active(Alarm.JITTER, Severity.WARNING).model_dump(mode="json") | {"alarm": "moon-phase"}
    kept.put(ALARMS, "m1000-b", "moon-phase.clk1", json.dumps(later))
    result = kept.run("--json")
    assert len(result.stdout.splitlines()) == 4
    assert "m1000-b: an alarm 'moon-phase.clk1' is left out" in result.stderr


def test_watching_the_history_is_a_wrong_usage(kept: Kept) -> None:
    """Two options that say different things are refused, with the way out."""
    result = kept.run("--watch", "--history")
    assert result.exit_code == 2
    assert "leave --history out" in result.output


def test_who_watches_sees_what_is_active_and_then_what_changes(kept: Kept) -> None:
    """First what is active, then each alarm that is raised or cleared once, also one that was both between two looks."""
    steps: list[Callable[[], None]] = [
        lambda: None,
        lambda: kept.put(ALARMS, "m1000-a.clk1", "1", None),
        lambda: kept.put(ALARM_HISTORY, "m1000-a.clk1", "9", later),
    ]
    later = ended(Alarm.JITTER, ago=0).model_copy(update={"correlation_key": "key/another"})

    def wait(_seconds: float) -> bool:
        if not steps:
            return True
        steps.pop(0)()
        return False

    looks = list(follow_alarms(kept.database, WantedAlarms(), wait, pytest.fail))
    names = [[str(each.alarm.alarm) for each in look] for look in looks]
    assert names == [["device-unreachable", "sync-lost", "holdover", "jitter"], [], [], ["jitter"]]
    assert looks[3][0].alarm == later
