"""From a handler's outcome to what the table is told."""

from broker.handlers.outcome import Failed, Outcome, Retry, Succeeded
from broker.lifecycle.state import State
from broker.table.rows import Claimed, Settlement

LONGEST_PAUSE_SECONDS = 10 * 365 * 86_400.0
"""A later retry is brought forward to this: what comes after it no clock, column or listing can show."""


def to_settlement(
    row: Claimed,
    outcome: Outcome,
    *,
    started_us: int,
    finished_us: int,
    phases: str | None = None,
    read_documents: bool = False,
) -> Settlement:
    """Return what is to become of the row."""
    match outcome:
        case Succeeded():
            return Settlement(
                row=row,
                state=State.SUCCEEDED,
                reply_kind=outcome.reply_kind or None,
                reply=None if outcome.reply is None else outcome.reply.decode(),
                reply_version=None if outcome.reply is None else outcome.reply_version,
                effects=outcome.effects,
                phases=phases,
                started_us=started_us,
                finished_us=finished_us,
                read_documents=read_documents,
            )
        case Failed():
            return Settlement(
                row=row,
                state=State.FAILED,
                reason=outcome.reason,
                error=outcome.error,
                phase=outcome.phase or None,
                phases=phases,
                started_us=started_us,
                finished_us=finished_us,
                read_documents=read_documents,
            )
        case Retry():
            return Settlement(
                row=row,
                state=State.WAITING,
                error=outcome.error,
                phase=outcome.phase or None,
                counted=outcome.counted,
                ordered=outcome.ordered,
                due_us=finished_us + round(min(outcome.after_seconds, LONGEST_PAUSE_SECONDS) * 1_000_000),
                phases=phases,
                started_us=started_us,
                finished_us=finished_us,
                read_documents=read_documents,
            )
