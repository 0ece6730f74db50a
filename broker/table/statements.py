"""Statements that are neither a claim's nor an outcome's. States are literals, so that partial indexes apply."""

import sqlalchemy as sa

from broker.table.batch import Batch
from broker.table.query import Query

_NEW_ROW = {
    "id": "text",
    "destination": "text",
    "amqp_user": "text",
    "call_id": "text",
    "call_size": "integer",
    "stop_on_failure": "boolean",
    "source": "text",
    "kind": "text",
    "version": "integer",
    "content_type": "text",
    "correlation_id": "text",
    "reply_to": "text",
    "traceparent": "text",
    "deadline_ms": "bigint",
    "body": "bytea",
    "body_size": "bigint",
    "doorbell": "text",
    "sent_us": "bigint",
    "priority": "smallint",
    "due_us": "bigint",
    "received_us": "bigint",
    "state": "text",
    "reason": "text",
    "error": "text",
    "finished_us": "bigint",
}

# What was purged is not made again by a late duplicate. Not NOT EXISTS: PostgreSQL would make a join of it and read all
# tombstones for one row; a subquery that yields a value is looked up in the index, row by row.
_NOT_PURGED = (
    "(SELECT t.purged_us FROM tombstones AS t"
    " WHERE t.id = {id} AND t.destination = {destination} AND t.amqp_user = {amqp_user}) IS NULL"
)

INSERT_MESSAGES = Batch.insert("messages", _NEW_ROW, where=_NOT_PURGED, on_conflict="ON CONFLICT DO NOTHING")
"""Passes over what is there already."""

INSERT_NEW_MESSAGES = Batch.insert("messages", _NEW_ROW, where=_NOT_PURGED)
"""Fails as a whole when one of them is there already: PostgreSQL has a fifth less to do for each row."""

SET_BACK_US = 60_000_000
"""How far in the future an attempt must have begun to tell that the clock was set back since; two machines differ by less."""

# Due times are wall clock. When that was set back since a retry was scheduled, nobody knows when it would have been due: it is due
# now, or it would wait for as long as the clock was set back, and behind an ordered retry the whole app.
RELEASE = sa.text("UPDATE messages SET due_us = 0 WHERE destination = :app AND retried_us > :now_us + :set_back_us")

# Ordered, though any would do: without that PostgreSQL may look for one through the whole table.
APPS_WITH_WORK = Query(
    """
    SELECT l.app,
           (SELECT 1 FROM messages AS m
            WHERE m.open AND m.destination = l.app AND m.due_us = 0
              AND (m.state = 'waiting' OR m.state = 'processing' AND m.epoch < l.epoch)
            ORDER BY m.priority DESC, m.seq LIMIT 1) AS now,
           (SELECT m.due_us FROM messages AS m
            WHERE m.open AND m.destination = l.app AND m.due_us > 0 AND m.due_us <= :until_us AND m.state = 'waiting'
            ORDER BY m.due_us LIMIT 1) AS due_us
    FROM leases AS l WHERE l.app AMONG :apps
    """
)
