"""Envelopes to AMQP properties and back: pure functions.

Whatever arrives becomes an envelope; nothing raises. A field that is absent, or whose value cannot be such a field,
is empty. Four fields would be dangerous to take for absent, so a value that is there and unusable stays visible:

- version: -1 (also when the headers as a whole cannot be read);
- deadline_ms: -1, long past;
- at_ms: -1, which no message is handled with: neither now nor at a time that nobody can tell;
- content_type: ``application/octet-stream``, bytes of an unknown kind.

A priority above 9 counts as 9.

A message id that is there and unusable (not UTF-8, or with a NUL) becomes an id that follows from its bytes: the same
message delivered twice keeps one identity. Only a message without any id gets a fresh one at each delivery.
"""

from collections.abc import Sequence
from operator import attrgetter
from typing import Any, Final

from pika import BasicProperties

from broker.lifecycle.ids import derived_id, new_id
from broker.messages.due import EARLIEST_MS, LATEST_MS
from broker.messages.envelope import Envelope
from broker.messages.priority import HIGHEST, LOWEST, checked_priority

UNUSABLE: Final = -1
"""Version, deadline or due time that was sent and cannot be understood."""

UNKNOWN_CONTENT: Final = "application/octet-stream"
JSON_CONTENT: Final = "application/json"

PERSISTENT: Final = 2
"""Delivery mode: RabbitMQ keeps the message on its disk."""

MAX_SHORT: Final = 255
"""Bytes in an AMQP short string; headers that we send keep to it too."""

TEXT_FIELDS: Final = (
    "message_id",
    "kind",
    "source",
    "call_id",
    "correlation_id",
    "reply_to",
    "content_type",
    "traceparent",
    "user",
)
"""An envelope's texts that travel beside its body."""
_texts: Final = attrgetter(*TEXT_FIELDS)

LEAST_WHOLE: Final = -(2**63)
MOST_WHOLE: Final = 2**63 - 1
"""Of a number that AMQP carries."""

MAX_VERSION: Final = 2**31 - 1
MAX_SECONDS: Final = 253_402_300_799
"""9999-12-31T23:59:59Z: a later time cannot be shown, and is most likely in another unit."""

UNREADABLE_HEADERS: Final[dict[str, Any]] = {"x-version": None}
"""Stands for a table of headers that could not be decoded: its version is unusable."""


def to_properties(envelope: Envelope, user: str) -> BasicProperties:
    """Return the properties of an envelope that ``user`` publishes; what is empty is left out.

    Raises ValueError that names the field which does not fit AMQP, or both users when it is another user's envelope:
    RabbitMQ would close the channel for it.
    """
    check(envelope, user)
    headers: dict[str, Any] = {}
    if envelope.version != 1:
        headers["x-version"] = envelope.version
    if envelope.call_id:
        headers["x-call-id"] = envelope.call_id
    if envelope.deadline_ms is not None:
        headers["x-deadline"] = envelope.deadline_ms
    if envelope.at_ms is not None:
        headers["x-at"] = envelope.at_ms
    if envelope.traceparent:
        headers["traceparent"] = envelope.traceparent
    return BasicProperties(
        content_type=envelope.content_type or None,
        headers=headers or None,
        delivery_mode=PERSISTENT,
        priority=envelope.priority or None,
        correlation_id=envelope.correlation_id or None,
        reply_to=envelope.reply_to or None,
        message_id=envelope.message_id or None,
        timestamp=envelope.sent_us // 1_000_000 or None,
        type=envelope.kind or None,
        user_id=envelope.user or None,
        app_id=envelope.source or None,
    )


def to_envelope(properties: BasicProperties, body: bytes, address: str) -> Envelope:
    """Return what arrived for an address. Never raises."""
    headers: dict[Any, Any] = properties.headers or {}
    return Envelope(
        message_id=_message_id(properties.message_id),
        kind=_text(properties.type),
        body=body,
        destination=address,
        source=_text(properties.app_id),
        call_id=_text(headers.get("x-call-id")),
        correlation_id=_text(properties.correlation_id),
        reply_to=_text(properties.reply_to),
        content_type=JSON_CONTENT
        if properties.content_type is None
        else _text(properties.content_type) or UNKNOWN_CONTENT,
        version=_whole(headers["x-version"], 1, MAX_VERSION) if "x-version" in headers else 1,
        deadline_ms=_whole(headers["x-deadline"], 0, MAX_SECONDS * 1000) if "x-deadline" in headers else None,
        at_ms=_whole(headers["x-at"], EARLIEST_MS, LATEST_MS) if "x-at" in headers else None,
        priority=_priority(properties.priority),
        traceparent=_text(headers.get("traceparent")),
        sent_us=_sent_us(properties.timestamp),
        user=_text(properties.user_id),
    )


def _text(value: object) -> str:
    """Return a text that any table can keep: pika gives bytes for what is not UTF-8, and PostgreSQL refuses NUL."""
    return value if isinstance(value, str) and "\x00" not in value and len(value) <= MAX_SHORT else ""


def _message_id(value: object) -> str:
    if not value:
        return new_id()
    return _text(value) or derived_id("unusable message id", repr(value))


def _whole(value: object, least: int, most: int) -> int:
    if isinstance(value, int) and not isinstance(value, bool) and least <= value <= most:
        return int(value)  # pika's own subclass would show itself as "1L"
    return UNUSABLE


def _priority(value: object) -> int:
    return max(LOWEST, min(HIGHEST, value)) if isinstance(value, int) else LOWEST


def _sent_us(seconds: object) -> int:
    return seconds * 1_000_000 if isinstance(seconds, int) and 0 <= seconds <= MAX_SECONDS else 0


def check(envelope: Envelope, user: str) -> None:
    """Refuse by name what pika would refuse without a name, and what would close the channel or the connection.

    Raises ValueError as ``to_properties`` says.
    """
    if envelope.user and envelope.user != user:
        raise ValueError(
            f"it belongs to RabbitMQ user {envelope.user!r}, the only one who can send it, "
            f"and this connection is of user {user!r}"
        )
    texts: tuple[str, ...] = _texts(envelope)
    # nearly every envelope is done with here
    if not all(map(is_plain, texts)):
        _check_texts(texts)
    for name, number in (
        ("deadline_ms", envelope.deadline_ms or 0),
        ("at_ms", envelope.at_ms or 0),
        ("version", envelope.version),
    ):
        if not LEAST_WHOLE <= number <= MOST_WHOLE:
            raise ValueError(f"{name}={number} has more than 64 bits")
    checked_priority(envelope.priority)
    if not 0 <= envelope.sent_us <= MOST_WHOLE:
        raise ValueError(f"sent_us={envelope.sent_us} is no time since 1970")


def is_plain(text: str) -> bool:
    """Tell whether it is so short that it fits however it is written, 63 characters being at most 252 bytes, and has no NUL."""
    return len(text) <= MAX_SHORT // 4 and "\x00" not in text


def _check_texts(texts: Sequence[str]) -> None:
    for field, value in zip(TEXT_FIELDS, texts, strict=True):
        if "\x00" in value:
            raise ValueError(f"{field} has a NUL character: {value[:40]!r}")
        if len(value.encode("utf-8", "surrogatepass")) > MAX_SHORT:
            raise ValueError(f"{field} has {len(value)} characters, AMQP takes {MAX_SHORT} bytes: {value[:40]!r}…")
