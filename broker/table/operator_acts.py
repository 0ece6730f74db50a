"""What an operator does to rows: retry what failed, as it was or with another body; cancel what is not final.

Each act is one transaction and leaves its history.
"""

from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from broker.errors import IllegalMove, NotFound
from broker.lifecycle.clock import Clock
from broker.lifecycle.state import Reason, State, move
from broker.table.call_acts import cancel_rest
from broker.table.database import Database
from broker.table.history import INSERT_HISTORY, entry
from broker.table.queries import CHUNK, Wanted
from broker.table.schema import messages

RETRIED = {
    "state": State.WAITING.value,
    "reason": None,
    "error": None,
    "phase": None,
    "phases": None,
    "reply_kind": None,
    "reply_version": None,
    "reply": None,
    "attempts": 0,
    "generation": messages.c.generation + 1,
    "due_us": 0,
    "ordered": False,
    # It would expire again, and whoever retries knows how late it is.
    "deadline_ms": None,
    "crashes": 0,
    "suspect": False,
    "alone": False,
    "cancel_requested": False,
    "finished_us": None,
}
"""What an operator's retry makes of a row: its attempts begin again."""

NEEDED = (
    messages.c.seq,
    messages.c.id,
    messages.c.state,
    messages.c.reason,
    messages.c.error,
    messages.c.attempts,
    messages.c.body_size,
    messages.c.stop_on_failure,
    sa.func.length(messages.c.body).label("kept"),
)


def retry(database: Database, clock: Clock, seqs: Sequence[int], who: str) -> None:
    """Move failed rows back to waiting, all of them or none.

    Raises IllegalMove naming the first that is not failed or has lost a part of its body, NotFound, TableUnavailable.
    """
    with database.write() as connection:
        for start in range(0, len(seqs), CHUNK):
            rows = _locked(connection, seqs[start : start + CHUNK])
            for row in rows:
                _check_move(row, State.WAITING)
                if row.kept < row.body_size:
                    raise IllegalMove(
                        f"{row.id} ({row.state}) cannot be retried: only {row.kept} of its {row.body_size} bytes"
                        " were kept; let its sender send it again"
                    )
            _retry(connection, rows, who, clock.now_us())


def retry_edited(
    database: Database, clock: Clock, seq: int, body: bytes, *, version: int, content_type: str, who: str
) -> None:
    """Give a failed row another body and move it back to waiting; its history keeps the old one.

    Raises IllegalMove when it is not failed, NotFound, TableUnavailable.
    """
    now_us = clock.now_us()
    with database.write() as connection:
        (row,) = _locked(connection, [seq])
        _check_move(row, State.WAITING)
        old = connection.execute(sa.select(messages.c.body).where(messages.c.seq == seq)).scalar_one()
        INSERT_HISTORY.execute(connection, [_entry(row, now_us, "operator edit", who, _was(old, row.body_size))])
        edited = {"body": body, "body_size": len(body), "version": version, "content_type": content_type}
        _update(connection, [seq], edited)
        _retry(connection, [row], who, now_us)


def retry_failed(database: Database, clock: Clock, wanted: Wanted, who: str) -> int:
    """Move every failed row that is wanted back to waiting, in parts; return how many. Raises TableUnavailable."""
    after, retried = 0, 0
    while True:
        query = sa.select(*NEEDED).where(messages.c.seq > after, *retriable(wanted).conditions())
        with database.write() as connection:
            rows = connection.execute(query.order_by(messages.c.seq).limit(CHUNK).with_for_update()).all()
            if not rows:
                return retried
            _retry(connection, rows, who, clock.now_us())
        after = rows[-1].seq
        retried += len(rows)


def retriable(wanted: Wanted) -> Wanted:
    """Return those of the wanted rows that can be retried: what lost a part of its body cannot."""
    return replace(wanted, states=frozenset({State.FAILED}), complete=True)


def cancel(database: Database, clock: Clock, seqs: Sequence[int], who: str) -> Mapping[int, State]:
    """Cancel rows, all of them or none; return the state of each afterwards.

    A waiting row becomes failed (cancelled), and so does what else waits of a call that its first failure ends. A
    processing one stays so with a request to its handler, whose outcome wins. Raises IllegalMove naming the first that is
    final, NotFound, TableUnavailable.
    """
    now_us = clock.now_us()
    states: dict[int, State] = {}
    stopping: list[int] = []
    with database.write() as connection:
        for start in range(0, len(seqs), CHUNK):
            rows = _locked(connection, seqs[start : start + CHUNK])
            for row in rows:
                _check_move(row, State.FAILED)
            _cancel(connection, rows, who, now_us)
            states |= {row.seq: _after_cancel(row) for row in rows}
            stopping += [row.seq for row in rows if row.stop_on_failure and row.state == State.WAITING]
        cancel_rest(connection, stopping, who, now_us)
    return states


def _was(body: bytes, size: int) -> str:
    """Return a body as the history keeps it: the text, or its Base64 where it is none."""
    kept = f"{size} bytes" if len(body) == size else f"the first {len(body)} of {size} bytes"
    text = body.decode("utf-8", "replace")
    if text.encode() == body and "\x00" not in text:
        return f"was ({kept}): {text}"
    return f"was ({kept}, in Base64): {b64encode(body).decode()}"


def _retry(connection: Connection, rows: Sequence[Any], who: str, now_us: int) -> None:
    _update(connection, [row.seq for row in rows], RETRIED)
    history = [
        _entry(row, now_us, "operator retry", who, f"was failed ({row.reason}): {row.error or ''}") for row in rows
    ]
    INSERT_HISTORY.execute(connection, history)


def _cancel(connection: Connection, rows: Sequence[Any], who: str, now_us: int) -> None:
    waiting = [row for row in rows if row.state == State.WAITING]
    processing = [row for row in rows if row.state == State.PROCESSING]
    error = f"cancelled by {who}"
    values = {"state": State.FAILED.value, "reason": Reason.CANCELLED.value, "error": error, "finished_us": now_us}
    _update(connection, [row.seq for row in waiting], values | {"ordered": False})
    _update(connection, [row.seq for row in processing], {"cancel_requested": True})
    history = [
        _entry(row, now_us, "operator cancel", who, "it waited; it is failed (cancelled) now") for row in waiting
    ]
    history += [
        _entry(row, now_us, "cancel requested", who, "its handler runs, and its outcome wins") for row in processing
    ]
    INSERT_HISTORY.execute(connection, history)


def _after_cancel(row: Any) -> State:
    return State.FAILED if row.state == State.WAITING else State.PROCESSING


def _locked(connection: Connection, seqs: Sequence[int]) -> Sequence[Any]:
    """Return the rows, locked until the transaction ends."""
    query = sa.select(*NEEDED).where(messages.c.seq.in_(seqs)).order_by(messages.c.seq).with_for_update()
    rows = connection.execute(query).all()
    if len(rows) != len(set(seqs)):
        gone = sorted(set(seqs) - {row.seq for row in rows})
        raise NotFound(f"row {gone[0]} is no longer there: it was purged")
    return rows


def _check_move(row: Any, target: State) -> None:
    state = State(row.state)
    if target is State.WAITING and state is not State.FAILED:
        # A worker moves processing to waiting; an operator does not.
        raise IllegalMove(f"{row.id} ({state}) cannot be retried: only what failed can be; nothing was changed")
    if target is State.FAILED and state.final:
        raise IllegalMove(f"{row.id} ({state}) cannot be cancelled: it is final; nothing was changed")
    move(state, target)


def _update(connection: Connection, seqs: Sequence[int], values: Mapping[str, object]) -> None:
    if seqs:
        connection.execute(sa.update(messages).where(messages.c.seq.in_(seqs)).values(values))


def _entry(row: Any, at_us: int, what: str, who: str, detail: str) -> dict[str, object]:
    return entry(row.seq, at_us, what, row.attempts, who, detail)
