"""What the handler table promises of messages for a later time and of priorities, kept on every database."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from contract.databases import APP, KINDS, SENDER, Place, database_url, ids, message, messages, retry, succeeded

from broker.lifecycle.state import Reason, State
from broker.messages.due import EARLIEST_MS, LATEST_MS, UNUSABLE_AT
from broker.table import operator_acts, statements
from broker.table.census import count_handlers
from broker.table.claim_statements import CANDIDATES

MANY = 10_000

COPY = """
    WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < :number)
    INSERT INTO messages (id, due_us, priority, ordered, destination, amqp_user, call_id, source, kind, version, content_type,
                          correlation_id, reply_to, traceparent, body, body_size, sent_us)
    SELECT :name || i, :due_us, :priority, false, destination, amqp_user, call_id, source, kind, version, content_type,
           correlation_id, reply_to, traceparent, body, body_size, sent_us FROM messages, n WHERE id = 'pattern'
"""


@pytest.fixture(params=KINDS)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    """A database of each kind, with the tables."""
    with Place.opened(database_url(request.param, request, tmp_path)) as place:
        yield place


def in_ms(place: Place, seconds: float) -> int:
    """Return the time so many seconds from now, in milliseconds since 1970."""
    return place.clock.now_us() // 1000 + round(seconds * 1000)


# Due times.


def test_a_message_for_a_later_time_waits_for_it(place: Place) -> None:
    """A row that is due later is not claimed before, others are; at its time it is."""
    place.send(message("later", at_ms=in_ms(place, 10)), message("now"))
    assert place.row("later")["due_us"] == place.clock.now_us() + 10_000_000
    lease = place.lease()
    assert ids(place.claim(lease)) == ["now"]
    place.clock.advance(9.999)
    assert place.claim(lease) == []
    place.clock.advance(0.001)
    assert ids(place.claim(lease)) == ["later"]


def test_what_has_become_due_takes_its_place_by_the_order_of_sending(place: Place) -> None:
    """Among rows that are due, one that had to wait for its time comes where it was sent."""
    sent = [message("a", at_ms=in_ms(place, 2)), message("b"), message("c", at_ms=in_ms(place, 1)), message("d")]
    place.send(*sent)
    place.clock.advance(2)
    assert ids(place.claim(place.lease())) == ["a", "b", "c", "d"]


def test_a_claimed_row_waits_for_no_time_any_more(place: Place) -> None:
    """A row that was due and whose worker was lost is recovered at once, though the successor's clock is behind."""
    place.send(message("later", at_ms=in_ms(place, 10)))
    place.clock.advance(10)
    place.claim(place.lease("host:1/a"))
    place.clock.advance(-1000)
    assert place.table.apps_with_work([APP]) == {}
    successor = place.lease("host:2/b")
    assert place.table.apps_with_work([APP]) == {APP: 0}
    assert ids(place.claim(successor)) == ["later"]


def test_a_look_tells_what_is_due_soon(place: Place) -> None:
    """A look at the table tells in how many microseconds the next row of an app is due, as far ahead as it is asked to."""
    place.lease()
    place.send(message("second", at_ms=in_ms(place, 1.5)), message("first", at_ms=in_ms(place, 1)))
    assert place.table.apps_with_work([APP]) == {}
    assert place.table.apps_with_work([APP], within_us=999_999) == {}
    assert place.table.apps_with_work([APP], within_us=2_000_000) == {APP: 1_000_000}
    place.clock.advance(1.2)
    assert place.table.apps_with_work([APP], within_us=2_000_000) == {APP: 0}
    place.send(message("now"))
    assert place.table.apps_with_work([APP]) == {APP: 0}


def test_a_scheduled_message_can_be_cancelled(place: Place) -> None:
    """An operator's cancel ends a row that waits for its time: it is never run; a retry of it runs at once."""
    place.send(message("later", at_ms=in_ms(place, 10)))
    (row,) = place.rows()
    operator_acts.cancel(place.database, place.clock, [row["seq"]], "me")
    place.clock.advance(20)
    lease = place.lease()
    assert place.claim(lease) == []
    assert place.row("later")["reason"] == "cancelled"
    operator_acts.retry(place.database, place.clock, [row["seq"]], "me")
    assert ids(place.claim(lease)) == ["later"]


def test_the_relay_keeps_due_time_and_priority(place: Place) -> None:
    """What is published again is what was sent, its due time and its priority included."""
    sent = message("later", at_ms=in_ms(place, 10), priority=7)
    place.send(sent)
    (found,) = place.table.unconfirmed([SENDER], user="", before_us=place.clock.now_us(), limit=10)
    assert found.envelopes == [sent]


@pytest.mark.parametrize("at_ms", [UNUSABLE_AT, 0, 1_700_000_000, EARLIEST_MS - 1, LATEST_MS + 1, 2**80, -(2**80)])
def test_a_foreign_due_time_that_is_none_is_refused_visibly(place: Place, at_ms: int) -> None:
    """A due time that cannot be understood is neither now nor some day: the row is failed (invalid) and says why."""
    place.table.arrived(APP, [message("odd", at_ms=at_ms), message("fine")], max_bytes=1000)
    row = place.row("odd")
    assert (row["state"], row["reason"], row["due_us"]) == (State.FAILED, Reason.INVALID, 0)
    assert "x-at" in row["error"]
    assert ids(place.claim(place.lease())) == ["fine"]


@pytest.mark.parametrize("at_ms", [EARLIEST_MS, LATEST_MS])
def test_a_foreign_due_time_may_be_far(place: Place, at_ms: int) -> None:
    """A foreign message waits for its time on arrival, and its standing tells until when."""
    standing = place.table.arrived(APP, [message("n", at_ms=at_ms)], max_bytes=1000)["n", ""]
    assert (standing.state, standing.due_us) == (State.WAITING, at_ms * 1000)


def test_what_waits_for_a_later_time_is_no_backlog(place: Place) -> None:
    """A row counts as waiting since it became due, not since it was sent: a monitor must not take a plan for a backlog."""
    place.send(message("later", sent_us=1, at_ms=in_ms(place, 10)))

    def oldest() -> int | None:
        return count_handlers(place.database, now_us=place.clock.now_us(), recent_us=0).oldest_due_us

    assert oldest() is None
    due_us = place.clock.now_us() + 10_000_000
    place.clock.advance(60)
    assert oldest() == due_us


# Priorities.


def test_higher_priorities_go_first(place: Place) -> None:
    """Rows are claimed by priority, the highest first, and within one in the order of sending, claim after claim."""
    priorities = [0, 5, 9, 0, 5, 9, 3]
    place.send(*(message(f"{priority}{number}", priority=priority) for number, priority in enumerate(priorities)))
    lease = place.lease()
    claims = [ids(place.claim(lease, limit=3)) for _ in range(3)]
    assert claims == [["92", "95", "51"], ["54", "36", "00"], ["03"]]


def test_a_priority_beyond_the_range_counts_as_the_nearest(place: Place) -> None:
    """Whatever priority a foreign producer gives, its row has one from 0 to 9."""
    place.table.arrived(APP, [message("low", priority=-5), message("high", priority=2**80)], max_bytes=1000)
    assert [row["priority"] for row in place.rows()] == [0, 9]


def test_an_ordered_retry_holds_up_what_comes_after_it_in_the_claim(place: Place) -> None:
    """An ordered retry holds up later rows of its priority and all of a lower one; a higher priority passes it."""
    place.send(message("first", priority=5))
    lease = place.lease()
    (first,) = place.claim(lease)
    place.send(message("low"), message("same", priority=5), message("high", priority=6))
    due_us = place.clock.now_us() + 1_000_000
    place.table.settle(lease, [retry(first, due_us=due_us, ordered=True)])
    assert ids(place.claim(lease)) == ["high"]
    assert place.claim(lease) == []
    place.clock.advance(1)
    assert ids(place.claim(lease)) == ["first", "same", "low"]


def test_recovered_rows_keep_their_order(place: Place) -> None:
    """Rows of a lost worker are claimed one by one, by priority and in the order of sending, before lower ones that wait."""
    place.send(*messages(2), message("high", priority=1))
    place.claim(place.lease("host:1/a"))
    place.send(message("new", priority=1))
    successor = place.lease("host:2/b")
    order = []
    while claimed := place.claim(successor):
        order.append(ids(claimed))
        place.table.settle(successor, [succeeded(row) for row in claimed])
    assert order == [["high"], ["new"], ["n000"], ["n001"]]


@pytest.mark.parametrize("seed", range(8))
def test_the_claim_is_what_the_rule_says(place: Place, seed: int) -> None:
    """For any mixture of priorities, due times and ordered retries a claim takes exactly the first of those that may run."""
    chance = random.Random(seed)
    now_us = place.clock.now_us()
    place.send(*messages(40))
    rows = []
    for seq, row in enumerate(place.rows()):
        due_us = chance.choice([0, 0, now_us - 5, now_us, now_us + 1, now_us + 10**9])
        values = {"due_us": due_us, "priority": chance.randrange(3), "ordered": chance.random() < 0.1 * (seed % 3)}
        place.execute(
            "UPDATE messages SET due_us = :due_us, priority = :priority, ordered = :ordered WHERE seq = :seq",
            seq=row["seq"],
            **values,
        )
        rows.append((-values["priority"], seq, row["id"], values))
    rows.sort()
    barrier = next((i for i, (*_, each) in enumerate(rows) if each["ordered"] and each["due_us"] > now_us), len(rows))
    expected = [id_ for *_, id_, each in rows[:barrier] if each["due_us"] <= now_us]
    lease, limit = place.lease(), chance.randrange(1, 30)
    assert ids(place.claim(lease, limit=limit)) == expected[:limit]
    assert ids(place.claim(lease)) == expected[limit:]


# Speed.


@pytest.fixture
def crowd(place: Place) -> Place:
    """Many rows that wait, many for a later time, and an ordered retry in the midst of them."""
    place.send(message("pattern"))
    later_us = place.clock.now_us() + 10**9
    for name, due_us, priority in (("l", later_us, 0), ("a", 0, 5), ("b", 0, 0), ("m", later_us, 5)):
        place.execute(COPY, number=MANY, name=name, due_us=due_us, priority=priority)
    if not place.database.is_sqlite:
        with place.database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(sa.text("ANALYZE messages"))
    return place


def plan(place: Place, statement: str, **values: object) -> str:
    """Return how the database runs a statement, without the steps that it never comes to."""
    prefix = "EXPLAIN QUERY PLAN " if place.database.is_sqlite else "EXPLAIN (ANALYZE, TIMING OFF, COSTS OFF) "
    lines = (str(tuple(row.values())) for row in place.select(prefix + statement, **values))
    return "\n".join(line for line in lines if "never executed" not in line)


@pytest.mark.parametrize("ordered", [False, True])
def test_the_claim_stops_early(crowd: Place, ordered: bool) -> None:
    """However many rows wait, for later or behind an ordered retry, a claim is a stretch of the index and no sort of them all."""
    if ordered:
        crowd.execute("UPDATE messages SET ordered = true WHERE id = 'm1'")
    now_us = crowd.clock.now_us()
    shown = plan(
        crowd,
        CANDIDATES.sqlite if crowd.database.is_sqlite else CANDIDATES.postgresql,
        app=APP,
        epoch=1,
        now_us=now_us,
        limit=100,
        most_bytes=1,
    )
    if crowd.database.is_sqlite:
        assert shown.count("SEARCH m USING INDEX messages_open (destination=? AND due_us") == 3
        assert "SEARCH b USING INDEX messages_ordered" in shown
        assert "SCAN m" not in shown
    else:
        assert "Seq Scan on messages" not in shown
        assert "Bitmap" not in shown
        assert shown.count("messages_pkey") == 1, "for the bodies alone, one by one"
        assert "messages_ordered" in shown
        assert "Rows Removed by Filter" not in shown
    first = [f"a{number}" for number in range(1, 4)]
    assert ids(crowd.claim(crowd.lease(), limit=3)) == first


def test_a_call_that_is_strictly_in_order_costs_no_look_at_all_that_waits(crowd: Place) -> None:
    """What is delayed of such calls is found by an index of its own, however many other rows wait for a later time."""
    call = {"call_id": "call", "call_size": 2, "stop_on_failure": True, "priority": 9}
    crowd.send(message("strict0", **call), message("strict1", **call))
    crowd.execute("UPDATE messages SET due_us = :due_us WHERE id = 'strict0'", due_us=crowd.clock.now_us() + 10**9)
    query = CANDIDATES.sqlite if crowd.database.is_sqlite else CANDIDATES.postgresql
    shown = plan(crowd, query, app=APP, epoch=1, now_us=crowd.clock.now_us(), limit=100, most_bytes=1)
    assert "messages_delayed" in shown
    assert "Seq Scan on messages" not in shown
    assert ids(crowd.claim(crowd.lease(), limit=1)) == ["a1"]


def test_what_a_clock_that_was_set_back_holds_up_is_found_by_an_index(crowd: Place) -> None:
    """Whoever takes a lease looks for it, and must not read all that waits for a later time before its first claim."""
    now_us = crowd.clock.now_us()
    shown = plan(crowd, str(statements.RELEASE), app=APP, now_us=now_us, set_back_us=statements.SET_BACK_US)
    assert "messages_retried" in shown
    assert "messages_open" not in shown


def test_a_look_stops_early(crowd: Place) -> None:
    """However many rows wait, a look for work is a few steps into the index."""
    crowd.lease()
    sqlite = crowd.database.is_sqlite
    query = statements.APPS_WITH_WORK.sqlite if sqlite else statements.APPS_WITH_WORK.postgresql
    shown = plan(crowd, query, apps=json.dumps([APP]) if sqlite else [APP], until_us=crowd.clock.now_us() + 1)
    if sqlite:
        assert shown.count("SEARCH m USING INDEX messages_open (destination=? AND due_us") == 2
        assert "TEMP B-TREE" not in shown
    else:
        assert "Seq Scan on messages" not in shown
        assert shown.count("messages_open") == 2
