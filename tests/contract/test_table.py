"""The promises of the handler table, kept on every database."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from contract.databases import (
    APP,
    KINDS,
    SENDER,
    Background,
    Place,
    database_url,
    ids,
    message,
    messages,
    retry,
    succeeded,
)
from sqlalchemy.engine.interfaces import ReflectedColumn

from broker.errors import Superseded, TableError, TableUnavailable
from broker.lifecycle.clock import ManualClock
from broker.lifecycle.ids import derived_id
from broker.lifecycle.state import Reason, State
from broker.messages.effects import DocumentWrite, Effects
from broker.messages.envelope import Envelope
from broker.table.database import Database
from broker.table.documents import AppDocuments, find_documents
from broker.table.leases import Leases
from broker.table.queries import CHUNK, Wanted, find_answer, list_handlers
from broker.table.rows import Claimed, Lease, Settlement
from broker.table.storage import complete
from broker.table.store import HandlerTable
from broker.table.subscriptions import subscribe
from broker.table.upgrade import REVISION, revision, upgrade

CANCEL = "UPDATE messages SET state = 'failed', reason = 'cancelled' WHERE id = :id"
TAKE_LEASE = "UPDATE leases SET epoch = epoch + 1, worker = 'another' WHERE app = :app"


@pytest.fixture(params=KINDS)
def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of an empty database, each kind in turn."""
    return database_url(request.param, request, tmp_path, empty=True)


@pytest.fixture(params=KINDS)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    """A database with the tables, each kind in turn."""
    with Place.opened(database_url(request.param, request, tmp_path)) as place:
        yield place


def document(key: str, body: str | None, collection: str = "things") -> DocumentWrite:
    """Return a write of one document."""
    return DocumentWrite(collection, key, body)


def states(place: Place) -> list[str]:
    """Return the states of all rows, in the order in which they were sent."""
    return [row["state"] for row in place.rows()]


# What senders are promised.


def test_accept_commits_messages_events_and_documents_together(place: Place) -> None:
    """What one accept is given, event copies included, is there when it returns, and every row of it is to be published."""
    subscribe(place.database, APP, ["#.test.happened"])
    event = message("event", kind="test.happened", destination="")
    effects = Effects((message("sent"),), (event,), (document("a", '{"n": 1}'),))
    to_publish = place.table.accept(effects, app=SENDER)
    assert [row["id"] for row in place.rows()] == ["sent", derived_id("event", APP)]
    assert [envelope.message_id for envelope in to_publish] == ["sent", derived_id("event", APP)]
    assert AppDocuments(place.database, SENDER).read("things", "a") == '{"n": 1}'
    assert states(place) == ["waiting", "waiting"]


def test_collections_are_read_at_once(place: Place) -> None:
    """What is read ahead is one statement, whatever is asked for then; the rest is read when it is asked for."""
    writes = tuple(DocumentWrite(of, key, f'"{of} {key}"') for of in ("a", "b", "c") for key in ("x", "y"))
    place.table.accept(Effects(documents=writes), app=SENDER)
    place.table.accept(Effects(documents=writes[:1]), app=APP)
    documents = AppDocuments(place.database, SENDER)
    statements: list[str] = []
    sa.event.listen(place.database.engine, "before_cursor_execute", lambda *said: statements.append(said[2]))
    ahead = documents.read_ahead(("a", "b", "nothing"))
    assert (ahead.read("a", "x"), ahead.read("b", "y"), ahead.read("a", "z")) == ('"a x"', '"b y"', None)
    assert (ahead.read_all("b"), ahead.read_all("nothing")) == ({"x": '"b x"', "y": '"b y"'}, {})
    assert len([one for one in statements if one.startswith("SELECT")]) == 1
    assert (ahead.read("c", "x"), ahead.read_all("c")) == ('"c x"', {"x": '"c x"', "y": '"c y"'})


def test_accept_commits_nothing_when_a_part_is_refused(place: Place) -> None:
    """When one part of an accept cannot be written, no other part of it is."""
    subscribe(place.database, APP, ["#.test.happened"])
    event = message("event", kind="test.happened", destination="")
    impossible = DocumentWrite("things", None, "{}")  # type: ignore[arg-type]
    with pytest.raises(TableError):
        place.table.accept(Effects((message("sent"),), (event,), (document("a", "{}"), impossible)), app=SENDER)
    assert place.rows() == []
    assert find_documents(place.database, "things") == []


def test_an_id_is_accepted_once(place: Place) -> None:
    """A message that is accepted twice, as after a commit whose answer was lost, is one row with its first content."""
    place.send(message("same", body=b'{"n": 1}'))
    assert [envelope.message_id for envelope in place.send(message("same", body=b'{"n": 2}'))] == ["same"]
    (row,) = place.rows()
    assert bytes(row["body"]) == b'{"n": 1}'


def test_users_may_choose_the_same_id(place: Place) -> None:
    """Two RabbitMQ users may use one id for two messages: each gets its row and its outcome."""
    one, two = message("17", user="one"), message("17", user="two")
    standing = place.table.arrived(APP, [one, two], max_bytes=1000)
    assert set(standing) == {("17", "one"), ("17", "two")}
    lease = place.lease()
    claimed = place.claim(lease)
    assert [row.envelope.user for row in claimed] == ["one", "two"]
    place.table.settle(lease, [succeeded(claimed[1], reply="{}", reply_kind="test.reply")])
    assert [(row["amqp_user"], row["state"]) for row in place.rows()] == [("one", "processing"), ("two", "succeeded")]
    answers = [find_answer(place.database, envelope) for envelope in (one, two)]
    assert [answer and answer.state for answer in answers] == [State.PROCESSING, State.SUCCEEDED]


def test_an_accept_under_a_lost_lease_writes_nothing(place: Place) -> None:
    """A poller whose worker was superseded can commit neither documents nor messages."""
    lease = place.lease("host:1/a")
    place.lease("host:2/b")
    with pytest.raises(Superseded):
        place.table.accept(Effects((message(),), (), (document("a", "{}"),)), app=APP, lease=lease)
    assert place.rows() == []
    assert find_documents(place.database, "things") == []


def test_an_event_comes_once_to_each_subscriber(place: Place) -> None:
    """Each subscriber gets one copy, however many of its patterns match; the event's id is the correlation id."""
    subscribe(place.database, "app-a", ["#.test.happened", f"{SENDER}.test.*"])
    subscribe(place.database, "app-b", [f"{SENDER}.#"])
    subscribe(place.database, "app-c", ["other.test.happened", "#.test.else"])
    event = message("event", kind="test.happened", destination="")
    for _again in range(2):
        place.table.accept(Effects(events=(event,)), app=SENDER)
    rows = {row["destination"]: row for row in place.rows()}
    assert len(place.rows()) == 2
    assert set(rows) == {"app-a", "app-b"}
    assert {row["correlation_id"] for row in rows.values()} == {"event"}
    assert rows["app-a"]["id"] != rows["app-b"]["id"]


def test_subscriptions_are_what_the_app_last_said(place: Place) -> None:
    """A new version of an app that handles other events gets those, and those it dropped no more."""
    subscribe(place.database, APP, ["#.test.old", "#.test.both"])
    subscribe(place.database, APP, ["#.test.both", "#.test.new"])
    for kind in ("test.old", "test.both", "test.new"):
        place.table.accept(Effects(events=(message(kind=kind, destination=""),)), app=SENDER)
    assert [row["kind"] for row in place.rows()] == ["test.both", "test.new"]


def test_who_waits_for_no_confirm_asks_once(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """A relay with nothing to publish again, as it is nearly always, costs the table one statement."""
    place.send(message("not old enough", sent_us=500))
    statements: list[str] = []
    execute = place.database._straight.execute

    def asked(statement: str, parameters: Mapping[str, Any]) -> Any:
        statements.append(statement)
        return execute(statement, parameters)

    sa.event.listen(place.database.engine, "before_cursor_execute", lambda *said: statements.append(said[2]))
    monkeypatch.setattr(place.database._straight, "execute", asked)
    assert place.table.unconfirmed([SENDER], user="", before_us=500, limit=10) == []
    assert len([one for one in statements if one.startswith("SELECT")]) == 1


def test_what_is_not_confirmed_is_found_until_it_is_taken_out(place: Place) -> None:
    """The relay finds what its own senders committed and RabbitMQ never confirmed, oldest first, and nothing else."""
    sent = [message(f"n{number}", sent_us=100 + number) for number in range(4)]
    place.send(*sent[:3])
    place.send(sent[3])
    place.send(message("of another", source="another", sent_us=1), message("too new", sent_us=500))
    place.send(message("of another user", user="somebody", sent_us=1))
    place.table.arrived(APP, [message("foreign", sent_us=1)], max_bytes=1000)

    def found(limit: int = 10) -> list[list[str]]:
        unconfirmed = place.table.unconfirmed([SENDER], user="", before_us=500, limit=limit)
        return [[envelope.message_id for envelope in each] for each in unconfirmed]

    assert found() == [["n0", "n1", "n2"], ["n3"]]
    assert found(limit=2) == [["n0", "n1", "n2"]], "an entry comes whole"
    first, second = place.table.unconfirmed([SENDER], user="", before_us=500, limit=10)
    assert [*first, *second] == sent
    place.table.confirmed(first.entries)
    assert found() == [["n3"]]
    lease = place.lease()
    place.table.settle(lease, [succeeded(row) for row in place.claim(lease)])
    assert found() == [[]], "what has ended needs no confirm"


def test_what_two_senders_commit_at_once_is_each_ones_to_publish_again(place: Place) -> None:
    """Of rows that were committed together each sender finds its own."""
    mine, theirs = message("mine"), message("theirs", source="another")
    accepted = place.table.accept(Effects(sent=(mine, theirs)), app=SENDER)
    assert len(accepted.entries) == 2
    for source, envelope in ((SENDER, mine), ("another", theirs)):
        (found,) = place.table.unconfirmed([source], user="", before_us=place.clock.now_us() + 1, limit=10)
        assert list(found) == [envelope]


def test_what_is_there_already_gets_no_second_entry(place: Place) -> None:
    """An accept that is repeated after an unclear commit leaves the entry of the first one to the relay."""
    first = place.table.accept(Effects(sent=(message("n"),)), app=SENDER)
    again = place.table.accept(Effects(sent=(message("n"),)), app=SENDER)
    assert (len(first.entries), again.entries) == (1, ())
    assert [envelope.message_id for envelope in again] == ["n"]


# Rows for what arrives.


def test_what_arrives_gets_one_row(place: Place) -> None:
    """A foreign message gets its row on its first arrival and no second one when it is delivered again."""
    foreign = message("foreign", call_id="", sent_us=0)
    known = message("known")
    place.send(known)
    first = place.table.arrived(APP, [foreign, known, foreign], max_bytes=1000)
    assert {identity: standing.state for identity, standing in first.items()} == {
        ("foreign", ""): State.WAITING,
        ("known", ""): State.WAITING,
    }
    lease = place.lease()
    place.table.settle(lease, [succeeded(row) for row in place.claim(lease)])
    again = place.table.arrived(APP, [foreign], max_bytes=1000)
    assert again["foreign", ""].state is State.SUCCEEDED
    assert [row["id"] for row in place.rows()] == ["known", "foreign"]
    assert place.row("foreign")["sent_us"] == place.clock.now_us()
    entries = place.select("SELECT first_seq, last_seq FROM outbox")
    assert not any(entry["first_seq"] <= place.row("foreign")["seq"] <= entry["last_seq"] for entry in entries)


def test_a_body_that_is_too_large_ends_at_once(place: Place) -> None:
    """A foreign body above the limit is failed (invalid) on arrival, names both sizes, and keeps its first 64 KiB."""
    body = bytes(range(256)) * 400
    standing = place.table.arrived(APP, [message("huge", body=body), message("fits", body=b"x" * 1000)], max_bytes=1000)
    assert standing["huge", ""].state is State.FAILED
    assert standing["fits", ""].state is State.WAITING
    row = place.row("huge")
    assert row["reason"] == Reason.INVALID
    assert str(len(body)) in row["error"]
    assert "1000" in row["error"]
    assert bytes(row["body"]) == body[: 64 * 1024]
    assert row["body_size"] == len(body)
    assert ids(place.claim(place.lease())) == ["fits"]


HOSTILE = {
    "NUL everywhere": {
        "message_id": "a\x00b",
        "kind": "a\x00b",
        "source": "\x00",
        "call_id": "\x00",
        "correlation_id": "\x00",
        "reply_to": "\x00",
        "traceparent": "\x00",
        "content_type": "\x00",
        "user": "\x00",
        "body": b"\x00\xff",
    },
    "half characters": {
        "message_id": "\ud800",
        "kind": "\udfff",
        "source": "\ud800",
        "call_id": "\ud800",
        "correlation_id": "\ud800",
        "reply_to": "\ud800",
        "traceparent": "\ud800",
        "content_type": "\ud800",
        "user": "\ud800",
    },
    "version too large": {"version": 2**40},
    "version negative": {"version": -(2**40)},
    "deadline too large": {"deadline_ms": 2**80},
    "deadline too small": {"deadline_ms": -(2**80)},
    "as long as AMQP allows": {"message_id": "ü" * 255, "kind": "k" * 255, "user": "u" * 255, "source": "s" * 255},
    "nothing at all": {"kind": "", "body": b"", "source": "", "call_id": "", "sent_us": 0, "content_type": ""},
    "quotes": {"message_id": "'; DROP TABLE messages; --", "kind": "%s %(x)s :app {0}", "source": "\\"},
}


@pytest.mark.parametrize("fields", HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_envelope_gets_its_row(place: Place, fields: dict[str, object]) -> None:
    """Whatever a foreign producer puts into an envelope: it gets a row, can be claimed and settled, and stops nothing."""
    hostile = message(**{"message_id": "hostile", **fields})
    place.table.arrived(APP, [hostile, message("neighbour")], max_bytes=1000)
    lease = place.lease()
    for claimed in (place.claim(lease, limit=1) for _ in range(2)):
        place.table.settle(lease, [succeeded(row) for row in claimed])
    assert len(place.rows()) == 2
    assert place.row("neighbour")["state"] == "succeeded"


# The claim.


def test_the_claim_is_in_the_order_of_sending(place: Place) -> None:
    """Rows are claimed in the order in which they were committed, whatever their ids and in whatever order they arrive."""
    sent = [message(f"{letter}{number}") for number, letter in enumerate("qcxamzb")]
    for envelope in sent[:3]:
        place.send(envelope)
    place.send(*sent[3:])
    place.table.arrived(APP, sent[::-1], max_bytes=1000)
    lease = place.lease()
    batches = [place.claim(lease, limit=3) for _ in range(4)]
    assert [ids(batch) for batch in batches] == [
        [envelope.message_id for envelope in part] for part in (sent[:3], sent[3:6], sent[6:], [])
    ]


def test_a_claim_hands_out_what_was_sent(place: Place) -> None:
    """A claimed row carries its envelope unchanged, and says which run it is."""
    full = Envelope(
        message_id="full",
        kind="test.note",
        body=b"\x00\xff{}",
        destination=APP,
        source=SENDER,
        call_id="call",
        correlation_id="cause",
        reply_to="someone",
        content_type="application/json",
        version=3,
        deadline_ms=2**60,
        traceparent="00-1-2-01",
        sent_us=123,
        user="someone",
    )
    place.send(full)
    (row,) = place.claim(place.lease())
    assert row.envelope == full
    assert (row.attempt, row.claims, row.generation) == (1, 1, 0)


def test_a_claim_is_committed_before_anything_runs(place: Place) -> None:
    """When claim returns, everybody sees the row in processing, with worker, handler, attempt and times."""
    place.send(message("n"))
    lease = place.lease()
    place.clock.advance(1.5)
    place.table.claim(lease, lambda _kind: None, limit=1, arrivals={("n", ""): 42})
    row = place.another().row("n")
    assert (row["state"], row["worker"], row["epoch"], row["attempts"]) == ("processing", lease.worker, lease.epoch, 1)
    assert (row["received_us"], row["started_us"]) == (42, place.clock.now_us())


def test_only_rows_of_the_own_app_are_claimed(place: Place) -> None:
    """A worker claims nothing that is addressed to another app."""
    place.send(message("mine"), message("not mine", destination="m1000-a.clk2"))
    assert ids(place.claim(place.lease())) == ["mine"]


def test_a_superseded_worker_claims_nothing(place: Place) -> None:
    """After another worker took the lease, a claim raises Superseded and no row changes."""
    place.send(*messages(3))
    lease = place.lease("host:1/a")
    place.lease("host:2/b")
    before = place.rows()
    with pytest.raises(Superseded, match="no longer holds the lease"):
        place.claim(lease)
    assert place.rows() == before


def test_a_lease_that_is_taken_during_the_claim_stops_it(place: Place) -> None:
    """A claim that began before the successor's take was committed writes nothing after it."""
    place.send(*messages(3))
    lease = place.lease()
    with place.meanwhile(TAKE_LEASE, lambda: place.claim(lease), app=APP) as claim, pytest.raises(Superseded):
        claim.result()
    assert states(place) == ["waiting"] * 3
    assert [row["claims"] for row in place.rows()] == [0, 0, 0]


def test_a_successor_waits_for_a_claim_that_is_being_committed(place: Place) -> None:
    """The take of a lease cannot be committed in the middle of a claim: the claim has locked the lease."""
    lease = place.lease("host:1/a")
    successor = place.another()
    worker = successor.worker("host:2/b")
    with place.database.write() as connection:
        connection.execute(
            sa.text("UPDATE leases SET renewals = renewals + 1 WHERE app = :app AND epoch = :epoch"),
            {"app": APP, "epoch": lease.epoch},
        )
        take = Background(lambda: successor.leases.take(APP, worker))
        with pytest.raises(AssertionError, match="still runs"):
            take.join(0.2)
    assert take.result().epoch == lease.epoch + 1


def test_a_row_that_is_cancelled_during_the_claim_is_not_claimed(place: Place) -> None:
    """An operator's cancel that is committed between the claim's look and its write wins; the other rows are claimed."""
    place.send(*messages(3))
    lease = place.lease()
    with place.meanwhile(CANCEL, lambda: place.claim(lease), id="n001") as claim:
        assert ids(claim.result()) == ["n000", "n002"]
    assert states(place) == ["processing", "failed", "processing"]
    assert place.row("n001")["attempts"] == 0


def test_a_lost_row_that_is_cancelled_during_the_claim_is_not_run(place: Place) -> None:
    """A cancel request that is committed while a successor claims the row it is for is honoured without a run."""
    place.send(*messages(1))
    place.claim(place.lease("host:1/a"))
    successor = place.lease("host:2/b")
    ask = "UPDATE messages SET cancel_requested = true WHERE id = :id"
    with place.meanwhile(ask, lambda: place.claim(successor), id="n000") as claim:
        claim.result()
    assert place.claim(successor) == []
    row = place.row("n000")
    assert (row["state"], row["reason"], row["attempts"]) == ("failed", "cancelled", 1)


def test_every_claim_renews_the_lease(place: Place) -> None:
    """A worker that claims is seen to live, though its heartbeat is late."""
    lease = place.lease()
    before = place.leases.look([APP])[APP]
    place.claim(lease)
    after = place.leases.look([APP])[APP]
    assert after.renewals > before.renewals
    assert after.epoch == before.epoch


def test_a_claim_tells_whether_there_may_be_more(place: Place) -> None:
    """A claim that took all that it found, and less than it asked for, needs no other one after it."""
    place.send(*messages(3))
    lease = place.lease()
    first, more = place.table.claim(lease, lambda _kind: None, limit=2, arrivals={})
    assert (len(first), more) == (2, True)
    last, more = place.table.claim(lease, lambda _kind: None, limit=2, arrivals={})
    assert (len(last), more) == (1, False)
    assert place.table.claim(lease, lambda _kind: None, limit=2, arrivals={}) == ([], False)


def test_a_row_past_its_deadline_ends_without_a_run(place: Place) -> None:
    """A message whose deadline has passed is failed (expired); one that is still in time is claimed."""
    now_ms = place.clock.now_us() // 1000
    place.send(message("late", deadline_ms=now_ms - 5), message("in time", deadline_ms=now_ms + 5))
    claimed, more = place.table.claim(place.lease(), lambda _kind: None, limit=10, arrivals={})
    assert ids(claimed) == ["in time"]
    assert more, "what ended may have held something up"
    row = place.row("late")
    assert (row["state"], row["reason"], row["attempts"], row["finished_us"]) == (
        "failed",
        "expired",
        0,
        place.clock.now_us(),
    )


# Outcomes.


def test_an_outcome_is_committed_with_all_that_follows_from_it(place: Place) -> None:
    """Reply, documents, messages and events of an outcome are visible with it, and not before."""
    subscribe(place.database, "listener", ["#"])
    place.send(message("asked"))
    lease = place.lease()
    (row,) = place.claim(lease)
    documents = AppDocuments(place.database, APP)
    effects = Effects(
        (message("follows", destination="elsewhere"),),
        (message("event", destination="", kind="test.happened"),),
        (document("new", '{"n": 1}'), document("gone", None)),
    )
    place.table.accept(Effects(documents=(document("gone", "{}"), document("stays", "{}"))), app=APP)
    assert documents.read("things", "new") is None
    settled = place.table.settle(
        lease, [succeeded(row, reply='{"n": 2}', reply_kind="test.reply", finished_us=7, effects=effects)]
    )
    assert documents.read_all("things") == {"new": '{"n": 1}', "stays": "{}"}
    answer = find_answer(place.database, message("asked"))
    assert answer is not None
    assert (answer.state, answer.reply_kind, answer.reply) == (State.SUCCEEDED, "test.reply", '{"n": 2}')
    assert [envelope.destination for envelope in settled.to_publish] == ["elsewhere", "listener"]
    assert settled.to_announce == list(effects.events)
    assert settled.refused == []
    assert place.row("follows")["state"] == "waiting"


def test_a_failed_outcome_keeps_its_reason(place: Place) -> None:
    """A failed row says why, in which phase, and its history has a line for it."""
    place.send(message("n"))
    lease = place.lease()
    (row,) = place.claim(lease)
    outcome = Settlement(
        row=row,
        state=State.FAILED,
        reason=Reason.REJECTED,
        error="no",
        phase="validate",
        phases='[["validate", 7]]',
        finished_us=9,
    )
    place.table.settle(lease, [outcome])
    found = place.row("n")
    assert (found["state"], found["reason"], found["error"], found["phase"]) == ("failed", "rejected", "no", "validate")
    assert found["phases"] == '[["validate", 7]]'
    assert place.history() == [(row.seq, "failed (rejected)", 1)]


def test_only_a_final_outcome_rings(place: Place) -> None:
    """Whoever waits for a request is rung when it is final, and not when it is tried again."""
    place.table.accept(Effects(sent=(message("asked"),)), app=SENDER, doorbell="bell")
    lease = place.lease()
    (row,) = place.claim(lease)
    assert place.table.settle(lease, [retry(row)]).to_ring == []
    (row,) = place.claim(lease)
    assert place.table.settle(lease, [succeeded(row)]).to_ring == [("bell", "asked")]


def test_a_superseded_workers_outcome_is_refused(place: Place) -> None:
    """After another worker took the lease, settle raises Superseded; neither outcome nor effects are written."""
    place.send(message("n"))
    lease = place.lease("host:1/a")
    (row,) = place.claim(lease)
    place.lease("host:2/b")
    with pytest.raises(Superseded):
        place.table.settle(lease, [succeeded(row, effects=Effects(sent=(message("follows"),)))])
    assert [(found["id"], found["state"]) for found in place.rows()] == [("n", "processing")]


def test_a_lease_that_is_taken_during_the_outcome_stops_it(place: Place) -> None:
    """An outcome whose commit began before the successor's take is not written after it."""
    place.send(message("n"))
    lease = place.lease()
    outcome = succeeded(place.claim(lease)[0], effects=Effects(sent=(message("follows"),)))
    settle = place.meanwhile(TAKE_LEASE, lambda: place.table.settle(lease, [outcome]), app=APP)
    with settle as settled, pytest.raises(Superseded):
        settled.result()
    assert [(found["id"], found["state"]) for found in place.rows()] == [("n", "processing")]


def test_an_outcome_of_an_earlier_epoch_is_refused(place: Place) -> None:
    """What was claimed under an earlier epoch of the same worker is not settled under the next one's claim."""
    place.send(message("n"))
    lease = place.lease()
    (late,) = place.claim(lease)
    renewed = place.leases.renew_epoch(lease)
    (row,) = place.claim(renewed)
    assert row.claims == late.claims + 1
    settled = place.table.settle(renewed, [succeeded(late, effects=Effects(sent=(message("follows"),)))])
    assert settled.refused == [late]
    assert [(found["id"], found["state"]) for found in place.rows()] == [("n", "processing")]


def test_an_outcome_of_an_earlier_run_is_refused(place: Place) -> None:
    """A thread that outlived its timeout cannot settle the next run of its message, though worker and epoch are the same."""
    place.send(message("n"))
    lease = place.lease()
    (late,) = place.claim(lease)
    place.table.settle(lease, [retry(late)])
    (row,) = place.claim(lease)
    settled = place.table.settle(lease, [succeeded(late, effects=Effects(sent=(message("follows"),)))])
    assert settled.refused == [late]
    assert list(settled.to_publish) == []
    assert [(found["id"], found["state"]) for found in place.rows()] == [("n", "processing")]
    assert place.table.settle(lease, [succeeded(row)]).refused == []


def test_an_uncounted_run_is_fenced_too(place: Place) -> None:
    """A run that used up no attempt has the same attempt number as the next one; its late outcome is refused all the same."""
    place.send(message("n"))
    lease = place.lease()
    (late,) = place.claim(lease)
    place.table.settle(lease, [retry(late, counted=False)])
    (row,) = place.claim(lease)
    assert row.attempt == late.attempt
    assert place.table.settle(lease, [succeeded(late)]).refused == [late]
    assert place.row("n")["state"] == "processing"


@pytest.mark.parametrize("counted", [True, False])
def test_settling_again_after_an_unclear_commit_is_safe(place: Place, counted: bool) -> None:
    """When the answer to a commit is lost, settling once more changes nothing, refuses nothing and sends nothing twice."""
    subscribe(place.database, "listener", ["#"])
    place.send(*messages(3))
    lease = place.lease()
    done, later, rest = place.claim(lease)
    effects = Effects((message("follows"),), (message("event", destination=""),), (document("a", "{}"),))
    outcomes = [succeeded(done, effects=effects), retry(later, counted=counted, due_us=2**60)]
    first = place.table.settle(lease, outcomes, [rest])
    before = place.rows()
    again = place.table.settle(lease, outcomes, [rest])
    assert list(again.to_publish) == list(first.to_publish)
    assert again.to_publish.entries == (), "the relay has them by the entry of the first one"
    assert (again.to_announce, again.to_ring) == (first.to_announce, first.to_ring)
    assert again.refused == []
    assert place.rows() == before
    assert [row["attempts"] for row in place.rows()[:3]] == [1, 1 if counted else 0, 0]


def test_a_row_that_was_moved_meanwhile_is_refused_alone(place: Place) -> None:
    """An outcome for a row that somebody else moved is refused with its effects; its neighbours' are written."""
    place.send(*messages(3))
    lease = place.lease()
    rows = place.claim(lease)
    place.execute(CANCEL, id="n001")
    outcomes = [
        succeeded(
            row,
            effects=Effects(
                (message(f"of {row.envelope.message_id}", destination="x"),),
                (),
                (document(row.envelope.message_id, "{}"),),
            ),
        )
        for row in rows
    ]
    settled = place.table.settle(lease, outcomes)
    assert settled.refused == [rows[1]]
    assert [envelope.message_id for envelope in settled.to_publish] == ["of n000", "of n002"]
    assert states(place)[:3] == ["succeeded", "failed", "succeeded"]
    assert {row["id"] for row in place.rows()[3:]} == {"of n000", "of n002"}
    assert set(AppDocuments(place.database, APP).read_all("things")) == {"n000", "n002"}


def test_an_outcome_that_cannot_be_stored_changes_nothing(place: Place) -> None:
    """When one effect cannot be written, no outcome of the batch is: the worker tries each alone."""
    place.send(*messages(2))
    lease = place.lease()
    one, two = place.claim(lease)
    impossible = Effects(documents=(DocumentWrite("things", None, "{}"),))  # type: ignore[arg-type]
    with pytest.raises(TableError) as caught:
        place.table.settle(lease, [succeeded(one), succeeded(two, effects=impossible)])
    assert not isinstance(caught.value, TableUnavailable | Superseded)
    assert states(place) == ["processing", "processing"]


@pytest.mark.parametrize("text", ["\ud800", "caf\udce9"])
def test_half_characters_are_refused_as_a_table_error(place: Place, text: str) -> None:
    """A text that no database keeps is told as TableError, which a worker can lay at one message's door."""
    place.send(message("n"))
    lease = place.lease()
    (row,) = place.claim(lease)
    with pytest.raises(TableError) as caught:
        place.table.settle(lease, [succeeded(row, effects=Effects(documents=(document(text, "{}"),)))])
    assert not isinstance(caught.value, TableUnavailable | Superseded)
    assert states(place) == ["processing"]


def test_what_is_given_back_costs_no_attempt(place: Place) -> None:
    """A row that was claimed and not started waits again with the attempts it had, at its old place."""
    place.send(*messages(3))
    lease = place.lease()
    first, *rest = place.claim(lease)
    place.table.settle(lease, [succeeded(first)], rest)
    assert states(place) == ["succeeded", "waiting", "waiting"]
    assert [row["attempts"] for row in place.rows()] == [1, 0, 0]
    again = place.claim(lease)
    assert ids(again) == ["n001", "n002"]
    assert [row.attempt for row in again] == [1, 1]


# Another attempt.


def test_a_retry_waits_for_its_time(place: Place) -> None:
    """A row is claimed again when its time has come, and not before; meanwhile later rows are handled."""
    place.send(*messages(3))
    lease = place.lease()
    (first,) = place.claim(lease, limit=1)
    place.table.settle(lease, [retry(first, due_us=place.clock.now_us() + 2_000_000)])
    assert place.row("n000")["error"] == "not now"
    rest = place.claim(lease)
    assert ids(rest) == ["n001", "n002"]
    place.table.settle(lease, [succeeded(row) for row in rest])
    place.clock.advance(1.9)
    assert place.claim(lease) == []
    place.clock.advance(0.1)
    (again,) = place.claim(lease)
    assert (again.envelope.message_id, again.attempt) == ("n000", 2)
    assert place.row("n000")["error"] is None
    assert place.history() == [(first.seq, "retry", 1)]


@pytest.mark.parametrize("ordered", [False, True])
def test_a_retry_does_not_wait_for_a_clock_that_was_set_back(place: Place, ordered: bool) -> None:
    """A retry from before the clock was set back an hour is released; by half a minute it keeps its time, as the scheduled do."""
    place.send(*messages(3), replace(message("later"), at_ms=(place.clock.now_us() + 7_200_000_000) // 1000))
    lease = place.lease()
    first, second, third = place.claim(lease)
    place.table.settle(lease, [retry(first)], [second, third])
    (first,) = place.claim(lease, limit=1)
    now_us = place.clock.now_us()
    again = retry(first, started_us=now_us, due_us=now_us + 2_000_000, ordered=ordered)
    place.table.settle(lease, [again])
    place.clock.advance(-30)
    place.table.release(lease)
    meanwhile = place.claim(lease)
    assert ids(meanwhile) == ([] if ordered else ["n001", "n002"])
    place.table.settle(lease, [], meanwhile)
    place.clock.advance(-3600)
    place.table.release(lease)
    assert place.table.apps_with_work([APP]) == {APP: 0}
    assert ids(place.claim(lease)) == ["n000", "n001", "n002"]


def test_what_was_due_and_is_given_back_stays_due(place: Place) -> None:
    """A retry that was claimed, given back and waits while the clock is set back an hour is claimed all the same."""
    place.send(*messages(1))
    lease = place.lease()
    (row,) = place.claim(lease)
    place.table.settle(lease, [retry(row, started_us=place.clock.now_us(), due_us=place.clock.now_us())])
    place.table.settle(lease, [], place.claim(lease))
    place.clock.advance(-3600)
    assert ids(place.claim(lease)) == ["n000"]


def test_an_ordered_retry_holds_up_what_was_sent_later(place: Place) -> None:
    """While a row waits for an ordered retry, later rows of its app wait too, earlier rows and other apps do not."""
    place.send(*messages(3), message("elsewhere", destination="elsewhere"))
    lease = place.lease()
    first, second, third = place.claim(lease)
    due_us = place.clock.now_us() + 1_000_000
    place.table.settle(lease, [retry(first), retry(second, due_us=due_us, ordered=True)], [third])
    (row,) = place.claim(lease)
    assert row.envelope.message_id == "n000"
    place.table.settle(lease, [succeeded(row)])
    assert place.claim(lease) == []
    assert ids(place.claim(place.lease("host:3/c", "elsewhere"))) == ["elsewhere"]
    place.clock.advance(1.0)
    rows = place.claim(lease)
    assert ids(rows) == ["n001", "n002"]
    place.table.settle(lease, [retry(rows[0])], rows[1:])
    assert ids(place.claim(lease)) == ["n001", "n002"], "an unordered retry holds up nothing"


def test_a_cancelled_ordered_retry_holds_up_nothing_any_more(place: Place) -> None:
    """When the row that the others wait for ends, they go on."""
    place.send(*messages(2))
    lease = place.lease()
    first, second = place.claim(lease)
    place.table.settle(lease, [retry(first, due_us=2**60, ordered=True)], [second])
    assert place.claim(lease) == []
    place.execute(CANCEL, id="n000")
    assert ids(place.claim(lease)) == ["n001"]


def test_a_cancel_request_does_not_wait_for_the_retry(place: Place) -> None:
    """A running row that is to be cancelled and asks for another attempt ends at once, not when that attempt is due."""
    place.send(*messages(1))
    lease = place.lease()
    (row,) = place.claim(lease)
    place.execute("UPDATE messages SET cancel_requested = true WHERE id = :id", id="n000")
    place.table.settle(lease, [retry(row, due_us=2**60, ordered=True)])
    assert place.claim(lease) == []
    ended = place.row("n000")
    assert (ended["state"], ended["reason"]) == ("failed", "cancelled")


def test_apps_with_work_are_those_with_a_row_to_claim_now(place: Place) -> None:
    """A look at the table finds waiting rows that are due and rows of an older epoch, and nothing else."""
    places = ["due", "not-due", "running", "lost", "final", "empty"]
    leases = {app: place.lease(f"host:1/{app}", app) for app in places}
    place.send(*(message(app, destination=app) for app in places[:-1]))
    for app in ("not-due", "running", "lost", "final"):
        (row,) = place.claim(leases[app])
        if app == "not-due":
            place.table.settle(leases[app], [retry(row, due_us=place.clock.now_us() + 1)])
        if app == "final":
            place.table.settle(leases[app], [succeeded(row)])
    place.lease("host:2/lost", "lost")
    assert place.table.apps_with_work(places) == {"due": 0, "lost": 0}
    assert place.table.apps_with_work(["lost", "empty"]) == {"lost": 0}
    assert place.table.apps_with_work([]) == {}


def test_apps_are_looked_for_by_their_names_as_they_are(place: Place) -> None:
    """Whatever a database has for signs in a list, a name that contains them is a name."""
    names = ["it's", '"quoted"', "a,b", "{c}", "[d]", "\\", "zürich", "NULL"]
    for name in names:
        place.lease(f"host:1/{name}", name)
        place.send(message(name, destination=name, source=name, sent_us=1))
    assert place.table.apps_with_work(names) == dict.fromkeys(names, 0)
    unconfirmed = place.table.unconfirmed(names, user="", before_us=2, limit=100)
    assert [envelope.source for entry in unconfirmed for envelope in entry] == names
    assert place.table.apps_with_work(["a", "b", "c"]) == {}


# Workers that are lost.


def test_lost_rows_come_back_alone_and_in_order(place: Place) -> None:
    """What a lost worker had in hand is claimed by its successor row by row, before what was sent later."""
    place.send(*messages(5))
    place.claim(place.lease("host:1/a"), limit=3)
    successor = place.lease("host:2/b")
    order = []
    while rows := place.claim(successor):
        order.append(ids(rows))
        place.table.settle(successor, [succeeded(row) for row in rows])
    assert order == [["n000"], ["n001"], ["n002"], ["n003", "n004"]]
    assert [what for _, what, _ in place.history()] == ["worker lost"] * 3


def test_rows_of_the_own_epoch_are_not_lost(place: Place) -> None:
    """A row that this worker itself has in hand is never claimed a second time under the same epoch."""
    place.send(message("n"))
    lease = place.lease()
    assert ids(place.claim(lease)) == ["n"]
    assert place.claim(lease) == []


def test_an_ordered_retry_holds_up_lost_rows_too(place: Place) -> None:
    """Rows that a successor recovers keep their place behind an ordered retry."""
    place.send(*messages(2))
    lease = place.lease("host:1/a")
    first, _second = place.claim(lease)
    place.table.settle(lease, [retry(first, due_us=place.clock.now_us() + 1_000_000, ordered=True)])
    successor = place.lease("host:2/b")
    assert place.claim(successor) == []
    place.clock.advance(1.0)
    assert ids(place.claim(successor)) == ["n000"]


def die(place: Place, name: str, limit: int = 1) -> None:
    """Let a new worker take the lease, claim rows and be found dead."""
    lease = place.lease(name)
    assert place.claim(lease, limit=limit)
    place.leases.found_dead(lease.worker)


def test_what_kills_its_worker_again_and_again_ends_as_poison(place: Place) -> None:
    """The third death of a worker that ran a row alone ends the row as failed (poison); its neighbours are handled."""
    place.send(*messages(3))
    die(place, "host:1/a", limit=3)
    for number in range(3):
        die(place, f"host:{number}/b")
        assert states(place) == ["processing"] * 3
    last = place.lease("host:9/z")
    while rows := place.claim(last):
        place.table.settle(last, [succeeded(row) for row in rows])
    assert [(row["state"], row["reason"]) for row in place.rows()] == [
        ("failed", "poison"),
        ("succeeded", None),
        ("succeeded", None),
    ]
    assert place.row("n000")["crashes"] == 3


def test_a_death_tells_nothing_of_a_row_that_was_claimed_ahead(place: Place) -> None:
    """A row that was claimed alone while others ran is not counted as what killed the worker; it runs alone next time."""
    place.send(message("next"))
    lease = place.lease("host:1/a")
    place.table.claim(lease, lambda _kind: None, limit=1, arrivals={}, ahead=True)
    place.leases.found_dead(lease.worker)
    (again,) = place.claim(place.lease("host:2/b"))
    row = place.row("next")
    assert (again.attempt, row["crashes"], bool(row["suspect"]), bool(row["alone"])) == (2, 0, True, True)


def test_a_worker_that_is_only_silent_makes_nothing_poison(place: Place) -> None:
    """Losing the lease without having died, however often, never counts against a message."""
    place.send(message("n"))
    for number in range(6):
        assert ids(place.claim(place.lease(f"host:{number}/a"))) == ["n"]
    assert place.row("n")["crashes"] == 0


def test_a_worker_that_left_in_good_order_did_not_die_of_its_row(place: Place) -> None:
    """A handler that was still running when its process was asked to stop is not taken for what killed the process."""
    place.send(message("n"))
    for number in range(6):
        lease = place.lease(f"host:{number}/a")
        assert ids(place.claim(lease)) == ["n"]
        place.leases.leave(lease.worker)
        place.leases.found_dead(lease.worker)
    assert place.row("n")["crashes"] == 0


# The tables themselves.


def described(place: Place) -> dict[str, object]:
    """Return what the database itself says of our tables."""
    with place.database.read() as connection:
        inspector = sa.inspect(connection)
        return {
            name: {
                "columns": sorted(str(sorted(column.items())) for column in map(alike, inspector.get_columns(name))),
                "key": inspector.get_pk_constraint(name),
                "unique": inspector.get_unique_constraints(name),
                "checks": sorted(map(str, inspector.get_check_constraints(name))),
                "indexes": sorted(
                    str(
                        index
                        | {"dialect_options": {key: str(value) for key, value in index["dialect_options"].items()}}
                    )
                    for index in inspector.get_indexes(name)
                ),
            }
            for name in complete.tables
        }


def alike(column: ReflectedColumn) -> dict[str, object]:
    """Return a column without whether what follows from others is stored: SQLite adds such a column only as one that is not."""
    computed = column.get("computed")
    return dict(column) | ({"computed": computed["sqltext"]} if computed else {})


def test_the_migrations_make_the_tables_of_the_schema(place: Place) -> None:
    """A database made by the migrations is the one that the schema describes."""
    with place.database.engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection, opts={"compare_type": True}), complete) == []
    made = described(place)
    with place.database.write() as connection:
        complete.drop_all(connection)
        complete.create_all(connection)
    assert made == described(place)


def test_a_claim_keeps_rows_in_their_pages(ready_postgres_url: str) -> None:
    """On PostgreSQL the new version of each claimed row lies in the page of the old one, so that no index is written to."""
    with Place.opened(ready_postgres_url) as place:
        place.send(*messages(100, body=b"1" * 1000))
        before = pages(place)
        assert len(set(before.values())) > 10, "all in one page would prove nothing"
        assert len(place.claim(place.lease())) == 100
        assert pages(place) == before


def test_outcomes_find_room_in_the_indexes(ready_postgres_url: str) -> None:
    """On PostgreSQL the entries for the versions that outcomes write fit beside the old ones: no page of an index is split."""
    with Place.opened(ready_postgres_url) as place:
        lease = place.lease()
        for start in range(0, 3000, 200):
            call = [message(f"{start + number:05}", call_id=f"call {start:05}", call_size=200) for number in range(200)]
            place.table.accept(Effects(sent=tuple(call)), app="s")
        before = index_pages(place)
        assert min(before.values()) > 10, "a few pages would prove nothing"
        while claimed := place.claim(lease):
            place.table.settle(lease, [succeeded(row) for row in claimed])
        after = index_pages(place)
        assert [name for name in before if after[name] - before[name] > before[name] // 10] == []


def index_pages(place: Place) -> dict[str, int]:
    """Return how many pages each index has that an outcome writes to."""
    indexes = ("messages_pkey", "messages_identity")
    return {
        name: place.select("SELECT pg_relation_size(CAST(:name AS regclass)) / 8192 AS pages", name=name)[0]["pages"]
        for name in indexes
    }


def pages(place: Place) -> dict[str, int]:
    """Return the page that each row lies in."""
    rows = place.select("SELECT id, CAST((CAST(CAST(ctid AS text) AS point))[0] AS integer) AS page FROM messages")
    return {row["id"]: row["page"] for row in rows}


def test_the_revision_is_the_newest_migration() -> None:
    """REVISION names the head of the migrations, so that a program knows when its database is up to date."""
    config = Config()
    config.set_main_option("script_location", "broker.table:migrations")
    assert ScriptDirectory.from_config(config).get_heads() == [REVISION]


def test_an_upgrade_says_where_it_began(empty_url: str) -> None:
    """The first upgrade finds no tables, the next one finds its own revision and changes nothing."""
    database = Database(empty_url)
    try:
        if not database.is_sqlite:
            assert revision(database) is None
        assert upgrade(database) is None
        assert upgrade(database) == REVISION == revision(database)
    finally:
        database.close()


UPGRADE = """
import sys
from broker.table.database import Database
from broker.table.upgrade import upgrade
database = Database(sys.argv[1])
print("ready", flush=True)
sys.stdin.readline()
print(upgrade(database))
database.close()
"""


def test_processes_that_upgrade_at_once_do_not_disturb_each_other(empty_url: str) -> None:
    """Of several processes that start on an empty database one makes the tables; the others wait and go on."""
    command = [sys.executable, "-c", UPGRADE, empty_url]
    pipe = subprocess.PIPE
    processes = [subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True) for _ in range(3)]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    ended = [process.communicate(timeout=60) for process in processes]
    assert [process.returncode for process in processes] == [0, 0, 0], ended
    assert sorted(out.strip() for out, _ in ended) == [REVISION, REVISION, "None"]


def test_an_older_database_keeps_its_rows(empty_url: str) -> None:
    """A database of the first version is brought up to date with what is in it, and its rows are claimed as before."""
    database = Database(empty_url)
    try:
        with database.write(patient=True) as connection:
            config = Config()
            config.set_main_option("script_location", "broker.table:migrations")
            config.attributes["connection"] = connection
            command.upgrade(config, "0001")
            for message_id in ("one", "other"):
                connection.execute(
                    sa.text(
                        "INSERT INTO messages (id, destination, amqp_user, call_id, source, kind, version, content_type,"
                        " correlation_id, reply_to, traceparent, body_size, sent_us, body) VALUES"
                        f" ('{message_id}', 'app', '', '', '', 'a.b', 1, 'application/json', '', '', '', 2, 1, :body)"
                    ),
                    {"body": b"{}"},
                )
        assert upgrade(database) == "0001"
        clock = ManualClock()
        lease = Leases(database, clock).take("app", "app@host:1/a")
        table = HandlerTable(database, clock)
        unconfirmed = table.unconfirmed([""], user="", before_us=2, limit=9)
        assert [[envelope.message_id for envelope in each] for each in unconfirmed] == [["one"], ["other"]]
        claimed, _ = table.claim(lease, lambda _kind: None, limit=9, arrivals={})
        assert [row.envelope.message_id for row in claimed] == ["one", "other"]
    finally:
        database.close()


def test_a_newer_database_is_left_alone(place: Place) -> None:
    """A program that is older than its database refuses it, says so, and changes nothing."""
    place.execute("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(TableError, match=r"9999.*update interapp") as caught:
        upgrade(place.database)
    assert not isinstance(caught.value, TableUnavailable)
    assert revision(place.database) == "9999"


def test_states_outside_the_vocabulary_are_refused_by_the_database(place: Place) -> None:
    """No program, ours or another, can put a row into a state that does not exist, or fail it without a reason."""
    place.send(message("n"))
    for values in ("state = 'broken'", "state = 'failed'", "reason = 'error'"):
        with pytest.raises(TableError):
            place.execute(f"UPDATE messages SET {values}")
    assert states(place) == ["waiting"]


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_a_database_that_is_away_is_unavailable(kind: str, tmp_path: Path) -> None:
    """A table that cannot be reached raises TableUnavailable, which names it without its password."""
    (tmp_path / "file").touch()
    urls = {"sqlite": f"sqlite:///{tmp_path}/file/t.db", "postgresql": "postgresql://u:secret@127.0.0.1:1/none"}
    database = Database(urls[kind])
    table = HandlerTable(database, ManualClock())
    lease = Lease(APP, "worker", 1)
    row = Claimed(seq=1, envelope=message(), doorbell="", attempt=1, claims=1, generation=0)
    try:
        for act in (
            lambda: table.accept(Effects(sent=(message(),)), app=SENDER),
            lambda: table.arrived(APP, [message()], max_bytes=10),
            lambda: table.claim(lease, lambda _kind: None, limit=1, arrivals={}),
            lambda: table.claim(lease, lambda _kind: None, limit=1, arrivals={("id", ""): 1}),
            lambda: table.settle(lease, []),
            lambda: table.settle(lease, [succeeded(row)]),
            lambda: find_answer(database, message()),
            lambda: table.confirmed([1]),
            lambda: table.unconfirmed([SENDER], user="", before_us=1, limit=1),
            lambda: table.apps_with_work([APP]),
            lambda: revision(database),
        ):
            with pytest.raises(TableUnavailable) as caught:
                act()
            assert "secret" not in str(caught.value)
            assert caught.value.__cause__ is not None
    finally:
        database.close()


def test_a_reply_to_a_changed_envelope_is_not_found(place: Place) -> None:
    """A request is found by id, destination and user together."""
    place.send(message("n"))
    assert find_answer(place.database, message("n")) is not None
    assert find_answer(place.database, replace(message("n"), destination="elsewhere")) is None
    assert find_answer(place.database, replace(message("n"), user="else")) is None


def test_a_listing_shows_its_rows_whatever_is_sent_meanwhile(place: Place) -> None:
    """More rows than a listing asks for, committed while it looks where to begin, do not leave it empty."""
    place.send(*messages(3))
    other = place.another()

    late = [message(f"late-{number}") for number in range(5)]

    def send(_connection: object, _cursor: object, statement: str, *_rest: object) -> None:
        if late and "max(" in statement:
            other.send(*late)
            late.clear()

    sa.event.listen(place.database.engine, "after_cursor_execute", send)
    assert [row.id for rows in list_handlers(place.database, limit=2) for row in rows] == ["n001", "n002"]


@pytest.mark.parametrize("count", [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK])
def test_a_listing_is_whole_whatever_its_length(place: Place, count: int) -> None:
    """Chunks that are full to the last row, and ones that are not, leave nothing out and show nothing twice."""
    place.send(message("other", kind="k.other"), *messages(count), message("last", kind="k.other"))
    wanted = Wanted(kinds=(messages(1)[0].kind,))
    listed = [row.id for rows in list_handlers(place.database, wanted, limit=10_000) for row in rows]
    assert listed == [sent.message_id for sent in messages(count)]


@pytest.mark.parametrize(("kind", "looks"), [("k.none", 1), ("k.rare", 2)])
def test_a_listing_looks_no_more_than_it_must(place: Place, kind: str, looks: int) -> None:
    """A filter that nothing or little fulfils reads most of a large table: once to find what there is, and not again behind it."""
    place.send(message("rare", kind="k.rare"), *messages(3))
    seen = list[str]()

    def note(_connection: object, _cursor: object, statement: str, *_rest: object) -> None:
        seen.extend([statement] if "kind =" in statement else [])

    sa.event.listen(place.database.engine, "before_cursor_execute", note)
    found = list(list_handlers(place.database, Wanted(kinds=(kind,)), limit=50))
    assert (len(found), len(seen)) == (looks - 1, looks)
