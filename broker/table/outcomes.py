"""Outcomes: what became of claimed rows, committed with all that follows from it."""

from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from broker.lifecycle.state import State
from broker.table.batch import Batch
from broker.table.columns import Columns, Fields
from broker.table.history import entry
from broker.table.rows import Lease, Settlement
from broker.table.schema import history, messages

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


def stopping(settlements: Sequence[Settlement]) -> list[int]:
    """Return the rows whose failure ends their call."""
    return [item.row.seq for item in settlements if item.state is State.FAILED and item.row.envelope.stop_on_failure]


def to_ring(settlements: Sequence[Settlement]) -> list[tuple[str, str]]:
    """Return whom to tell that a row is final: (doorbell, message id)."""
    return [
        (item.row.doorbell, item.row.envelope.message_id)
        for item in settlements
        if item.row.doorbell and item.state.final
    ]


def stands_alone(item: Settlement) -> bool:
    """Tell whether nothing but the row itself is written for this outcome."""
    return item.state is State.SUCCEEDED and not item.effects


_FIELDS = Fields(
    *("error", "phase", "phases", "due_us", "ordered", "reply_kind", "reply_version", "reply", "started_us"),
    seq="row.seq",
    claims="row.claims",
)
"""What a row keeps of a settlement as it is."""


def to_columns(lease: Lease, settlements: Sequence[Settlement]) -> Columns:
    """Return outcomes as the statements take them."""
    count = len(settlements)
    values = _FIELDS.columns(settlements)
    for name, value in (("app", lease.app), ("epoch", lease.epoch), ("worker", lease.worker)):
        values[name] = (value,) * count
    values["state"] = [item.state.value for item in settlements]
    values["reason"] = [item.reason.value if item.reason else None for item in settlements]
    values["uncounted"] = [0 if item.counted else 1 for item in settlements]
    values["finished_us"] = [item.finished_us if item.state.final else None for item in settlements]
    return Columns(count, values)


def still_mine(connection: Connection, lease: Lease, settlements: Sequence[Settlement]) -> list[Settlement]:
    """Return the settlements that this epoch's claim wrote, now or in a commit whose answer was lost."""
    query = sa.select(messages.c.seq, messages.c.state, messages.c.claims).where(
        messages.c.seq.in_([item.row.seq for item in settlements]), messages.c.epoch == lease.epoch
    )
    claims = {item.row.seq: item.row.claims for item in settlements}
    states = {row.seq: row.state for row in connection.execute(query) if row.claims == claims[row.seq]}
    return [item for item in settlements if states.get(item.row.seq) == item.state.value]


def histories(lease: Lease, settlements: Sequence[Settlement]) -> list[dict[str, object]]:
    """Return what the rows' histories keep of attempts that did not succeed."""
    return [
        entry(
            item.row.seq,
            item.finished_us,
            "retry" if item.state is State.WAITING else f"failed ({item.reason})",
            item.row.attempt,
            lease.worker,
            item.error or "",
        )
        for item in settlements
        if item.state is not State.SUCCEEDED
    ]


def not_written(connection: Connection, entries: list[dict[str, object]]) -> list[dict[str, object]]:
    """Return the entries that a commit whose answer was lost has not written already."""
    query = sa.select(history.c.seq, history.c.at_us, history.c.what).where(
        history.c.seq.in_([one["seq"] for one in entries])
    )
    written = {tuple(row) for row in connection.execute(query)}
    return [one for one in entries if (one["seq"], one["at_us"], one["what"]) not in written]
