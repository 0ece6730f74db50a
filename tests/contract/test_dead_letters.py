"""What is promised of dead letters, on every database: kept with their bytes until an operator decides, and decided once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from contract.databases import APP, KINDS, Place, database_url, message, succeeded

from broker.errors import IllegalMove, NotFound, TableUnavailable
from broker.table.dead_letter_acts import Replayed, discard
from broker.table.dead_letter_acts import replay as replay_letters
from broker.table.dead_letters import (
    DeadLetter,
    DeadLetterRow,
    Fate,
    keep_dead_letters,
    list_dead_letters,
    read_dead_letter,
)
from broker.table.queries import read_history
from broker.table.retention import TOMBSTONE_DAYS, Limits, Retention

QUEUE = "interapp.unroutable"
DAY_S = 86_400.0


@pytest.fixture(params=KINDS)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    """A database with the tables."""
    with Place.opened(database_url(request.param, request, tmp_path)) as place:
        yield place


def letter(message_id: str = "lost", **fields: Any) -> DeadLetter:
    """Return a dead letter to APP, or to another destination."""
    envelope = replace(message(message_id, **fields), message_id=message_id)
    return DeadLetter(
        queue=QUEUE, reason="no queue for it", routing_key="key", headers='{"a": 1}', envelope=envelope, arrived_us=7
    )


def keep(place: Place, *letters: DeadLetter, max_bytes: int = 1000) -> int:
    """Keep dead letters."""
    return keep_dead_letters(place.database, letters, max_bytes=max_bytes)


def listed(place: Place, *, every: bool = True, limit: int = 10_000) -> list[DeadLetterRow]:
    """Return the list."""
    return [row for rows in list_dead_letters(place.database, every=every, limit=limit) for row in rows]


# Keeping.


def test_a_dead_letter_is_kept_as_it_came(place: Place) -> None:
    """Everything about it can be read again: where it lay, why, its headers, its bytes."""
    body = bytes(range(256))
    keep(place, letter(body=body, user="u", correlation_id="c", reply_to="r", version=3, content_type="text/odd"))
    (row,) = listed(place)
    assert (row.queue, row.reason, row.routing_key, row.arrived_us) == (QUEUE, "no queue for it", "key", 7)
    assert (row.message_id, row.destination, row.amqp_user, row.kind) == ("lost", APP, "u", "test.note")
    assert (row.state, row.who, row.at_us, row.body_size) == (Fate.KEPT, None, None, 256)
    same, remains = read_dead_letter(place.database, row.number)
    assert same == row
    assert (remains.body, remains.headers, remains.version) == (body, '{"a": 1}', 3)
    assert (remains.correlation_id, remains.reply_to, remains.content_type) == ("c", "r", "text/odd")


def test_one_that_is_delivered_again_is_one_row(place: Place) -> None:
    """Delivered again because its acknowledgement was lost, it is recognised; another body or no id makes another row."""
    assert keep(place, letter(), letter()) == 1
    assert keep(place, letter()) == 0
    assert keep(place, letter(body=b"[]")) == 1
    assert keep(place, letter(""), letter("")) == 2
    assert len(listed(place)) == 4


def test_one_that_comes_again_after_a_decision_is_new(place: Place) -> None:
    """What was discarded and arrives once more waits for a decision again."""
    keep(place, letter())
    discard(place.database, place.clock, [1], "op")
    assert keep(place, letter()) == 1
    assert [row.state for row in listed(place)] == [Fate.DISCARDED, Fate.KEPT]
    assert [row.number for row in listed(place, every=False)] == [2]


def test_of_a_large_body_the_beginning_is_kept(place: Place) -> None:
    """A body beyond the limit is cut, its size is known, and it cannot be replayed."""
    keep(place, letter(body=b"x" * 1001), max_bytes=1000)
    (row,) = listed(place)
    assert row.body_size == 1001
    assert read_dead_letter(place.database, row.number)[1].body == b"x" * 1000
    with pytest.raises(IllegalMove, match="only 1000 of its 1001 bytes were kept"):
        replay_letters(place.database, place.clock, [row.number], "op")


def test_what_no_column_can_keep_is_replaced(place: Place) -> None:
    """NUL, half characters and impossible numbers never stop the drain."""
    odd = "a\x00b\ud800"
    keep(
        place,
        DeadLetter(
            queue=QUEUE,
            reason=odd,
            routing_key=odd,
            headers="{}",
            envelope=message(odd, kind=odd, user=odd, version=2**40, deadline_ms=2**70),
            arrived_us=1,
        ),
    )
    (row,) = listed(place)
    assert row.kind == row.reason == "a\ufffdb?"


def test_the_newest_are_listed_in_order(place: Place) -> None:
    """A limit takes the newest; they come in the order in which they arrived, however many."""
    keep(place, *(letter(f"n{n:04}") for n in range(1200)))
    assert [row.message_id for row in listed(place, limit=2)] == ["n1198", "n1199"]
    assert [row.number for row in listed(place)] == list(range(1, 1201))
    assert listed(place, limit=10**30)[0].number == 1


# Replaying.


def test_a_replay_is_a_row_for_its_destination(place: Place) -> None:
    """A replayed letter waits for its app like any message, without its deadline; both tell who did it."""
    keep(place, letter(body=b'{"n": 1}', user="u", deadline_ms=1))
    place.clock.advance(5)
    assert replay_letters(place.database, place.clock, [1], "op@host") == [Replayed(1, "lost", APP, "")]
    (claimed,) = place.claim(place.lease())
    assert (claimed.envelope.body, claimed.envelope.user, claimed.envelope.deadline_ms) == (b'{"n": 1}', "u", None)
    (entry,) = read_history(place.database, claimed.seq)
    assert (entry.what, entry.who) == ("dead letter replayed", "op@host")
    (row,) = listed(place)
    assert (row.state, row.who, row.at_us, row.result) == (Fate.REPLAYED, "op@host", place.clock.now_us(), APP)
    assert listed(place, every=False) == []


def test_it_can_go_to_another_app(place: Place) -> None:
    """``to`` wins over where it was sent; without an id it gets one that is always the same."""
    keep(place, letter("", destination="gone"))
    (made,) = replay_letters(place.database, place.clock, [1], "op", to="m1000-a.clk2")
    assert made.destination == "m1000-a.clk2"
    assert place.row(made.message_id)["destination"] == "m1000-a.clk2"


@pytest.mark.parametrize("to", ["", "Not An Address", "unroutable", "a" * 300])
def test_it_goes_to_no_impossible_address(place: Place, to: str) -> None:
    """What is no address is refused by name, and nothing is changed."""
    keep(place, letter())
    with pytest.raises(ValueError, match=r"is no address|is reserved"):
        replay_letters(place.database, place.clock, [1], "op", to=to)
    assert listed(place)[0].state is Fate.KEPT
    assert place.rows() == []


def test_one_without_a_destination_needs_one(place: Place) -> None:
    """What was sent to no address cannot be replayed without one; the error says how."""
    keep(place, letter(destination=""))
    with pytest.raises(IllegalMove, match=r"'key' is no address of an app; say where it shall go with --to ADDRESS"):
        replay_letters(place.database, place.clock, [1], "op")
    replay_letters(place.database, place.clock, [1], "op", to=APP)


def test_a_message_that_has_its_row_gets_no_other(place: Place) -> None:
    """A letter whose message was handled after all is noted as replayed; its row and its outcome stay as they are."""
    place.send(message("lost"))
    lease = place.lease()
    (row,) = place.claim(lease)
    place.table.settle(lease, [succeeded(row, finished_us=1)])
    keep(place, letter())
    assert replay_letters(place.database, place.clock, [1], "op") == [Replayed(1, "lost", APP, "succeeded")]
    assert [row["state"] for row in place.rows()] == ["succeeded"]
    assert "was there already (succeeded)" in (listed(place)[0].result or "")


def test_a_message_that_was_purged_is_not_handled_again(place: Place) -> None:
    """A letter whose message was handled and purged is refused, also long after; its tombstone stays as long as the letter."""
    place.send(message("lost"))
    lease = place.lease()
    (row,) = place.claim(lease)
    place.table.settle(lease, [succeeded(row, finished_us=1)])
    retention = Retention(place.database, place.clock)
    sum(retention.purge(Limits(before_us=2)))
    keep(place, letter())
    place.clock.advance(2 * TOMBSTONE_DAYS * DAY_S)
    assert sum(retention.forget()) == 0
    with pytest.raises(
        IllegalMove, match=r"ended \(succeeded\) before and was purged; interapp dead-letters discard 1"
    ):
        replay_letters(place.database, place.clock, [1], "op")
    discard(place.database, place.clock, [1], "op")
    assert sum(retention.forget()) == 1
    assert place.rows() == []


# Deciding.


def test_all_are_decided_or_none(place: Place) -> None:
    """When one of several cannot be replayed or discarded, none of them is."""
    keep(place, letter("a"), letter("b", destination=""), letter("c"))
    with pytest.raises(IllegalMove):
        replay_letters(place.database, place.clock, [1, 2, 3], "op")
    with pytest.raises(NotFound, match="there is no dead letter 9"):
        discard(place.database, place.clock, [1, 9], "op")
    assert {row.state for row in listed(place)} == {Fate.KEPT}
    assert place.rows() == []
    assert [each.number for each in replay_letters(place.database, place.clock, [3, 1, 3], "op")] == [3, 1]


def test_it_is_decided_once(place: Place) -> None:
    """What was discarded is not replayed, and the error says who did it and when; it can still be read."""
    keep(place, letter())
    discard(place.database, place.clock, [1], "op@host")
    for act in (replay_letters, discard):
        with pytest.raises(IllegalMove, match=r"dead letter 1 was discarded by op@host at 2023-11-14T22:13:20"):
            act(place.database, place.clock, [1], "other")
    assert read_dead_letter(place.database, 1)[0].state is Fate.DISCARDED
    with pytest.raises(NotFound, match="there is no dead letter 2"):
        read_dead_letter(place.database, 2)


def test_what_was_decided_is_forgotten_after_its_time(place: Place) -> None:
    """Letters that were decided on go after ninety days; those that wait for a decision never do."""
    keep(place, letter("a"), letter("b"))
    discard(place.database, place.clock, [1], "op")
    retention = Retention(place.database, place.clock)
    place.clock.advance((TOMBSTONE_DAYS - 1) * DAY_S)
    assert list(retention.forget()) == []
    place.clock.advance(2 * DAY_S)
    assert list(retention.forget()) == [1]
    assert [row.message_id for row in listed(place)] == ["b"]


def test_nothing_is_kept_while_the_table_is_away(tmp_path: Path) -> None:
    """While the database cannot be used, keeping raises: nothing may be acknowledged."""
    with Place.opened(f"sqlite:///{tmp_path / 'table.db'}") as place:
        place.execute("DROP TABLE dead_letters")
        with pytest.raises(TableUnavailable):
            keep(place, letter())
