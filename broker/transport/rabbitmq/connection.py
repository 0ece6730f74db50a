"""pika's connection, made to fit.

Seven things differ: writes are joined, messages may come as complete frames, the socket gets what it takes at once, deliveries and
confirms look for no callback, headers that cannot be read do not matter, closing hands back at once, and closing while it opens
is no defect. Each is in a subclass of ours, checked by a test; pika itself is as it comes.
"""

import struct
from collections.abc import Callable, Sequence
from typing import Any

from pika import BasicProperties
from pika.adapters.select_connection import SelectConnection
from pika.adapters.utils.io_services_utils import _AsyncPlaintextTransport
from pika.channel import Channel
from pika.frame import Frame, Header, Method, ProtocolHeader
from pika.spec import Basic

from broker.transport.rabbitmq.wire import UNREADABLE_HEADERS

HEADER_FRAME = 2
FRAME_HEADER_BYTES = 7
CONTENT_HEADER_BYTES = 12


class HandBackChannel(Channel):  # type: ignore[misc]  # pika has no types
    """A channel whose close hands everything back at once, and which knows who is told of confirms."""

    confirmed: Callable[[Method], None] | None = None

    def confirm_delivery(self, ack_nack_callback: Callable[[Method], None], callback: Any = None) -> None:
        """Ask for confirms, as pika does, and remember who is told of them."""
        self.confirmed = ack_nack_callback
        super().confirm_delivery(ack_nack_callback, callback)

    def close(self, reply_code: int = 0, reply_text: str = "Normal shutdown") -> None:
        """Close without cancelling the consumers first.

        After a basic.cancel a single active consumer is no longer active although its messages are not handed back:
        the next consumer would start with later ones. Closing the channel ends both in one step.
        """
        self._consumers.clear()
        super().close(reply_code, reply_text)


class Connection(SelectConnection):  # type: ignore[misc]  # pika has no types
    """A connection to RabbitMQ as interapp needs it. To be used on its loop's thread only."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._corked: list[bytes] = []
        super().__init__(*args, **kwargs)

    @property
    def largest_body(self) -> int:
        """How many bytes of a body one frame holds, as agreed with RabbitMQ."""
        largest: int = self._body_max_length
        return largest

    def emit(self, messages: Sequence[bytes]) -> None:
        """Send messages whose frames are complete, at once and in one write with what this turn of the loop wrote before."""
        self._corked += messages
        self._uncork()

    def drop(self) -> None:
        """Close the socket now, without a word to the other side."""
        if self._transport is not None:
            self._transport.abort()

    def _on_connection_workflow_done(self, result: object) -> None:
        """Take a close during the handshake for what it is: pika reports it as the error's class and takes only an instance."""
        super()._on_connection_workflow_done(result() if isinstance(result, type) else result)

    def _adapter_emit_data(self, data: bytes) -> None:
        """Join what one turn of the loop writes: pika sends each frame by itself, three for one message."""
        if not self._corked:
            self.ioloop.call_later(0, self._uncork)
        self._corked.append(data)

    def _uncork(self) -> None:
        corked, self._corked = self._corked, []
        if corked and self._transport is not None:  # else the connection was lost in the same turn
            data = b"".join(corked)
            rest = data[taken_at_once(self._transport, data) :]
            if rest:
                super()._adapter_emit_data(rest)

    def _process_callbacks(self, frame_value: Frame) -> bool:
        """Let only answers to our own questions look for their callback.

        A delivery never has one here, its channel passes it on, and a confirm always has the same; looking for it takes pika a
        seventh of all its time for a message.
        """
        if not isinstance(frame_value, Method) or isinstance(frame_value.method, Basic.Deliver):
            return False
        if isinstance(frame_value.method, (Basic.Ack, Basic.Nack)):
            channel = self._channels.get(frame_value.channel_number)
            if channel is not None and channel.confirmed is not None:
                channel.confirmed(frame_value)
                return True
        answered: bool = super()._process_callbacks(frame_value)
        return answered

    def _read_frame(self) -> tuple[int, Frame | ProtocolHeader | None]:
        """Read the next frame; one whose headers pika cannot decode comes without them.

        RabbitMQ delivers a message whose header is a time in the year 300000, not a number, or nested a thousand deep.
        pika raises while decoding it, which ends the connection, and after the reconnect the message is there again.
        """
        frame: tuple[int, Frame | ProtocolHeader | None]
        try:
            frame = super()._read_frame()
        except Exception:  # whatever decoding raises: overflow, recursion, struct, value errors
            kind, channel, size = struct.unpack_from(">BHL", self._frame_buffer)
            if kind != HEADER_FRAME:
                raise
            frame = self._without_headers(channel, size)
        return frame

    def _without_headers(self, channel: int, size: int) -> tuple[int, Header]:
        payload = self._frame_buffer[FRAME_HEADER_BYTES : FRAME_HEADER_BYTES + size]
        (body_size,) = struct.unpack_from(">Q", payload, 4)
        properties = readable_properties(payload[CONTENT_HEADER_BYTES:])
        return FRAME_HEADER_BYTES + size + 1, Header(channel, body_size, properties)

    def _create_channel(self, channel_number: int, on_open_callback: Callable[[Channel], Any] | None) -> Channel:
        return HandBackChannel(self, channel_number, on_open_callback)


def taken_at_once(transport: Any, data: bytes) -> int:
    """Return how many bytes the socket takes now; 0 when pika has to see to it: encrypted, or something waits already.

    pika waits until the socket says that it can be written to, which it nearly always can: one turn of the loop more, and two
    calls to tell the kernel what to watch.
    """
    # pika has no seam for it: what is private is looked at by a test with pika's own transport.
    plain = isinstance(transport, _AsyncPlaintextTransport) and transport._state == transport._STATE_ACTIVE  # noqa: SLF001
    if not plain or transport.get_write_buffer_size():
        return 0
    try:
        taken: int = transport._sock.send(data)  # noqa: SLF001
    except OSError:  # full, or broken: pika finds out the same, and knows what to do
        return 0
    return taken


def readable_properties(encoded: bytes) -> BasicProperties:
    """Decode a property list whose table of headers is beyond pika, without that table."""
    (flags,) = struct.unpack_from(">H", encoded)
    start = 2
    for flag in (BasicProperties.FLAG_CONTENT_TYPE, BasicProperties.FLAG_CONTENT_ENCODING):
        if flags & flag:
            start += 1 + encoded[start]
    (table_size,) = struct.unpack_from(">L", encoded, start)
    kept = (
        struct.pack(">H", flags & ~BasicProperties.FLAG_HEADERS) + encoded[2:start] + encoded[start + 4 + table_size :]
    )
    properties = BasicProperties()
    properties.decode(kept)
    properties.headers = dict(UNREADABLE_HEADERS)
    return properties
