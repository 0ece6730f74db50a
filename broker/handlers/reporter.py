"""What a running handler says before its outcome: replies that are not the last one, and how far it is."""

import json
from dataclasses import dataclass, field
from typing import Protocol

from broker.messages.message import Reply

TEXT_MAX_LENGTH = 200
"""How many characters of a progress text are kept."""


class Reporter(Protocol):
    """Takes what a handler reports to where others see it."""

    def reply(self, kind: str, body: str) -> None:
        """Commit a partial reply (JSON). Raises TableUnavailable; Superseded when the run does not count any more."""
        ...

    def progress(self, progress: str) -> None:
        """Show how far the handler is (JSON); only the newest is kept, and it may be shown a little later."""
        ...


@dataclass(slots=True)
class KeptReports:
    """Keeps what is reported, for a run without a worker: a test of a handler."""

    replies: list[tuple[str, str]] = field(default_factory=list)
    """Kind and JSON of each partial reply."""
    newest_progress: str | None = None
    """JSON."""

    def reply(self, kind: str, body: str) -> None:
        """Keep a partial reply."""
        self.replies.append((kind, body))

    def progress(self, progress: str) -> None:
        """Keep the newest progress."""
        self.newest_progress = progress


def checked_partial(reply: Reply, allowed: type[Reply] | None) -> Reply:
    """Return the reply; raise TypeError when the command is not answered by such."""
    if allowed is None:
        raise TypeError("ctx.reply: the message that is handled has no reply: make it a Command[SomeReply]")
    if not isinstance(reply, allowed):
        raise TypeError(
            f"ctx.reply: got {type(reply).__qualname__}, but the message is answered by {allowed.__qualname__}"
        )
    return reply


def progress_json(fraction: float, text: str) -> str:
    """Return the progress as it is kept.

    Raises ValueError when the fraction is not within 0 and 1, TypeError when it is no number or the text is no text.
    """
    if isinstance(fraction, bool) or not isinstance(fraction, int | float):
        raise TypeError(f"ctx.progress: fraction={fraction!r} must be a number from 0 to 1")
    if not isinstance(text, str):
        raise TypeError(f"ctx.progress: text={text!r} must be a str")
    if not 0 <= fraction <= 1:
        raise ValueError(f"ctx.progress: fraction={fraction!r} must be a number from 0 to 1")
    shown = text if len(text) <= TEXT_MAX_LENGTH else text[: TEXT_MAX_LENGTH - 1] + "…"
    return json.dumps({"fraction": round(float(fraction), 4), "text": shown})
