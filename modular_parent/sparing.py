"""Which records a poll must write. Most polls see nothing new but the time, and should cost the database nothing. Pure."""

from datetime import datetime
from typing import TypeVar

from pydantic import BaseModel

BEHIND_SECONDS = 10.0
"""By how much a kept time may be behind the last poll that saw the same."""

RecordT = TypeVar("RecordT", bound=BaseModel)


def worth_writing(before: RecordT | None, after: RecordT, *times: str) -> bool:
    """Tell whether a record differs in more than its times (the fields' names), or would say one too far behind."""
    if before is None:
        return True
    moved = {time: getattr(after, time) for time in times if _near(getattr(before, time), getattr(after, time))}
    return before.model_copy(update=moved) != after


def _near(kept: datetime | None, now: datetime | None) -> bool:
    # A clock that was set back must not stop the writing until it has caught up.
    return kept is not None and now is not None and 0 <= (now - kept).total_seconds() < BEHIND_SECONDS
