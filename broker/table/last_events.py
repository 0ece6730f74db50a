"""The newest event of each source and kind, kept for apps that subscribe later and want to know how things stand."""

from collections.abc import Collection, Sequence

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from broker.lifecycle.address import topic_matches
from broker.messages.envelope import Envelope
from broker.table.batch import Batch
from broker.table.envelopes import copy_of, to_columns
from broker.table.schema import last_events
from broker.table.statements import INSERT_MESSAGES

KEEP = Batch.insert(
    "last_events",
    {
        "source": "text",
        "kind": "text",
        "id": "text",
        "amqp_user": "text",
        "version": "integer",
        "content_type": "text",
        "traceparent": "text",
        "body": "bytea",
        "sent_us": "bigint",
    },
    on_conflict=(
        "ON CONFLICT (source, kind) DO UPDATE SET id = excluded.id, amqp_user = excluded.amqp_user, "
        "version = excluded.version, content_type = excluded.content_type, traceparent = excluded.traceparent, "
        "body = excluded.body, sent_us = excluded.sent_us"
    ),
)


def keep_last(connection: Connection, events: Sequence[Envelope]) -> None:
    """Keep the newest of those events that are to be kept, for each source and kind; they are in the order of publishing.

    To be called before the subscriptions are read: ``catch_up`` waits for whoever has kept an event and has not committed.
    """
    newest = {(event.source, event.kind): event for event in events if event.keep_last}
    KEEP.execute(
        connection,
        [
            {
                "source": event.source,
                "kind": event.kind,
                "id": event.message_id,
                "amqp_user": event.user,
                "version": event.version,
                "content_type": event.content_type,
                "traceparent": event.traceparent,
                "body": event.body,
                "sent_us": event.sent_us,
            }
            # In one order, whoever publishes: two that lock the same rows in different orders would wait for each other.
            for _, event in sorted(newest.items())
        ],
    )


def catch_up(connection: Connection, app: str, new: Collection[str], covered: Collection[str]) -> int:
    """Give an app the last events that its new patterns match, and those that covered it before do not; return how many.

    Each is the copy that the app would have got when it was published, and so is there once. To be called after the new
    patterns were written.
    """
    if connection.dialect.name == "postgresql":
        # Whoever publishes now has either kept its event, and is waited for, or will find the new patterns.
        connection.execute(sa.text("LOCK TABLE last_events IN SHARE MODE"))
    found = connection.execute(sa.select(last_events).order_by(last_events.c.sent_us, last_events.c.source)).all()
    events = [row for row in found if _matches(new, row) and not _matches(covered, row)]
    # Its worker finds them within a second; there is nobody who would publish them for another RabbitMQ user.
    rows = to_columns([copy_of(_event(row), app) for row in events])
    return INSERT_MESSAGES.execute(connection, rows)


def _matches(patterns: Collection[str], row: sa.Row[tuple[object, ...]]) -> bool:
    return any(topic_matches(pattern, f"{row.source}.{row.kind}") for pattern in patterns)


def _event(row: sa.Row[tuple[object, ...]]) -> Envelope:
    return Envelope(
        message_id=row.id,
        kind=row.kind,
        body=bytes(row.body),
        destination="",
        source=row.source,
        content_type=row.content_type,
        version=row.version,
        traceparent=row.traceparent,
        sent_us=row.sent_us,
        user=row.amqp_user,
    )
