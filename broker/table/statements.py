"""The statements of the hot path. Each serves a whole batch; states are literals, so that partial indexes apply."""

import sqlalchemy as sa

from broker.table import batch
from broker.table.batch import Batch
from broker.table.query import Query

INSERT_MESSAGES = Batch.insert(
    "messages",
    {
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

_HOLD = batch.HOLD_LEASE.format(app=":app", epoch=":epoch", worker=":worker")

HOLD_LEASE = sa.text(_HOLD)


CANDIDATE_COLUMNS = (
    "seq",
    "id",
    "amqp_user",
    "kind",
    "state",
    "attempts",
    "suspect",
    "alone",
    "crashes",
    "cancel_requested",
    "deadline_ms",
    "body_size",
    "stop_on_failure",
    "claims",
    "generation",
    "doorbell",
    "destination",
    "source",
    "call_id",
    "call_size",
    "correlation_id",
    "reply_to",
    "content_type",
    "version",
    "traceparent",
    "sent_us",
    "priority",
)
"""What a claim reads of a row beside its body."""

_NARROW = ", ".join(f"m.{name}" for name in (*CANDIDATE_COLUMNS, "worker"))


def _first(condition: str, columns: str = _NARROW) -> str:
    """Return the query for the first rows of the app that may be claimed and fulfil the condition.

    A call that its first failure ends is strictly in order: no message of it begins while another waits for its retry. Which
    calls those are is looked up once, and only when such a message is met.
    """
    return f"""
        SELECT * FROM (
            SELECT {columns}
            FROM messages AS m
            WHERE m.open AND m.destination = :app AND (m.state = 'waiting' OR m.state = 'processing' AND m.epoch < :epoch)
              AND {condition}
              AND NOT (m.stop_on_failure AND m.state = 'waiting' AND m.call_id IN (
                  SELECT e.call_id FROM messages AS e
                  WHERE e.open AND e.stop_on_failure AND e.destination = :app AND e.due_us > :now_us))
            ORDER BY m.priority DESC, m.seq LIMIT :limit) AS part
    """  # noqa: S608 conditions are ours


_PRIORITY = "coalesce((SELECT b.priority FROM barrier AS b), -1)"
_SEQ = "coalesce((SELECT b.seq FROM barrier AS b), 0)"
_HIGHER = f"m.priority > {_PRIORITY}"
_BEFORE = f"m.priority >= {_PRIORITY} AND m.priority <= {_PRIORITY} AND m.seq < {_SEQ}"

# The first rows in the order of the claim: by priority, then by number, as far as an ordered retry does not hold them up. First
# what waits for no time, then what waited for one that has come. Each part is a stretch of the one index, so that it ends after
# :limit rows, however many wait for a later time or behind the retry. What is processed waits for no time: its claim saw to that.
# A sign, and a range in place of an equality, keep planners from other indexes. Bodies come along as far as a claim takes them.
_BARRIER = """
    barrier AS (
        SELECT b.priority, b.seq FROM messages AS b
        WHERE b.open AND b.ordered AND b.destination = :app AND +b.due_us > :now_us
        ORDER BY b.priority DESC, b.seq LIMIT 1)
    """


def _found(columns: str = _NARROW) -> str:
    return f"""
        ({_first(f"m.due_us = 0 AND {_HIGHER}", columns)}
         UNION ALL {_first(f"m.due_us = 0 AND {_BEFORE}", columns)}
         UNION ALL {_first(f"m.due_us > 0 AND m.due_us <= :now_us AND ({_HIGHER} OR {_BEFORE})", columns)}) AS f
    """


CANDIDATES = Query(
    f"""
    WITH {_BARRIER}
    SELECT {", ".join(f"f.{name}" for name in CANDIDATE_COLUMNS)}, coalesce(w.died, false) AS worker_died,
           CASE WHEN sum(f.body_size) OVER (ORDER BY f.priority DESC, f.seq) - f.body_size <= :most_bytes
                THEN (SELECT t.body FROM messages AS t WHERE t.seq = f.seq) END AS body
    FROM {_found()} LEFT JOIN workers AS w ON w.id = f.worker
    ORDER BY f.priority DESC, f.seq LIMIT :limit
    """  # noqa: S608 as above
)

SET_BACK_US = 60_000_000
"""How far in the future an attempt must have begun to tell that the clock was set back since; two machines differ by less."""

# Due times are wall clock. When that was set back since a retry was scheduled, nobody knows when it would have been due: it is due
# now, or it would wait for as long as the clock was set back, and behind an ordered retry the whole app.
RELEASE = sa.text(
    "UPDATE messages SET due_us = 0 WHERE open AND destination = :app AND state = 'waiting' AND due_us > :now_us"
    " AND started_us > :now_us + :set_back_us"
)

_CLAIMED = (
    "state = 'processing', attempts = t.attempts + 1, claims = t.claims + 1, worker = {worker}, epoch = {epoch}, "
    "started_us = {now_us}, received_us = coalesce(t.received_us, {received_us}), finished_us = NULL, "
    "handler = {handler}, max_attempts = {max_attempts}, alone = {alone}, suspect = {suspect}, crashes = {crashes}, "
    "ordered = false, due_us = 0, error = NULL, phase = NULL, phases = NULL, progress = NULL"
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
        "seen_claims": "integer",
        "generation": "integer",
    },
    set_=_CLAIMED,
    # The state again: a row that was cancelled since it was looked at is not claimed. Nor is one that was cancelled and retried:
    # its body may be another one.
    key="t.seq = {seq}",
    where=(
        "t.claims = {seen_claims} AND t.generation = {generation} AND NOT t.cancel_requested "
        "AND (t.state = 'waiting' AND t.due_us <= {now_us} OR t.state = 'processing' AND t.epoch < {epoch})"
    ),
)

_SET_ONE = _CLAIMED.format(
    worker=":worker",
    epoch=":epoch",
    now_us=":now_us",
    received_us="CASE WHEN t.id = :arrived AND t.amqp_user = :user THEN :received_us ELSE :now_us END",
    handler="k.handler",
    max_attempts="k.max_attempts",
    alone="true",
    suspect="t.suspect",
    crashes="t.crashes",
)

# Look and claim of one row that comes alone, as most do where somebody waits for each: on PostgreSQL, one statement for five. It
# reads before it has locked the lease, but only under an epoch that was ours then, too: until it has the lock, nobody else claims.
# It takes the first row, as that is when it is written, if nothing is to be decided about it; else none, and others decide.
CLAIM_ONE = Query(
    f"""
    WITH held AS ({_HOLD} RETURNING epoch),
    {_BARRIER},
    found AS (
        SELECT f.seq, f.priority FROM {_found("m.seq, m.priority")}
        ORDER BY f.priority DESC, f.seq LIMIT :limit)
    UPDATE messages AS t SET {_SET_ONE}
    FROM held, (SELECT * FROM found ORDER BY priority DESC, seq LIMIT 1) AS f,
         unnest(CAST(:kinds AS text[]), CAST(:handlers AS text[]), CAST(:max_attempts AS integer[]))
             AS k(kind, handler, max_attempts)
    WHERE t.seq = f.seq AND t.kind = k.kind
      AND t.state = 'waiting' AND t.due_us <= :now_us AND NOT t.cancel_requested AND t.crashes < :poison
      AND (t.deadline_ms IS NULL OR t.deadline_ms > :now_ms)
    RETURNING (SELECT count(*) FROM found), {
        ", ".join(f"t.{name} - 1" if name in ("attempts", "claims") else f"t.{name}" for name in CANDIDATE_COLUMNS)
    }, false, t.body
    """  # noqa: S608 as above
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
    key="t.seq = {seq}",
    where="(t.state = 'waiting' AND t.due_us <= {now_us} OR t.state = 'processing' AND t.epoch < {epoch})",
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
        "phases": "text",
        "uncounted": "integer",
        "due_us": "bigint",
        "ordered": "boolean",
        "reply_kind": "text",
        "reply_version": "integer",
        "reply": "text",
        "started_us": "bigint",
        "finished_us": "bigint",
    },
    set_=(
        "state = {state}, reason = {reason}, error = {error}, phase = {phase}, phases = {phases}, "
        "attempts = t.attempts - {uncounted}, "
        # A cancel request does not wait until the retry is due: the next claim ends the row.
        "due_us = CASE WHEN t.cancel_requested THEN 0 ELSE {due_us} END, ordered = {ordered}, "
        "reply_kind = {reply_kind}, reply_version = {reply_version}, reply = {reply}, started_us = {started_us}, "
        "finished_us = {finished_us}, suspect = false"
    ),
    key="t.seq = {seq}",
    where="t.state = 'processing' AND t.epoch = {epoch} AND t.claims = {claims}",
)

CLAIM_UNDER_LEASE = CLAIM.under_lease()

SETTLE_UNDER_LEASE = SETTLE.under_lease()

GIVE_BACK = Batch.update(
    "messages",
    {"seq": "bigint", "epoch": "bigint", "claims": "integer", "due_us": "bigint"},
    set_=(
        "state = 'waiting', attempts = t.attempts - 1, started_us = NULL, "
        # What was cancelled meanwhile does not wait until it is due: the next claim ends it.
        "due_us = CASE WHEN {due_us} IS NULL OR t.cancel_requested THEN t.due_us ELSE {due_us} END"
    ),
    key="t.seq = {seq}",
    where="t.state = 'processing' AND t.epoch = {epoch} AND t.claims = {claims}",
)

# Ordered, though any would do: without that PostgreSQL may look for one through the whole table.
APPS_WITH_WORK = sa.text(
    """
    SELECT l.app,
           (SELECT 1 FROM messages AS m
            WHERE m.open AND m.destination = l.app AND m.due_us = 0
              AND (m.state = 'waiting' OR m.state = 'processing' AND m.epoch < l.epoch)
            ORDER BY m.priority DESC, m.seq LIMIT 1) AS now,
           (SELECT m.due_us FROM messages AS m
            WHERE m.open AND m.destination = l.app AND m.due_us > 0 AND m.due_us <= :until_us AND m.state = 'waiting'
            ORDER BY m.due_us LIMIT 1) AS due_us
    FROM leases AS l WHERE l.app IN :apps
    """
).bindparams(sa.bindparam("apps", expanding=True))
