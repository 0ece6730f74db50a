"""Rows as the objects of JSON Lines. Programs read these: a key is never renamed."""

import json
from typing import Any

from broker.lifecycle.clock import to_iso
from broker.lifecycle.state import State
from broker.table.census import WorkerRow
from broker.table.queries import HandlerRow

CONNECTOR_WORDS = {
    State.WAITING: "waiting to be processed",
    State.PROCESSING: "being processed",
    State.SUCCEEDED: "executed successfully",
    State.FAILED: "failed",
}
"""States as operators of other Meinberg drivers read them in their Communication table."""

UNSEEN_US = 5_000_000
"""A worker beats once a second; what was not seen for this long is not known to live."""


def handler_line(row: HandlerRow, now_us: int) -> dict[str, Any]:
    """Return a row as a line of the Handlers table. Times are ISO 8601 in UTC."""
    return {
        "id": row.id,
        "call_id": row.call_id,
        "kind": row.kind,
        "version": row.version,
        "source": row.source,
        "destination": row.destination,
        "handler": row.handler,
        "state": row.state.value,
        "reason": row.reason,
        "error": row.error,
        "attempts": row.attempts,
        "max_attempts": row.max_attempts,
        "priority": row.priority,
        "worker": row.worker,
        "sent_at": to_iso(row.sent_us or None),
        "received_at": to_iso(row.received_us),
        "started_at": to_iso(row.started_us),
        "finished_at": to_iso(row.finished_us),
        "next_attempt_at": to_iso(next_attempt_us(row, now_us)),
        "phase": row.phase,
        "progress": decoded(row.progress) if row.state is State.PROCESSING else None,
        "reply": decoded(row.reply),
    }


def communication_line(row: HandlerRow) -> dict[str, Any]:
    """Return a row as a line of the Communications table."""
    trip_us = round_trip_us(row)
    return {
        "id": row.id,
        "call_id": row.call_id,
        "kind": row.kind,
        "version": row.version,
        "source": row.source,
        "destination": row.destination,
        "state": row.state.value,
        "status": CONNECTOR_WORDS[row.state],
        "reason": row.reason,
        "sent_at": to_iso(row.sent_us or None),
        "received_at": to_iso(row.received_us),
        "finished_at": to_iso(row.finished_us),
        "round_trip_ms": None if trip_us is None else trip_us / 1000,
    }


def worker_line(row: WorkerRow, now_us: int) -> dict[str, Any]:
    """Return a worker as a line of the workers table."""
    return {
        "id": row.id,
        "app": row.app,
        "host": row.host,
        "pid": row.pid,
        "version": row.version,
        "status": worker_status(row, now_us),
        "detail": row.detail,
        "holds_lease": row.leading,
        "epoch": row.epoch,
        "started_at": to_iso(row.started_us),
        "seen_at": to_iso(row.seen_us),
        "ended_at": to_iso(row.ended_us),
    }


def worker_status(row: WorkerRow, now_us: int) -> str:
    """Return what is known of a worker; ``unknown`` when it neither ended nor showed itself lately.

    A clock that is ahead says no more than one that is behind.
    """
    if row.ended_us is None and abs(now_us - row.seen_us) > UNSEEN_US:
        return "unknown"
    return row.status


def next_attempt_us(row: HandlerRow, now_us: int) -> int | None:
    """Return when the next attempt is due, while it waits for a later time."""
    return row.due_us if row.state is State.WAITING and row.due_us > now_us else None


def scheduled(row: HandlerRow) -> bool:
    """Tell whether what it waits for is the time that it was sent for: it has never run."""
    return row.started_us is None


def round_trip_us(row: HandlerRow) -> int | None:
    """Return the time from sending to the outcome; None before it."""
    return row.finished_us - row.sent_us if row.finished_us is not None and row.sent_us else None


def decoded(text: str | None) -> Any:
    """Return what the JSON stands for; the text itself when it is no JSON, or nested beyond reason."""
    try:
        return None if text is None else json.loads(text, parse_constant=_refuse)
    except (ValueError, RecursionError):
        return text


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no JSON")
