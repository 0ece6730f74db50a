"""The statements of the hot path. Each serves a whole batch; states are literals, so that partial indexes apply."""

import sqlalchemy as sa

from broker.table.batch import Batch

SET_BACK_US = 60_000_000
"""How far in the future an attempt must have begun to tell that the clock was set back since; two machines differ by less."""


def _due(row: str, now_us: str) -> str:
    """Return the condition that a waiting row is due.

    Due times are wall clock. When the clock was set back since the row was scheduled, nobody knows when it would have been due: it
    is due now, or it would wait for as long as the clock was set back, and behind an ordered retry the whole app.
    """
    return f"({row}.due_us <= {now_us} OR coalesce({row}.started_us, 0) > {now_us} + {SET_BACK_US})"


INSERT_MESSAGES = Batch.insert(
    "messages",
    {
        "id": "text",
        "destination": "text",
        "amqp_user": "text",
        "call_id": "text",
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
        "published": "boolean",
        "received_us": "bigint",
        "state": "text",
        "reason": "text",
        "error": "text",
        "finished_us": "bigint",
    },
    # What was purged is not made again by a late duplicate. Not NOT EXISTS: PostgreSQL would make a join of it and read all
    # tombstones for one row; a subquery that yields a value is looked up in the index, row by row.
    where=(
        "(SELECT t.purged_us FROM tombstones AS t"
        " WHERE t.id = {id} AND t.destination = {destination} AND t.amqp_user = {amqp_user}) IS NULL"
    ),
    on_conflict="ON CONFLICT DO NOTHING",
)

INSERT_HISTORY = Batch.insert(
    "history",
    {"seq": "bigint", "at_us": "bigint", "what": "text", "attempt": "integer", "who": "text", "detail": "text"},
)

MARK_PUBLISHED = Batch.update(
    "messages",
    {"id": "text", "destination": "text", "amqp_user": "text"},
    set_="published = true",
    where="t.id = {id} AND t.destination = {destination} AND t.amqp_user = {amqp_user} AND t.open",
)

# An UPDATE, not a SELECT: it waits for a successor's take and then matches nothing, where a SELECT would have read too early.
HOLD_LEASE = sa.text(
    "UPDATE leases SET renewals = renewals + 1 WHERE app = :app AND epoch = :epoch AND worker = :worker"
)

CANDIDATES = sa.text(
    f"""
    SELECT m.seq, m.id, m.amqp_user, m.kind, m.state, m.attempts, m.suspect, m.alone, m.crashes, m.cancel_requested,
           m.deadline_ms, m.body_size, coalesce(w.died, false) AS worker_died
    FROM messages AS m LEFT JOIN workers AS w ON w.id = m.worker
    WHERE m.open AND m.destination = :app
      AND (m.state = 'waiting' AND {_due("m", ":now_us")} OR m.state = 'processing' AND m.epoch < :epoch)
      AND m.seq < coalesce((SELECT min(b.seq) FROM messages AS b
                            WHERE b.open AND b.ordered AND b.destination = :app AND NOT {_due("b", ":now_us")}), :no_limit)
    ORDER BY m.priority DESC, m.seq LIMIT :limit
    """  # noqa: S608 made of our own words only
)

CLAIM = Batch.update(
    "messages",
    {
        "seq": "bigint",
        "worker": "text",
        "epoch": "bigint",
        "now_us": "bigint",
        "received_us": "bigint",
        "handler": "text",
        "max_attempts": "integer",
        "alone": "boolean",
        "suspect": "boolean",
        "crashes": "integer",
    },
    set_=(
        "state = 'processing', attempts = t.attempts + 1, claims = t.claims + 1, worker = {worker}, epoch = {epoch}, "
        "started_us = {now_us}, received_us = coalesce(t.received_us, {received_us}), finished_us = NULL, "
        "handler = {handler}, max_attempts = {max_attempts}, alone = {alone}, suspect = {suspect}, crashes = {crashes}, "
        "ordered = false, error = NULL, phase = NULL"
    ),
    # The state again: a row that was cancelled since it was looked at is not claimed.
    where=(
        "t.seq = {seq} AND NOT t.cancel_requested "
        f"AND (t.state = 'waiting' AND {_due('t', '{now_us}')} OR t.state = 'processing' AND t.epoch < {{epoch}})"
    ),
)

DROP = Batch.update(
    "messages",
    {
        "seq": "bigint",
        "worker": "text",
        "epoch": "bigint",
        "now_us": "bigint",
        "reason": "text",
        "error": "text",
        "crashes": "integer",
    },
    set_=(
        "state = 'failed', reason = {reason}, error = {error}, finished_us = {now_us}, worker = {worker}, epoch = {epoch}, "
        "crashes = {crashes}, ordered = false"
    ),
    where=(
        f"t.seq = {{seq}} AND (t.state = 'waiting' AND {_due('t', '{now_us}')} OR t.state = 'processing' AND t.epoch < {{epoch}})"
    ),
)

SETTLE = Batch.update(
    "messages",
    {
        "seq": "bigint",
        "epoch": "bigint",
        "claims": "integer",
        "state": "text",
        "reason": "text",
        "error": "text",
        "phase": "text",
        "uncounted": "integer",
        "due_us": "bigint",
        "ordered": "boolean",
        "reply_kind": "text",
        "reply": "text",
        "started_us": "bigint",
        "finished_us": "bigint",
    },
    set_=(
        "state = {state}, reason = {reason}, error = {error}, phase = {phase}, attempts = t.attempts - {uncounted}, "
        # A cancel request does not wait until the retry is due: the next claim ends the row.
        "due_us = CASE WHEN t.cancel_requested THEN 0 ELSE {due_us} END, ordered = {ordered}, "
        "reply_kind = {reply_kind}, reply = {reply}, started_us = {started_us}, "
        "finished_us = {finished_us}, suspect = false"
    ),
    where="t.seq = {seq} AND t.state = 'processing' AND t.epoch = {epoch} AND t.claims = {claims}",
)

GIVE_BACK = Batch.update(
    "messages",
    {"seq": "bigint", "epoch": "bigint", "claims": "integer"},
    # It was due: so it stays, should the clock be set back.
    set_="state = 'waiting', attempts = t.attempts - 1, started_us = NULL, due_us = 0",
    where="t.seq = {seq} AND t.state = 'processing' AND t.epoch = {epoch} AND t.claims = {claims}",
)

APPS_WITH_WORK = sa.text(
    f"""
    SELECT l.app FROM leases AS l
    WHERE l.app IN :apps AND EXISTS (
        SELECT 1 FROM messages AS m
        WHERE m.open AND m.destination = l.app
          AND (m.state = 'waiting' AND {_due("m", ":now_us")} OR m.state = 'processing' AND m.epoch < l.epoch))
    """  # noqa: S608 made of our own words only
).bindparams(sa.bindparam("apps", expanding=True))
