"""What the table promises of calls: messages that were sent together, and what a failure of one means for the others."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from contract.databases import APP, KINDS, Place, database_url, ids, message, retry, succeeded

from broker.errors import NotFound, Superseded
from broker.lifecycle.state import Reason, State
from broker.messages.effects import Effects
from broker.messages.envelope import Envelope
from broker.table import operator_acts
from broker.table.calls import find_call, list_calls, read_call
from broker.table.retention import Limits, Retention
from broker.table.rows import Claimed, Settlement
from broker.table.tombstones import purged
from broker.table.upgrade import upgrade


@pytest.fixture(params=KINDS)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    """A database with the tables."""
    with Place.opened(database_url(request.param, request, tmp_path)) as place:
        yield place


def call(count: int, call_id: str = "one", *, stop: bool = True, **fields: Any) -> list[Envelope]:
    """Return the messages of a call: ``one0``, ``one1``, …."""
    return [
        message(f"{call_id}{number}", call_id=call_id, call_size=count, stop_on_failure=stop, **fields)
        for number in range(count)
    ]


def failed(row: Claimed, **fields: Any) -> Settlement:
    """Return that the handler of a row refused it."""
    return Settlement(row=row, state=State.FAILED, reason=Reason.REJECTED, error="no", **fields)


def standing(place: Place) -> dict[str, str]:
    """Return the state of each row, with the reason of a failure."""
    return {row["id"]: f"{row['state']} {row['reason'] or ''}".strip() for row in place.rows()}


# What a row knows of its call.


def test_size_and_option_are_kept_and_claimed(place: Place) -> None:
    """A row keeps how many messages its call has and whether the first failure ends it, and hands both out."""
    sent = [*call(2), message("alone")]
    place.send(*sent)
    assert [(row["call_size"], bool(row["stop_on_failure"])) for row in place.rows()] == [
        (2, True),
        (2, True),
        (1, False),
    ]
    assert [row.envelope for row in place.claim(place.lease())] == sent


def test_a_foreign_call_has_no_size(place: Place) -> None:
    """A foreign producer's call id makes a call of unknown size; without one a message is alone."""
    foreign = [message("f1", call_id="theirs", source=""), message("f2", call_id="", source="")]
    place.table.arrived(APP, foreign, max_bytes=1000)
    assert [row["call_size"] for row in place.rows()] == [0, 1]
    (found,) = list_calls(place.database, limit=10)
    assert (found.id, found.size, found.states[State.WAITING]) == ("theirs", None, 1)


# The first failure ends the call.


def test_a_failure_cancels_what_has_not_begun(place: Place) -> None:
    """The first failure of a call makes its waiting messages failed (cancelled), those that were given back too; nobody else's."""
    others = [
        *call(2, "free", stop=False),
        message("elsewhere", call_id="one", call_size=5, destination="m1000-a.clk2"),
        message("theirs", call_id="one", call_size=5, user="them"),
        message("single", call_id="one"),
    ]
    place.send(*call(5), *others)
    lease = place.lease()
    first, second, third = place.claim(lease, limit=3)
    place.clock.advance(2)
    place.table.settle(lease, [succeeded(first), failed(second)], [third])
    states = standing(place)
    assert states == {
        "one0": "succeeded",
        "one1": "failed rejected",
        "one2": "failed cancelled",
        "one3": "failed cancelled",
        "one4": "failed cancelled",
        **dict.fromkeys(("free0", "free1", "elsewhere", "theirs", "single"), "waiting"),
    }
    row = place.row("one3")
    assert "one1 (test.note) of its call failed (rejected)" in row["error"]
    assert row["finished_us"] == place.clock.now_us()
    assert (row["seq"], "cancelled with its call", 0) in place.history()


def test_whoever_waits_for_a_cancelled_message_is_rung(place: Place) -> None:
    """The settlement that cancels the rest of a call says whom to ring for each of them."""
    place.table.accept(Effects(sent=tuple(call(3))), app="m1000-a", doorbell="bell")
    lease = place.lease()
    (first,) = place.claim(lease, limit=1)
    settled = place.table.settle(lease, [failed(first)])
    assert settled.to_ring == [("bell", "one0"), ("bell", "one1"), ("bell", "one2")]


def test_without_the_option_a_failure_cancels_nothing(place: Place) -> None:
    """The other messages of a call go on after a failure, unless the call says otherwise."""
    place.send(*call(3, stop=False))
    lease = place.lease()
    (first,) = place.claim(lease, limit=1)
    place.table.settle(lease, [failed(first)])
    assert standing(place) == {"one0": "failed rejected", "one1": "waiting", "one2": "waiting"}


def test_a_superseded_worker_cancels_nothing(place: Place) -> None:
    """A failure that is not written cancels nothing."""
    place.send(*call(2))
    lease = place.lease()
    (first,) = place.claim(lease, limit=1)
    place.lease("host:2/b")
    with pytest.raises(Superseded):
        place.table.settle(lease, [failed(first)])
    assert standing(place) == {"one0": "processing", "one1": "waiting"}


@pytest.mark.parametrize("why", ["expired", "cancelled"])
def test_a_message_that_ends_at_the_claim_ends_its_call(place: Place, why: str) -> None:
    """A message that expires, or whose cancel is honoured when it is claimed, cancels the rest of its call; none of it runs."""
    first, *rest = call(3)
    place.send(replace(first, deadline_ms=1) if why == "expired" else first, *rest, message("other"))
    if why == "cancelled":
        place.execute("UPDATE messages SET cancel_requested = true WHERE id = 'one0'")
    assert ids(place.claim(place.lease())) == ["other"]
    assert standing(place) == {
        "one0": f"failed {why}",
        "one1": "failed cancelled",
        "one2": "failed cancelled",
        "other": "processing",
    }


def test_an_operators_cancel_ends_the_call(place: Place) -> None:
    """An operator who cancels a waiting message of such a call cancels all of it that waits."""
    place.send(*call(3), *call(2, "free", stop=False))
    seqs = [place.row(message_id)["seq"] for message_id in ("one1", "free0")]
    operator_acts.cancel(place.database, place.clock, seqs, "somebody")
    assert standing(place) == {
        "one0": "failed cancelled",
        "one1": "failed cancelled",
        "one2": "failed cancelled",
        "free0": "failed cancelled",
        "free1": "waiting",
    }
    assert place.row("one1")["error"] == "cancelled by somebody"
    assert "one1 (test.note) of its call" in place.row("one2")["error"]


def test_an_operators_retry_revives_only_what_it_names(place: Place) -> None:
    """The failed message of a call can be retried, and so can each that was cancelled with it; none comes back by itself."""
    place.send(*call(3))
    lease = place.lease()
    (first,) = place.claim(lease, limit=1)
    place.table.settle(lease, [failed(first)])
    operator_acts.retry(place.database, place.clock, [first.seq], "somebody")
    assert standing(place) == {"one0": "waiting", "one1": "failed cancelled", "one2": "failed cancelled"}
    (again,) = place.claim(lease)
    place.table.settle(lease, [succeeded(again)])
    operator_acts.retry(place.database, place.clock, [place.row("one2")["seq"]], "somebody")
    assert ids(place.claim(lease)) == ["one2"]


def test_the_rest_waits_while_a_message_is_tried_again(place: Place) -> None:
    """While a message of such a call waits for its retry, what follows of the call is not claimed; everything else is."""
    place.send(*call(3), *call(2, "free", stop=False), message("other"))
    lease = place.lease()
    (first,) = place.claim(lease, limit=1)
    place.table.settle(lease, [retry(first, due_us=place.clock.now_us() + 1_000_000)])
    assert ids(place.claim(lease)) == ["free0", "free1", "other"]
    assert place.claim(lease) == []
    place.clock.advance(1)
    assert ids(place.claim(lease)) == ["one0", "one1", "one2"]


def test_cancelling_does_not_read_the_table(place: Place) -> None:
    """Cancelling the rest of a call reads the rows of that call, however many others there are."""
    from broker.table.call_acts import _waiting  # noqa: PLC0415 only here

    for number in range(30):
        place.send(*call(100, f"call {number:02}"))
    place.execute("ANALYZE")
    query = str(_waiting([1]).compile(place.database.engine, compile_kwargs={"literal_binds": True}))
    explain = "EXPLAIN QUERY PLAN" if place.database.is_sqlite else "EXPLAIN"
    plan = "\n".join(str(tuple(row.values())) for row in place.select(f"{explain} {query}"))
    assert "SCAN" not in plan if place.database.is_sqlite else "Seq Scan on messages" not in plan, plan


# Where the rows of a call are.


def parts(place: Place) -> list[tuple[object, ...]]:
    """Return what is noted of calls: id, destination, first and last row."""
    rows = place.select("SELECT call_id, destination, first_seq, last_seq FROM call_parts ORDER BY first_seq")
    return [tuple(row.values()) for row in rows]


def test_a_call_is_noted_once(place: Place) -> None:
    """What is sent at once is one part of its call, sent again it is none; a message by itself is no call."""
    mixed = [*call(2, "one"), message("alone", call_id="single"), *call(2, "two")]
    for _ in range(2):
        place.send(*mixed)
    seqs = {row["id"]: row["seq"] for row in place.rows()}
    assert parts(place) == [("one", APP, seqs["one0"], seqs["one1"]), ("two", APP, seqs["two0"], seqs["two1"])]


def test_the_parts_of_a_foreign_call_are_one_call(place: Place) -> None:
    """A foreign call whose messages come one by one, between those of others, is listed and shown as one."""
    for number in range(3):
        place.table.arrived(APP, [message(f"f{number}", call_id="theirs", source="")], max_bytes=1000)
        place.send(*call(2, f"ours{number}"))
    assert len(parts(place)) == 6
    (theirs,) = (each for each in list_calls(place.database, limit=10) if each.id == "theirs")
    assert (theirs.size, theirs.states[State.WAITING]) == (None, 3)
    assert [row.id for row in read_call(place.database, theirs)] == ["f0", "f1", "f2"]


def test_a_part_is_no_more_than_its_own_rows(place: Place) -> None:
    """Rows of others that lie between a call's first and last one are neither counted nor cancelled with it."""
    place.send(*call(4))
    place.execute("UPDATE messages SET call_id = 'other' WHERE id = 'one1'")
    place.execute("UPDATE messages SET amqp_user = 'other' WHERE id = 'one2'")
    (found,) = list_calls(place.database, limit=10)
    assert [row.id for row in read_call(place.database, found)] == ["one0", "one3"]
    lease = place.lease()
    place.table.settle(lease, [failed(place.claim(lease, limit=1)[0])])
    assert standing(place) == {
        "one0": "failed rejected",
        "one1": "waiting",
        "one2": "waiting",
        "one3": "failed cancelled",
    }


def test_parts_that_reach_into_each_other_count_once(place: Place) -> None:
    """A foreign call of which two parts were written at the same time has each of its messages once."""
    place.table.arrived(APP, [message(f"f{n}", call_id="theirs", source="") for n in range(4)], max_bytes=1000)
    place.execute(
        "INSERT INTO call_parts (call_id, first_seq, last_seq, source, destination, amqp_user, call_size, stop_on_failure, sent_us)"
        " SELECT call_id, first_seq + 1, last_seq, source, destination, amqp_user, call_size, stop_on_failure, sent_us"
        " FROM call_parts"
    )
    (found,) = list_calls(place.database, limit=10)
    assert found.states[State.WAITING] == 4
    assert [row.id for row in read_call(place.database, found)] == ["f0", "f1", "f2", "f3"]


def test_a_call_of_a_handler_is_noted(place: Place) -> None:
    """A call that is sent within an outcome is one, as any other."""
    place.send(message("cause"))
    lease = place.lease()
    (row,) = place.claim(lease)
    place.table.settle(lease, [succeeded(row, effects=Effects(sent=tuple(call(2))))])
    assert [found.id for found in list_calls(place.database, limit=10)] == ["one"]


def test_what_is_purged_is_forgotten(place: Place) -> None:
    """A call is listed as long as one of its messages is there; then nothing of it is left, whatever became of others."""
    place.send(*call(3))
    place.send(*call(3, "two"))
    place.table.arrived(APP, [message("f", call_id="theirs", source="")], max_bytes=1000)
    lease = place.lease()
    rows = place.claim(lease)
    ended = [row for row in rows if row.envelope.message_id not in ("one1", "two2")]
    place.table.settle(lease, [succeeded(row, finished_us=1) for row in ended])
    retention = Retention(place.database, place.clock)
    assert sum(retention.purge(Limits(before_us=2))) == 5
    assert [(found.id, found.states[State.PROCESSING]) for found in list_calls(place.database, limit=9)] == [
        ("one", 1),
        ("two", 1),
    ]
    rest = [row for row in rows if row.envelope.message_id == "one1"]
    place.table.settle(lease, [succeeded(row, finished_us=1) for row in rest])
    assert sum(retention.purge(Limits(before_us=2))) == 1
    assert [part[0] for part in parts(place)] == ["two"]


def test_a_duplicate_of_a_purged_message_leaves_no_call(place: Place) -> None:
    """A late duplicate whose row is undone leaves nothing of its call either."""
    late = message("f", call_id="theirs", source="")
    place.table.arrived(APP, [late], max_bytes=1000)
    with place.database.write() as connection:
        connection.exec_driver_sql(
            "INSERT INTO tombstones (id, destination, amqp_user, state, purged_us)"
            " SELECT id, destination, amqp_user, 'succeeded', 1 FROM messages"
        )
        assert purged(connection, APP, [late])
    assert (place.rows(), parts(place)) == ([], [])


def test_calls_from_before_are_found(place: Place) -> None:
    """The migration notes the calls of an older database: those of its apps whole, those of others row by row."""
    place.send(*call(3))
    place.table.arrived(APP, [message(f"f{n}", call_id="theirs", source="") for n in range(2)], max_bytes=1000)
    place.send(message("alone", call_id="x"))
    before = list_calls(place.database, limit=10)
    with place.database.write() as connection:
        connection.exec_driver_sql("DROP TABLE call_parts")
        connection.exec_driver_sql("CREATE INDEX messages_call ON messages (call_id, seq) WHERE call_size <> 1")
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '0006'")
    upgrade(place.database)
    assert list_calls(place.database, limit=10) == before
    assert len(parts(place)) == 3


# Calls as an operator sees them.


def test_calls_are_listed_with_their_counts(place: Place) -> None:
    """A listing has every call once, in the order of sending, with size, counts per state and when it was done."""
    place.send(*call(3, "one"))
    place.send(message("alone"), *call(2, "two", stop=False, destination="m1000-a.clk2"))
    lease = place.lease()
    first, *_ = place.claim(lease, limit=1)
    place.table.settle(lease, [failed(first)])
    one, two = list_calls(place.database, limit=10)
    assert (one.id, one.size, one.stop_on_failure, one.states[State.FAILED]) == ("one", 3, True, 3)
    assert (one.finished_us, two.finished_us) == (place.clock.now_us(), None)
    assert (two.id, two.destination, two.states[State.WAITING]) == ("two", "m1000-a.clk2", 2)
    assert list_calls(place.database, limit=1) == [two]
    assert list_calls(place.database, (APP,), limit=10) == [one]
    assert [row.id for row in read_call(place.database, one)] == ["one0", "one1", "one2"]


def test_a_call_is_found_by_any_part_of_its_id(place: Place) -> None:
    """Any unambiguous part of a call's id finds it; what fits several, or none, is refused and says what to do."""
    place.send(*call(2, "abc-1"), *call(2, "abc-2"), message("x", call_id="abc-single"))
    assert find_call(place.database, "c-1").id == "abc-1"
    with pytest.raises(NotFound, match="in several ids"):
        find_call(place.database, "abc")
    for part in ("single", "%", "nothing", "\x00\udcff"):
        with pytest.raises(NotFound, match="interapp calls"):
            find_call(place.database, part)
    place.send(*call(2, "both"), *call(2, "both", destination="m1000-a.clk2"))
    with pytest.raises(NotFound, match="--app"):
        find_call(place.database, "both")
    assert find_call(place.database, "both", app="m1000-a.clk2").destination == "m1000-a.clk2"
