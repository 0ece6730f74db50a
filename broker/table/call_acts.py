"""Ends a call whose messages are not worth handling after the first failure of one of them."""

from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from broker.lifecycle.state import State
from broker.table.batch import Batch
from broker.table.call_parts import is_of_part
from broker.table.history import INSERT_HISTORY, entry
from broker.table.schema import call_parts, messages

CHUNK = 500
"""Failed rows that are looked at in one statement."""

CANCEL = Batch.update(
    "messages",
    {"seq": "bigint", "error": "text", "now_us": "bigint"},
    set_="state = 'failed', reason = 'cancelled', error = {error}, finished_us = {now_us}, ordered = false",
    key="t.seq = {seq}",
    where="t.state = 'waiting'",
)


def cancel_rest(connection: Connection, failed: Sequence[int], who: str, now_us: int) -> list[tuple[str, str]]:
    """Cancel what waits of the calls of these rows, those of them that did fail; return whom to ring: (doorbell, message id).

    To be called in the transaction that wrote the failures, with the rows that have ``stop_on_failure``.
    """
    cancelled: dict[int, sa.Row[tuple[object, ...]]] = {}
    for start in range(0, len(failed), CHUNK):
        query = _waiting(failed[start : start + CHUNK])
        cancelled |= {row.seq: row for row in connection.execute(query)}
    if not cancelled:
        return []
    rows = cancelled.values()
    CANCEL.execute(connection, [{"seq": row.seq, "error": _error(row), "now_us": now_us} for row in rows])
    INSERT_HISTORY.execute(
        connection,
        [entry(row.seq, now_us, "cancelled with its call", row.attempts, who, _error(row)) for row in rows],
    )
    return [(row.doorbell, row.id) for row in rows if row.doorbell]


def _waiting(failed: Sequence[int]) -> sa.Select[tuple[object, ...]]:
    """Return the query for the waiting rows of the failed ones' calls, each with the one that failed."""
    row, cause = messages.alias("m"), messages.alias("f")
    # Whoever sends may do so under several addresses; a call id is its call's all the same.
    same = (call_parts.c[name] == cause.c[name] for name in ("call_id", "destination", "amqp_user"))
    return (
        sa.select(
            row.c.seq,
            row.c.id,
            row.c.doorbell,
            row.c.attempts,
            cause.c.id.label("failed_id"),
            cause.c.kind.label("failed_kind"),
            cause.c.reason.label("failed_reason"),
        )
        .join_from(cause, call_parts, sa.and_(*same))
        .join(row, is_of_part(row))
        .where(
            cause.c.seq.in_(failed),
            cause.c.state == State.FAILED.value,
            row.c.state == State.WAITING.value,
        )
        .order_by(row.c.seq)
        .with_for_update(of=row)
    )


def _error(row: sa.Row[tuple[object, ...]]) -> str:
    return (
        f"message {row.failed_id} ({row.failed_kind}) of its call failed ({row.failed_reason}),"
        " and the call ends with its first failure"
    )
