"""What the table promises of reports: partial replies, progress, and whoever gave up waiting."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from contract.databases import KINDS, Place, database_url, message, retry, succeeded

from broker.errors import Superseded
from broker.table.reports import (
    GAVE_UP,
    add_reply,
    find_replies,
    given_up,
    note_gave_up,
    read_replies,
    write_progress,
)
from broker.table.retention import Limits, Retention
from broker.table.rows import Claimed, Lease


@pytest.fixture(params=KINDS)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    """A database with the tables."""
    with Place.opened(database_url(request.param, request, tmp_path)) as place:
        yield place


def reply(place: Place, lease: Lease, row: Claimed, body: str = "{}") -> int:
    """Keep a partial reply."""
    return add_reply(place.database, place.clock, lease, row, kind="test.part", body=body)


def test_partial_replies_are_numbered_over_all_attempts(place: Place) -> None:
    """Partial replies are there at once, in order, numbered from 1 over every attempt of their message."""
    sent = message("n")
    place.send(sent, message("other"))
    lease = place.lease()
    first, other = place.claim(lease)
    assert [reply(place, lease, first, '{"n": 1}'), reply(place, lease, first, '{"n": 2}')] == [1, 2]
    assert reply(place, lease, other) == 1
    place.table.settle(lease, [retry(first)])
    (again,) = place.claim(lease)
    assert reply(place, lease, again, '{"n": 3}') == 3
    seen = find_replies(place.another().database, sent, after=0)
    assert [(each.number, each.attempt, each.body) for each in seen] == [
        (1, 1, '{"n": 1}'),
        (2, 1, '{"n": 2}'),
        (3, 2, '{"n": 3}'),
    ]
    assert [each.number for each in find_replies(place.database, sent, after=2)] == [3]
    assert read_replies(place.database, again.seq) == seen


def test_only_the_worker_that_runs_the_row_may_reply(place: Place) -> None:
    """A partial reply of a run that does not count any more is refused: another claim, another epoch, or a final row."""
    place.send(message("n"))
    lease = place.lease()
    (first,) = place.claim(lease)
    place.table.settle(lease, [retry(first)])
    with pytest.raises(Superseded):
        reply(place, lease, first)
    (again,) = place.claim(lease)
    with pytest.raises(Superseded):
        reply(place, lease, first)
    successor = place.lease("host:2/b")
    with pytest.raises(Superseded):
        reply(place, lease, again)
    (taken,) = place.claim(successor)
    assert reply(place, successor, taken) == 1
    place.table.settle(successor, [succeeded(taken)])
    with pytest.raises(Superseded):
        reply(place, successor, taken)
    assert len(read_replies(place.database, taken.seq)) == 1


def test_a_take_of_the_lease_stops_a_reply_that_has_begun(place: Place) -> None:
    """A partial reply that waits for the successor's take writes nothing after it."""
    place.send(message("n"))
    lease = place.lease()
    (row,) = place.claim(lease)
    take = "UPDATE leases SET epoch = epoch + 1, worker = 'another'"
    with place.meanwhile(take, lambda: reply(place, lease, row)) as replying, pytest.raises(Superseded):
        replying.result()
    assert read_replies(place.database, row.seq) == []


def test_progress_is_of_the_run_that_counts(place: Place) -> None:
    """Progress is written by the run that counts only, and the next claim clears it."""
    place.send(message("n"))
    lease = place.lease()
    (first,) = place.claim(lease)
    write_progress(place.database, lease, first, '{"fraction": 0.5, "text": ""}')
    assert place.row("n")["progress"] == '{"fraction": 0.5, "text": ""}'
    place.table.settle(lease, [retry(first)])
    write_progress(place.database, lease, first, "late")
    assert "0.5" in place.row("n")["progress"]
    (again,) = place.claim(lease)
    assert place.row("n")["progress"] is None
    write_progress(place.database, lease, first, "late")
    write_progress(place.database, replace(lease, epoch=lease.epoch - 1), again, "late")
    assert place.row("n")["progress"] is None


def test_only_what_is_open_is_given_up(place: Place) -> None:
    """Who gives up waiting is noted in the history of what is not final yet, and of nothing else."""
    done, open_ = message("done"), message("open")
    place.send(done, open_)
    lease = place.lease()
    (row,) = place.claim(lease, limit=1)
    place.table.settle(lease, [succeeded(row)])
    note_gave_up(place.database, place.clock, [done, open_, message("never sent")], "m1000-a")
    assert place.history() == [(place.row("open")["seq"], GAVE_UP, 0)]
    assert given_up(place.database, [row["seq"] for row in place.rows()]) == {place.row("open")["seq"]}


def test_purge_takes_partial_replies_along(place: Place) -> None:
    """What is purged leaves no partial replies; those of other rows stay."""
    place.send(message("old"), message("young"))
    lease = place.lease()
    old, young = place.claim(lease)
    reply(place, lease, old)
    reply(place, lease, young)
    place.table.settle(lease, [succeeded(old, finished_us=1)])
    assert sum(Retention(place.database, place.clock).purge(Limits(before_us=place.clock.now_us()))) == 1
    assert read_replies(place.database, old.seq) == []
    assert len(read_replies(place.database, young.seq)) == 1
