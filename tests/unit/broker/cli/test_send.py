"""`interapp send`: what is checked, what is committed, what is printed."""

import json
import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, ClassVar

import pytest
import sqlalchemy as sa

from broker.handlers.registry import HandlerRegistry
from broker.lifecycle.state import Reason, State
from broker.messages.message import Command, Message
from broker.runtime import plugins
from broker.table.changes import Changes
from broker.table.database import Database
from broker.table.rows import Settlement
from lantime.contract import GetSlotStatus


def handlers(cli: Any) -> list[dict[str, Any]]:
    """Return every row."""
    return [json.loads(line) for line in cli("handlers", "--json").stdout.splitlines()]


def test_send(cli: Any, database: Database) -> None:
    """A sent message is a waiting row; its id is all that is printed."""
    result = cli("send", "m1000-a.clk1", "tcr.get-status")
    assert (result.exit_code, result.stderr) == (0, "")
    (row,) = handlers(cli)
    assert result.stdout == f"{row['id']}\n"
    assert (row["source"], row["destination"], row["kind"], row["state"]) == (
        "cli",
        "m1000-a.clk1",
        "tcr.get-status",
        "waiting",
    )


@pytest.mark.parametrize("at", ["2096-10-02T07:06:40Z", "2096-10-02T09:06:40+02:00"])
def test_send_for_a_later_time(cli: Any, database: Database, at: str) -> None:
    """With --at the row waits for that time, which the listing shows."""
    assert cli("send", "m1000-a.clk1", "tcr.get-status", "--at", at).exit_code == 0
    (row,) = handlers(cli)
    assert (row["state"], row["next_attempt_at"]) == ("waiting", "2096-10-02T07:06:40.000000Z")


def test_send_in_a_while(cli: Any, database: Database) -> None:
    """With --at +10m the row is due ten minutes later; a time that has passed is now."""
    assert cli("send", "m1000-a.clk1", "tcr.get-status", "--at", "+10m").exit_code == 0
    assert cli("send", "m1000-a.clk1", "tcr.get-status", "--at", "2020-01-01T00:00:00").exit_code == 0
    later, now = handlers(cli)
    waits = datetime.fromisoformat(later["next_attempt_at"]) - datetime.fromisoformat(later["sent_at"])
    assert abs(waits - timedelta(minutes=10)) < timedelta(seconds=5)
    assert now["next_attempt_at"] is None


def test_an_operator_goes_first(cli: Any, database: Database) -> None:
    """What an operator sends has priority 5, more when its kind has more, and what was said when something was said."""
    cli("send", "m1000-a.clk1", "tcr.get-status")
    cli("send", "m1000-a.clk1", "tcr.get-status", "--priority", "0")
    cli("send", "m1000-a.clk1", "a.b", "--any-kind", "--priority", "9")
    assert [row["priority"] for row in handlers(cli)] == [5, 0, 9]


def test_a_kind_may_be_more_urgent_than_an_operator(
    cli: Any, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A kind whose own priority is above an operator's keeps it."""
    monkeypatch.setattr(GetSlotStatus, "priority", 8)
    cli("send", "m1000-a.clk1", "tcr.get-status")
    assert handlers(cli)[0]["priority"] == 8


def test_send_before_anything_runs(cli: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first message makes the tables and waits in them."""
    monkeypatch.setenv("INTERAPP_DATABASE_URL", f"sqlite:///{tmp_path / 'first.db'}")
    assert cli("send", "m1000-a.clk1", "tcr.get-status").exit_code == 0
    assert len(handlers(cli)) == 1


def test_body_from_stdin(cli: Any, database: Database) -> None:
    """A dash reads the body from stdin."""
    assert cli("send", "t1", "a.b", "-", "--any-kind", stdin=' {"µ": [1, 2]}\n').exit_code == 0
    story = json.loads(cli("handlers", "show", handlers(cli)[0]["id"], "--json").stdout)
    assert story["body"] == {"µ": [1, 2]}


class Shout:
    """JSON in capitals."""

    content_type = "application/x-shout"

    def encode(self, message: Message) -> bytes:
        return message.model_dump_json().upper().encode()

    def decode(self, message_class: type[Message], body: bytes) -> object:
        return json.loads(body.lower())


class Say(Command[None]):
    kind: ClassVar[str] = "t.say"
    version: ClassVar[int] = 3
    content_type: ClassVar[str] = Shout.content_type
    word: str


@pytest.mark.parametrize("codecs", [[Shout()], []])
def test_a_kind_with_a_codec(
    cli: Any, database: Database, monkeypatch: pytest.MonkeyPatch, codecs: list[Shout]
) -> None:
    """A kind that is not sent as JSON is given as JSON and sent by its codec, also when it is edited; without, refused."""
    registry = HandlerRegistry[None]("t", codecs=codecs)
    registry.sends(Say)
    monkeypatch.setattr(plugins, "names", lambda _group: ["t"])
    monkeypatch.setattr(plugins, "load", lambda _group, _name: registry)
    result = cli("send", "t1", "t.say", '{"word": "a"}')
    if not codecs:
        assert result.exit_code == 2
        assert "it is sent as application/x-shout" in result.stderr
        assert handlers(cli) == []
        return
    assert result.exit_code == 0, result.stderr

    def sent() -> tuple[bytes, str, int]:
        query = sa.text("SELECT body, content_type, version FROM messages")
        with database.read() as connection:
            row = connection.execute(query).one()
        return bytes(row.body), row.content_type, row.version

    assert sent() == (b'{"WORD":"A"}', "application/x-shout", 3)
    (row,) = handlers(cli)
    assert cli("handlers", "cancel", row["id"]).exit_code == 0
    assert cli("handlers", "retry", row["id"], "--body", '{"word": "b"}').exit_code == 0
    assert sent() == (b'{"WORD":"B"}', "application/x-shout", 3)


@pytest.mark.parametrize(
    ("args", "named"),
    [
        (["T1", "tcr.get-status"], "T1"),
        (["../x", "tcr.get-status"], "../x"),
        (["events", "tcr.get-status"], "reserved"),
        (["t1", "status"], "status"),
        (["t1", "no.such-kind"], "--any-kind"),
        (["t1", "tcr.slot-status"], "reply"),
        (["t1", "tcr.get-status", "[1]"], "object"),
        (["t1", "tcr.get-status", '{"output": 1}'], "output"),
        (["t1", "tcr.assign-slot", '{"slot": 4}'], "slot: Input should be a valid string (got 4)"),
        (["t1", "tcr.get-status", "{"], "JSON"),
        (["t1", "tcr.get-status", ""], "JSON"),
        (["t1", "a.b", "nonsense", "--any-kind"], "JSON"),
        (["t1", "a.b", "[" * 100_000, "--any-kind"], "JSON"),
        (["t1", "a.b", json.dumps("x" * 2_000_000), "--any-kind"], "INTERAPP_MESSAGE_MAX_BYTES"),
        (["t1", "tcr.get-status", "--wait", "-1"], "-1"),
        (["t1", "tcr.get-status", "--wait", "nan"], "nan"),
        (["t1", "tcr.get-status", "--wait", "soon"], "soon"),
        (["t1", "tcr.get-status", "--at", "soon"], "+10m"),
        (["t1", "tcr.get-status", "--at", "10m"], "+10m"),
        (["t1", "tcr.get-status", "--at", "-10m"], "+10m"),
        (["t1", "tcr.get-status", "--at", "+99999999999999w"], "+10m"),
        (["t1", "tcr.get-status", "--at", ""], "+10m"),
        (["t1", "tcr.get-status", "--at", "2026-13-01"], "2026-13-01"),
        (["t1", "tcr.get-status", "--priority", "10"], "10"),
        (["t1", "tcr.get-status", "--priority", "-1"], "-1"),
        (["t1", "tcr.get-status", "--priority", "high"], "high"),
    ],
)
def test_bad_input(cli: Any, database: Database, args: list[str], named: str) -> None:
    """Bad input is wrong usage that names what is wrong, and nothing is sent."""
    result = cli("send", *args)
    assert result.exit_code == 2
    assert named in result.stderr
    assert result.stdout == ""
    assert handlers(cli) == []


@pytest.fixture
def handled(rows: Any) -> Any:
    """Handle the next message to t1 in another thread: `handled(state, …)`."""
    threads: list[threading.Thread] = []

    def begin(**settlement: Any) -> None:
        changes = Changes(rows.database)
        changes.look()
        seen = threading.Event()

        def handle() -> None:
            while not changes.look():
                seen.wait(0.02)
            claimed = rows._claim("t1")
            rows._settle(claimed, Settlement(row=claimed, finished_us=1, **settlement))

        threads.append(threading.Thread(target=handle))
        threads[-1].start()

    yield begin
    for thread in threads:
        thread.join()


def test_wait_for_a_reply(cli: Any, handled: Callable[..., None]) -> None:
    """With --wait the reply's JSON is printed and nothing else."""
    handled(state=State.SUCCEEDED, reply='{"n":1}')
    result = cli("send", "t1", "a.b", "--any-kind", "--wait", "20")
    assert (result.exit_code, result.stdout, result.stderr) == (0, '{"n":1}\n', "")


def test_wait_without_a_reply(cli: Any, handled: Callable[..., None]) -> None:
    """A command that is answered by nothing prints null."""
    handled(state=State.SUCCEEDED)
    assert cli("send", "t1", "a.b", "--any-kind", "--wait", "20").stdout == "null\n"


def test_wait_for_a_failure(cli: Any, handled: Callable[..., None]) -> None:
    """A handler that failed is told with its reason on stderr, exit code 1."""
    handled(state=State.FAILED, reason=Reason.REJECTED, error="not today")
    result = cli("send", "t1", "a.b", "--any-kind", "--wait", "20")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "failed (rejected): not today" in result.stderr


def test_wait_too_long(cli: Any, database: Database) -> None:
    """Without an outcome in time the exit code is 1; the message goes on, and the error says where to look."""
    result = cli("send", "t1", "a.b", "--any-kind", "--wait", "0.05")
    assert (result.exit_code, result.stdout) == (1, "")
    (row,) = handlers(cli)
    assert row["state"] == "waiting"
    assert f"interapp handlers show {row['id']}" in result.stderr


def test_rabbitmq_away(cli: Any, database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where RabbitMQ is away the message waits in the table, which is a success, and one line says so."""
    monkeypatch.setenv("INTERAPP_BROKER_URL", "amqp://u:geheim@127.0.0.1:1/")
    monkeypatch.setattr("broker.cli.sending.CONFIRM_SECONDS", 0.1)
    result = cli("send", "t1", "a.b", "--any-kind")
    assert result.exit_code == 0
    assert len(result.stderr.splitlines()) == 1
    assert "waits in the table" in result.stderr
    assert "geheim" not in result.stderr
    assert handlers(cli)[0]["state"] == "waiting"
