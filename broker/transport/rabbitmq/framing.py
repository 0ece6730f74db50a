"""A message as the frames that publish it, written in one go.

pika makes an object of each frame and writes each field by itself: four fifths of all that was done for a message after its
commit. These are the bytes that pika writes for the same properties, which a test compares.
"""

from functools import lru_cache
from struct import Struct, error, pack
from typing import Final

from pika import BasicProperties
from pika.spec import Basic

from broker.messages.envelope import Envelope
from broker.transport.rabbitmq.wire import PERSISTENT, check

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


def publishing(envelope: Envelope, user: str, *, exchange: str, channel: int, largest_body: int) -> bytes:
    """Return the frames that publish an envelope in the name of ``user``, mandatory, its properties as ``to_properties`` says.

    ``largest_body`` is how many bytes of a body one frame holds. Raises ValueError as ``to_properties`` does.
    """
    check(envelope, user)
    flags, properties = _properties(envelope)
    body = envelope.body
    content = _CONTENT.pack(HEADER_FRAME, channel, _CONTENT_BYTES + len(properties), Basic.INDEX, 0, len(body), flags)
    frames = [_method(exchange, envelope.destination, channel), content, properties, FRAME_END]
    for start in range(0, len(body), largest_body):
        piece = body[start : start + largest_body]
        frames += (_FRAME.pack(BODY_FRAME, channel, len(piece)), piece, FRAME_END)
    return b"".join(frames)


def _properties(envelope: Envelope) -> tuple[int, bytes]:
    """Return which properties there are, and those; they go in the order of AMQP."""
    flags = BasicProperties.FLAG_DELIVERY_MODE
    parts = []
    if envelope.content_type:
        flags |= _CONTENT_TYPE
        parts.append(_known(envelope.content_type))
    if headers := _headers(envelope):
        flags |= _HEADERS
        parts.append(pack(">I", len(headers)) + headers)
    parts.append(_DELIVERY_MODE)
    if envelope.priority:
        flags |= _PRIORITY
        parts.append(bytes((envelope.priority,)))
    for flag, text in (
        (_CORRELATION_ID, envelope.correlation_id),
        (_REPLY_TO, envelope.reply_to),
        (_MESSAGE_ID, envelope.message_id),
    ):
        if text:
            flags |= flag
            parts.append(_short(text))
    if seconds := envelope.sent_us // 1_000_000:
        flags |= _TIMESTAMP
        parts.append(pack(">Q", seconds))
    for flag, text in ((_TYPE, envelope.kind), (_USER_ID, envelope.user), (_APP_ID, envelope.source)):
        if text:
            flags |= flag
            parts.append(_known(text))
    return flags, b"".join(parts)


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


_known = lru_cache(maxsize=512)(_short)
"""For texts of which an app has few."""


@lru_cache(maxsize=512)
def _method(exchange: str, routing_key: str, channel: int) -> bytes:
    method = pack(">IH", Basic.Publish.INDEX, 0) + _short(exchange) + _short(routing_key) + _MANDATORY
    return _FRAME.pack(METHOD_FRAME, channel, len(method)) + method + FRAME_END
