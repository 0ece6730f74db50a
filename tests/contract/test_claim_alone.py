"""A claim of rows that only wait, and their outcomes: on PostgreSQL one statement each, and no promise less."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from contract.databases import APP, FACTS, KINDS, Background, Place, database_url, ids, message, messages, succeeded

from broker.errors import Superseded, TableError, TableUnavailable
from broker.messages.effects import Effects
from broker.table.claim_plan import CLAIM_MAX_BYTES
from broker.table.queries import find_answer
from broker.table.rows import Claimed, FactsOf, Lease

CANCEL = "UPDATE messages SET state = 'failed', reason = 'cancelled' WHERE id = :id"
TAKE_LEASE = "UPDATE leases SET epoch = epoch + 1, worker = 'another' WHERE app = :app"
CANCEL_AND_RETRY = "UPDATE messages SET generation = generation + 1, body = :body WHERE id = :id"
SESSIONS = (
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
    " WHERE pid <> pg_backend_pid() AND datname = current_database()"
)


@pytest.fixture(params=KINDS)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    """A database whose worker has claimed and settled a message of the kind before."""
    with Place.opened(database_url(request.param, request, tmp_path)) as place:
        yield place


@pytest.fixture
def lease(place: Place) -> Lease:
    """The lease of a worker that has handled a message of the kind before."""
    lease = place.lease()
    place.send(message("first"))
    place.table.settle(lease, [succeeded(row) for row in place.claim(lease)])
    return lease


def claim(
    place: Place, lease: Lease, arrived: str = "n000", facts_of: FactsOf = lambda _kind: FACTS, limit: int = 1
) -> tuple[list[Claimed], bool]:
    """Claim after one delivery."""
    return place.table.claim(lease, facts_of, limit=limit, arrivals={(arrived, ""): 77})


def statements(place: Place, act: Callable[[], Any]) -> list[str]:
    """Return what goes through SQLAlchemy meanwhile: a statement that is a transaction by itself does not."""
    seen: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_rest: object) -> None:
        seen.append(statement)

    sa.event.listen(place.database.engine, "before_cursor_execute", note)
    try:
        act()
    finally:
        sa.event.remove(place.database.engine, "before_cursor_execute", note)
    return seen


def test_it_is_claimed_and_settled_as_any_other(place: Place, lease: Lease) -> None:
    """The row comes with all that was sent, is processing before it runs, and its outcome is found by who asked."""
    body = b'{"number": 1}'
    sent = message("n000", body=body, priority=3, correlation_id="c", version=2, deadline_ms=2**41)
    place.table.accept(Effects(sent=(sent,)), app="s", doorbell="bell")
    (row,), more = claim(place, lease, limit=100)
    assert row.envelope == sent
    assert (row.attempt, row.claims, row.doorbell, more) == (1, 1, "bell", False)
    kept = place.row("n000")
    assert (kept["state"], kept["worker"], kept["epoch"]) == ("processing", lease.worker, lease.epoch)
    assert (kept["handler"], kept["max_attempts"], kept["received_us"]) == (FACTS.name, FACTS.max_attempts, 77)
    assert (kept["attempts"], kept["claims"], bool(kept["alone"])) == (1, 1, True)
    settled = place.table.settle(lease, [succeeded(row, reply_kind="r", reply_version=1, reply="{}")])
    assert (settled.to_ring, settled.refused) == ([("bell", "n000")], [])
    answer = find_answer(place.database, sent)
    assert answer is not None
    assert (answer.state.value, answer.reply) == ("succeeded", "{}")


def test_it_needs_no_transaction_around(place: Place, lease: Lease) -> None:
    """On PostgreSQL claim and outcome are a statement each: BEGIN and COMMIT would be as many round trips again."""
    place.send(message("n000"))

    def handle() -> None:
        (row,), _ = claim(place, lease)
        place.table.settle(lease, [succeeded(row)])

    through = statements(place, handle)
    assert bool(through) is place.database.is_sqlite, through


def test_several_that_only_wait_need_no_transaction_around(place: Place, lease: Lease) -> None:
    """On PostgreSQL a claim of many rows is one statement, and so are their outcomes."""
    place.send(*messages(5))

    def handle() -> None:
        rows = place.claim(lease)
        assert len(rows) == 5
        place.table.settle(lease, [succeeded(row) for row in rows])

    through = statements(place, handle)
    assert bool(through) is place.database.is_sqlite, through


@pytest.mark.parametrize("taken", ["epoch = epoch + 1", "worker = 'another'"])
def test_a_claim_that_finds_nothing_needs_no_transaction_either(place: Place, lease: Lease, taken: str) -> None:
    """Rings that come behind their rows' outcomes lead to one now and then; it still tells whether the lease is held."""
    through = statements(place, lambda: claim(place, lease))
    assert bool(through) is place.database.is_sqlite, through
    place.execute(f"UPDATE leases SET {taken} WHERE app = :app", app=APP)
    with pytest.raises(Superseded):
        claim(place, lease)


def test_what_was_cancelled_since_the_look_is_not_claimed(place: Place, lease: Lease) -> None:
    """Of the rows of a claim, one that an operator is cancelling meanwhile stays his; the others are claimed, in order."""
    place.send(*messages(3))
    with place.meanwhile(CANCEL, lambda: place.claim(lease), id="n001") as claiming:
        pass
    assert ids(claiming.result()) == ["n000", "n002"]
    assert [row["state"] for row in place.rows()] == ["succeeded", "processing", "failed", "processing"]


def test_the_first_row_is_claimed_whatever_was_delivered(place: Place, lease: Lease) -> None:
    """The table is the order: by priority, then as sent. Whether there may be more is told."""
    place.send(*messages(2), message("soon", priority=5))
    order: list[str] = []
    more = True
    while more:
        rows, more = claim(place, lease, arrived="n001")
        order += ids(rows)
    assert order == ["soon", "n000", "n001"]
    arrived = {row["id"]: row["received_us"] == 77 for row in place.rows()}
    assert [arrived[name] for name in order] == [False, False, True]


def test_an_ordered_retry_holds_it_up(place: Place, lease: Lease) -> None:
    """What was sent after a message that is tried again in order is not claimed before it."""
    place.send(*messages(2))
    place.execute("UPDATE messages SET ordered = true, due_us = 9000000000000000 WHERE id = 'n000'")
    assert claim(place, lease, arrived="n001", limit=100) == ([], False)


@pytest.mark.parametrize(
    ("change", "state", "reason"),
    [
        ("cancel_requested = true", "failed", "cancelled"),
        ("deadline_ms = 1", "failed", "expired"),
        ("crashes = 3", "failed", "poison"),
        ("state = 'processing', epoch = 0, worker = 'lost'", "processing", None),
        ("kind = 'another'", "processing", None),
    ],
)
def test_what_takes_a_decision_gets_it(place: Place, lease: Lease, change: str, state: str, reason: str | None) -> None:
    """A row that is cancelled, expired, poison, left over, or of a kind not met before ends as in any claim."""
    place.send(message("n000"))
    place.execute(f"UPDATE messages SET {change} WHERE id = 'n000'")
    rows, _ = claim(place, lease, facts_of=lambda kind: None if kind == "another" else FACTS)
    row = place.row("n000")
    assert ids(rows) == (["n000"] if state == "processing" else [])
    assert (row["state"], row["reason"]) == (state, reason)
    assert row["handler"] == (FACTS.name if "epoch" in change else None)


def claims(place: Place, lease: Lease, facts_of: FactsOf = lambda _kind: FACTS) -> list[list[str]]:
    """Claim until there is no more; return what each claim took."""
    found, more = list[list[str]](), True
    while more:
        rows, more = place.table.claim(lease, facts_of, limit=100, arrivals={})
        found.append(ids(rows))
    return [each for each in found if each]


@pytest.mark.parametrize(
    ("change", "order"),
    [
        ("cancel_requested = true", [0, 1, 3, 4]),
        ("deadline_ms = 1", [0, 1, 3, 4]),
        ("crashes = 3", [0, 1, 3, 4]),
        ("crashes = 2", [0, 1, 2, 3, 4]),
        ("suspect = true", [0, 1, 2, 3, 4]),
        ("state = 'processing', epoch = 0, worker = 'lost'", [0, 1, 2, 3, 4]),
        ("kind = 'another'", [0, 1, 2, 3, 4]),
        ("state = 'failed', reason = 'error'", [0, 1, 3, 4]),
    ],
)
def test_nothing_overtakes_what_takes_a_decision(place: Place, lease: Lease, change: str, order: list[int]) -> None:
    """Rows before such a one may be claimed by themselves; it comes next, or ends, and then come the others."""
    place.send(*messages(5))
    place.execute(f"UPDATE messages SET {change} WHERE id = 'n002'")
    found = claims(place, lease, lambda kind: None if kind == "another" else FACTS)
    assert [name for each in found for name in each] == [f"n{number:03}" for number in order]
    assert (["n002"] in found) is ("suspect" in change or "lost" in change)


def test_what_ends_at_the_claim_ends_its_call(place: Place, lease: Lease) -> None:
    """Of a call that its first failure ends nothing is claimed together with a message whose deadline has passed."""
    call = {"call_id": "call", "call_size": 3, "stop_on_failure": True}
    place.send(
        message("n000"), message("late", deadline_ms=1, **call), message("next", **call), message("last", **call)
    )
    assert claims(place, lease) == [["n000"]]
    assert [(row["id"], row["reason"]) for row in place.rows()[2:]] == [
        ("late", "expired"),
        ("next", "cancelled"),
        ("last", "cancelled"),
    ]


def test_a_claim_takes_no_more_bodies_than_it_may(place: Place, lease: Lease) -> None:
    """Bodies that are too many for one claim come in several, in order; one that is too large for any comes alone."""
    size = CLAIM_MAX_BYTES // 2
    sizes = [size, size, 1, 3 * size, 0, size]
    place.send(*(message(f"b{number}", body=b"x" * size) for number, size in enumerate(sizes)))
    assert claims(place, lease) == [["b0", "b1"], ["b2"], ["b3"], ["b4", "b5"]]


def test_arrivals_with_what_no_column_can_keep(place: Place, lease: Lease) -> None:
    """A foreign producer's id with NUL or half a character neither fails the claim nor is left out: its row has it replaced."""
    odd = [message(f"odd {text}", body=b"{}") for text in ("\x00", "\ud800", "'\"\\")]
    place.table.arrived(APP, odd, max_bytes=100)
    place.send(message("n000"))
    arrivals = {envelope.identity: 70 + number for number, envelope in enumerate([message("n000"), *odd])}
    rows, _ = place.table.claim(lease, lambda _kind: FACTS, limit=100, arrivals=arrivals)
    assert len(rows) == 4
    assert place.row("n000")["received_us"] == 70
    assert place.row("odd '\"\\")["attempts"] == 1


def test_a_superseded_worker_claims_and_settles_nothing(place: Place, lease: Lease) -> None:
    """After another worker took the lease both raise Superseded, and no row changes."""
    place.send(*messages(2))
    (row,), _ = claim(place, lease)
    place.lease("host:2/b")
    before = place.rows()
    with pytest.raises(Superseded):
        claim(place, lease)
    with pytest.raises(Superseded):
        place.table.settle(lease, [succeeded(row)])
    assert place.rows() == before


@pytest.mark.parametrize("what", ["claim", "outcome"])
def test_a_lease_that_is_taken_meanwhile_stops_it(place: Place, lease: Lease, what: str) -> None:
    """A claim, or an outcome, that waits for the successor's take writes nothing when that is committed."""
    place.send(*messages(2))
    (row,), _ = claim(place, lease)
    act = (lambda: claim(place, lease)) if what == "claim" else (lambda: place.table.settle(lease, [succeeded(row)]))
    with place.meanwhile(TAKE_LEASE, act, app=APP) as acted, pytest.raises(Superseded):
        acted.result()
    assert [found["state"] for found in place.rows()] == ["succeeded", "processing", "waiting"]


@pytest.mark.parametrize("change", [CANCEL, CANCEL_AND_RETRY])
def test_what_changes_meanwhile_is_not_claimed_as_it_was(place: Place, lease: Lease, change: str) -> None:
    """A row that is cancelled, or becomes another one, while the claim waits for it is not run as it was seen."""
    place.send(message("n000"))
    values = {"id": "n000", "body": b"other"} if ":body" in change else {"id": "n000"}
    with place.meanwhile(change, lambda: claim(place, lease), **values) as claimed:
        rows, _ = claimed.result()
    if change == CANCEL:
        assert rows == []
        assert place.row("n000")["state"] == "failed"
    else:
        assert [(row.envelope.body, row.generation) for row in rows] == [(b"other", 1)]


def test_an_outcome_that_was_committed_already_counts(place: Place, lease: Lease) -> None:
    """When the answer to an outcome was lost, settling once more changes nothing, refuses nothing and rings."""
    place.table.accept(Effects(sent=(message("n000"),)), app="s", doorbell="bell")
    (row,), _ = claim(place, lease)
    first = place.table.settle(lease, [succeeded(row)])
    before = place.rows()
    assert place.table.settle(lease, [succeeded(row)]) == first
    assert place.rows() == before


def test_an_outcome_of_an_earlier_claim_is_refused(place: Place, lease: Lease) -> None:
    """A run that was claimed again is settled by the later claim alone; its neighbour's outcome is written."""
    place.send(*messages(2))
    (late,), _ = claim(place, lease)
    (other,), _ = claim(place, lease)
    place.execute("UPDATE messages SET claims = claims + 1 WHERE id = 'n000'")
    assert place.table.settle(lease, [succeeded(late), succeeded(other)]).refused == [late]
    assert [found["state"] for found in place.rows()] == ["succeeded", "processing", "succeeded"]


def test_a_successor_waits_for_its_commit(place: Place, lease: Lease) -> None:
    """A claim locks and renews the lease, as every one does."""
    before = place.leases.look([APP])[APP].renewals
    place.send(message("n000"))
    assert ids(claim(place, lease)[0]) == ["n000"]
    assert place.leases.look([APP])[APP].renewals > before


@pytest.mark.parametrize("place", ["postgresql"], indirect=True)
def test_sessions_that_were_ended_are_replaced(place: Place, lease: Lease) -> None:
    """When the server ended its sessions it is told once that the table is away; the next statement has a new session."""
    place.send(message("n000"))
    find_answer(place.database, message("n000"))
    beside = [Background(lambda: find_answer(place.database, message("n000"))) for _ in range(4)]
    for each in beside:
        each.join()
    with place.another().database.write() as connection:
        connection.execute(sa.text(SESSIONS))
    with pytest.raises(TableUnavailable):
        claim(place, lease)
    (row,), _ = claim(place, lease)
    assert place.table.settle(lease, [succeeded(row)]).refused == []


@pytest.mark.parametrize("place", ["postgresql"], indirect=True)
def test_what_cannot_be_stored_is_said_as_ever(place: Place, lease: Lease) -> None:
    """A reply that PostgreSQL refuses is a TableError and no trouble of the connection: nothing is written, the next one is."""
    place.send(message("n000"))
    (row,), _ = claim(place, lease)
    for reply in ("a\x00b", "\ud800"):
        with pytest.raises(TableError) as caught:
            place.table.settle(lease, [succeeded(row, reply=reply)])
        assert not isinstance(caught.value, TableUnavailable)
    assert place.row("n000")["state"] == "processing"
    assert place.table.settle(lease, [succeeded(row, reply="{}")]).refused == []
