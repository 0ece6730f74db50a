"""What a new subscriber gets of older events, on every database."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from contract.databases import APP, KINDS, SENDER, Background, Place, database_url, message, succeeded

from broker.lifecycle.ids import derived_id
from broker.messages.catch_up import CatchUp
from broker.messages.effects import Effects
from broker.messages.envelope import Envelope
from broker.table.last_events import catch_up
from broker.table.subscriptions import subscribe
from servers.processes import eventually


@pytest.fixture(params=KINDS)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    """A database of each kind, with the tables."""
    with Place.opened(database_url(request.param, request, tmp_path)) as place:
        yield place


def event(event_id: str, kind: str = "test.happened", *, keep: bool = True, **fields: object) -> Envelope:
    """Return an event, to be kept unless said otherwise."""
    return message(event_id, kind=kind, destination="", keep_last=keep, **fields)


def publish(place: Place, *events: Envelope) -> None:
    """Publish events in one transaction."""
    place.table.accept(Effects(events=events), app=SENDER)


def follow(place: Place, *patterns: str, app: str = APP, from_before: CatchUp = CatchUp.LAST) -> None:
    """Subscribe, as an app does at its start."""
    subscribe(place.database, app, patterns, from_before=from_before)


def got(place: Place, app: str = APP) -> list[str]:
    """Return the ids of the events that an app has rows for, in their order."""
    return [row["correlation_id"] for row in place.rows() if row["destination"] == app]


def test_a_new_subscriber_gets_the_last_of_each_kind_and_source(place: Place) -> None:
    """With catch-up it gets the newest event of each source and kind that it subscribes to, as it was sent, and no other."""
    publish(place, event("old"), event("other", "test.other"), event("newer"))
    publish(place, event("newest", body=b'{"n": 3}', version=2), event("elsewhere", source="m1000-b"))
    follow(place, f"{SENDER}.test.happened", "m1000-b.#")
    assert sorted(got(place)) == ["elsewhere", "newest"]
    row = place.row(derived_id("newest", APP))
    assert (row["state"], row["kind"], row["source"], row["version"]) == ("waiting", "test.happened", SENDER, 2)
    assert bytes(row["body"]) == b'{"n": 3}'
    entered = {entry["first_seq"] for entry in place.select("SELECT first_seq FROM outbox")}
    assert row["seq"] not in entered, "nobody else can publish it"


def test_nothing_old_comes_unless_it_is_asked_for(place: Place) -> None:
    """Without catch-up a new subscriber gets what is published from then on, and later nothing of what was before."""
    publish(place, event("before"))
    follow(place, "#.test.happened", from_before=CatchUp.NOTHING)
    publish(place, event("after"))
    follow(place, "#.test.happened")
    assert got(place) == ["after"]


def test_only_kinds_that_say_so_are_kept(place: Place) -> None:
    """An event whose class does not ask for it is not kept, and costs no statement."""
    counted: list[str] = []
    sa.event.listen(place.database.engine, "before_cursor_execute", lambda *args: counted.append(args[2]))
    publish(place, event("lost", keep=False))
    assert not [each for each in counted if "last_events" in each]
    follow(place, "#")
    assert got(place) == []


def test_an_event_is_never_doubled(place: Place) -> None:
    """Whoever got an event when it was published, or by an earlier catch-up, does not get it again, handled or not."""
    follow(place, "#.test.happened")
    publish(place, event("one"))
    lease = place.lease()
    place.table.settle(lease, [succeeded(row) for row in place.claim(lease)])
    follow(place, "#.test.happened", f"{SENDER}.#")
    follow(place, f"{SENDER}.#")
    follow(place)
    follow(place, "#")
    assert got(place) == ["one"]
    assert place.claim(lease) == []


def test_a_new_pattern_brings_what_the_old_ones_did_not_cover(place: Place) -> None:
    """An app that learns to handle another kind gets its last event, and none of the kinds that it knew."""
    follow(place, "#.test.happened", from_before=CatchUp.NOTHING)
    publish(place, event("known"), event("unknown", "test.other"))
    place.execute("DELETE FROM messages")
    follow(place, "#.test.happened", "#.test.other", "#.test.*")
    assert got(place) == ["unknown"]


def test_the_last_to_commit_is_the_last(place: Place) -> None:
    """Of two that publish at the same time the one that commits last is kept, whatever its number or its clock."""
    other = place.another()
    with other.database.write() as connection:
        other.table._add(connection, Effects(events=(event("first", sent_us=99),)), app=SENDER)
        second = Background(lambda: publish(place, event("second", sent_us=1)))
        eventually(lambda: place._waits(connection), what="waiting for the other publisher")
    second.join()
    follow(place, "#")
    assert got(place) == ["second"]


def test_an_event_that_is_being_published_meanwhile_is_not_missed(place: Place) -> None:
    """A subscriber that begins while an event is committed gets it: as the last one, since its publisher saw no subscription."""
    other = place.another()
    with other.database.write() as connection:
        other.table._add(connection, Effects(events=(event("meanwhile"),)), app=SENDER)
        subscribing = Background(lambda: follow(place, "#"))
        eventually(lambda: place._waits(connection), what="waiting for the publisher")
    subscribing.join()
    assert got(place) == ["meanwhile"]


def test_an_event_that_is_published_during_a_catch_up_comes_as_a_copy(place: Place) -> None:
    """A publisher that comes while a subscription is committed waits for it, and finds it."""
    other = place.another()
    with other.database.write() as connection:
        connection.execute(sa.text("INSERT INTO subscriptions (app, pattern) VALUES (:app, '#')"), {"app": APP})
        assert catch_up(connection, APP, {"#"}, set()) == 0
        publishing = Background(lambda: publish(place, event("meanwhile")))
        eventually(lambda: place._waits(connection), what="waiting for the subscriber")
    publishing.join()
    assert got(place) == ["meanwhile"]


def test_two_starts_of_one_app_catch_up_once(place: Place) -> None:
    """An app that is started twice at the same time, as with a standby, gets each event once."""
    publish(place, event("one"))
    starts = [Background(lambda: follow(place, "#")), Background(lambda: follow(place.another(), "#"))]
    for start in starts:
        start.result()
    assert got(place) == ["one"]


def test_publishers_of_the_same_kinds_do_not_block_each_other_for_ever(place: Place) -> None:
    """Two that publish the same kinds in opposite orders take turns."""
    other = place.another()

    kinds = [f"test.k{number}" for number in range(300)]

    def often(each: Place, order: list[str]) -> None:
        for _ in range(10):
            publish(each, *(event("", kind) for kind in order))

    threads = [Background(lambda: often(place, kinds)), Background(lambda: often(other, kinds[::-1]))]
    for thread in threads:
        thread.join(60)
        thread.result()
