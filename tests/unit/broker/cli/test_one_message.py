"""`interapp handlers show`, `retry` and `cancel`: one message, and what an operator does to it."""

import json
from base64 import b64decode
from typing import Any

import pytest
import sqlalchemy as sa

from broker.lifecycle.state import Reason, State
from broker.table.database import Database


def story(cli: Any, part: str) -> dict[str, Any]:
    """Return all that is known of a message."""
    result = cli("handlers", "show", part, "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)  # type: ignore[no-any-return]


@pytest.mark.parametrize("part", [slice(None), slice(-8, None), slice(-4, None), slice(9, 30)])
def test_any_part_of_an_id(cli: Any, rows: Any, part: slice) -> None:
    """A message is found by its id, by what listings show of it, and by any other part that is its alone."""
    row = rows.waiting(message_id="01a202c1-3093-76ef-90ba-4ef46cb7df5b")
    rows.waiting(message_id="01a202c1-1111-7111-9111-111111111111")
    assert story(cli, row.id[part])["id"] == row.id


def test_exact_id_wins(cli: Any, rows: Any) -> None:
    """An id that is part of others is still found, and an ending is preferred to a middle."""
    for message_id in ("17", "117", "1170", "0990"):
        rows.waiting(message_id=message_id)
    assert story(cli, "17")["id"] == "17"
    assert story(cli, "70")["id"] == "1170"
    assert story(cli, "99")["id"] == "0990"


def test_ambiguous_id(cli: Any, rows: Any) -> None:
    """A part of several ids is refused with the candidates."""
    for number in range(7):
        rows.waiting(message_id=f"{number}-same")
    result = cli("handlers", "show", "same")
    assert result.exit_code == 1
    assert "6-same" in result.stderr
    assert "…" in result.stderr


@pytest.mark.parametrize("part", ["%", "_", "nothing", "", "' OR 1=1 --", "\udcff", "*" * 5000])
def test_unknown_id(cli: Any, rows: Any, part: str) -> None:
    """What is in no id is not found, whatever it means elsewhere."""
    rows.waiting()
    for act in (["show"], ["retry"], ["cancel"]):
        result = cli("handlers", *act, part)
        assert result.exit_code == 1
        assert len(result.stderr.splitlines()) == 1


def test_several_destinations(cli: Any, rows: Any) -> None:
    """An id that went to several apps is told apart by --app."""
    rows.waiting(message_id="17", to="t1")
    rows.waiting(message_id="17", to="t2")
    result = cli("handlers", "show", "17")
    assert result.exit_code == 1
    assert "--app" in result.stderr
    assert "t2" in result.stderr
    result = cli("handlers", "show", "17", "--app", "t2", "--json")
    assert json.loads(result.stdout)["destination"] == "t2"


def test_story(cli: Any, rows: Any) -> None:
    """The story tells state, error, times, body and history, and what can be done next."""
    row = rows.final(State.FAILED, Reason.ERROR, "ValueError: bad\x1b[2J")
    text = cli("handlers", "show", row.id).stdout
    for part in (
        row.id,
        "failed (error)",
        r"ValueError: bad\x1b[2J",
        "2023-11-14T22:13:20.000000Z",
        "{}",
        "attempt 1",
        f"retry {row.id}",
    ):
        assert part in text
    assert "\x1b" not in text


@pytest.mark.parametrize(
    ("body", "shown"),
    [
        (b"no json\n\xff\x07", r"no json"),
        (b"[" * 100_000, "[[["),
        (b'{"a":NaN}', "NaN"),
        (b"", "body (0 bytes)"),
        ('"µ"'.encode(), "µ"),
    ],
)
def test_any_body(cli: Any, rows: Any, body: bytes, shown: str) -> None:
    """Whatever was sent can be shown, as text and as JSON."""
    row = rows.waiting(body=body)
    result = cli("handlers", "show", row.id)
    assert result.exit_code == 0
    assert shown in result.stdout
    assert story(cli, row.id)["body_size"] == len(body)


def test_large_body(cli: Any, rows: Any) -> None:
    """A large body is cut, and shown whole when it is asked for."""
    row = rows.waiting(body=json.dumps({"text": "x" * 10_000}).encode())
    short, full = cli("handlers", "show", row.id).stdout, cli("handlers", "show", row.id, "--full").stdout
    assert "--full" in short
    assert "x" * 5_000 not in short
    assert "x" * 10_000 in full


def test_retry(cli: Any, rows: Any, database: Database) -> None:
    """A retry lets a failed handler begin again, and its history says who did it and what was wrong before."""
    row = rows.final(State.FAILED, Reason.EXPIRED, "too late")
    with database.write() as connection:
        connection.execute(
            sa.text("UPDATE messages SET deadline_ms = 1, phase = 'apply', crashes = 2, suspect = true, alone = true")
        )
    result = cli("handlers", "retry", row.id[-8:])
    assert (result.exit_code, result.stdout) == (0, f"{row.id}: waiting again\n")
    after = story(cli, row.id)
    assert {after[key] for key in ("reason", "error", "phase", "reply", "finished_at", "deadline_at")} == {None}
    assert (after["state"], after["attempts"], after["crashes"], after["operator_retries"]) == ("waiting", 0, 0, 1)
    last = after["history"][-1]
    assert (last["what"], last["detail"]) == ("operator retry", "was failed (expired): too late")
    assert "@" in last["who"]
    claimed = rows._claim("t1")
    assert (claimed.envelope.message_id, claimed.generation, claimed.attempt) == (row.id, 1, 1)


@pytest.mark.parametrize("state", ["waiting", "processing", "succeeded"])
def test_retry_only_what_failed(cli: Any, rows: Any, state: str) -> None:
    """Anything but a failed handler is not retried; the error names it and its state, and nothing else is changed."""
    failed = rows.final(State.FAILED, Reason.ERROR, "bad")
    other = {
        "waiting": rows.waiting,
        "processing": rows.processing,
        "succeeded": lambda: rows.final(State.SUCCEEDED),
    }[state]()
    result = cli("handlers", "retry", failed.id, other.id)
    assert result.exit_code == 1
    assert other.id in result.stderr
    assert state in result.stderr
    assert story(cli, failed.id)["state"] == "failed"


def test_retry_needs_the_whole_body(cli: Any, rows: Any, database: Database) -> None:
    """A message whose body was not kept whole is not retried, alone or with all the others."""
    row = rows.final(State.FAILED, Reason.INVALID, "too large")
    with database.write() as connection:
        connection.execute(sa.text("UPDATE messages SET body_size = 5000000"))
    result = cli("handlers", "retry", row.id)
    assert result.exit_code == 1
    assert "5000000" in result.stderr
    assert cli("handlers", "retry", "--failed").stdout == "0 waiting again\n"
    assert "send it again" in cli("handlers", "show", row.id).stdout


def test_retry_with_another_body(cli: Any, rows: Any, database: Database) -> None:
    """An operator mends a body and retries: the new one is checked and claimed, the history keeps the old one and who did it."""
    row = rows.final(State.FAILED, Reason.INVALID, "slot: wrong", kind="tcr.module-status")
    with database.write() as connection:
        connection.execute(sa.text("UPDATE messages SET body = x'7b22736c6f74223a20', body_size = 9, version = 7"))
    wrong = cli("handlers", "retry", row.id, "--body", '{"slot": "../x"}')
    assert wrong.exit_code == 2
    assert "slot" in wrong.stderr
    assert "'../x'" in wrong.stderr
    assert story(cli, row.id)["state"] == "failed"

    body = '{"slot":"clk1","observed_at":"2026-11-22T09:00:00Z","api_major":20}'
    assert "--body" in cli("handlers", "show", row.id).stdout
    result = cli("handlers", "retry", row.id, "--body", "-", stdin=body)
    assert (result.exit_code, result.stdout) == (0, f"{row.id}: waiting again, with another body\n")
    after = story(cli, row.id)
    assert (after["state"], after["attempts"], after["operator_retries"]) == ("waiting", 0, 1)
    edit, retry = after["history"][-2:]
    assert (edit["what"], edit["detail"]) == ("operator edit", 'was (9 bytes): {"slot": ')
    assert (retry["what"], retry["detail"]) == ("operator retry", "was failed (invalid): slot: wrong")
    assert "@" in edit["who"]
    claimed = rows._claim("t1")
    assert (claimed.envelope.version, claimed.generation) == (1, 1)
    # It is kept as this version writes it, with what was left to its default.
    assert json.loads(claimed.envelope.body).items() >= json.loads(body).items()


@pytest.mark.parametrize("old", [b"\xff\x00\n", b"nul \x00"])
def test_the_history_keeps_a_body_that_is_no_text(cli: Any, rows: Any, database: Database, old: bytes) -> None:
    """Bytes that no column of text keeps are in the history all the same, and can be had back."""
    row = rows.final(State.FAILED, Reason.INVALID, "no JSON")
    with database.write() as connection:
        connection.execute(sa.text("UPDATE messages SET body = :body, body_size = 70000"), {"body": old})
    assert cli("handlers", "retry", row.id, "--body", "{}").exit_code == 0
    detail = story(cli, row.id)["history"][-2]["detail"]
    assert detail.startswith(f"was (the first {len(old)} of 70000 bytes, in Base64): ")
    assert b64decode(detail.rpartition(" ")[2]) == old


def test_only_what_failed_gets_another_body(cli: Any, rows: Any) -> None:
    """The body of a message that waits, runs or has succeeded is not changed."""
    row = rows.waiting(body=b'{"a":1}')
    result = cli("handlers", "retry", row.id, "--body", "{}")
    assert result.exit_code == 1
    assert "waiting" in result.stderr
    assert story(cli, row.id)["body"] == {"a": 1}


def test_retry_every_failed(cli: Any, rows: Any) -> None:
    """All that failed can be listed and retried, by reason, kind and app."""
    wanted = rows.final(State.FAILED, Reason.ERROR, "bad")
    rows.final(State.FAILED, Reason.ERROR, "bad", kind="t.set")
    rows.final(State.FAILED, Reason.REJECTED, "no")
    rows.final(State.SUCCEEDED)
    filters = ["--failed", "--reason", "error", "--kind", "t.ping", "--app", "t1"]
    dry = cli("handlers", "retry", *filters, "--dry-run")
    assert wanted.id[-8:] in dry.stdout
    assert len(dry.stdout.splitlines()) == 2
    assert story(cli, wanted.id)["state"] == "failed"
    assert cli("handlers", "retry", *filters).stdout == "1 waiting again\n"
    assert story(cli, wanted.id)["state"] == "waiting"
    assert cli("handlers", "retry", "--failed").stdout == "2 waiting again\n"


@pytest.mark.parametrize(
    "args",
    [
        [],
        ["--failed", "1"],
        ["1", "--reason", "error"],
        ["1", "--since", "1d"],
        ["--failed", "--body", "{}"],
        ["1", "2", "--body", "{}"],
        ["1", "--body", "{}", "--dry-run"],
    ],
)
def test_retry_wrong_usage(cli: Any, args: list[str]) -> None:
    """Ids and --failed exclude each other, and one of them is needed."""
    assert cli("handlers", "retry", *args).exit_code == 2


def test_cancel_waiting(cli: Any, rows: Any) -> None:
    """A waiting handler ends at once when it is cancelled."""
    row = rows.waiting()
    assert cli("handlers", "cancel", row.id).stdout == f"{row.id}: cancelled\n"
    after = story(cli, row.id)
    assert (after["state"], after["reason"], after["history"][-1]["what"]) == ("failed", "cancelled", "operator cancel")
    assert after["finished_at"] is not None


def test_cancel_processing(cli: Any, rows: Any) -> None:
    """A running handler is asked to stop, and goes on until it does."""
    row = rows.processing()
    assert "asked to stop" in cli("handlers", "cancel", row.id).stdout
    after = story(cli, row.id)
    assert (after["state"], after["cancel_requested"], after["history"][-1]["what"]) == (
        "processing",
        True,
        "cancel requested",
    )


def test_cancel_final(cli: Any, rows: Any) -> None:
    """What is final cannot be cancelled, and takes no other with it."""
    final, waiting = rows.final(State.SUCCEEDED), rows.waiting()
    result = cli("handlers", "cancel", waiting.id, final.id)
    assert result.exit_code == 1
    assert final.id in result.stderr
    assert story(cli, waiting.id)["state"] == "waiting"


def test_nothing_there_yet(cli: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """To look for a message where there is no table is no success; to retry all that failed is."""
    monkeypatch.setenv("INTERAPP_DATABASE_URL", "sqlite:///none.db")
    for act in ("show", "retry", "cancel"):
        result = cli("handlers", act, "1")
        assert result.exit_code == 1
        assert "INTERAPP_DATABASE_URL" in result.stderr
    assert cli("handlers", "retry", "--failed").exit_code == 0
