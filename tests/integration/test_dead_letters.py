"""What reaches no app becomes a row, with real RabbitMQ on every database; what was purged is not handled again."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import unquote, urlsplit

import pika
import pika.exceptions
import pytest
from contract.databases import Place, database_url
from integration.foreign import HOSTILE, foreign_channel, publish_raw

from broker.handlers.context import Context
from broker.handlers.registry import HandlerRegistry
from broker.lifecycle.clock import ManualClock, SystemClock
from broker.messages.message import Command
from broker.runtime.app import App
from broker.runtime.drain import Drain
from broker.runtime.host import Host
from broker.settings import InterAppSettings
from broker.table import dead_letter_acts
from broker.table.dead_letters import DeadLetterRow, Fate, list_dead_letters, read_dead_letter
from broker.table.retention import Limits, Retention
from broker.transport.rabbitmq.consumer import RabbitMQConsumer
from broker.transport.rabbitmq.transport import RabbitMQTransport
from servers.processes import eventually
from servers.rabbitmq import RabbitMQAddress

CHILD = "m1000-a.clk1"
PATIENCE_S = 30.0


class Note(Command[None]):
    kind: ClassVar[str] = "test.note"
    n: int


class Site:
    """A virtual host of RabbitMQ and a database, with as many hosts as a test wants."""

    def __init__(self, stack: ExitStack, amqp_url: str, database: str) -> None:
        self.amqp_url = amqp_url
        self.settings = InterAppSettings(broker_url=amqp_url, database_url=database)
        self.place = Place(database, ManualClock())
        self._stack = stack
        stack.callback(self.place.close)

    def host(self) -> Host:
        """Return a started host; it is stopped at the end of the test."""
        host = Host(self.settings, SystemClock())
        self._stack.callback(host.stop)
        host.start()
        eventually(lambda: host.transport.link().up, PATIENCE_S, "it is connected")
        return host

    def draining(self) -> Host:
        """Return a started host that drains."""
        host = self.host()
        host.drain_dead_letters()
        host.drain_dead_letters()
        eventually(lambda: _check(host).ok, PATIENCE_S, "it drains")
        return host

    def publish(self, address: str, *messages: tuple[Any, bytes]) -> None:
        """Publish as a foreign producer."""
        publish_raw(self.amqp_url, address, list(messages))

    def letters(self) -> list[DeadLetterRow]:
        """Return every dead letter."""
        return [row for rows in list_dead_letters(self.place.database, every=True, limit=10_000) for row in rows]

    def wait(self, count: int) -> list[DeadLetterRow]:
        """Wait for so many dead letters, and return them."""
        eventually(lambda: len(self.letters()) >= count, PATIENCE_S, f"{count} dead letters")
        return self.letters()

    def unsettled(self, queue: str) -> int:
        """Return how many messages RabbitMQ would deliver from a queue if everybody else went away."""
        with foreign_channel(self.amqp_url) as channel:
            return int(channel.queue_declare(queue, passive=True).method.message_count)


def _check(host: Host) -> Any:
    assert host._drain is not None
    return host._drain.check()


@pytest.fixture(params=["sqlite", "postgresql"])
def site(request: pytest.FixtureRequest, tmp_path: Path, amqp_url: str) -> Iterator[Site]:
    """RabbitMQ and each database in turn."""
    with ExitStack() as stack:
        yield Site(stack, amqp_url, database_url(request.param, request, tmp_path))


def handling() -> tuple[App[list[int]], list[int]]:
    """Return an app, and the numbers of what it handled."""
    registry = HandlerRegistry[list[int]]("test")

    @registry.handles(Note)
    def note(message: Note, ctx: Context[list[int]]) -> None:
        ctx.resource.append(message.n)

    ran: list[int] = []
    return App(address=CHILD, registry=registry, resource=ran), ran


def properties(message_id: str | None = None, **fields: Any) -> pika.BasicProperties:
    """Return the properties of a persistent message."""
    return pika.BasicProperties(type="test.note", message_id=message_id, delivery_mode=2, **fields)


def test_what_is_sent_to_nobody_becomes_a_row_and_can_be_replayed(site: Site) -> None:
    """A message to an address that has no queue is kept with its bytes; once replayed, its app handles it."""
    host = site.draining()
    site.publish(CHILD, (properties("17", app_id="plc", user_id=_user(site), headers={"x-call-id": "c"}), b'{"n": 1}'))
    (row,) = site.wait(1)
    assert (row.queue, row.reason) == ("interapp.unroutable", f"no queue for {CHILD!r}")
    assert (row.message_id, row.kind, row.source, row.destination) == ("17", "test.note", "plc", CHILD)
    remains = read_dead_letter(site.place.database, row.number)[1]
    assert (remains.body, json.loads(remains.headers)) == (b'{"n": 1}', {"x-call-id": "c"})
    app, ran = handling()
    host.add(app)
    dead_letter_acts.replay(site.place.database, SystemClock(), [row.number], "op")
    eventually(lambda: ran == [1], PATIENCE_S, "it was handled")
    assert site.letters()[0].state is Fate.REPLAYED


def test_what_a_policy_gives_up_becomes_a_row(site: Site, rabbitmq: RabbitMQAddress) -> None:
    """A message that a policy sends to interapp.dead is kept with the reason, and it is known where it was to go."""
    vhost = unquote(urlsplit(site.amqp_url).path[1:])
    policy = {"message-ttl": 100, "dead-letter-exchange": "interapp.dead"}
    rabbitmq.management.set_policy(vhost, "old", r"^interapp\.m1000", policy, "queues")
    host = site.draining()
    app, ran = handling()
    host.add(app)
    eventually(host._workers[CHILD]._receiving.registered, PATIENCE_S, "its queue is made")
    host.remove(CHILD)
    site.publish(CHILD, (properties("18"), b'{"n": 2}'))
    (row,) = site.wait(1)
    assert (row.queue, row.reason) == ("interapp.dead-letters", f"expired in its queue: interapp.{CHILD}")
    assert (row.destination, row.message_id) == (CHILD, "18")
    headers = json.loads(read_dead_letter(site.place.database, row.number)[1].headers)
    assert headers["x-death"][0]["reason"] == "expired"
    assert ran == []


def test_whatever_arrives_is_kept(site: Site) -> None:
    """Properties that no reader expects stop neither the drain nor the listing; headers stay readable JSON."""
    host = site.draining()
    accepted = set()
    for name, odd in HOSTILE.items():
        # RabbitMQ itself breaks over some headers when it looks for another exchange, and closes the producer's connection.
        with suppress(pika.exceptions.ConnectionClosedByBroker):
            site.publish("nobody", (odd, name.encode()))
            accepted.add(name)
    assert len(accepted) > len(HOSTILE) - 3
    rows = site.wait(len(accepted))
    kept = {read_dead_letter(site.place.database, row.number)[1] for row in rows}
    assert {remains.body.decode() for remains in kept} == accepted
    assert all(isinstance(json.loads(remains.headers), dict) for remains in kept)
    assert _check(host).ok


def test_several_drain_at_once_and_each_letter_is_one_row(site: Site) -> None:
    """Two processes share the work; every letter is a row, none is one twice, and RabbitMQ has none left."""
    hosts = [site.draining(), site.draining()]
    site.publish("nobody", *((properties(f"n{n}"), b"{}") for n in range(100)))
    site.wait(100)
    for host in hosts:
        host.stop()
    assert sorted(row.message_id for row in site.letters()) == sorted(f"n{n}" for n in range(100))
    assert site.unsettled("interapp.unroutable") == 0


def test_what_was_kept_and_not_acknowledged_is_recognised(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """When a process dies between the commit and the acknowledgement, the next one makes no second row."""
    with monkeypatch.context() as dying:
        dying.setattr(RabbitMQConsumer, "ack", lambda *_: None)
        first = site.draining()
        site.publish("nobody", *((properties(f"n{n}"), b"{}") for n in range(10)))
        site.wait(10)
        first.stop()
    assert site.unsettled("interapp.unroutable") == 10
    site.draining()
    eventually(lambda: site.unsettled("interapp.unroutable") == 0, PATIENCE_S, "RabbitMQ has none left")
    assert len(site.letters()) == 10


def test_while_the_table_is_away_nothing_is_acknowledged(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """What arrives while the database cannot be used is red in health, and kept as soon as it can."""
    monkeypatch.setattr("broker.runtime.drain.TABLE_PAUSE_SECONDS", 0.05)
    host = site.draining()
    site.place.execute("ALTER TABLE dead_letters RENAME TO elsewhere")
    site.publish("nobody", (properties("19"), b"{}"))
    eventually(lambda: not _check(host).ok, PATIENCE_S, "it is red")
    assert not host.health.ready()[0]
    site.place.execute("ALTER TABLE elsewhere RENAME TO dead_letters")
    assert [row.message_id for row in site.wait(1)] == ["19"]
    eventually(lambda: _check(host).ok, PATIENCE_S, "it is green again")


def test_without_a_drain_they_wait_in_rabbitmq(site: Site) -> None:
    """What reached no app while nobody drained is kept as soon as somebody does."""
    site.host()
    transport = RabbitMQTransport(site.amqp_url, SystemClock())
    with ExitStack() as stack:
        stack.callback(transport.close)
        transport.start()
        eventually(lambda: transport.link().up, PATIENCE_S, "the exchanges are there")
    site.publish("nobody", (properties("20"), b"{}"))
    eventually(lambda: site.unsettled("interapp.unroutable") == 1, PATIENCE_S, "it waits")
    drain = Drain(site.place.database, site.host().transport, max_bytes=1)
    drain.start()
    (row,) = site.wait(1)
    drain.stop()
    assert (row.message_id, row.body_size) == ("20", 2)


def test_a_late_duplicate_of_a_purged_message_is_acknowledged_and_not_handled(site: Site) -> None:
    """After its row was purged a message that is delivered once more is recognised: no row, no run, and it is acknowledged."""
    host = site.host()
    app, ran = handling()
    host.add(app)
    eventually(host._workers[CHILD]._receiving.registered, PATIENCE_S, "its queue is made")
    site.publish(CHILD, (properties("17"), b'{"n": 1}'))
    eventually(lambda: _states(site.place.rows()) == ["succeeded"], PATIENCE_S, "it was handled")
    assert sum(Retention(site.place.database, SystemClock()).purge(Limits(before_us=2**62))) == 1
    # Its process has forgotten it too, as after a restart.
    host.remove(CHILD)
    again = site.host()
    again.add(app)
    site.publish(CHILD, (properties("17"), b'{"n": 1}'), (properties("18"), b'{"n": 2}'))
    eventually(lambda: ran == [1, 2], PATIENCE_S, "what came behind it was handled")
    again.remove(CHILD)
    assert [row["id"] for row in site.place.rows()] == ["18"]
    assert site.unsettled(f"interapp.{CHILD}") == 0


def _states(rows: Sequence[Any]) -> list[str]:
    return [row["state"] for row in rows]


def _user(site: Site) -> str:
    return unquote(urlsplit(site.amqp_url).username or "")
