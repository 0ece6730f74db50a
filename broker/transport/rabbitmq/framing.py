"""A message as the frames that publish it, written in one go.

pika makes an object of each frame and writes each field by itself: four fifths of all that was done for a message after its
commit. These are the bytes that pika writes for the same properties, which a test compares.
"""

from operator import attrgetter
from struct import Struct, error, pack
from typing import Final

from pika import BasicProperties
from pika.spec import Basic

from broker.messages.envelope import Envelope
from broker.transport.rabbitmq.wire import PERSISTENT, TEXT_FIELDS, check, is_plain

METHOD_FRAME: Final = 1
HEADER_FRAME: Final = 2
BODY_FRAME: Final = 3
FRAME_END: Final = b"\xce"
_FRAME: Final = Struct(">BHI")
"""Type, channel, size of what follows without the end."""
_CONTENT: Final = Struct(">BHIHHQH")
"""A frame's beginning, then class, weight, size of the body, and which properties there are."""
_CONTENT_BYTES: Final = _CONTENT.size - _FRAME.size
_DELIVERY_MODE: Final = bytes((PERSISTENT,))
_MANDATORY: Final = b"\x01"

_CONTENT_TYPE: Final = BasicProperties.FLAG_CONTENT_TYPE
_HEADERS: Final = BasicProperties.FLAG_HEADERS
_PRIORITY: Final = BasicProperties.FLAG_PRIORITY
_CORRELATION_ID: Final = BasicProperties.FLAG_CORRELATION_ID
_REPLY_TO: Final = BasicProperties.FLAG_REPLY_TO
_MESSAGE_ID: Final = BasicProperties.FLAG_MESSAGE_ID
_TIMESTAMP: Final = BasicProperties.FLAG_TIMESTAMP
_TYPE: Final = BasicProperties.FLAG_TYPE
_USER_ID: Final = BasicProperties.FLAG_USER_ID
_APP_ID: Final = BasicProperties.FLAG_APP_ID


_WITHOUT_ID: Final = tuple(name for name in TEXT_FIELDS if name != "message_id")
_read_rest: Final = attrgetter(*_WITHOUT_ID, "destination", "version", "deadline_ms", "at_ms", "priority")
"""What the frames hold of an envelope besides its id, its body and the second in which it was sent."""


class Framing:
    """Writes the frames that publish messages on one channel, mandatory, their properties as ``to_properties`` says.

    Messages of a call hardly differ but in id and body: what one has in common with that before it is not written again.
    """

    def __init__(self, user: str, *, exchange: str, channel: int, largest_body: int) -> None:
        """Take in whose name they are published; ``largest_body`` is how many bytes of a body one frame holds."""
        self._user = user
        self._exchange = exchange
        self._channel = channel
        self._largest_body = largest_body
        self._rest: tuple[object, ...] = ()
        self._seconds = self._flags = 0
        self._method = self._before_id = self._after_id = b""

    def publishing(self, envelope: Envelope) -> bytes:
        """Return the frames that publish an envelope. Raises ValueError as ``to_properties`` does."""
        rest, seconds, message_id = _read_rest(envelope), envelope.sent_us // 1_000_000, envelope.message_id
        if rest != self._rest or seconds != self._seconds or not is_plain(message_id):
            check(envelope, self._user)
            self._write(envelope)
            self._rest, self._seconds = rest, seconds
        flags = self._flags | (_MESSAGE_ID if message_id else 0)
        properties = self._before_id + (_short(message_id) if message_id else b"") + self._after_id
        body, channel = envelope.body, self._channel
        content = _CONTENT.pack(
            HEADER_FRAME, channel, _CONTENT_BYTES + len(properties), Basic.INDEX, 0, len(body), flags
        )
        frames = [self._method, content, properties, FRAME_END]
        for start in range(0, len(body), self._largest_body):
            piece = body[start : start + self._largest_body]
            frames += (_FRAME.pack(BODY_FRAME, channel, len(piece)), piece, FRAME_END)
        return b"".join(frames)

    def _write(self, envelope: Envelope) -> None:
        """Write all but the id and the body; properties go in the order of AMQP."""
        flags = BasicProperties.FLAG_DELIVERY_MODE
        before = []
        if envelope.content_type:
            flags |= _CONTENT_TYPE
            before.append(_short(envelope.content_type))
        if headers := _headers(envelope):
            flags |= _HEADERS
            before.append(pack(">I", len(headers)) + headers)
        before.append(_DELIVERY_MODE)
        if envelope.priority:
            flags |= _PRIORITY
            before.append(bytes((envelope.priority,)))
        for flag, text in ((_CORRELATION_ID, envelope.correlation_id), (_REPLY_TO, envelope.reply_to)):
            if text:
                flags |= flag
                before.append(_short(text))
        after = []
        if seconds := envelope.sent_us // 1_000_000:
            flags |= _TIMESTAMP
            after.append(pack(">Q", seconds))
        for flag, text in ((_TYPE, envelope.kind), (_USER_ID, envelope.user), (_APP_ID, envelope.source)):
            if text:
                flags |= flag
                after.append(_short(text))
        method = (
            pack(">IH", Basic.Publish.INDEX, 0) + _short(self._exchange) + _short(envelope.destination) + _MANDATORY
        )
        # All at once at the end: what cannot be written leaves what is there as it is.
        self._method = _FRAME.pack(METHOD_FRAME, self._channel, len(method)) + method + FRAME_END
        self._flags, self._before_id, self._after_id = flags, b"".join(before), b"".join(after)


def _headers(envelope: Envelope) -> bytes:
    headers = b""
    if envelope.version != 1:
        headers += b"\x09x-version" + _whole(envelope.version)
    if envelope.call_id:
        headers += b"\x09x-call-id" + _long(envelope.call_id)
    if envelope.deadline_ms is not None:
        headers += b"\x0ax-deadline" + _whole(envelope.deadline_ms)
    if envelope.at_ms is not None:
        headers += b"\x04x-at" + _whole(envelope.at_ms)
    if envelope.traceparent:
        headers += b"\x0btraceparent" + _long(envelope.traceparent)
    return headers


def _whole(number: int) -> bytes:
    try:
        return pack(">ci", b"I", number)
    except error:
        return pack(">cq", b"l", number)


def _long(text: str) -> bytes:
    encoded = text.encode()
    return pack(">cI", b"S", len(encoded)) + encoded


def _short(text: str) -> bytes:
    encoded = text.encode()
    return bytes((len(encoded),)) + encoded
