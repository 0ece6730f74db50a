"""What purging promises, on every database: only what is final goes, and what was purged is never handled again."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from contract.databases import APP, KINDS, SENDER, Background, Place, database_url, message, messages, retry, succeeded

from broker.errors import IllegalMove, NotFound
from broker.lifecycle.clock import SystemClock
from broker.lifecycle.state import Reason, State
from broker.messages.effects import Effects
from broker.runtime.purging import Purging
from broker.table import operator_acts
from broker.table.guard import guard
from broker.table.retention import DAY_US, GUARD, PART_BYTES, TOMBSTONE_DAYS, Limits, Retention, parts
from broker.table.rows import Settlement, Standing
from broker.table.subscriptions import subscribe
from broker.table.tombstones import purged


@pytest.fixture(params=KINDS)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    """A database with the tables."""
    with Place.opened(database_url(request.param, request, tmp_path)) as place:
        yield place


def ended(place: Place, count: int, **fields: Any) -> None:
    """Send messages and let their handlers succeed now."""
    place.send(*messages(count, **fields))
    lease = place.lease("host:1/ended")
    claimed = place.claim(lease, limit=count)
    assert len(claimed) == count
    place.table.settle(lease, [succeeded(row, finished_us=place.clock.now_us()) for row in claimed])


def purge(place: Place, older_than_days: float = 0.0, **limits: int) -> int:
    """Purge what ended so many days ago."""
    before_us = place.clock.now_us() - round(older_than_days * DAY_US)
    return sum(Retention(place.database, place.clock).purge(Limits(before_us=before_us, **limits)))


def ids(place: Place) -> list[str]:
    """Return the ids of all rows."""
    return [row["id"] for row in place.rows()]


def tombstones(place: Place) -> list[Mapping[str, Any]]:
    """Return every tombstone."""
    return place.select("SELECT * FROM tombstones ORDER BY id, amqp_user")


# What goes, and what stays.


def test_only_what_ended_before_the_time_goes(place: Place) -> None:
    """What ended later than the limit stays, however early it was sent."""
    ended(place, 2)
    place.clock.advance(3 * 86_400)
    place.send(message("young"))
    lease = place.lease("host:1/young")
    (row,) = place.claim(lease)
    place.table.settle(lease, [succeeded(row, finished_us=place.clock.now_us())])
    place.clock.advance(1)
    assert purge(place, older_than_days=2) == 2
    assert ids(place) == ["young"]


def test_what_is_open_never_goes(place: Place) -> None:
    """A row that waits, runs or waits for its next attempt stays, however old, and whatever the limits."""
    place.send(*messages(3))
    lease = place.lease()
    claimed = place.claim(lease, limit=2)
    place.table.settle(lease, [retry(claimed[0], due_us=place.clock.now_us() + 1, finished_us=place.clock.now_us())])
    place.clock.advance(400 * 86_400)
    assert purge(place, surplus_below=2**62) == 0
    assert [row["state"] for row in place.rows()] == ["waiting", "processing", "waiting"]


def test_every_final_state_goes_with_its_history(place: Place) -> None:
    """What failed goes like what succeeded; its history goes too, that of others stays."""
    place.send(message("failed"), message("open"))
    lease = place.lease()
    failed, still_open = place.claim(lease)
    now_us = place.clock.now_us()
    place.table.settle(
        lease,
        [
            Settlement(row=failed, state=State.FAILED, reason=Reason.ERROR, error="no", finished_us=now_us),
            retry(still_open, finished_us=now_us),
        ],
    )
    assert len(place.history()) == 2
    place.clock.advance(1)
    assert purge(place) == 1
    assert [what for _, what, _ in place.history()] == ["retry"]
    assert [(row["id"], row["destination"], row["state"]) for row in tombstones(place)] == [("failed", APP, "failed")]


def test_the_newest_rows_are_spared(place: Place) -> None:
    """``spared_from`` keeps the newest rows, however old they are."""
    ended(place, 5)
    place.clock.advance(1)
    newest = Retention(place.database, place.clock).nth_newest
    assert purge(place, spared_from=newest(9)) == 0
    assert purge(place, spared_from=newest(2)) == 3
    assert ids(place) == ["n003", "n004"]
    assert purge(place, spared_from=newest(0)) == 2


def test_many_rows_go_in_parts(place: Place) -> None:
    """However many rows go, no transaction takes more than a few of them; a count says before how many it will be."""
    ended(place, 2500)
    place.clock.advance(1)
    retention = Retention(place.database, place.clock)
    limits = Limits(before_us=place.clock.now_us())
    assert retention.count(limits) == 2500
    sizes = list(retention.purge(limits))
    assert sum(sizes) == 2500
    assert max(sizes) <= 200
    assert ids(place) == []
    assert len(tombstones(place)) == 2500


def test_large_bodies_go_in_small_parts() -> None:
    """A part has a limit in bytes as well; a row beyond it goes alone."""
    half = PART_BYTES // 2
    assert list(parts([1, 2, 3, 4, 5], [half, half, 1, 3 * half, 1])) == [[1, 2], [3], [4], [5]]
    assert list(parts([], [])) == []


# What was purged is never handled again.


def test_a_late_duplicate_is_recognised(place: Place) -> None:
    """A delivery of a purged message gets no row and stands as final, so that it is acknowledged; a new one gets its row."""
    ended(place, 1, user="one")
    place.clock.advance(1)
    assert purge(place) == 1
    late, foreign, other = message("n000", user="one"), message("n000", user="two"), message("new")
    standing = place.table.arrived(APP, [late, foreign, other], max_bytes=1000)
    assert {key: found.state for key, found in standing.items()} == {
        ("n000", "one"): State.SUCCEEDED,
        ("n000", "two"): State.WAITING,
        ("new", ""): State.WAITING,
    }
    assert [(row["id"], row["amqp_user"]) for row in place.rows()] == [("n000", "two"), ("new", "")]


def test_an_accepted_id_that_was_purged_is_not_written(place: Place) -> None:
    """Sending the id of a purged message again writes no row, whatever else is sent with it."""
    ended(place, 1)
    place.clock.advance(1)
    purge(place)
    place.send(message("before"), message("n000"), message("after"))
    assert ids(place) == ["before", "after"]


def test_a_purged_copy_of_an_event_is_not_made_again(place: Place) -> None:
    """An event that is published again, as after an unclear commit, gives a subscriber no second copy."""
    subscribe(place.database, APP, ["#.test.happened"])
    event = message("event", kind="test.happened", destination="")
    place.table.accept(Effects(events=(event,)), app=SENDER)
    lease = place.lease()
    (row,) = place.claim(lease)
    place.table.settle(lease, [succeeded(row, finished_us=place.clock.now_us())])
    place.clock.advance(1)
    assert purge(place) == 1
    place.table.accept(Effects(events=(event,)), app=SENDER)
    assert ids(place) == []


def test_a_duplicate_that_came_while_its_row_went_is_undone(place: Place) -> None:
    """A row that an insert made again because it ran beside the purge is deleted before anybody can claim it."""
    ended(place, 1)
    place.clock.advance(1)
    purge(place)
    (tombstone,) = tombstones(place)
    place.execute("DELETE FROM tombstones")
    place.send(message("n000"), message("other"))
    place.execute("INSERT INTO tombstones VALUES (:id, :destination, :amqp_user, :state, :purged_us)", **tombstone)
    with place.database.write() as connection:
        standing = purged(connection, APP, [message("n000"), message("other")])
    assert standing == {("n000", ""): Standing(State.SUCCEEDED, 0)}
    assert ids(place) == ["other"]


def test_what_nobody_relays_leaves_the_outbox_when_it_has_ended(place: Place) -> None:
    """The entry of a sender that is gone stays while one of its rows is open, and no longer."""
    place.send(message("one"), message("other"))
    place.send(message("waits"))
    retention = Retention(place.database, place.clock)
    assert list(retention.sweep()) == []
    lease = place.lease()
    one, other, _ = place.claim(lease)
    place.table.settle(lease, [succeeded(one)])
    assert list(retention.sweep()) == []
    place.table.settle(lease, [succeeded(other)])
    assert list(retention.sweep()) == [1]
    (left,) = place.select("SELECT first_seq FROM outbox")
    assert left["first_seq"] == place.row("waits")["seq"]


def test_a_tombstone_is_forgotten_after_its_time(place: Place) -> None:
    """After ninety days nothing is left of a purged row."""
    ended(place, 1)
    place.clock.advance(1)
    purge(place)
    retention = Retention(place.database, place.clock)
    place.clock.advance((TOMBSTONE_DAYS - 1) * 86_400)
    assert list(retention.forget()) == []
    place.clock.advance(2 * 86_400)
    assert list(retention.forget()) == [1]
    assert tombstones(place) == []


# Beside others.


def test_a_row_that_an_operator_retries_meanwhile_stays(place: Place) -> None:
    """A row that is retried between the look and the delete is no longer final, and stays; what is purged cannot be retried."""
    place.send(message("a"), message("b"))
    seqs = [row["seq"] for row in place.rows()]
    operator_acts.cancel(place.database, place.clock, seqs, "op")
    place.clock.advance(1)
    retention = Retention(place.database, place.clock)
    with place.database.write() as connection:
        operator_acts._retry(connection, operator_acts._locked(connection, seqs[:1]), "op", place.clock.now_us())
        if not place.database.is_sqlite:
            assert sum(retention.purge(Limits(before_us=place.clock.now_us()))) == 1
    sum(retention.purge(Limits(before_us=place.clock.now_us())))
    assert ids(place) == ["a"]
    with pytest.raises(NotFound, match="purged"):
        operator_acts.retry(place.database, place.clock, seqs[1:], "op")
    with pytest.raises(IllegalMove):
        operator_acts.retry(place.database, place.clock, seqs[:1], "op")


def test_one_process_purges_at_a_time(place: Place) -> None:
    """While one process has the guard no other gets it; it falls with the block."""
    other = place.another()
    with guard(place.database, GUARD) as first, guard(other.database, GUARD) as second:
        assert (first, second) == (True, False)
        with guard(other.database, "something else") as third:
            assert third
    for turn in range(20):
        with guard((place, other)[turn % 2].database, GUARD) as now:
            assert now, "whoever is done leaves it to the next at once"


def test_purging_while_a_worker_works_loses_nothing(place: Place) -> None:
    """Rows are claimed and settled while others are purged: every message is handled once, and every final row goes."""
    place.clock.advance(1)
    total = 600
    place.send(*messages(total))
    lease = place.lease()
    worked = threading.Event()

    def work() -> int:
        done = 0
        while rows := place.claim(lease, limit=7):
            place.table.settle(lease, [succeeded(row, finished_us=1) for row in rows])
            done += len(rows)
        worked.set()
        return done

    other = place.another()

    def clean() -> int:
        gone = 0
        while True:
            last = worked.is_set()
            gone += purge(other)
            if last:
                return gone

    working, cleaning = Background(work), Background(clean)
    assert working.result() == total
    assert cleaning.result() == total
    assert ids(place) == []


def test_the_automatic_retention_keeps_to_age_and_count(place: Place) -> None:
    """A round purges what ended too long ago, and of too many rows the oldest that ended; open rows count but stay."""
    place.clock.advance(1)
    ended(place, 3)
    place.clock.advance(20 * 86_400)
    place.send(message("waiting"))
    by_age = Purging(place.database, place.clock, days=30, rows=0)
    assert by_age.purge_once() == 0
    by_count = Purging(place.database, place.clock, days=0, rows=2)
    assert by_count.purge_once() == 2
    assert ids(place) == ["n002", "waiting"]
    place.clock.advance(11 * 86_400)
    assert by_age.purge_once() == 1
    assert Purging(place.database, place.clock, days=0, rows=1).purge_once() == 0
    assert ids(place) == ["waiting"]


def test_a_round_leaves_it_to_another_process(place: Place) -> None:
    """While another process purges, a round does nothing."""
    ended(place, 1)
    place.clock.advance(86_400 * 2)
    with guard(place.another().database, GUARD):
        assert Purging(place.database, place.clock, days=1, rows=0).purge_once() == 0
    assert Purging(place.database, place.clock, days=1, rows=0).purge_once() == 1


def test_it_stops_at_once(place: Place) -> None:
    """Stopping does not wait for the next round, nor does it start one."""
    purging = Purging(place.database, SystemClock(), days=1, rows=1)
    purging.start()
    purging.stop()
    assert not purging._thread.is_alive()
    never = Purging(place.database, SystemClock(), days=0, rows=0)
    never.start()
    never.stop()
