"""Messages for a later time, priorities and catching up, with whole hosts: in memory with SQLite, over RabbitMQ with PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import ClassVar

import pytest
from integration.test_worker import (
    CHILD,
    PARENT,
    PATIENCE_S,
    Borrowed,
    Deaf,
    Desk,
    Handlers,
    Note,
    Other,
    Site,
    active,
    app,
    foreign,
    noting,
    registered,
)

from broker.handlers.context import Context
from broker.lifecycle.clock import SystemClock
from broker.lifecycle.state import State
from broker.messages.catch_up import CatchUp
from broker.messages.message import Event
from broker.runtime.app import App
from broker.table import operator_acts
from servers.processes import eventually


class Settled(Event):
    kind: ClassVar[str] = "test.settled"
    keep_last: ClassVar[bool] = True
    n: int


@pytest.fixture(params=["memory and sqlite", "rabbitmq and postgresql"])
def site(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Site]:
    """Each deployment in turn."""
    with ExitStack() as stack:
        if request.param == "memory and sqlite":
            urls = "memory://", f"sqlite:///{tmp_path / 'table.db'}"
        else:
            urls = request.getfixturevalue("amqp_url"), request.getfixturevalue("ready_postgres_url")
        yield Site(stack, *urls)


def soon(seconds: float) -> datetime:
    """Return the time so many seconds from now."""
    return datetime.now(UTC) + timedelta(seconds=seconds)


def micros(time: datetime) -> int:
    """Return microseconds since 1970."""
    return round(time.timestamp() * 1_000_000)


def test_a_scheduled_message_is_handled_at_its_time(site: Site) -> None:
    """It waits for its time, shown as such, while what was sent after it is handled; then it runs, and not before."""
    host, desk = site.host(), Desk()
    host.add(app(noting(), desk))
    client, at = host.client(PARENT), soon(1.5)
    later = client.send(Note(n=1), to=CHILD, at=at)
    site.row(client.send(Note(n=2), to=CHILD), State.SUCCEEDED)
    row = site.place.row(later)
    assert row["state"] == "waiting"
    assert 0 <= row["due_us"] - micros(at) < 1000
    assert site.row(later, State.SUCCEEDED)["started_us"] >= micros(at)
    assert desk.ran == [2, 1]


def test_a_worker_wakes_when_a_message_is_due(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker that was told of a message by its delivery needs no look at the table to handle it at its time."""
    monkeypatch.setattr("broker.runtime.presence.BEAT_SECONDS", 600.0)
    host, desk = site.host(), Desk()
    host.add(app(noting(), desk))
    client = host.client(PARENT)
    # Nobody publishes again what is sent before there is a connection: that would be done by the beats that are left out.
    eventually(lambda: host.transport.link().up and registered(host)(), timeout=PATIENCE_S)
    site.row(client.send(Note(n=1), to=CHILD), State.SUCCEEDED)
    site.row(client.send(Note(n=2), to=CHILD, at=soon(1.0)), State.SUCCEEDED)
    assert desk.ran == [1, 2]


def test_a_look_at_the_table_wakes_a_worker_in_time(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker that nobody rang learns from one look at the table when the next message is due, and needs no second look."""
    monkeypatch.setattr("broker.runtime.presence.BEAT_SECONDS", 600.0)
    host, desk = site.host(), Desk()
    host.add(app(noting(), desk))
    host._presence._beat()
    eventually(active(host), timeout=PATIENCE_S)
    sender = site.host(transport=Deaf(site.carrier() if site.memory is None else Borrowed(site.memory)))
    at = soon(1.2)
    later = sender.client(PARENT).send(Note(n=1), to=CHILD, at=at)
    host._presence._beat()
    assert site.row(later, State.SUCCEEDED)["started_us"] >= micros(at)


def test_a_scheduled_message_outlives_everything_but_the_table(site: Site) -> None:
    """Its sender and its child down, its delivery lost: a child that starts later handles it at its time."""
    sender = site.host(transport=Deaf(site.carrier() if site.memory is None else Borrowed(site.memory)))
    at = soon(2.0)
    later = sender.client(PARENT).send(Note(n=1), to=CHILD, at=at)
    past = sender.client(PARENT).send(Note(n=2), to=CHILD, at=soon(-3600))
    sender.stop()
    host, desk = site.host(), Desk()
    host.add(app(noting(), desk))
    site.row(past, State.SUCCEEDED)
    assert site.row(later, State.SUCCEEDED)["started_us"] >= micros(at)
    assert desk.ran == [2, 1]


def test_the_delivery_of_a_scheduled_message_is_acknowledged(site: Site) -> None:
    """What waits for its time holds no place in the prefetch; cancelled, it never runs."""
    host, desk = site.host(), Desk()
    host.add(app(noting(), desk))
    eventually(active(host), timeout=PATIENCE_S)
    client = host.client(PARENT)
    later = client.send(Note(n=1), to=CHILD, at=soon(6.0))
    intake = host._workers[CHILD]._receiving
    eventually(lambda: intake.delivered >= 1 and intake.at_hand() == (0, 0), timeout=PATIENCE_S)
    row = site.place.row(later)
    assert row["state"] == "waiting"
    operator_acts.cancel(site.place.database, SystemClock(), [row["seq"]], "me")
    site.row(client.send(Note(n=2), to=CHILD, at=soon(6.0)), State.SUCCEEDED)
    assert desk.ran == [2]


def test_a_foreign_message_waits_for_its_time(site: Site) -> None:
    """A foreign producer's due time and priority come over the wire: the row waits, and runs at its time."""
    host, desk = site.host(), Desk()
    host.add(app(noting(), desk))
    eventually(active(host), timeout=PATIENCE_S)
    at_ms = micros(soon(1.5)) // 1000
    site.foreign(
        foreign("later", "test.note", b'{"n": 1}', at_ms=at_ms, priority=3), foreign("now", "test.note", b'{"n": 2}')
    )
    eventually(lambda: len(site.place.rows()) == 2, timeout=PATIENCE_S, what="both have their rows")
    row = site.row("later", State.SUCCEEDED)
    assert row["started_us"] >= at_ms * 1000
    assert row["priority"] == 3
    assert desk.ran == [2, 1]


def test_a_higher_priority_goes_first(site: Site) -> None:
    """What is sent with a higher priority passes everything that waits, but not what runs."""
    handlers, desk = noting(), Desk()

    @handlers.handles(Other)
    def other(_message: Other, ctx: Context[Desk]) -> None:
        ctx.resource.wait(ctx)

    host = site.host()
    host.add(app(handlers, desk))
    client = host.client(PARENT)
    client.send(Other(), to=CHILD)
    assert desk.entered.wait(PATIENCE_S)
    client.send_call([Note(n=1), Note(n=2)], to=CHILD)
    client.send(Note(n=3), to=CHILD, priority=9)
    client.send_call([Note(n=4), Note(n=5)], to=CHILD, priority=5)
    desk.go_on.set()
    site.all_succeeded(6)
    assert desk.ran == [3, 4, 5, 1, 2]


def test_a_handler_sends_for_later(site: Site) -> None:
    """What a handler sends for a later time, with a priority, is committed so with its outcome."""
    handlers, at = Handlers("test"), soon(3600)

    @handlers.handles(Note)
    def note(message: Note, ctx: Context[Desk]) -> None:
        ctx.send(Note(n=message.n + 1), to=ctx.app, at=at, priority=4)

    host = site.host()
    host.add(app(handlers, Desk()))
    site.row(host.client(PARENT).send(Note(n=1), to=CHILD), State.SUCCEEDED)
    _, later = site.place.rows()
    assert (later["state"], later["priority"]) == ("waiting", 4)
    assert 0 <= later["due_us"] - micros(at) < 1000


@pytest.mark.parametrize("catch_up", CatchUp)
def test_a_new_app_chooses_what_it_gets_of_older_events(site: Site, catch_up: CatchUp) -> None:
    """A new app gets the last event, or nothing old, as it chose; started again it gets nothing twice."""
    handlers, desk = Handlers("test"), Desk()

    @handlers.handles(Settled)
    def settled(message: Settled, ctx: Context[Desk]) -> None:
        ctx.resource.ran.append(message.n)

    sender = site.host().client(PARENT)
    sender.publish(Settled(n=1))
    sender.publish(Settled(n=2))
    for n in (3, 4):
        host = site.host()
        host.add(App(address=CHILD, registry=handlers, resource=desk, catch_up=catch_up))
        sender.publish(Settled(n=n))
        eventually(lambda: desk.ran[-1:] == [n], timeout=PATIENCE_S, what=f"{n} was handled")  # noqa: B023 called here
        host.remove(CHILD)
    assert desk.ran == ([2, 3, 4] if catch_up is CatchUp.LAST else [3, 4])
