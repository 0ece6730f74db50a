"""The whole story of one message, as lines of text."""

from collections.abc import Iterator, Sequence

import click

from broker.cli.body import body_lines, cut
from broker.cli.cells import progress_text, state_text, tries_text
from broker.cli.lines import next_attempt_us, scheduled, worker_status
from broker.cli.story_line import late
from broker.cli.timeline import timeline
from broker.cli.words import age, duration
from broker.lifecycle.address import is_address
from broker.lifecycle.clock import to_iso
from broker.lifecycle.state import Reason, State
from broker.observe.printable import printable
from broker.table.census import WorkerRow
from broker.table.queries import HandlerRow, HistoryEntry, Letter
from broker.table.reports import PartialReply

STATE_COLOURS = {State.WAITING: "yellow", State.PROCESSING: "cyan", State.SUCCEEDED: "green", State.FAILED: "red"}

LABEL = 14
"""Width of the left column."""


def tell(
    row: HandlerRow,
    letter: Letter,
    history: Sequence[HistoryEntry],
    partial: Sequence[PartialReply],
    workers: Sequence[WorkerRow],
    *,
    now_us: int,
    full: bool = False,
) -> Iterator[str]:
    """Yield the lines: what it is, where it stands, its times, body, reply and history, and what can be done.

    ``workers`` are those of its destination.
    """
    yield click.style(printable(f"{row.kind}  {row.id}"), bold=True)
    yield ""
    yield _field("state", click.style(state_text(row), fg=STATE_COLOURS[row.state], bold=True))
    yield _field("", standing(row, workers, now_us))
    for label, value in (*_facts(row, letter), *_reported(row, history)):
        if value:
            yield _field(label, printable(value))
    yield ""
    for label, time_us in _times(row, letter):
        if time_us:
            ago = f"{age(now_us - time_us)} ago" if time_us <= now_us else f"in {age(time_us - now_us)}"
            yield _field(label, f"{to_iso(time_us)}  ({ago})")
    if row.started_us is not None and row.finished_us is not None:
        yield _field("took", duration(row.finished_us - row.started_us))
    if letter.phases is not None:
        yield click.style("phases of the last run", bold=True)
        yield from timeline(row, letter)
    yield ""
    yield click.style(f"body ({letter.body_size} bytes)", bold=True)
    yield from body_lines(letter.body.decode(errors="replace"), full=full)
    if len(letter.body) < letter.body_size:
        yield f"  only its first {len(letter.body)} bytes were kept"
    yield from _replies(row, partial, full=full)
    yield click.style("history", bold=True)
    yield from _history(row, history, full=full)
    yield click.style("what you can do", bold=True)
    for line in next_steps(row, letter):
        yield f"  {line}"


def standing(row: HandlerRow, workers: Sequence[WorkerRow], now_us: int) -> str:
    """Return where the message stands, in one sentence."""
    status = {worker.id: worker_status(worker, now_us) for worker in workers}
    if row.state is State.PROCESSING:
        seen = status.get(row.worker or "", "unknown")
        if seen in ("unknown", "died", "stopped"):
            return f"its worker is {seen}: another one takes it over as soon as that is certain"
        return f"its handler runs for {duration(now_us - (row.started_us or now_us))}" + (
            ", and was asked to stop" if row.cancel_requested else ""
        )
    if row.state is State.WAITING:
        due_us = next_attempt_us(row, now_us)
        if due_us is not None:
            return f"it is {'due' if scheduled(row) else 'tried again'} in {age(due_us - now_us)}"
        if not any(worker.ended_us is None and status[worker.id] != "unknown" for worker in workers):
            return f"it waits: no worker of {printable(row.destination)} is known to run (interapp workers)"
        return "it waits for its turn"
    return "it is done" if row.state is State.SUCCEEDED else "it ended, and is not tried again by itself"


def next_steps(row: HandlerRow, letter: Letter) -> list[str]:
    """Return what an operator can do with it."""
    match row.state:
        case State.WAITING:
            return [f"interapp handlers cancel {row.id}    end it without a run"]
        case State.PROCESSING:
            return [f"interapp handlers cancel {row.id}    ask its handler to stop; the handler's outcome wins"]
        case State.SUCCEEDED:
            return [f"nothing: it succeeded. To have it done again: interapp send {row.destination} {row.kind} JSON"]
        case State.FAILED:
            edit = f"interapp handlers retry {row.id} --body JSON    the same with another body"
            if len(letter.body) < letter.body_size:
                return [edit, "or nothing: a part of its body was not kept. Its sender can send it again, smaller"]
            hint = {
                Reason.UNHANDLED.value: "  (first run a version that has a handler for it)",
                Reason.INVALID.value: "  (it fails again unless the handler's program changed: mend its sender)",
            }.get(row.reason or "", "")
            again = f"interapp handlers retry {row.id}    let it run again, with fresh attempts{hint}"
            return [again, edit] if row.kind else [again]


def _field(label: str, value: str) -> str:
    return f"  {label:<{LABEL}}{value}"


def _facts(row: HandlerRow, letter: Letter) -> Iterator[tuple[str, str]]:
    yield "error", row.error or ""
    yield "phase", row.phase or ""
    yield "from", row.source or "(it did not say)"
    yield "to", row.destination
    yield "handler", row.handler or ""
    yield "attempts", tries_text(row)
    yield "priority", str(row.priority) if row.priority else ""
    yield "retried", f"{letter.generation} times by an operator" if letter.generation else ""
    yield "crashes", f"{letter.crashes} (its worker died while it ran alone)" if letter.crashes else ""
    yield "worker", row.worker or ""
    yield "call", _call(row, letter)
    yield "follows from", letter.correlation_id
    yield "reply to", letter.reply_to + ("" if is_address(letter.reply_to or "a") else "  (no address: not sent there)")
    yield "version", f"{row.version}  ({letter.content_type or 'no content type'})"
    yield "RabbitMQ user", row.amqp_user


def _call(row: HandlerRow, letter: Letter) -> str:
    if letter.call_size == 1:
        return row.call_id
    size = f"{letter.call_size} messages" if letter.call_size else "size unknown"
    return f"{row.call_id}  ({size}; interapp calls show {row.call_id})"


def _reported(row: HandlerRow, history: Sequence[HistoryEntry]) -> Iterator[tuple[str, str]]:
    yield "progress", progress_text(row.progress) if row.progress and row.state is not State.SUCCEEDED else ""
    yield "late", "its requester had given up waiting for the outcome" if late(row, history) else ""


def _times(row: HandlerRow, letter: Letter) -> Iterator[tuple[str, int | None]]:
    yield "sent", row.sent_us
    yield "received", row.received_us
    yield "started", row.started_us
    yield "finished", row.finished_us
    yield "due" if scheduled(row) else "next attempt", row.due_us if row.state is State.WAITING else None
    yield "deadline", letter.deadline_ms * 1000 if letter.deadline_ms is not None else None


def _replies(row: HandlerRow, partial: Sequence[PartialReply], *, full: bool) -> Iterator[str]:
    for each in partial:
        attempt = f", attempt {each.attempt}" if row.attempts > 1 else ""
        title = f"partial reply {each.number} ({each.kind}){attempt}  {to_iso(each.at_us)}"
        yield click.style(printable(title), bold=True)
        yield from body_lines(each.body, full=full)
    if row.reply is not None:
        yield click.style(f"reply ({printable(row.reply_kind or '')})", bold=True)
        yield from body_lines(row.reply, full=full)


def _history(row: HandlerRow, history: Sequence[HistoryEntry], *, full: bool) -> Iterator[str]:
    if not history:
        yield "  nothing but what stands above: no attempt failed, and no operator acted"
    for entry in history:
        attempt = f", attempt {entry.attempt}" if entry.attempt else ""
        yield printable(f"  {to_iso(entry.at_us)}  {entry.what}{attempt}  by {entry.who}")
        if entry.detail and entry.detail != row.error:
            detail = printable(entry.detail)
            yield from (f"    {line}" for line in (detail if full else cut(detail)).split("\n"))
