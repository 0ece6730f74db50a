"""`interapp calls`, and what `handlers` shows of replies and progress."""

import json
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from broker.cli.cells import progress_text
from broker.lifecycle.ids import short_id
from broker.lifecycle.state import Reason, State
from broker.messages.effects import Effects
from broker.messages.envelope import Envelope
from broker.table.changes import Changes
from broker.table.database import Database
from broker.table.reports import note_gave_up

CALL_ID = "01a202c1-3093-76ef-90ba-4ef46cb7df5b"


def send(rows: Any, count: int = 3, call_id: str = CALL_ID, to: str = "t1") -> list[Envelope]:
    """Commit a call."""
    envelopes = [
        Envelope(
            message_id=f"{short_id(call_id)}-{number}",
            kind="t.ping",
            body=b"{}",
            destination=to,
            source="sender",
            call_id=call_id,
            call_size=count,
            stop_on_failure=True,
            sent_us=rows.clock.now_us(),
        )
        for number in range(count)
    ]
    rows.table.accept(Effects(sent=tuple(envelopes)), app="sender")
    return envelopes


def write(database: Database, statement: str, **values: object) -> None:
    """Change the table behind its back."""
    with database.write() as connection:
        connection.execute(sa.text(statement), values)


def test_calls_are_listed(cli: Any, rows: Any) -> None:
    """A listing has one line per call with its counts, the newest last; a single message is no call."""
    send(rows)
    rows.succeed()
    send(rows, 2, "second-call", "t2")
    rows.waiting()
    one, two = (json.loads(line) for line in cli("calls", "--json").stdout.splitlines())
    assert one == {
        "call_id": CALL_ID,
        "source": "sender",
        "destination": "t1",
        "size": 3,
        "stop_on_failure": True,
        "waiting": 2,
        "processing": 0,
        "succeeded": 1,
        "failed": 0,
        "sent_at": "2023-11-14T22:13:20.000000Z",
        "finished_at": None,
    }
    assert two["call_id"] == "second-call"
    titles, first, second = cli("calls").stdout.splitlines()
    assert titles.split()[:4] == ["CALL", "FROM", "TO", "SIZE"]
    assert first.split()[:8] == ["6cb7df5b", "sender", "t1", "3", "2", "0", "1", "0"]
    assert second.split()[0] == "ond-call"
    assert [json.loads(line)["call_id"] for line in cli("calls", "--limit", "1", "--json").stdout.splitlines()] == [
        "second-call"
    ]
    assert "second-call" not in cli("calls", "--app", "t1", "--json").stdout


def test_there_are_no_calls(cli: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without calls, and without a table, a listing prints nothing; a call that is not there is said so in one line."""
    assert (cli("calls").exit_code, cli("calls").output) == (0, "")
    result = cli("calls", "show", "nothing")
    assert (result.exit_code, len(result.stderr.splitlines())) == (1, 1)
    monkeypatch.setenv("INTERAPP_DATABASE_URL", f"sqlite:///{tmp_path / 'none.db'}")
    assert (cli("calls", "--json").exit_code, cli("calls", "--json").output) == (0, "")
    assert cli("calls", "show", "nothing").exit_code == 1


def test_a_call_is_shown(cli: Any, rows: Any) -> None:
    """`calls show` lists the messages in order, with state, reason and what was late; as JSON it is one object."""
    envelopes = send(rows)
    rows.succeed()
    note_gave_up(rows.database, rows.clock, envelopes, "sender")
    write(
        rows.database,
        "UPDATE messages SET state = 'succeeded', finished_us = 9 WHERE id = :id",
        id=envelopes[1].message_id,
    )
    shown = json.loads(cli("calls", "show", "4ef46cb7", "--json").stdout)
    assert shown["size"] == 3
    assert [(each["id"][-1], each["state"], each["late"]) for each in shown["messages"]] == [
        ("0", "succeeded", False),
        ("1", "succeeded", True),
        ("2", "waiting", False),
    ]
    text = cli("calls", "show", CALL_ID).stdout
    assert f"call {CALL_ID}" in text
    assert "3 messages from sender to t1" in text
    assert "the first failure cancels what has not begun" in text
    assert [line.split()[0] for line in text.splitlines()[-3:]] == ["1", "2", "3"]
    assert text.splitlines()[-2].endswith("late")
    write(rows.database, "DELETE FROM messages WHERE id = :id", id=envelopes[0].message_id)
    assert "1 of them were purged" in cli("calls", "show", CALL_ID).stdout


def test_a_message_tells_of_its_call(cli: Any, rows: Any) -> None:
    """The story of a message names its call and how large it is, and says when the outcome came late."""
    envelopes = send(rows)
    note_gave_up(rows.database, rows.clock, envelopes[:1], "sender")
    rows.succeed()
    text = cli("handlers", "show", envelopes[0].message_id).stdout
    assert f"3 messages; interapp calls show {CALL_ID}" in text
    assert "had given up waiting" in text
    story = json.loads(cli("handlers", "show", envelopes[0].message_id, "--json").stdout)
    assert (story["late"], story["call_size"], story["stop_on_failure"]) == (True, 3, True)
    assert not json.loads(cli("handlers", "show", envelopes[1].message_id, "--json").stdout)["late"]


def test_partial_replies_are_shown(cli: Any, rows: Any, database: Database) -> None:
    """`handlers show` lists partial replies in order, before the last one."""
    row = rows.final(State.SUCCEEDED, reply='{"n": 3}')
    for number in (2, 1):
        write(
            database,
            "INSERT INTO replies (seq, number, attempt, kind, body, at_us) VALUES (:seq, :number, 1, 't.part', :body, 5)",
            seq=row.seq,
            number=number,
            body=f'{{"n": {number}}}',
        )
    story = json.loads(cli("handlers", "show", row.id, "--json").stdout)
    assert [(each["number"], each["kind"], each["reply"]) for each in story["partial_replies"]] == [
        (1, "t.part", {"n": 1}),
        (2, "t.part", {"n": 2}),
    ]
    text = cli("handlers", "show", row.id).stdout
    assert text.index("partial reply 1 (t.part)") < text.index("partial reply 2") < text.index("reply (")


def test_progress_is_shown_while_it_runs(cli: Any, rows: Any, database: Database) -> None:
    """A listing notes how far a running handler is, its story too; afterwards a listing does not. A change is seen by --watch."""
    row = rows.processing()
    changes = Changes(database)
    changes.look()
    write(database, "UPDATE messages SET progress = :progress", progress='{"fraction": 0.4, "text": "writing"}')
    assert [each.progress for each in changes.look()] == ['{"fraction": 0.4, "text": "writing"}']
    assert "40 %, writing" in cli("handlers").stdout
    assert "40 %, writing" in cli("handlers", "show", row.id).stdout
    assert json.loads(cli("handlers", "--json").stdout)["progress"] == {"fraction": 0.4, "text": "writing"}
    write(database, "UPDATE messages SET state = 'succeeded', finished_us = started_us")
    assert "40 %" not in cli("handlers").stdout
    assert json.loads(cli("handlers", "--json").stdout)["progress"] is None


@pytest.mark.parametrize("progress", ["", "{}", "[]", "null", '{"fraction": "x"}', '{"fraction": 1}', "no JSON"])
def test_odd_progress_is_shown_as_it_is(progress: str) -> None:
    """What somebody else wrote into the column never breaks a listing."""
    assert progress_text(progress) == progress


def test_send_with_an_address_for_the_reply(cli: Any, rows: Any) -> None:
    """--reply-to is kept with the message; what is no address is refused before anything is sent."""
    assert cli("send", "t1", "a.b", "--any-kind", "--reply-to", "other-app").exit_code == 0
    (line,) = cli("handlers", "--json").stdout.splitlines()
    assert json.loads(cli("handlers", "show", json.loads(line)["id"], "--json").stdout)["reply_to"] == "other-app"
    for bad in ("No", "", "replies"):
        result = cli("send", "t1", "a.b", "--any-kind", "--reply-to", bad)
        assert result.exit_code == 2
        assert "reply-to" in result.stderr
    assert len(cli("handlers", "--json").stdout.splitlines()) == 1


def test_a_bad_reply_to_is_told(cli: Any, rows: Any, database: Database) -> None:
    """The story says that a reply goes nowhere when its address is none."""
    row = rows.final(State.FAILED, Reason.ERROR, "no")
    assert "reply to" not in cli("handlers", "show", row.id).stdout
    write(database, "UPDATE messages SET reply_to = 'replies'")
    assert "no address: not sent there" in cli("handlers", "show", row.id).stdout
