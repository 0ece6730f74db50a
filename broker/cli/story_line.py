"""The whole story of one message, as the object of a line of JSON. Programs read it: a key is never renamed."""

from collections.abc import Sequence
from typing import Any

from broker.cli.lines import decoded, handler_line
from broker.cli.timeline import phase_times
from broker.lifecycle.clock import to_iso
from broker.table.queries import HandlerRow, HistoryEntry, Letter
from broker.table.reports import GAVE_UP, PartialReply


def story_line(
    row: HandlerRow, letter: Letter, history: Sequence[HistoryEntry], partial: Sequence[PartialReply], now_us: int
) -> dict[str, Any]:
    """Return everything that is known of a message."""
    return handler_line(row, now_us) | {
        "user": row.amqp_user,
        "content_type": letter.content_type,
        "correlation_id": letter.correlation_id,
        "call_size": letter.call_size or None,
        "stop_on_failure": letter.stop_on_failure,
        "late": late(row, history),
        "reply_to": letter.reply_to,
        "deadline_at": to_iso(None if letter.deadline_ms is None else letter.deadline_ms * 1000),
        "published": letter.published,
        "cancel_requested": row.cancel_requested,
        "operator_retries": letter.generation,
        "crashes": letter.crashes,
        "phases": [{"phase": phase, "ms": took_us / 1000} for phase, took_us in phase_times(letter)],
        "reply_kind": row.reply_kind,
        "body": decoded(letter.body.decode(errors="replace")),
        "body_size": letter.body_size,
        "partial_replies": [
            {
                "number": each.number,
                "attempt": each.attempt,
                "kind": each.kind,
                "at": to_iso(each.at_us),
                "reply": decoded(each.body),
            }
            for each in partial
        ],
        "history": [
            {
                "at": to_iso(entry.at_us),
                "what": entry.what,
                "attempt": entry.attempt,
                "who": entry.who,
                "detail": entry.detail,
            }
            for entry in history
        ],
    }


def late(row: HandlerRow, history: Sequence[HistoryEntry]) -> bool:
    """Tell whether the outcome came after its requester had given up waiting for it."""
    return row.state.final and any(entry.what == GAVE_UP for entry in history)
