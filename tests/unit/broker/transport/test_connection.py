"""What our subclass of pika's connection changes, without a server."""

from __future__ import annotations

import socket
import struct
from collections.abc import Callable
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from pika import BasicProperties
from pika.adapters.utils.io_services_utils import _AsyncPlaintextTransport
from pika.callback import CallbackManager
from pika.frame import Body, Header, Method
from pika.spec import Basic

from broker.transport.rabbitmq.connection import Connection, HandBackChannel, readable_properties

FLAG_HEADERS = BasicProperties.FLAG_HEADERS


class FakeLoop:
    """A loop whose turns end by hand."""

    READ, WRITE, ERROR = 1, 4, 8

    def __init__(self) -> None:
        self.jobs: list[Callable[[], None]] = []

    def call_later(self, _seconds: float, job: Callable[[], None]) -> None:
        self.jobs.append(job)

    def end_turn(self) -> None:
        """Run what was asked for."""
        jobs, self.jobs = self.jobs, []
        for job in jobs:
            job()


class FakeSocket:
    """What pika writes to."""

    def __init__(self) -> None:
        self.writes: list[bytes] = []

    def write(self, data: bytes) -> None:
        self.writes.append(data)


class Offline(Connection):  # type: ignore[misc]  # pika has no types
    """A connection that is open and goes nowhere."""

    def __init__(self) -> None:
        self.socket = FakeSocket()
        super().__init__(None, None, None, None, FakeLoop(), internal_connection_workflow=False)
        self._transport = self.socket
        self.connection_state = self.CONNECTION_OPEN
        self._body_max_length = 131_064


def opened(connection: Offline) -> HandBackChannel:
    """Return an open channel of a connection."""
    channel = connection._create_channel(1, None)
    channel._state = channel.OPEN
    channel._add_callbacks()
    connection._channels[1] = channel
    assert isinstance(channel, HandBackChannel)
    return channel


def delivery(tag: int, header: bytes, body: bytes) -> bytes:
    """Return the three frames of a delivery, with an encoded header."""
    payload = struct.pack(">HxxQ", BasicProperties.INDEX, len(body)) + header
    return (
        Method(1, Basic.Deliver("tag", tag, False, "interapp", "app")).marshal()
        + struct.pack(">BHL", 2, 1, len(payload))
        + payload
        + b"\xce"
        + Body(1, body).marshal()
    )


def test_writes_of_one_turn_are_joined() -> None:
    """All frames of a turn of the loop go to the socket in one piece, in order."""
    connection = Offline()
    channel = opened(connection)
    for number in range(3):
        channel.basic_publish("interapp", "app", b"body %d" % number, BasicProperties(type="k"))
    channel.basic_ack(7, multiple=True)
    assert connection.socket.writes == []
    connection.ioloop.end_turn()
    (joined,) = connection.socket.writes
    assert joined.index(b"body 0") < joined.index(b"body 1") < joined.index(b"body 2")
    channel.basic_ack(8)
    connection.ioloop.end_turn()
    assert len(connection.socket.writes) == 2


def test_complete_messages_are_written_at_once() -> None:
    """Messages whose frames are complete go out in one piece, behind what was written before and without another turn."""
    connection = Offline()
    opened(connection).basic_ack(7)
    connection.emit([b"one", b"two"])
    (joined,) = connection.socket.writes
    assert joined.endswith(b"\xceonetwo")
    connection.ioloop.end_turn()
    assert connection.socket.writes == [joined]


class Watching:
    """What pika's transport asks to be watched."""

    def __init__(self) -> None:
        self.writers: list[Callable[[], None]] = []

    def set_reader(self, _descriptor: int, _on_readable: Callable[[], None]) -> None:
        pass

    def set_writer(self, _descriptor: int, on_writable: Callable[[], None]) -> None:
        self.writers.append(on_writable)

    def remove_writer(self, _descriptor: int) -> None:
        self.writers.clear()


def test_the_socket_gets_at_once_what_it_takes() -> None:
    """A message is on its way without another turn; what the socket has no room for follows in order, later ones behind it."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.setblocking(False)
        theirs.setblocking(False)
        watching = Watching()
        connection = Offline()
        connection._transport = _AsyncPlaintextTransport(ours, connection, watching)
        connection.emit([b"first"])
        assert theirs.recv(9) == b"first"
        assert watching.writers == []
        large = bytes(range(256)) * 40_000
        connection.emit([large])
        # There is room again, but not for what comes later.
        received = theirs.recv(1 << 20)
        connection.emit([b"last"])
        while not received.endswith(b"last"):
            for on_writable in tuple(watching.writers):
                on_writable()
            received += theirs.recv(1 << 20)
        assert received == large + b"last"


def test_a_broken_socket_is_left_to_pika() -> None:
    """A socket that fails is no error here: pika's own write meets the same, and ends the connection."""
    ours, theirs = socket.socketpair()
    with ours:
        theirs.close()
        watching = Watching()
        connection = Offline()
        connection._transport = _AsyncPlaintextTransport(ours, connection, watching)
        connection.emit([b"lost"])
        assert len(watching.writers) == 1


def test_what_is_joined_for_a_lost_connection_is_dropped() -> None:
    """A connection lost in the same turn writes nothing."""
    connection = Offline()
    opened(connection).basic_ack(1)
    connection._transport = None
    connection.ioloop.end_turn()
    assert connection.socket.writes == []


def test_closing_a_channel_cancels_no_consumer() -> None:
    """Channel.close is the first thing RabbitMQ hears: no basic.cancel makes a standby active before it."""
    connection = Offline()
    channel = opened(connection)
    channel._consumers["tag"] = lambda *_: None
    channel.close()
    connection.ioloop.end_turn()
    (written,) = connection.socket.writes
    assert written[7:11] == struct.pack(">HH", 20, 40)


def test_a_delivery_with_headers_beyond_pika_comes_without_them() -> None:
    """A header that pika cannot decode costs the headers of its own message, and nothing of the others."""
    connection = Offline()
    received: list[tuple[int, BasicProperties, bytes]] = []
    opened(connection)._consumers["tag"] = lambda _c, m, p, b: received.append((m.delivery_tag, p, b))
    table = b"\x04when" + b"T" + struct.pack(">Q", 2**63)
    bad = struct.pack(">H", FLAG_HEADERS | BasicProperties.FLAG_TYPE) + struct.pack(">L", len(table)) + table + b"\x01k"
    good = b"".join(BasicProperties(type="k", headers={"x-version": 2}).encode())
    stream = delivery(1, good, b"one") + delivery(2, bad, b"two") + delivery(3, good, b"three")
    for start in range(0, len(stream), 11):
        connection._on_data_available(stream[start : start + 11])
    assert [(tag, properties.type, body) for tag, properties, body in received] == [
        (1, "k", b"one"),
        (2, "k", b"two"),
        (3, "k", b"three"),
    ]
    assert [properties.headers for _, properties, _ in received] == [
        {"x-version": 2},
        {"x-version": None},
        {"x-version": 2},
    ]


texts = st.none() | st.text(max_size=20)


@given(
    st.fixed_dictionaries(dict.fromkeys(("content_type", "content_encoding", "message_id", "type", "app_id"), texts))
)
def test_all_but_the_headers_are_kept(fields: dict[str, Any]) -> None:
    """Whichever properties a message has, they survive the loss of its headers."""
    properties = BasicProperties(headers={"a": 1, "b": [None, {"c": "d"}]}, timestamp=5, delivery_mode=2, **fields)
    readable = readable_properties(b"".join(properties.encode()))
    properties.headers = {"x-version": None}
    assert readable == properties


def test_frames_are_what_pika_makes_of_them() -> None:
    """The frames that these tests build by hand are the frames that pika builds."""
    properties = BasicProperties(type="k")
    body = b"body"
    by_pika = Method(1, Basic.Deliver("tag", 1, False, "interapp", "app")).marshal()
    by_pika += Header(1, len(body), properties).marshal() + Body(1, body).marshal()
    assert delivery(1, b"".join(properties.encode()), body) == by_pika


def test_confirms_reach_whoever_asked_for_them() -> None:
    """Acks and nacks of a channel go to its own callback, those of a channel that asked for none to nobody."""
    connection = Offline()
    connection.server_capabilities = {"publisher_confirms": True, "basic.nack": True}
    channel = opened(connection)
    told: list[tuple[str, int]] = []
    connection._on_data_available(Method(1, Basic.Ack(1)).marshal())
    channel.confirm_delivery(lambda frame: told.append((frame.method.NAME, frame.method.delivery_tag)))
    connection._on_data_available(Method(1, Basic.Ack(2)).marshal() + Method(1, Basic.Nack(3)).marshal())
    connection._on_data_available(Method(9, Basic.Ack(4)).marshal())
    assert told == [("Basic.Ack", 2), ("Basic.Nack", 3)]


def test_answers_still_find_their_callback() -> None:
    """Only deliveries skip the look-up: an answer to a question of ours reaches its callback."""
    connection = Offline()
    channel = opened(connection)
    answered: list[object] = []
    channel.basic_qos(prefetch_count=5, callback=answered.append)
    connection._on_data_available(Method(1, Basic.QosOk()).marshal())
    assert len(answered) == 1
    assert isinstance(connection.callbacks, CallbackManager)
