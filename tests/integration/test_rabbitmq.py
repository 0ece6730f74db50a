"""RabbitMQ at its worst: what the transport does when the server, the network or an administrator interferes."""

from __future__ import annotations

import contextlib
import json
import re
import shlex
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import kombu
import pytest
from contract.transports import (
    PATIENCE_S,
    Bell,
    Inbox,
    Settlements,
    letter,
    publish,
    registered,
    wait_until,
    wait_until_up,
)
from integration.foreign import HOSTILE, VISIBLY_UNUSABLE, foreign_channel, publish_raw
from integration.tls_front import tls_front, write_certificate
from structlog.testing import capture_logs

from broker.errors import AccessRefused, Blocked, ConnectionLost, NotConfirmed, SettingError, TransportError, Unroutable
from broker.lifecycle.clock import SystemClock
from broker.transport.rabbitmq.connection import HandBackChannel
from broker.transport.rabbitmq.topology import Binding, foundation, mailbox
from broker.transport.rabbitmq.transport import RabbitMQTransport
from broker.transport.seam import Transport
from servers.management import Permissions
from servers.rabbitmq import RabbitMQAddress, RabbitMQServer

Open = Callable[[str], RabbitMQTransport]
Line = dict[str, Any]


@pytest.fixture
def connect() -> Iterator[Open]:
    """Start a transport to a URL; all are closed with the test."""
    with ExitStack() as stack:

        def begin(url: str) -> RabbitMQTransport:
            transport = RabbitMQTransport(url, SystemClock(), connection_name="integration")
            transport.start()
            stack.callback(transport.close)
            return transport

        yield begin


@pytest.fixture
def lines() -> Iterator[list[Line]]:
    """What is logged."""
    with capture_logs() as captured:
        yield captured  # type: ignore[misc]


@pytest.fixture
def someone(rabbitmq: RabbitMQAddress, amqp_url: str) -> Iterator[Callable[[Permissions], str]]:
    """Make a user with rights in the test's virtual host and return the user's URL."""
    made: list[str] = []

    def make(permissions: Permissions) -> str:
        name = f"user-{vhost_of(amqp_url)}-{len(made)}"
        rabbitmq.management.create_user(name, "secret", {vhost_of(amqp_url): permissions})
        made.append(name)
        return rabbitmq.url_of(vhost_of(amqp_url), name, "secret")

    yield make
    for name in made:
        rabbitmq.management.delete_user(name)


def vhost_of(url: str) -> str:
    """Return the virtual host in a URL."""
    return unquote(urlsplit(url).path[1:])


def troubles(lines: list[Line], thing: str) -> list[tuple[str, str]]:
    """Return event and error of each line about a thing."""
    return [(line["event"], line.get("error", "")) for line in lines if line.get("thing", "").startswith(thing)]


def end_of(transport: Transport, destination: str, **fields: object) -> TransportError | None:
    """Publish one envelope and return how it ended."""
    settlements = Settlements()
    transport.publish([letter(transport, destination, **fields)], settlements)
    return settlements.wait(1)[0]


def own_connections(server: RabbitMQAddress, vhost: str) -> list[str]:
    """Return the names of the transport's connections, as far as RabbitMQ's statistics show them yet."""
    return [
        connection["name"]
        for connection in server.management.list_connections(vhost)
        if connection.get("client_properties", {}).get("product") == "interapp"
    ]


def test_it_starts_without_rabbitmq_and_works_when_it_comes(
    private_rabbitmq: RabbitMQServer, connect: Open, lines: list[Line]
) -> None:
    """Absent at start: one line says so, publishing ends at once, all works when RabbitMQ comes, one line says so."""
    private_rabbitmq.stop()
    transport, inbox = connect(private_rabbitmq.url), Inbox()
    consumer = transport.consume("app", inbox, prefetch=10)
    wait_until(lambda: "cannot be reached (connection refused)" in transport.link().detail, "the link says why")
    assert isinstance(end_of(transport, "app"), ConnectionLost)
    assert not consumer.link().up
    private_rabbitmq.start()
    wait_until_up(transport)
    registered(consumer)
    publish(transport, [letter(transport, "app")])
    inbox.wait(1)
    wait_until(lambda: len(troubles(lines, "connection")) == 2, "a line at the end")
    assert troubles(lines, "connection") == [("trouble", "ConnectionLost"), ("trouble over", "")]


def test_it_works_again_after_a_restart(private_rabbitmq: RabbitMQServer, connect: Open, lines: list[Line]) -> None:
    """Restart: what was confirmed is still there, the consumer comes back on a later channel, one line each way."""
    transport, inbox, bell = connect(private_rabbitmq.url), Inbox(), Bell()
    wait_until_up(transport)
    consumer = registered(transport.consume("app", inbox, prefetch=2))
    name = transport.listen(bell)
    letters = [letter(transport, "app", number) for number in range(5)]
    publish(transport, letters)
    inbox.wait(2)
    private_rabbitmq.restart()
    wait_until(lambda: len(inbox.deliveries) >= 4, "deliveries after the restart", 60.0)
    again = inbox.wait(4)[2:]
    assert [delivery.envelope.message_id for delivery in again] == [one.message_id for one in letters[:2]]
    assert all(delivery.redelivered and delivery.channel > 1 for delivery in again)
    wait_until_up(transport)
    publish(transport, [letter(transport, "app")])
    assert registered(consumer).probe(PATIENCE_S) == again[0].channel

    def rung() -> bool:
        transport.ring(name, ["id"])
        return bell.heard(1, 0.2)

    wait_until(rung, "the doorbell is back under its name")
    wait_until(lambda: len(troubles(lines, "connection")) == 2, "a line at the end")
    assert troubles(lines, "connection") == [("trouble", "ConnectionLost"), ("trouble over", "")]
    assert not [line for line in lines if "exc_info" in line]


def test_outstanding_messages_end_when_rabbitmq_is_killed(private_rabbitmq: RabbitMQServer, connect: Open) -> None:
    """Killed while publishing: every envelope ends once, confirmed or lost, and none is left open."""
    transport, settlements = connect(private_rabbitmq.url), Settlements()
    wait_until_up(transport)
    for number in range(100):
        transport.publish([letter(transport, f"app-{number % 5}") for _ in range(100)], settlements)
    private_rabbitmq.kill()
    errors = settlements.wait(10_000)
    assert {type(error) for error in errors} <= {type(None), ConnectionLost}
    assert len({envelope.message_id for envelope, _ in settlements.ended}) == 10_000


def test_a_wiped_rabbitmq_gets_everything_declared_again(private_rabbitmq: RabbitMQServer, connect: Open) -> None:
    """Wiped disk: sender and consumer make exchanges and queues again and go on."""
    transport, inbox = connect(private_rabbitmq.url), Inbox()
    wait_until_up(transport)
    registered(transport.consume("app", inbox, prefetch=10))
    publish(transport, [letter(transport, "app"), letter(transport, "down")])
    inbox.wait(1)
    private_rabbitmq.stop()
    private_rabbitmq.wipe()
    private_rabbitmq.start()
    wait_until(lambda: transport.link().up, "publishing works", 60.0)
    wait_until(lambda: end_of(transport, "app") is None, "messages are confirmed")
    publish(transport, [letter(transport, "down")])
    inbox.wait(2)
    later = Inbox()
    transport.consume("down", later, prefetch=10)
    later.wait(1)


def test_a_frozen_rabbitmq_fails_the_probe_and_does_not_hold_up_closing(
    private_rabbitmq: RabbitMQServer, connect: Open
) -> None:
    """Frozen: a probe gives up after its time, and close drops what does not answer."""
    transport = connect(private_rabbitmq.url)
    wait_until_up(transport)
    consumer = registered(transport.consume("app", Inbox(), prefetch=1))
    assert consumer.probe(PATIENCE_S) == 1
    private_rabbitmq.pause()
    try:
        assert consumer.probe(0.3) is None
        settlements = Settlements()
        transport.publish([letter(transport, "app")], settlements)
        transport.close()
        assert isinstance(settlements.wait(1)[0], ConnectionLost)
    finally:
        private_rabbitmq.resume()


def test_a_consumer_that_ends_while_it_begins_leaves_the_others_their_connection(
    amqp_url: str, connect: Open, lines: list[Line], monkeypatch: pytest.MonkeyPatch
) -> None:
    """An app that is removed as soon as it was added: what RabbitMQ still answers to its channel is no trouble."""
    transport, ended = connect(amqp_url), threading.Event()
    wait_until_up(transport)
    steady = registered(transport.consume("steady", Inbox(), prefetch=1))
    channel = steady.probe(PATIENCE_S)
    basic_qos = HandBackChannel.basic_qos

    def basic_qos_and_end(*arguments: object, **named: object) -> None:
        basic_qos(*arguments, **named)
        transport._consumers[-1].end(ended.set)

    monkeypatch.setattr(HandBackChannel, "basic_qos", basic_qos_and_end)
    transport.consume("brief", Inbox(), prefetch=1)
    assert ended.wait(PATIENCE_S)
    assert steady.probe(PATIENCE_S) == channel
    assert troubles(lines, "connection") == []


def test_a_blocked_rabbitmq_is_said_and_recovers(
    private_rabbitmq: RabbitMQServer, connect: Open, lines: list[Line]
) -> None:
    """Memory alarm: publishing ends as blocked and the link says so; consuming goes on; all recovers."""
    transport, inbox = connect(private_rabbitmq.url), Inbox()
    wait_until_up(transport)
    consumer = registered(transport.consume("app", inbox, prefetch=1))
    publish(transport, [letter(transport, "app"), letter(transport, "app")])
    private_rabbitmq.rabbitmqctl("set_vm_memory_high_watermark", "absolute", "1MB")
    settlements = Settlements()
    transport.publish([letter(transport, "app")], settlements)  # RabbitMQ tells whoever publishes
    wait_until(lambda: "has blocked publishing" in transport.link().detail, "the link says so")
    assert isinstance(end_of(transport, "app"), Blocked)
    first = inbox.wait(1)[0]
    consumer.ack(first.channel, first.tag)
    inbox.wait(2)
    assert consumer.link().up
    private_rabbitmq.rabbitmqctl("set_vm_memory_high_watermark", "absolute", "1GB")
    wait_until_up(transport)
    settlements.confirmed(1)
    publish(transport, [letter(transport, "app")])
    assert troubles(lines, "connection") == [("trouble", "Blocked"), ("trouble over", "")]


def test_a_message_larger_than_rabbitmq_takes_holds_up_no_other(
    private_rabbitmq: RabbitMQServer, connect: Open
) -> None:
    """Too large: it closes the channel once; from then on it is refused by name and the others are confirmed."""
    # RabbitMQ 3 looks at its setting whenever a channel opens, RabbitMQ 4 at what it kept of it when it started
    limits = "application:set_env(rabbit, max_message_size, 10000), persistent_term:put(max_message_size, 10000)."
    private_rabbitmq.rabbitmqctl("eval", limits)
    transport = connect(private_rabbitmq.url)
    wait_until_up(transport)
    assert isinstance(end_of(transport, "app", body=bytes(10_001)), NotConfirmed)
    wait_until_up(transport)
    settlements = Settlements()
    large = letter(transport, "app", body=bytes(10_001))
    transport.publish([letter(transport, "app"), large, letter(transport, "app")], settlements)
    settlements.wait(3)
    outcomes = {envelope.message_id: error for envelope, error in settlements.ended}
    assert "max_message_size is 10000" in str(outcomes.pop(large.message_id))
    assert list(outcomes.values()) == [None, None]


def test_a_wrong_password_is_one_clear_line(amqp_url: str, connect: Open, lines: list[Line]) -> None:
    """Wrong password: the link and one line name the user and the way out, without the password."""
    parts = urlsplit(amqp_url)
    transport = connect(parts._replace(netloc=f"{parts.username}:wrong-secret@{parts.hostname}:{parts.port}").geturl())
    wait_until(lambda: "refuses the login" in transport.link().detail, "the link says why")
    assert f"user {parts.username!r}" in transport.link().detail
    assert isinstance(end_of(transport, "app"), ConnectionLost)
    assert troubles(lines, "connection") == [("trouble", "AccessRefused")]
    assert "wrong-secret" not in repr(lines)


def test_closing_while_it_connects_is_no_defect(amqp_url: str, connect: Open, lines: list[Line]) -> None:
    """A transport that is closed at any moment of its connecting, as by a command that is refused, ends without a word."""
    pause = threading.Event()
    for turn in range(60):
        transport = connect(amqp_url)
        pause.wait(turn / 1000)
        transport.close()
    assert [line for line in lines if line["log_level"] in {"warning", "error"}] == []


def test_a_missing_virtual_host_is_named_and_found_when_it_is_made(
    rabbitmq: RabbitMQAddress, amqp_url: str, connect: Open, lines: list[Line]
) -> None:
    """Missing virtual host: named with the way out; when it is created the transport comes up by itself."""
    vhost = f"{vhost_of(amqp_url)}-missing"
    transport = connect(rabbitmq.url_of(vhost))
    wait_until(lambda: f"has no virtual host {vhost!r}" in transport.link().detail, "the link says why")
    rabbitmq.management.create_vhost(vhost)
    try:
        wait_until_up(transport)
        wait_until(lambda: len(troubles(lines, "connection")) == 2, "a line at the end")
        assert troubles(lines, "connection") == [("trouble", "AccessRefused"), ("trouble over", "")]
    finally:
        transport.close()
        rabbitmq.management.delete_vhost(vhost)


def test_a_user_without_the_virtual_host_is_told_so(
    rabbitmq: RabbitMQAddress, someone: Callable[[Permissions], str], connect: Open
) -> None:
    """No access to the virtual host: user and virtual host are named, with the command that grants it."""
    url = someone(Permissions())
    user = str(urlsplit(url).username)
    rabbitmq.management.request("DELETE", "permissions", vhost_of(url), user)
    transport = connect(url)
    wait_until(lambda: "set_permissions" in transport.link().detail, "the link says why")
    assert user in transport.link().detail
    assert vhost_of(url) in transport.link().detail


def test_missing_rights_are_named_and_found_when_they_are_granted(
    rabbitmq: RabbitMQAddress, amqp_url: str, someone: Callable[[Permissions], str], connect: Open, lines: list[Line]
) -> None:
    """No right to write: publishing ends as refused, one line names user and exchange; once granted, it works."""
    wait_until_up(connect(amqp_url))  # makes the exchanges
    url = someone(Permissions(write="^$"))
    transport = connect(url)
    wait_until_up(transport)
    error = end_of(transport, "app")
    assert isinstance(error, AccessRefused)
    assert f"user {urlsplit(url).username!r} may not" in str(error)
    wait_until(lambda: isinstance(end_of(transport, "app"), AccessRefused), "refused again")
    rabbitmq.management.set_permissions(vhost_of(url), str(urlsplit(url).username), Permissions())
    wait_until(lambda: end_of(transport, "app") is None, "it is confirmed")
    assert troubles(lines, "publishing") == [("trouble", "AccessRefused"), ("trouble over", "")]


def test_a_consumer_without_the_right_to_read_is_red_until_it_is_granted(
    rabbitmq: RabbitMQAddress, someone: Callable[[Permissions], str], connect: Open, lines: list[Line]
) -> None:
    """No right to read: the consumer's link names the queue; once granted, it consumes."""
    url = someone(Permissions(read="^interapp$"))
    transport, inbox = connect(url), Inbox()
    consumer = transport.consume("app", inbox, prefetch=1)
    wait_until(lambda: "may not consume queue 'interapp.app'" in consumer.link().detail, "the link says why")
    wait_until_up(transport)
    publish(transport, [letter(transport, "app")])
    rabbitmq.management.set_permissions(vhost_of(url), str(urlsplit(url).username), Permissions())
    inbox.wait(1)
    assert troubles(lines, "consumer of app") == [("trouble", "AccessRefused"), ("trouble over", "")]


def test_a_user_with_least_rights_uses_what_others_have_made(
    amqp_url: str, someone: Callable[[Permissions], str], connect: Open
) -> None:
    """Least rights: without any right to configure, queues that exist are published to and consumed."""
    admin = connect(amqp_url)
    wait_until_up(admin)
    publish(admin, [letter(admin, "parent"), letter(admin, "child")])
    child, inbox = connect(someone(Permissions("^$", "^interapp$", r"^interapp\.child$"))), Inbox()
    wait_until_up(child)
    registered(child.consume("child", inbox, prefetch=10))
    inbox.wait(1)
    publish(child, [letter(child, "parent")])
    error = end_of(child, "nobody-made-it")
    assert isinstance(error, AccessRefused)
    assert "queue 'interapp.nobody-made-it' does not exist" in str(error)
    publish(child, [letter(child, "parent")])


def test_events_that_may_not_be_announced_disturb_nothing(
    amqp_url: str, someone: Callable[[Permissions], str], connect: Open, lines: list[Line]
) -> None:
    """No right to announce: publishing to apps goes on."""
    wait_until_up(connect(amqp_url))  # makes the exchanges
    transport = connect(someone(Permissions(write=r"^interapp(\.app)?$")))
    wait_until_up(transport)

    def refused() -> bool:
        transport.announce([letter(transport, "app", source="m1")])
        return bool(troubles(lines, "announcing"))

    wait_until(refused, "RabbitMQ closes the channel for it")
    for _ in range(20):
        transport.announce([letter(transport, "app", source="m1")])
        publish(transport, [letter(transport, "app")])
    assert transport.link().up
    assert troubles(lines, "announcing") == [("trouble", "AccessRefused")]


def test_a_deleted_queue_is_made_and_consumed_again(
    rabbitmq: RabbitMQAddress, amqp_url: str, connect: Open, lines: list[Line]
) -> None:
    """Queue deleted under the consumer: it is declared again and consumed on a later channel, said in two lines."""
    transport, inbox = connect(amqp_url), Inbox()
    wait_until_up(transport)
    consumer = registered(transport.consume("app", inbox, prefetch=10))
    rabbitmq.management.delete_queue(vhost_of(amqp_url), "interapp.app")
    wait_until(lambda: (consumer.probe(PATIENCE_S) or 0) > 1, "a new channel")
    publish(transport, [letter(transport, "app")])
    assert inbox.wait(1)[0].channel > 1
    assert troubles(lines, "consumer of app") == [("trouble", "NotConfirmed"), ("trouble over", "")]


def test_deleted_exchanges_are_made_again(
    rabbitmq: RabbitMQAddress, amqp_url: str, connect: Open, lines: list[Line]
) -> None:
    """Exchanges deleted: the next message makes them again, with the binding of its destination; so does an event."""
    transport, inbox = connect(amqp_url), Inbox()
    wait_until_up(transport)
    registered(transport.consume("app", inbox, prefetch=10))
    publish(transport, [letter(transport, "app")])
    inbox.wait(1)
    for exchange in ("interapp", "interapp.events"):
        rabbitmq.management.request("DELETE", "exchanges", vhost_of(amqp_url), exchange)
    wait_until(lambda: end_of(transport, "app") is None, "a message is confirmed")
    inbox.wait(2)
    transport.announce([letter(transport, "app", source="m1")])

    def announced() -> bool:
        transport.announce([letter(transport, "app", source="m1")])
        return troubles(lines, "announcing") in ([], [("trouble", "NotConfirmed"), ("trouble over", "")])

    wait_until(announced, "events are announced")
    exchanges = rabbitmq.management.request("GET", "exchanges", vhost_of(amqp_url))
    assert {"interapp", "interapp.events"} <= {exchange["name"] for exchange in exchanges}


def test_a_queue_with_other_arguments_is_named_and_disturbs_no_other(
    rabbitmq: RabbitMQAddress, amqp_url: str, connect: Open, lines: list[Line]
) -> None:
    """Other arguments: link and line name queue and difference, other addresses go on; deleted, it is made anew."""
    with foreign_channel(amqp_url) as channel:
        channel.queue_declare("interapp.app", durable=True)
    transport, inbox = connect(amqp_url), Inbox()
    wait_until_up(transport)
    consumer = transport.consume("app", inbox, prefetch=10)
    wait_until(lambda: "inequivalent arg" in consumer.link().detail, "the consumer's link says why")
    error = end_of(transport, "app")
    assert isinstance(error, NotConfirmed)
    assert "queue 'interapp.app'" in str(error)
    assert "current is" in str(error)
    assert transport.link().detail == str(error)
    publish(transport, [letter(transport, "other")])
    rabbitmq.management.delete_queue(vhost_of(amqp_url), "interapp.app")
    wait_until_up(transport)
    publish(transport, [letter(transport, "app")])
    inbox.wait(1)
    for thing in ("consumer of app", "publishing to app"):
        assert troubles(lines, thing) == [("trouble", "NotConfirmed"), ("trouble over", "")]


def test_connections_closed_by_an_administrator_come_back(
    rabbitmq: RabbitMQAddress, amqp_url: str, connect: Open
) -> None:
    """Connections closed from RabbitMQ's side: both come back, and what was not acknowledged comes again."""
    transport, inbox = connect(amqp_url), Inbox()
    wait_until_up(transport)
    consumer = registered(transport.consume("app", inbox, prefetch=10))
    publish(transport, [letter(transport, "app")])
    inbox.wait(1)
    vhost = vhost_of(amqp_url)
    wait_until(lambda: len(own_connections(rabbitmq, vhost)) == 2, "RabbitMQ's statistics show both connections")
    for name in own_connections(rabbitmq, vhost):
        rabbitmq.management.close_connection(name)
    assert inbox.wait(2)[1].redelivered
    wait_until_up(transport)
    publish(transport, [letter(transport, "app")])
    inbox.wait(3)
    assert (registered(consumer).probe(PATIENCE_S) or 0) > 1


def test_a_bare_publish_from_kombu_is_delivered(amqp_url: str, connect: Open) -> None:
    """Foreign producer: kind and body are enough; the rest is empty, an id is made, the user is whom RabbitMQ verified."""
    transport, inbox = connect(amqp_url), Inbox()
    wait_until_up(transport)
    registered(transport.consume("m1000-a.clk1", inbox, prefetch=10))
    with kombu.Connection(amqp_url) as connection:
        producer = connection.Producer()
        producer.publish({"output": 1}, "m1000-a.clk1", exchange="interapp", type="tcr.set-output")
        producer.publish(
            {"output": 2}, "m1000-a.clk1", exchange="interapp", type="tcr.set-output", user_id=transport.user
        )
    first, second = (delivery.envelope for delivery in inbox.wait(2))
    assert first.kind == "tcr.set-output"
    assert json.loads(first.body) == {"output": 1}
    assert first.message_id != second.message_id
    assert (first.user, second.user) == ("", transport.user)
    assert (first.version, first.deadline_ms, first.content_type) == (1, None, "application/json")
    assert (first.source, first.call_id, first.correlation_id, first.reply_to, first.traceparent) == (
        "",
        "",
        "",
        "",
        "",
    )


def test_hostile_properties_stop_no_consumer(amqp_url: str, connect: Open) -> None:
    """Promise 8: whatever RabbitMQ lets through is delivered over the same channel, and what is unusable shows."""
    transport, inbox = connect(amqp_url), Inbox()
    wait_until_up(transport)
    consumer = registered(transport.consume("app", inbox, prefetch=100))
    taken = []
    for name, properties in HOSTILE.items():
        with contextlib.suppress(Exception):  # some RabbitMQ versions refuse some of them, which is as good
            publish_raw(amqp_url, "app", [(properties, name.encode())])
            taken.append(name)
    publish(transport, [letter(transport, "app")])
    envelopes = {delivery.envelope.body.decode(): delivery.envelope for delivery in inbox.wait(len(taken) + 1)}
    assert len(taken) >= len(HOSTILE) - 2
    for name in taken:
        field, value = VISIBLY_UNUSABLE.get(name, ("version", 1))
        assert getattr(envelopes[name], field) == value, name
        assert envelopes[name].message_id
    assert consumer.probe(PATIENCE_S) == 1


def test_an_unusable_id_stays_the_same_id(amqp_url: str, connect: Open) -> None:
    """Promise 8: the same message delivered again has the same identity, even when its id is no text."""
    transport, inbox = connect(amqp_url), Inbox()
    wait_until_up(transport)
    consumer = registered(transport.consume("app", inbox, prefetch=100))
    publish_raw(amqp_url, "app", [(HOSTILE["an id that is no text"], b"")])
    inbox.wait(1)
    consumer.rebuild()
    first, second = inbox.wait_ids(2)
    assert first == second


def test_a_foreign_listener_hears_events(amqp_url: str, connect: Open) -> None:
    """Announce: a copy of each event goes to the topic exchange under source and kind, with its properties."""
    transport = connect(amqp_url)
    wait_until_up(transport)
    event = letter(transport, "m1000-a", source="m1000-a", kind="lantime.alarm-raised")
    with kombu.Connection(amqp_url) as connection:
        exchange = kombu.Exchange("interapp.events", type="topic")
        queue = kombu.Queue("", exchange, routing_key="m1000-a.lantime.#", exclusive=True)
        heard: list[Any] = []
        with connection.Consumer(queue, callbacks=[lambda _body, message: heard.append(message)], no_ack=True):

            def hear() -> bool:
                transport.announce([event])
                with contextlib.suppress(TimeoutError):
                    connection.drain_events(timeout=0.5)
                return bool(heard)

            wait_until(hear, "the listener hears it")
    assert heard[0].properties["message_id"] == event.message_id
    assert heard[0].properties["type"] == "lantime.alarm-raised"
    assert heard[0].delivery_info["routing_key"] == "m1000-a.lantime.alarm-raised"


def test_an_envelope_of_another_user_is_not_published(amqp_url: str, connect: Open) -> None:
    """Sender proof: RabbitMQ would close the channel; the envelope ends by itself, naming both users."""
    transport = connect(amqp_url)
    wait_until_up(transport)
    error = end_of(transport, "app", user="somebody-else")
    assert isinstance(error, NotConfirmed)
    assert "'somebody-else'" in str(error)
    assert repr(transport.user) in str(error)
    publish(transport, [letter(transport, "app")])


def test_a_message_to_a_vanished_queue_is_kept_as_unroutable(
    rabbitmq: RabbitMQAddress, amqp_url: str, connect: Open
) -> None:
    """Alternate exchange: a message whose queue was deleted is confirmed and lies in the unroutable queue."""
    transport = connect(amqp_url)
    wait_until_up(transport)
    publish(transport, [letter(transport, "app")])
    rabbitmq.management.delete_queue(vhost_of(amqp_url), "interapp.app")
    lost = letter(transport, "app")
    publish(transport, [lost])
    with foreign_channel(amqp_url) as channel:
        method, properties, _ = channel.basic_get("interapp.unroutable", auto_ack=True)
    assert method is not None
    assert (properties.message_id, method.routing_key) == (lost.message_id, "app")


def test_a_returned_message_is_unroutable_and_its_queue_made_again(
    rabbitmq: RabbitMQAddress, amqp_url: str, connect: Open
) -> None:
    """Mandatory: what reaches no queue at all ends as unroutable, and the next message finds its queue."""
    transport = connect(amqp_url)
    wait_until_up(transport)
    publish(transport, [letter(transport, "app")])
    for queue in ("interapp.app", "interapp.unroutable"):
        rabbitmq.management.delete_queue(vhost_of(amqp_url), queue)
    error = end_of(transport, "app")
    assert isinstance(error, Unroutable)
    assert "no queue for app" in str(error)
    publish(transport, [letter(transport, "app")])


def test_tls_is_verified_and_works(
    rabbitmq: RabbitMQAddress, amqp_url: str, connect: Open, tmp_path: Path, lines: list[Line]
) -> None:
    """TLS: a certificate of an unknown authority is refused with the way out; named in the URL, everything works."""
    certificate, key = write_certificate(tmp_path)
    parts = urlsplit(amqp_url)
    with tls_front(rabbitmq.host, rabbitmq.port, certificate, key) as port:
        url = parts._replace(scheme="amqps", netloc=f"{parts.username}:{parts.password}@127.0.0.1:{port}").geturl()
        stranger = connect(url)
        wait_until(lambda: "cannot be verified" in stranger.link().detail, "the link says why")
        assert "ca_certs" in stranger.link().detail
        stranger.close()
        transport, inbox = connect(f"{url}?ssl_options={{'ca_certs':'{certificate}'}}"), Inbox()
        wait_until_up(transport)
        consumer = registered(transport.consume("app", inbox, prefetch=50))
        letters = [letter(transport, "app", number, body=bytes(2000)) for number in range(300)]
        settlements = Settlements()
        transport.publish(letters, settlements)
        settlements.confirmed(300)
        seen = 0
        while seen < 300:
            deliveries = inbox.wait(seen + 1)
            seen = len(deliveries)
            consumer.ack(deliveries[-1].channel, deliveries[-1].tag)
        assert [delivery.envelope for delivery in inbox.deliveries] == [replace(one, sent_us=0) for one in letters]
        transport.close()
    assert str(parts.password) not in repr(lines)


def test_a_url_that_can_never_be_right_is_refused_by_name() -> None:
    """Settings: what pika cannot use ends with the setting, its value without the password, and what is allowed."""
    for url in ("amqp://user@localhost/", "amqp://u:secret@h/?heartbeat=often", "amqps://u:secret@h/?ssl_options={}"):
        with pytest.raises(SettingError, match="INTERAPP_BROKER_URL") as caught:
            RabbitMQTransport(url, SystemClock())
        assert "secret" not in str(caught.value)


def documented(language: str) -> list[str]:
    """Return the examples of the wire format's page in a language."""
    page = (Path(__file__).parents[2] / "docs" / "wire-format.md").read_text(encoding="utf-8")
    return re.findall(rf"```{language}\n(.*?)```", page, re.DOTALL)


@pytest.mark.parametrize("library", ["pika", "kombu"])
def test_the_documented_examples_work(amqp_url: str, connect: Open, library: str) -> None:
    """Docs: the examples for foreign producers, run as they are printed, arrive as a command for the TCR slot."""
    transport, inbox = connect(amqp_url), Inbox()
    wait_until_up(transport)
    registered(transport.consume("m1000-a.clk1", inbox, prefetch=10))
    (example,) = (code for code in documented("python") if f"import {library}\n" in code)
    program = example.replace("amqp://desk:secret@rabbit.example:5672/interapp", amqp_url)
    subprocess.run([sys.executable, "-c", program], check=True, timeout=30)
    envelope = inbox.wait(1)[0].envelope
    assert envelope.kind == "tcr.poll-now"
    assert json.loads(envelope.body) == {}


def test_the_documented_command_works(rabbitmq: RabbitMQAddress, amqp_url: str, connect: Open) -> None:
    """Docs: what the management plugin's command line tool sends arrives too; its words are those of the HTTP API."""
    transport, inbox = connect(amqp_url), Inbox()
    wait_until_up(transport)
    registered(transport.consume("m1000-a.clk1", inbox, prefetch=10))
    (command,) = (code for code in documented("sh") if code.startswith("rabbitmqadmin"))
    words = dict(word.split("=", 1) for word in shlex.split(command.replace("\\\n", ""))[2:])
    request = {
        "routing_key": words["routing_key"],
        "payload": words["payload"],
        "payload_encoding": "string",
        "properties": json.loads(words["properties"]),
    }
    rabbitmq.management.request("POST", "exchanges", vhost_of(amqp_url), words["exchange"], "publish", json=request)
    assert inbox.wait(1)[0].envelope.kind == "tcr.poll-now"


def test_the_documented_names_are_those_that_are_declared() -> None:
    """Docs: every exchange and queue that is declared is in the page."""
    page = (Path(__file__).parents[2] / "docs" / "wire-format.md").read_text(encoding="utf-8")
    names = {step.name for step in (*foundation(), *mailbox("<address>")) if not isinstance(step, Binding)}
    assert {name for name in names if f"| `{name}` |" not in page} == set()
