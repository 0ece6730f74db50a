"""The statements of a claim: the look for candidates, and what becomes of those."""

from broker.table.batch import Batch
from broker.table.candidates import CANDIDATE_COLUMNS
from broker.table.fence import HOLD_LEASE
from broker.table.query import Query


def _first(condition: str) -> str:
    """Return the query for the first rows of the app that may be claimed and fulfil the condition.

    A call that its first failure ends is strictly in order: no message of it begins while another waits for its retry. Which
    calls those are is looked up once, and only when such a message is met.
    """
    return f"""
        SELECT * FROM (
            SELECT m.seq, m.priority, m.body_size
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
# A sign, and a range in place of an equality, keep planners from other indexes.
_FOUND = f"""
    barrier AS (
        SELECT b.priority, b.seq FROM messages AS b
        WHERE b.open AND b.ordered AND b.destination = :app AND +b.due_us > :now_us
        ORDER BY b.priority DESC, b.seq LIMIT 1),
    found AS (
        SELECT f.seq, f.priority, f.body_size FROM (
            {_first(f"m.due_us = 0 AND {_HIGHER}")}
            UNION ALL {_first(f"m.due_us = 0 AND {_BEFORE}")}
            UNION ALL {_first(f"m.due_us > 0 AND m.due_us <= :now_us AND ({_HIGHER} OR {_BEFORE})")}) AS f
        ORDER BY f.priority DESC, f.seq LIMIT :limit)
    """  # noqa: S608 as above

# Only then their other columns, which SQLite would copy at each of those steps. Bodies come along as far as a claim takes them.
_CANDIDATES = f"""
    WITH {_FOUND},
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

CLAIM_UNDER_LEASE = CLAIM.under_lease()

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
    WITH held AS ({HOLD_LEASE} RETURNING epoch),
    {_FOUND}
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
