"""`interapp handlers`: the listing and what it can be asked for."""

import json
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from broker.lifecycle.state import Reason, State
from broker.table.database import Database

KEYS = [
    "id",
    "call_id",
    "kind",
    "version",
    "source",
    "destination",
    "handler",
    "state",
    "reason",
    "error",
    "attempts",
    "max_attempts",
    "priority",
    "worker",
    "sent_at",
    "received_at",
    "started_at",
    "finished_at",
    "next_attempt_at",
    "phase",
    "progress",
    "reply",
]


def listed(result: Any) -> list[dict[str, Any]]:
    """Return the JSON objects that a command printed."""
    assert result.exit_code == 0, result.output
    return [json.loads(line) for line in result.stdout.splitlines()]


@pytest.fixture
def some(rows: Any) -> dict[str, str]:
    """One row in each state, by what became of it: its id. Sent in this order, a minute apart."""
    made = {}
    for name, make in {
        "succeeded": lambda: rows.final(State.SUCCEEDED, reply='{"n": 1}'),
        "rejected": lambda: rows.final(State.FAILED, Reason.REJECTED, "no"),
        "error": lambda: rows.final(State.FAILED, Reason.ERROR, "ValueError: bad", kind="t.set"),
        "processing": lambda: rows.processing(to="t2"),
        "waiting": lambda: rows.waiting(to="t2.clk1"),
    }.items():
        made[name] = make().id
        rows.clock.advance(60)
    return made


def test_json_line(cli: Any, some: dict[str, str]) -> None:
    """A line has the promised keys, times in UTC with microseconds, and the reply as JSON."""
    lines = listed(cli("handlers", "--json"))
    assert [line["id"] for line in lines] == list(some.values())
    assert all(list(line) == KEYS for line in lines)
    succeeded, rejected, *_, waiting = lines
    assert succeeded["reply"] == {"n": 1}
    assert succeeded["sent_at"] == "2023-11-14T22:13:20.000000Z"
    assert succeeded["finished_at"] == "2023-11-14T22:13:20.250000Z"
    assert succeeded["handler"] == "package.handle"
    assert (succeeded["attempts"], succeeded["max_attempts"]) == (1, 3)
    assert (rejected["state"], rejected["reason"], rejected["error"]) == ("failed", "rejected", "no")
    assert waiting["handler"] is waiting["reply"] is waiting["started_at"] is waiting["next_attempt_at"] is None


@pytest.mark.parametrize(
    ("options", "found"),
    [
        (["--state", "failed"], ["rejected", "error"]),
        (["--state", "waiting", "--state", "processing"], ["processing", "waiting"]),
        (["--state", "succeeded", "--state", "waiting"], ["succeeded", "waiting"]),
        (["--reason", "error"], ["error"]),
        (["--reason", "error", "--state", "waiting"], []),
        (["--kind", "t.set"], ["error"]),
        (["--kind", "t.*", "--limit", "1"], ["waiting"]),
        (["--kind", "set"], []),
        (["--app", "t2"], ["processing"]),
        (["--app", "t2", "--app", "t2.*"], ["processing", "waiting"]),
        (["--app", "t*"], []),
        (["--app", "%"], []),
        (["--app", "_.*"], []),
        (["--since", "2023-11-14T22:16:00Z"], ["processing", "waiting"]),
        (["--since", "2023-11-14T22:15:20.100Z"], ["error", "processing", "waiting"]),
        (["--since", "1s"], []),
        (["--limit", "2"], ["processing", "waiting"]),
        (["--limit", "2", "--state", "failed"], ["rejected", "error"]),
        (["--limit", "1" + "0" * 30], ["succeeded", "rejected", "error", "processing", "waiting"]),
    ],
)
def test_filters(cli: Any, some: dict[str, str], options: list[str], found: list[str]) -> None:
    """Every filter finds what it names and nothing else; the newest come last, and --limit keeps the newest."""
    lines = listed(cli("handlers", "--json", *options))
    assert [line["id"] for line in lines] == [some[name] for name in found]


@pytest.mark.parametrize(
    ("options", "named"),
    [
        (["--state", "done"], "succeeded"),
        (["--reason", "bad"], "rejected"),
        (["--limit", "-1"], "-1"),
        (["--limit", "0"], "0"),
        (["--limit", "many"], "many"),
        (["--since", "yesterday"], "10m, 2h, 1d"),
    ],
)
def test_wrong_usage(cli: Any, options: list[str], named: str) -> None:
    """A wrong value ends with exit code 2 and names itself, or what is allowed."""
    result = cli("handlers", *options)
    assert result.exit_code == 2
    assert named in result.stderr
    assert result.stdout == ""


def test_plain_listing(cli: Any, some: dict[str, str]) -> None:
    """Without a terminal the listing is plain text that shows short ids, states with reasons, and errors."""
    lines = cli("handlers").stdout.splitlines()
    assert lines[0].split()[:5] == ["ID", "KIND", "FROM", "TO", "STATE"]
    assert lines[3].startswith(some["error"][-8:])
    assert "failed (error)" in lines[3]
    assert lines[3].endswith("ValueError: bad")
    assert "\x1b" not in "".join(lines)


def test_retry_in_future(cli: Any, rows: Any, database: Database) -> None:
    """A row that waits for another attempt says when it is, in the listing and in its story."""
    row = rows.waiting()
    with database.write() as connection:
        connection.execute(sa.text("UPDATE messages SET due_us = 4000000000000000, started_us = 1"))
    assert listed(cli("handlers", "--json"))[0]["next_attempt_at"] == "2096-10-02T07:06:40.000000Z"
    assert "next try in" in cli("handlers").stdout
    story = cli("handlers", "show", row.id).stdout
    assert "it is tried again in" in story
    assert "next attempt  2096-10-02T07:06:40.000000Z" in story


def test_scheduled(cli: Any, rows: Any, database: Database) -> None:
    """A row that was sent for a later time, and has never run, says when it is due, and how urgent it is then."""
    row = rows.waiting()
    with database.write() as connection:
        connection.execute(sa.text("UPDATE messages SET due_us = 4000000000000000, priority = 7"))
    (line,) = listed(cli("handlers", "--json"))
    assert (line["next_attempt_at"], line["priority"]) == ("2096-10-02T07:06:40.000000Z", 7)
    assert "due in" in cli("handlers").stdout
    story = cli("handlers", "show", row.id).stdout
    assert "it is due in" in story
    assert "due           2096-10-02T07:06:40.000000Z" in story
    assert "priority      7" in story


def test_chunks(cli: Any, rows: Any) -> None:
    """A listing longer than one chunk is whole and in order, filtered or not."""
    rows.copies(rows.waiting(), 1300)
    lines = listed(cli("handlers", "--json", "--limit", "1200"))
    assert [line["id"] for line in lines] == [f"copy-{number}" for number in range(101, 1301)]
    assert len(listed(cli("handlers", "--json", "--limit", "5000", "--state", "waiting"))) == 1301


def test_missing_database(cli: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A listing on a database that does not exist prints nothing, makes nothing, and is no failure."""
    file = tmp_path / "none" / "interapp.db"
    monkeypatch.setenv("INTERAPP_DATABASE_URL", f"sqlite:///{file}")
    for command in (
        ["handlers"],
        ["handlers", "--json"],
        ["communications"],
        ["workers"],
        ["stats"],
        ["stats", "--json"],
    ):
        result = cli(*command)
        assert (result.exit_code, result.stdout, result.stderr) == (0, "", "")
    assert not file.parent.exists()


@pytest.mark.parametrize(
    ("version", "way_out"), [("0000", "interapp db upgrade"), ("9999", "update interapp"), ("odd", "update interapp")]
)
def test_other_version(cli: Any, database: Database, version: str, way_out: str) -> None:
    """A database of another version is not read; the error says what to do."""
    with database.write() as connection:
        connection.execute(sa.text("UPDATE alembic_version SET version_num = :version"), {"version": version})
    for command in (
        ["handlers"],
        ["handlers", "show", "1"],
        ["workers", "--json"],
        ["send", "t1", "a.b", "--any-kind"],
    ):
        result = cli(*command)
        assert result.exit_code == 1
        assert way_out in result.stderr
        assert len(result.stderr.splitlines()) == 1


def test_file_that_is_no_database(cli: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that is no database is one clear error about a setting that can never be right."""
    (tmp_path / "text").write_text("no database, but long enough to be looked at" * 100)
    monkeypatch.setenv("INTERAPP_DATABASE_URL", f"sqlite:///{tmp_path / 'text'}")
    result = cli("handlers")
    assert result.exit_code == 2
    assert len(result.stderr.splitlines()) == 1


def test_options_before_a_subcommand(cli: Any, some: dict[str, str]) -> None:
    """An option of the listing before a subcommand is refused: it would be lost, and more retried than was meant."""
    result = cli("handlers", "--kind", "t.set", "retry", "--failed")
    assert result.exit_code == 2
    assert "--kind" in result.stderr
    assert len(listed(cli("handlers", "--json", "--state", "failed"))) == 2
