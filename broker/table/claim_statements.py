"""The statements of a claim: the look for candidates, and what becomes of those."""

from broker.table.batch import Batch
from broker.table.candidates import CANDIDATE_COLUMNS
from broker.table.fence import HOLD_LEASE
from broker.table.query import Query


def _first(condition: str, columns: str) -> str:
    """Return the query for these columns of the first rows of the app that may be claimed and fulfil the condition.

    A call that its first failure ends is strictly in order: no message of it begins while another waits for its retry. Which
    calls those are is looked up once, and only when such a message is met.
    """
    return f"""
        SELECT * FROM (
            SELECT {columns}
            FROM messages AS m
            WHERE m.open AND m.destination = :app AND (m.state = 'waiting' OR m.state = 'processing' AND m.epoch < :epoch)
              AND {condition}
              AND NOT (m.stop_on_failure AND m.state = 'waiting' AND m.call_id IN (SELECT call_id FROM delayed))
            ORDER BY m.priority DESC, m.seq LIMIT :limit) AS p
    """  # noqa: S608 conditions are ours


_PRIORITY = "coalesce((SELECT priority FROM barrier), -1)"
_SEQ = "coalesce((SELECT seq FROM barrier), 0)"
_HIGHER = f"m.priority > {_PRIORITY}"
_BEFORE = f"m.priority BETWEEN {_PRIORITY} AND {_PRIORITY} AND m.seq < {_SEQ}"


def _found(columns: str) -> str:
    """Return the part of a query that finds the first rows in the order of the claim: by priority, then by number.

    As far as an ordered retry does not hold them up; first what waits for no time, then what waited for one that has come. Each
    part is a stretch of the one index, so that it ends after ``limit`` rows, however many wait for a later time or behind the
    retry. What is processed waits for no time: its claim saw to that. A sign, and a range in place of an equality, keep planners
    from other indexes.
    """
    return f"""
        barrier AS (
            SELECT b.priority, b.seq FROM messages AS b
            WHERE b.open AND b.ordered AND b.destination = :app AND +b.due_us > :now_us
            ORDER BY b.priority DESC, b.seq LIMIT 1),
        delayed AS (
            SELECT e.call_id FROM messages AS e
            WHERE e.open AND e.stop_on_failure AND e.destination = :app AND e.due_us > 0 AND e.due_us > :now_us),
        found AS (
            SELECT f.* FROM (
                {_first(f"m.due_us = 0 AND {_HIGHER}", columns)}
                UNION ALL {_first(f"m.due_us = 0 AND {_BEFORE}", columns)}
                UNION ALL {_first(f"m.due_us > 0 AND m.due_us <= :now_us AND ({_HIGHER} OR {_BEFORE})", columns)}) AS f
            ORDER BY f.priority DESC, f.seq LIMIT :limit)
    """  # noqa: S608 as above


# Only then their other columns, which SQLite would copy at each of those steps. Bodies come along as far as a claim takes them.
_CANDIDATES = f"""
    WITH {_found("m.seq, m.priority, m.body_size")},
    sized AS (
        SELECT seq, priority, sum(body_size) OVER (ORDER BY priority DESC, seq) - body_size AS bytes_before FROM found)
    SELECT {", ".join(f"m.{name}" for name in CANDIDATE_COLUMNS)},
           coalesce((SELECT w.died FROM workers AS w WHERE w.id = m.worker), false),
           CASE WHEN s.bytes_before <= :most_bytes THEN m.body END
    FROM sized AS s CROSS JOIN {{messages}} ORDER BY s.priority DESC, s.seq
    """  # noqa: S608 as above

CANDIDATES = Query(
    _CANDIDATES.format(messages="messages AS m ON m.seq = s.seq"),
    # The offset keeps PostgreSQL from reading all of a small table into a hash instead.
    postgresql=_CANDIDATES.format(messages="LATERAL (SELECT * FROM messages AS t WHERE t.seq = s.seq OFFSET 0) AS m"),
)

_CLAIMED = (
    "state = 'processing', attempts = t.attempts + 1, claims = t.claims + 1, worker = {worker}, epoch = {epoch}, "
    "started_us = {now_us}, received_us = coalesce(t.received_us, {received_us}), finished_us = NULL, "
    "handler = {handler}, max_attempts = {max_attempts}, alone = {alone}, "
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
    set_=_CLAIMED + ", suspect = {suspect}, crashes = {crashes}",
    # The state again: a row that was cancelled since it was looked at is not claimed. Nor is one that was cancelled and retried:
    # its body may be another one.
    key="t.seq = {seq}",
    where=(
        "t.claims = {seen_claims} AND t.generation = {generation} AND NOT t.cancel_requested "
        "AND (t.state = 'waiting' AND t.due_us <= {now_us} OR t.state = 'processing' AND t.epoch < {epoch})"
    ),
)

_PLAIN = (
    "{row}.state = 'waiting' AND NOT {row}.cancel_requested AND {row}.crashes < :poison "
    "AND ({row}.deadline_ms IS NULL OR {row}.deadline_ms > :now_ms)"
)

_LOOKED_AT = (
    "m.ctid AS place, m.seq, m.priority, m.body_size, m.kind, "
    "m.state, m.cancel_requested, m.crashes, m.deadline_ms, m.suspect"
)

_SET = _CLAIMED.format(
    worker=":worker",
    epoch=":epoch",
    now_us=":now_us",
    received_us="CAST(:arrivals -> t.amqp_user ->> t.id AS bigint), :now_us",
    handler="k.handler",
    max_attempts="k.max_attempts",
    alone="(SELECT count(*) FROM taken) = 1 AND NOT :ahead",
)

# Look and claim in one, where nothing is to be decided but how many: on PostgreSQL, one round trip for five, and each row is found
# once. It takes the first rows up to one about which there is something to decide, as they are when they are written; none of them
# when the lease is lost. It may read before it has locked the lease, but only under an epoch that was ours then, too: until it has
# the lock, nobody else claims.
CLAIM_PLAIN = Query(
    f"""
    WITH held AS ({HOLD_LEASE} RETURNING epoch),
    {_found(_LOOKED_AT)},
    summed AS (
        SELECT place, kind, sum(body_size) OVER upto AS bytes,
               bool_and({_PLAIN.format(row="o")} AND NOT o.suspect AND o.kind = ANY(:kinds)) OVER upto AS plain
        FROM found AS o WINDOW upto AS (ORDER BY priority DESC, seq ROWS UNBOUNDED PRECEDING)),
    taken AS (SELECT * FROM summed WHERE plain AND bytes <= :most_bytes)
    UPDATE messages AS t SET {_SET}
    FROM held, taken AS f
         JOIN unnest(:kinds, :handlers, :max_attempts) AS k(kind, handler, max_attempts) ON k.kind = f.kind
    WHERE t.ctid = f.place AND t.due_us <= :now_us AND {_PLAIN.format(row="t")}
    RETURNING (SELECT count(*) FROM found), {
        ", ".join(f"t.{name} - 1" if name in ("attempts", "claims") else f"t.{name}" for name in CANDIDATE_COLUMNS)
    }, false, t.body
    """  # noqa: S608 as above
)

NOTHING = Query(
    """
    SELECT 1 FROM leases AS l WHERE l.app = :app AND l.epoch = :epoch AND l.worker = :worker AND NOT EXISTS (
        SELECT 1 FROM messages AS m
        WHERE m.open AND m.destination = :app AND m.due_us <= :now_us
          AND (m.state = 'waiting' OR m.state = 'processing' AND m.epoch < :epoch))
    """
)
"""Tells that the lease is held and nothing is there to claim: quicker than to find that out in a transaction."""

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
