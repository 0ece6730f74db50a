"""Envelopes as rows of the table, and back."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from broker.lifecycle.ids import derived_id
from broker.lifecycle.state import State
from broker.messages.due import checked_at
from broker.messages.envelope import Envelope
from broker.messages.priority import HIGHEST, LOWEST
from broker.table.columns import Columns, Fields
from broker.table.schema import messages

ENVELOPE_COLUMNS = (
    messages.c.seq,
    messages.c.id,
    messages.c.kind,
    messages.c.body,
    messages.c.destination,
    messages.c.source,
    messages.c.call_id,
    messages.c.call_size,
    messages.c.stop_on_failure,
    messages.c.correlation_id,
    messages.c.reply_to,
    messages.c.content_type,
    messages.c.version,
    messages.c.deadline_ms,
    messages.c.traceparent,
    messages.c.sent_us,
    messages.c.priority,
    messages.c.due_us,
    messages.c.amqp_user,
)
"""A row's number, and what ``to_envelope`` needs of it."""

_FIELDS = Fields(
    *("destination", "source", "call_id", "call_size", "stop_on_failure", "kind", "version", "content_type"),
    *("correlation_id", "reply_to", "traceparent", "deadline_ms", "body", "sent_us", "priority"),
    id="message_id",
    amqp_user="user",
)
"""What a row keeps of an envelope as it is."""

_NEW = {"received_us": None, "state": State.WAITING.value, "reason": None, "error": None, "finished_us": None}
"""What a row has that was only sent."""

VERSIONS = range(1, 2**31)
UNUSABLE_VERSION = -1
"""Stands for a version that is no number or out of range; the message ends as ``failed (invalid)``."""

BIGGEST = 2**63 - 1
"""Largest number that a column holds."""


def storable(envelope: Envelope) -> Envelope:
    """Return a foreign producer's envelope with what no column can keep replaced: NUL, half characters, huge numbers."""
    deadline_ms = envelope.deadline_ms
    return replace(
        envelope,
        message_id=clean(envelope.message_id),
        user=clean(envelope.user),
        call_id=clean(envelope.call_id),
        source=clean(envelope.source),
        kind=clean(envelope.kind),
        content_type=clean(envelope.content_type),
        correlation_id=clean(envelope.correlation_id),
        reply_to=clean(envelope.reply_to),
        traceparent=clean(envelope.traceparent),
        version=envelope.version if envelope.version in VERSIONS else UNUSABLE_VERSION,
        deadline_ms=None if deadline_ms is None else max(-BIGGEST, min(BIGGEST, deadline_ms)),
        at_ms=checked_at(envelope.at_ms),
        priority=max(LOWEST, min(HIGHEST, envelope.priority)),
        sent_us=max(0, min(BIGGEST, envelope.sent_us)),
    )


def clean(text: str) -> str:
    """Return the text as a column can keep it."""
    if text.isascii() and "\x00" not in text:
        return text
    # PostgreSQL keeps no NUL, and neither database keeps half of a surrogate pair.
    return text.replace("\x00", "\ufffd").encode("utf-8", "replace").decode("utf-8")


def to_columns(envelopes: Sequence[Envelope], *, doorbell: str = "") -> Columns:
    """Return new rows in state ``waiting``."""
    count = len(envelopes)
    values = _FIELDS.columns(envelopes)
    for name, value in (_NEW | {"doorbell": doorbell}).items():
        values[name] = (value,) * count
    values["body_size"] = [len(envelope.body) for envelope in envelopes]
    values["due_us"] = [0 if envelope.at_ms is None else envelope.at_ms * 1000 for envelope in envelopes]
    return Columns(count, values)


def to_row(envelope: Envelope) -> dict[str, Any]:
    """Return the values of a new row in state ``waiting``."""
    (row,) = to_columns([envelope]).rows()
    return row


def copy_of(event: Envelope, to: str) -> Envelope:
    """Return the copy of an event for one subscriber; its id follows from both, so that it is there once."""
    copy_id = derived_id(event.message_id, to)
    return replace(event, message_id=copy_id, destination=to, correlation_id=event.message_id, keep_last=False)


def to_envelope(row: Any, *, due_us: int = 0) -> Envelope:
    """Return the envelope that a row of the table holds; ``due_us`` is when it is due, 0 for one that is claimed."""
    return Envelope(
        message_id=row.id,
        kind=row.kind,
        body=bytes(row.body),
        destination=row.destination,
        source=row.source,
        call_id=row.call_id,
        call_size=row.call_size,
        stop_on_failure=bool(row.stop_on_failure),
        correlation_id=row.correlation_id,
        reply_to=row.reply_to,
        content_type=row.content_type,
        version=row.version,
        deadline_ms=row.deadline_ms,
        at_ms=-(-due_us // 1000) or None,
        priority=row.priority,
        traceparent=row.traceparent,
        sent_us=row.sent_us,
        user=row.amqp_user,
    )
