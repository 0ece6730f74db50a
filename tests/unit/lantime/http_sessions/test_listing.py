"""HTTP sessions as the command line shows them."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from broker.cli.root import interapp
from broker.lifecycle.clock import SystemClock
from broker.messages.effects import DocumentWrite
from broker.table.database import Database
from broker.table.documents import write_documents
from broker.table.upgrade import upgrade
from lantime.contract import (
    HTTP_SESSION_SETTINGS,
    HTTP_SESSIONS,
    HttpSession,
    HttpSessionChunk,
    HttpSessionSettings,
)
from lantime.contract.http_sessions import SETTINGS
from lantime.http_sessions.listing import Asked
from lantime.http_sessions.ring import key_of
from lantime.http_sessions.watching import follow

NOW = datetime.now(UTC)
KEYS = [
    "app",
    "method",
    "path",
    "status",
    "requested_at",
    "responded_at",
    "round_trip_ms",
    "bytes_sent",
    "bytes_received",
    "error",
]


@pytest.fixture(autouse=True)
def _standing_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the command look at the clock when the records here were made."""
    monkeypatch.setattr(SystemClock, "now_us", lambda _clock: round(NOW.timestamp() * 1_000_000))


def session(path: str, seconds_ago: float, **fields: Any) -> HttpSession:
    """Return a session of some time ago."""
    at = NOW - timedelta(seconds=seconds_ago)
    return HttpSession.model_validate(
        {"method": "GET", "path": path, "status": 200, "requested_at": at, "responded_at": at, "round_trip_ms": 12.5}
        | fields
    )


class Table:
    """A table in the test's folder with sessions in it."""

    def __init__(self, folder: Path) -> None:
        self.database = Database(f"sqlite:///{folder / 'interapp.db'}")
        upgrade(self.database)

    def put(self, app: str, number: int, *sessions: HttpSession) -> None:
        self._write(app, HTTP_SESSIONS, key_of(number), HttpSessionChunk(sessions=sessions))

    def set(self, app: str, **settings: Any) -> None:
        self._write(app, HTTP_SESSION_SETTINGS, SETTINGS, HttpSessionSettings(**settings))

    def _write(self, app: str, collection: str, key: str, document: Any) -> None:
        with self.database.write() as connection:
            write_documents(connection, app, [DocumentWrite(collection, key, document.model_dump_json())], 1)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder whose ``interapp.db`` is the table, and is not there yet."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("INTERAPP_DATABASE_URL", f"sqlite:///{tmp_path / 'interapp.db'}")
    return tmp_path


@pytest.fixture
def table(folder: Path) -> Iterator[Table]:
    """Sessions of two apps."""
    table = Table(folder)
    table.set("m1000-a")
    table.put("m1000-a", 1, session("/1", 30))
    table.put("m1000-a", 0, session("/0", 7200, status=503, error="503 Service Unavailable"))
    table.set("m1000-a.clk1", enabled=False)
    table.put("m1000-a.clk1", 0, session("/slot", 60, status=None, responded_at=None, error="no answer in time"))
    yield table
    table.database.close()


def run(*args: str) -> Result:
    """Run ``interapp http-sessions ARGS…``."""
    return CliRunner().invoke(interapp, ["http-sessions", *args])


def paths(*args: str) -> list[str]:
    """Return the paths that it lists."""
    done = run("--json", *args)
    assert (done.exit_code, done.stderr) == (0, "")
    return [json.loads(line)["path"] for line in done.stdout.splitlines()]


def test_lines_are_a_contract(table: Table) -> None:
    """A line has exactly the keys that programs read, with times to the microsecond, and null for what is not known."""
    lines = [json.loads(line) for line in run("--json").stdout.splitlines()]
    assert [list(line) for line in lines] == [KEYS] * 3
    first, second, third = lines
    assert first["requested_at"] == (NOW - timedelta(seconds=7200)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    assert (first["app"], first["status"], first["error"]) == ("m1000-a", 503, "503 Service Unavailable")
    assert (second["app"], second["status"], second["responded_at"]) == ("m1000-a.clk1", None, None)
    assert (third["path"], third["round_trip_ms"], third["error"]) == ("/1", 12.5, None)


def test_the_newest_are_last_and_can_be_chosen(table: Table) -> None:
    """All apps are listed together by time, the newest last; app, error, time and number choose."""
    assert paths() == ["/0", "/slot", "/1"]
    assert paths("--limit", "1") == ["/1"]
    assert paths("--errors") == ["/0", "/slot"]
    assert paths("--since", "10m") == ["/slot", "/1"]
    assert paths("--app", "m1000-a") == ["/0", "/1"]
    assert paths("--app", "m1000-a.*") == ["/slot"]
    assert paths("--app", "m1000") == []


def test_the_table_for_people(table: Table) -> None:
    """People read status, round trip, bytes and error; an app whose recording is off is named with the way out."""
    done = run()
    titles, _, slot, newest = done.stdout.splitlines()
    assert titles.split() == ["APP", "METHOD", "PATH", "STATUS", "AGE", "ROUND", "TRIP", "SENT", "RECEIVED", "ERROR"]
    assert slot.split("  ")[0] == "m1000-a.clk1"
    assert slot.endswith("no answer in time")
    assert "12 ms" in newest
    assert done.stderr == "m1000-a.clk1 records no HTTP sessions: interapp http-sessions --enable --app m1000-a.clk1\n"


def test_no_more_than_the_maximum_is_shown(table: Table) -> None:
    """What is above the maximum is not shown, even while it is still kept."""
    table.set("m1000-a", maximum=1)
    assert paths("--app", "m1000-a") == ["/1"]


@pytest.mark.parametrize("hostile", ["\x1b[2J", "a\nb", "\u2028", "x" * 5000])
def test_hostile_text_is_harmless(table: Table, hostile: str) -> None:
    """Control characters that got into a document do not reach the terminal, and every row stays one line."""
    table.put("m1000-a", 2, session(f"/{hostile}", 1, error=hostile))
    shown = run().stdout
    assert len(shown.split("\n")) == 6
    assert "\x1b" not in shown


def test_without_table(folder: Path) -> None:
    """Without a table nothing is listed and none is made; nothing can be set for all."""
    for args in ([], ["--json"]):
        done = run(*args)
        assert (done.exit_code, done.output) == (0, "")
    done = run("--disable")
    assert done.exit_code == 1
    assert "--app" in done.stderr
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize(
    ("args", "named"),
    [
        (["--max", "0"], "--max"),
        (["--max", "10001"], "--max"),
        (["--max", "many"], "--max"),
        (["--disable", "--errors"], "--errors"),
        (["--max", "5", "--watch"], "--watch"),
        (["--enable", "--since", "1h"], "--since"),
        (["--wait", "5"], "--wait"),
        (["--enable", "--wait", "nan"], "--wait"),
        (["--limit", "0"], "--limit"),
    ],
)
def test_wrong_usage(folder: Path, args: list[str], named: str) -> None:
    """What does not fit, or not together, is refused before anything is sent, naming the option."""
    done = run(*args)
    assert done.exit_code == 2
    assert named in done.stderr
    assert list(folder.iterdir()) == []


def test_an_app_that_does_not_run_is_told_when_it_does(table: Table) -> None:
    """What is set for an app that does not run waits for it: exit code 1, and where to look."""
    done = run("--max", "7", "--app", "m1000-b", "--wait", "0")
    assert (done.exit_code, done.stdout) == (1, "")
    assert "m1000-b: waiting; it is set as soon as its service handles it" in done.stderr
    done = run("--disable", "--app", "m1000-a.*", "--wait", "0", "--json")
    (line,) = [json.loads(each) for each in done.stdout.splitlines()]
    assert (line["app"], line["state"], line["enabled"], line["error"]) == ("m1000-a.clk1", "waiting", None, None)


def test_watching_shows_what_comes(folder: Path) -> None:
    """Whoever watches sees each session once, from a table that was not there yet on, and only what was asked for."""
    shown: list[str] = []
    made: list[Table] = []

    def begin() -> None:
        made.append(Table(folder))
        made[0].put("a", 0, session("/0", 9))

    steps = [
        begin,
        lambda: made[0].put("a", 0, session("/0", 9), session("/1", 8)),
        lambda: None,
        lambda: made[0].put("b", 0, session("/2", 6)),
        lambda: made[0].put("a", 1, session("/3", 5, error="e"), session("/4", 4)),
    ]

    def wait(_seconds: float) -> bool:
        if not steps:
            return True
        steps.pop(0)()
        return False

    database = Database(f"sqlite:///{folder / 'interapp.db'}")
    for app, each in follow(database, Asked(apps=("a",)), wait):
        shown.append(f"{app} {each.path}")
    database.close()
    made[0].database.close()
    assert shown == ["a /0", "a /1", "a /3", "a /4"]


def test_watching_does_not_show_what_was_there(table: Table) -> None:
    """What was kept before is not shown."""
    waits = iter([False, False, True])
    assert list(follow(table.database, Asked(), lambda _: next(waits))) == []


def test_stats_tell_of_each_app(table: Table) -> None:
    """`interapp stats` counts the sessions that are kept, for programs under a key of its own and for people."""
    table.set("idle")
    line = json.loads(CliRunner().invoke(interapp, ["stats", "--json"]).stdout)
    assert {"states", "reasons", "scheduled", "oldest_waiting_seconds", "last_minute"} <= line.keys()
    idle, chassis, slot = line["http_sessions"]
    assert (idle["count"], idle["error_rate"], idle["p50_ms"], idle["since"]) == (0, None, None, None)
    assert (chassis["app"], chassis["count"], chassis["errors"], chassis["error_rate"]) == ("m1000-a", 2, 1, 0.5)
    assert (chassis["p50_ms"], chassis["p99_ms"], chassis["maximum"]) == (12.5, 12.5, 500)
    assert (slot["enabled"], slot["error_rate"]) == (False, 1.0)
    text = CliRunner().invoke(interapp, ["stats"]).stdout.splitlines()
    assert text[-4] == "HTTP sessions, of those that are kept:"
    assert "1 failed (50.0 %)" in text[-2]
    assert text[-1].endswith("(recording is off)")


def test_stats_without_any_app_say_nothing_of_it(folder: Path) -> None:
    """Where no app talks to a device the text is as it was."""
    Table(folder).database.close()
    assert "HTTP" not in CliRunner().invoke(interapp, ["stats"]).stdout
