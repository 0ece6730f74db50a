"""``interapp dead-letters``: what reached no app, and what an operator does about it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from broker.cli.words import operator_name
from broker.messages.envelope import Envelope
from broker.table.database import Database
from broker.table.dead_letters import DeadLetter, keep_dead_letters
from broker.table.queries import find_handler

KEYS = [
    "number",
    "queue",
    "reason",
    "id",
    "kind",
    "source",
    "user",
    "destination",
    "routing_key",
    "bytes",
    "arrived_at",
    "state",
    "who",
    "at",
    "result",
]


def kept(message_id: str, destination: str, body: bytes = b'{"n": 1}') -> DeadLetter:
    """Return a dead letter."""
    envelope = Envelope(
        message_id=message_id, kind="t.ping", body=body, destination=destination, source="plc", user="u"
    )
    return DeadLetter(
        queue="interapp.unroutable",
        reason=f"no queue for {destination!r}",
        routing_key=destination or "No\x1bWhere",
        headers='{"x-call-id": "c"}',
        envelope=envelope,
        arrived_us=1_700_000_000_000_000,
    )


@pytest.fixture
def some(database: Database) -> None:
    """Number 1 to an app, number 2 to no address, number 3 without an id and cut."""
    letters = [kept("first", "t1"), kept("second", ""), kept("", "t2", b"x" * 2000)]
    keep_dead_letters(database, letters, max_bytes=1000)


def listed(result: Any) -> list[dict[str, Any]]:
    """Return the JSON objects that a command printed."""
    assert result.exit_code == 0, result.output
    return [json.loads(line) for line in result.stdout.splitlines()]


def test_json_line(cli: Any, some: None) -> None:
    """A line has the promised keys; what is not known is null."""
    first, second, third = listed(cli("dead-letters", "--json"))
    assert list(first) == KEYS
    assert (first["number"], first["id"], first["destination"], first["state"]) == (1, "first", "t1", "kept")
    assert first["arrived_at"] == "2023-11-14T22:13:20.000000Z"
    assert first["who"] is first["at"] is first["result"] is None
    assert (second["destination"], second["routing_key"]) == (None, "No\x1bWhere")
    assert (third["id"], third["bytes"]) == (None, 2000)


def test_the_listing_is_for_people_too(cli: Any, some: None) -> None:
    """Without --json the listing names number, id, kind and reason; what came from outside cannot steer the terminal."""
    done = cli("dead-letters")
    assert done.exit_code == 0
    assert all(word in done.stdout for word in ("NUMBER", "first", "t.ping", "plc", "no queue for 't1'"))
    assert "\x1b" not in done.stdout
    assert len(listed(cli("dead-letters", "--limit", "2", "--json"))) == 2


def test_show(cli: Any, some: None) -> None:
    """The story has reason, headers, body and what can be done; a body that was cut says so."""
    first = cli("dead-letters", "show", "1").stdout
    assert all(word in first for word in ("no queue for 't1'", "x-call-id", '"n": 1', "dead-letters replay 1    "))
    assert "dead-letters replay 2 --to ADDRESS" in cli("dead-letters", "show", "2").stdout
    assert "only its first 1000 bytes were kept" in cli("dead-letters", "show", "3").stdout
    (line,) = listed(cli("dead-letters", "show", "1", "--json"))
    assert (line["headers"], line["body"]) == ({"x-call-id": "c"}, '{"n": 1}')
    missing = cli("dead-letters", "show", "9")
    assert (missing.exit_code, missing.stderr) == (
        1,
        "Error: there is no dead letter 9; see interapp dead-letters --all\n",
    )


def test_replay(cli: Any, some: None, database: Database) -> None:
    """A replayed letter is a waiting handler; it leaves the list, and --all tells who did it."""
    done = cli("dead-letters", "replay", "1")
    assert (done.exit_code, done.stdout) == (0, "1: first to t1: waiting\n")
    assert find_handler(database, "first").state == "waiting"
    assert f"dead letter replayed  by {operator_name()}" in cli("handlers", "show", "first").stdout
    assert [line["number"] for line in listed(cli("dead-letters", "--json"))] == [2, 3]
    replayed = listed(cli("dead-letters", "--all", "--json"))[0]
    assert (replayed["state"], replayed["who"], replayed["result"]) == ("replayed", operator_name(), "t1")
    assert f"replayed by {operator_name()}" in cli("dead-letters", "show", "1").stdout
    again = cli("dead-letters", "replay", "1")
    assert again.exit_code == 1
    assert f"dead letter 1 was replayed by {operator_name()}" in again.stderr


def test_replay_to_another_app(cli: Any, some: None, database: Database) -> None:
    """What has no destination is refused, with the way out; --to takes it where it shall go."""
    refused = cli("dead-letters", "replay", "1", "2")
    assert refused.exit_code == 1
    assert "dead letter 2 cannot be replayed" in refused.stderr
    assert "--to ADDRESS" in refused.stderr
    assert len(listed(cli("dead-letters", "--json"))) == 3
    wrong = cli("dead-letters", "replay", "2", "--to", "No Address")
    assert wrong.exit_code == 2
    assert "'No Address' is no address" in wrong.stderr
    assert cli("dead-letters", "replay", "2", "--to", "t9").stdout == "2: second to t9: waiting\n"
    assert find_handler(database, "second", app="t9").state == "waiting"


def test_replay_of_what_has_its_row(cli: Any, some: None, rows: Any) -> None:
    """A letter whose message has its row already makes no other, and says how that one stands."""
    rows.waiting(message_id="first", user="u")
    assert cli("dead-letters", "replay", "1").stdout == "1: first to t1: its row was there already (waiting)\n"


def test_a_cut_letter_is_not_replayed(cli: Any, some: None) -> None:
    """What lost a part of its body is refused."""
    refused = cli("dead-letters", "replay", "3")
    assert (refused.exit_code, "only 1000 of its 2000 bytes were kept" in refused.stderr) == (1, True)


def test_discard(cli: Any, some: None) -> None:
    """Discarded letters leave the list and can still be read; with one that is not there, none is discarded."""
    assert cli("dead-letters", "discard", "2", "7").exit_code == 1
    assert cli("dead-letters", "discard", "2", "3").stdout == "2: discarded\n3: discarded\n"
    assert [line["number"] for line in listed(cli("dead-letters", "--json"))] == [1]
    assert "discarded by" in cli("dead-letters", "show", "2").stdout


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (("replay",), "Missing argument"),
        (("discard", "x"), "'x' is not a valid integer"),
        (("show", "0"), "0 is not in the range"),
        (("--all", "replay", "1"), "--all belongs behind replay, or to the listing alone"),
    ],
)
def test_wrong_usage_is_named(cli: Any, args: tuple[str, ...], said: str) -> None:
    """What is missing or impossible is wrong usage: exit code 2."""
    done = cli("dead-letters", *args)
    assert done.exit_code == 2
    assert said in done.stderr


def test_without_a_table_the_list_is_empty(cli: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A database that does not exist yet has no dead letters; acting on one says that there is no table."""
    monkeypatch.setenv("INTERAPP_DATABASE_URL", "sqlite:///not-there.db")
    assert (cli("dead-letters").exit_code, cli("dead-letters").stdout) == (0, "")
    done = cli("dead-letters", "discard", "1")
    assert (done.exit_code, "there is no handler table" in done.stderr) == (1, True)
