"""Rows that a worker gives back for later, on every database."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from contract.databases import APP, KINDS, Place, database_url, messages, retry

from broker.lifecycle.state import State


@pytest.fixture(params=KINDS)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    """A database with the tables, each kind in turn."""
    with Place.opened(database_url(request.param, request, tmp_path)) as place:
        yield place


def test_a_row_is_given_back_for_later(place: Place) -> None:
    """It waits until it is due, its attempt is not counted, its history has no line, and what is due at once is claimed first."""
    place.send(*messages(2))
    lease = place.lease()
    first, second = place.claim(lease)
    due_us = place.clock.now_us() + 5_000_000
    place.table.settle(lease, [], [replace(first, due_us=due_us), second])
    row = place.row("n000")
    assert (row["state"], row["attempts"], row["due_us"], row["started_us"]) == ("waiting", 0, due_us, None)
    assert [claimed.envelope.message_id for claimed in place.claim(lease)] == ["n001"]
    place.clock.advance(5.0)
    (again,) = place.claim(lease)
    assert (again.envelope.message_id, again.attempt) == ("n000", 1)
    assert place.history() == []


def test_a_row_that_is_given_back_at_once_keeps_its_due_time(place: Place) -> None:
    """Without a later time a row is as due as it was."""
    place.send(*messages(1))
    lease = place.lease()
    (row,) = place.claim(lease)
    before = place.row("n000")["due_us"]
    place.table.settle(lease, [], [row])
    assert place.row("n000")["due_us"] == before
    assert len(place.claim(lease)) == 1


def test_what_was_cancelled_does_not_wait(place: Place) -> None:
    """A row that was cancelled while it was in the worker's hand ends at the next claim, whatever time it was given back for."""
    place.send(*messages(1))
    lease = place.lease()
    (row,) = place.claim(lease)
    place.execute("UPDATE messages SET cancel_requested = true")
    place.table.settle(lease, [], [replace(row, due_us=place.clock.now_us() + 10**12)])
    assert place.claim(lease) == []
    assert (place.row("n000")["state"], place.row("n000")["reason"]) == ("failed", "cancelled")


def test_a_successor_finds_what_was_given_back(place: Place) -> None:
    """Rows that were given back for later are found by kind; retries, rows never claimed and what is due are not among them."""
    place.send(*messages(5))
    lease = place.lease()
    later_us = place.clock.now_us() + 5_000_000
    first, second, third, fourth, _ = place.claim(lease)
    later = [replace(first, due_us=later_us), replace(second, due_us=later_us + 1)]
    place.table.settle(lease, [retry(third, due_us=later_us)], [*later, fourth])
    place.send(*[replace(each, message_id="scheduled") for each in messages(1)])
    place.execute(f"UPDATE messages SET due_us = {later_us} WHERE id = 'scheduled'")
    expected = [("test.note", first.seq, later_us), ("test.note", second.seq, later_us + 1)]
    assert sorted(place.table.given_back(APP, ["test.note", "test.other"])) == expected
    assert place.table.given_back(APP, ["test.other"]) == []
    assert place.table.given_back("another", ["test.note"]) == []
    place.clock.advance(6.0)
    assert place.table.given_back(APP, ["test.note"]) == []
    assert place.row("n002")["state"] == State.WAITING
