"""Rows as cells of a table for people."""

import json

from broker.cli.lines import CONNECTOR_WORDS, next_attempt_us, round_trip_us, scheduled, worker_status
from broker.cli.plain import Cell
from broker.cli.words import age, duration
from broker.lifecycle.ids import short_id
from broker.lifecycle.state import State
from broker.table.census import WorkerRow
from broker.table.queries import HandlerRow

STATE_STYLES = {
    State.WAITING: "yellow",
    State.PROCESSING: "cyan",
    State.SUCCEEDED: "green",
    State.FAILED: "red",
}
WORKER_STYLES = {
    "active": "green",
    "assigned": "green",
    "standby": "cyan",
    "unassigned": "cyan",
    "unknown": "bold red",
    "died": "red",
    "stopped": "dim",
}

HANDLER_TITLES = ("ID", "KIND", "FROM", "TO", "STATE", "TRIES", "AGE", "TOOK", "NOTE")
COMMUNICATION_TITLES = ("ID", "KIND", "FROM", "TO", "AGE", "ROUND TRIP", "STATE")
WORKER_TITLES = ("APP", "STATUS", "LEASE", "HOST", "PID", "VERSION", "UP", "SEEN", "DETAIL")


def handler_cells(row: HandlerRow, now_us: int) -> tuple[Cell, ...]:
    """Return a row of the Handlers table; as many cells as HANDLER_TITLES."""
    return (
        Cell(short_id(row.id), "bold"),
        Cell(row.kind),
        Cell(row.source or "-"),
        Cell(row.destination),
        Cell(state_text(row), STATE_STYLES[row.state]),
        Cell(tries_text(row)),
        Cell(age(now_us - row.sent_us)),
        Cell(took_text(row, now_us)),
        Cell(note(row, now_us), "dim"),
    )


def communication_cells(row: HandlerRow, now_us: int) -> tuple[Cell, ...]:
    """Return a row of the Communications table; as many cells as COMMUNICATION_TITLES."""
    trip_us = round_trip_us(row)
    return (
        Cell(short_id(row.id), "bold"),
        Cell(row.kind),
        Cell(row.source or "-"),
        Cell(row.destination),
        Cell(age(now_us - row.sent_us)),
        Cell("" if trip_us is None else duration(trip_us)),
        Cell(CONNECTOR_WORDS[row.state] + (f" ({row.reason})" if row.reason else ""), STATE_STYLES[row.state]),
    )


def worker_cells(row: WorkerRow, now_us: int) -> tuple[Cell, ...]:
    """Return a row of the workers table; as many cells as WORKER_TITLES."""
    status = worker_status(row, now_us)
    until_us = now_us if row.ended_us is None else row.ended_us
    return (
        Cell(row.app, "bold"),
        Cell(status, WORKER_STYLES.get(status, "yellow")),
        Cell(f"epoch {row.epoch}" if row.leading else "-"),
        Cell(row.host),
        Cell(str(row.pid)),
        Cell(row.version),
        Cell(age(until_us - row.started_us)),
        Cell(f"{age(now_us - row.seen_us)} ago"),
        Cell(row.detail, "dim"),
    )


def state_text(row: HandlerRow) -> str:
    """Return the state, and why it failed."""
    return f"{row.state} ({row.reason})" if row.reason else row.state.value


def tries_text(row: HandlerRow) -> str:
    """Return how often it was tried, of how many times."""
    return f"{row.attempts}/{row.max_attempts}" if row.max_attempts else str(row.attempts)


def took_text(row: HandlerRow, now_us: int) -> str:
    """Return how long its handler ran, or has been running."""
    if row.started_us is None or row.state is State.WAITING:
        return ""
    until_us = now_us if row.state is State.PROCESSING else row.finished_us
    return "" if until_us is None else duration(until_us - row.started_us)


def progress_text(progress: str) -> str:
    """Return how far a handler said it is: ``40 %, writing output 2``. What is not as we write it is shown as it is."""
    try:
        said = json.loads(progress)
        text = f"{float(said['fraction']):.0%}".replace("%", " %")
        return f"{text}, {said['text']}" if said["text"] else text
    except (ValueError, TypeError, KeyError):
        return progress


def note(row: HandlerRow, now_us: int) -> str:
    """Return what is worth knowing beside the state: the error, what it waits for."""
    parts = []
    due_us = next_attempt_us(row, now_us)
    if due_us is not None:
        parts.append(f"{'due' if scheduled(row) else 'next try'} in {age(due_us - now_us)}")
    if row.cancel_requested and row.state is State.PROCESSING:
        parts.append("cancel requested")
    if row.state is State.PROCESSING and row.progress:
        parts.append(progress_text(row.progress))
    if row.phase:
        parts.append(f"in {row.phase}")
    if row.error:
        parts.append(row.error)
    return ": ".join(parts)
