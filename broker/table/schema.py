"""The tables. Times are microseconds since 1970 by the wall clock of whoever wrote the row.

What only one sort of database knows, as partial indexes, stands in ``broker.table.storage``.
"""

import sqlalchemy as sa

from broker.lifecycle.state import State

metadata = sa.MetaData()

Integer64 = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
"""SQLite numbers rows by itself only in a column called INTEGER."""

messages = sa.Table(
    "messages",
    metadata,
    sa.Column("seq", Integer64, sa.Identity(always=True, cache=1), primary_key=True),
    # What was sent.
    sa.Column("id", sa.Text, nullable=False),
    sa.Column("destination", sa.Text, nullable=False),
    sa.Column("amqp_user", sa.Text, nullable=False),
    sa.Column("call_id", sa.Text, nullable=False),
    sa.Column("source", sa.Text, nullable=False),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("content_type", sa.Text, nullable=False),
    sa.Column("correlation_id", sa.Text, nullable=False),
    sa.Column("reply_to", sa.Text, nullable=False),
    sa.Column("traceparent", sa.Text, nullable=False),
    sa.Column("deadline_ms", sa.BigInteger),
    sa.Column("body_size", sa.BigInteger, nullable=False),
    sa.Column("doorbell", sa.Text, nullable=False, server_default=""),
    sa.Column("sent_us", sa.BigInteger, nullable=False),
    sa.Column("priority", sa.SmallInteger, nullable=False, server_default="0"),
    sa.Column("call_size", sa.Integer, nullable=False, server_default="1"),
    sa.Column("stop_on_failure", sa.Boolean, nullable=False, server_default=sa.false()),
    # The handler's side of it.
    sa.Column("state", sa.Text, nullable=False, server_default=State.WAITING.value),
    sa.Column("reason", sa.Text),
    sa.Column("error", sa.Text),
    sa.Column("phase", sa.Text),
    sa.Column("phases", sa.Text),
    sa.Column("progress", sa.Text),
    sa.Column("handler", sa.Text),
    sa.Column("max_attempts", sa.Integer),
    sa.Column("attempts", sa.Integer, nullable=False, server_default="0"),
    sa.Column("generation", sa.Integer, nullable=False, server_default="0"),
    sa.Column("received_us", sa.BigInteger),
    sa.Column("started_us", sa.BigInteger),
    sa.Column("finished_us", sa.BigInteger),
    sa.Column("due_us", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("ordered", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Column("reply_kind", sa.Text),
    sa.Column("reply_version", sa.Integer),
    # Who may move it.
    sa.Column("worker", sa.Text),
    sa.Column("epoch", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("claims", sa.Integer, nullable=False, server_default="0"),
    sa.Column("alone", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Column("suspect", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Column("crashes", sa.Integer, nullable=False, server_default="0"),
    sa.Column("cancel_requested", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Column("open", sa.Boolean, sa.Computed("state IN ('waiting', 'processing')", persisted=True)),
    sa.Column("failed", sa.Boolean, sa.Computed("state = 'failed'", persisted=True)),
    # When its last attempt began, of a row that waits for the next one. NULL in all others, before a claim and after it, so that
    # an index of it costs those nothing.
    sa.Column(
        "retried_us",
        sa.BigInteger,
        sa.Computed("CASE WHEN state = 'waiting' AND due_us > 0 THEN started_us END", persisted=True),
    ),
    # Last: SQLite walks through a large value to reach what stands behind it.
    sa.Column("reply", sa.Text),
    sa.Column("body", sa.LargeBinary, nullable=False),
    sa.CheckConstraint("state IN ('waiting', 'processing', 'succeeded', 'failed')", name="messages_state"),
    sa.CheckConstraint("(state = 'failed') = (reason IS NOT NULL)", name="messages_reason"),
    sa.UniqueConstraint("id", "destination", "amqp_user", name="messages_identity"),
)

call_parts = sa.Table(
    "call_parts",
    metadata,
    sa.Column("call_id", sa.Text, primary_key=True),
    sa.Column("first_seq", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("last_seq", sa.BigInteger, nullable=False),
    sa.Column("source", sa.Text, nullable=False),
    sa.Column("destination", sa.Text, nullable=False),
    sa.Column("amqp_user", sa.Text, nullable=False),
    sa.Column("call_size", sa.Integer, nullable=False),
    sa.Column("stop_on_failure", sa.Boolean, nullable=False),
    sa.Column("sent_us", sa.BigInteger, nullable=False),
)
"""What was written of a call at once: its rows from the first to the last one. Between them may be others'."""

outbox = sa.Table(
    "outbox",
    metadata,
    sa.Column("number", Integer64, sa.Identity(always=True), primary_key=True),
    sa.Column("source", sa.Text, nullable=False),
    sa.Column("amqp_user", sa.Text, nullable=False),
    sa.Column("sent_us", sa.BigInteger, nullable=False),
    sa.Column("first_seq", sa.BigInteger, nullable=False),
    sa.Column("last_seq", sa.BigInteger, nullable=False),
)
"""What was committed and not confirmed yet: the rows of a sender from the first to the last one. Between them may be others'."""

replies = sa.Table(
    "replies",
    metadata,
    sa.Column("seq", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("attempt", sa.Integer, nullable=False),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("body", sa.Text, nullable=False),
    sa.Column("at_us", sa.BigInteger, nullable=False),
)
"""Replies that a handler gave while it ran, before the final one in the row: JSON, numbered from 1 over all attempts."""

history = sa.Table(
    "history",
    metadata,
    sa.Column("number", Integer64, sa.Identity(always=True), primary_key=True),
    sa.Column("seq", sa.BigInteger, nullable=False, index=True),
    sa.Column("at_us", sa.BigInteger, nullable=False),
    sa.Column("what", sa.Text, nullable=False),
    sa.Column("attempt", sa.Integer, nullable=False),
    sa.Column("who", sa.Text, nullable=False),
    sa.Column("detail", sa.Text, nullable=False),
)
"""Attempts that did not succeed and what operators did. Append only."""

leases = sa.Table(
    "leases",
    metadata,
    sa.Column("app", sa.Text, primary_key=True),
    sa.Column("epoch", sa.BigInteger, nullable=False),
    sa.Column("worker", sa.Text, nullable=False),
    sa.Column("renewals", sa.BigInteger, nullable=False),
)
"""Who may claim for an app. The epoch grows with every take; ``renewals`` shows that the holder lives."""

workers = sa.Table(
    "workers",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("incarnation", sa.Text, nullable=False, index=True),
    sa.Column("app", sa.Text, nullable=False, index=True),
    sa.Column("host", sa.Text, nullable=False),
    sa.Column("pid", sa.Integer, nullable=False),
    sa.Column("version", sa.Text, nullable=False),
    sa.Column("started_us", sa.BigInteger, nullable=False),
    sa.Column("seen_us", sa.BigInteger, nullable=False),
    sa.Column("beats", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("epoch", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("status", sa.Text, nullable=False),
    sa.Column("detail", sa.Text, nullable=False, server_default=""),
    sa.Column("ended_us", sa.BigInteger),
    sa.Column("died", sa.Boolean, nullable=False, server_default=sa.false()),
)
"""One row per worker incarnation. ``epoch`` is the lease epoch it has not let go of, 0 for none."""

subscriptions = sa.Table(
    "subscriptions",
    metadata,
    sa.Column("app", sa.Text, primary_key=True),
    sa.Column("pattern", sa.Text, primary_key=True),
)
"""Which events an app gets: an AMQP topic pattern over ``<source address>.<kind>``."""

last_events = sa.Table(
    "last_events",
    metadata,
    sa.Column("source", sa.Text, primary_key=True),
    sa.Column("kind", sa.Text, primary_key=True),
    sa.Column("id", sa.Text, nullable=False),
    sa.Column("amqp_user", sa.Text, nullable=False),
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("content_type", sa.Text, nullable=False),
    sa.Column("traceparent", sa.Text, nullable=False),
    sa.Column("body", sa.LargeBinary, nullable=False),
    sa.Column("sent_us", sa.BigInteger, nullable=False),
)
"""The newest event of each source and kind, for subscribers that begin later and want it."""

documents = sa.Table(
    "documents",
    metadata,
    sa.Column("app", sa.Text, primary_key=True),
    sa.Column("collection", sa.Text, primary_key=True),
    sa.Column("key", sa.Text, primary_key=True),
    sa.Column("body", sa.Text, nullable=False),
    sa.Column("updated_us", sa.BigInteger, nullable=False),
)
"""What an app knows, as JSON, written in the transaction of an outcome or of sends."""

tombstones = sa.Table(
    "tombstones",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("destination", sa.Text, primary_key=True),
    sa.Column("amqp_user", sa.Text, primary_key=True),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("purged_us", sa.BigInteger, nullable=False, index=True),
)
"""Identities of rows that were purged, so that a late duplicate is not handled again. ``state`` is the row's last one."""

dead_letters = sa.Table(
    "dead_letters",
    metadata,
    sa.Column("number", Integer64, sa.Identity(always=True), primary_key=True),
    # Where it was found, and why.
    sa.Column("queue", sa.Text, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("routing_key", sa.Text, nullable=False),
    sa.Column("headers", sa.Text, nullable=False),
    sa.Column("arrived_us", sa.BigInteger, nullable=False),
    # What was sent.
    sa.Column("message_id", sa.Text, nullable=False),
    sa.Column("destination", sa.Text, nullable=False),
    sa.Column("amqp_user", sa.Text, nullable=False),
    sa.Column("call_id", sa.Text, nullable=False),
    sa.Column("source", sa.Text, nullable=False),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("content_type", sa.Text, nullable=False),
    sa.Column("correlation_id", sa.Text, nullable=False),
    sa.Column("reply_to", sa.Text, nullable=False),
    sa.Column("traceparent", sa.Text, nullable=False),
    sa.Column("sent_us", sa.BigInteger, nullable=False),
    sa.Column("body", sa.LargeBinary, nullable=False),
    sa.Column("body_size", sa.BigInteger, nullable=False),
    sa.Column("digest", sa.Text, nullable=False),
    # What an operator did with it.
    sa.Column("state", sa.Text, nullable=False, server_default="kept"),
    sa.Column("who", sa.Text),
    sa.Column("at_us", sa.BigInteger),
    sa.Column("result", sa.Text),
    sa.CheckConstraint("state IN ('kept', 'replayed', 'discarded')", name="dead_letters_state"),
)
"""Deliveries that reached no app, from RabbitMQ's queues for those. ``destination`` is empty when it is no address."""
