"""Which records a poll must write. Most polls see nothing new but the time, and should cost the database nothing. Pure."""

from datetime import datetime
from typing import TypeVar

from pydantic import BaseModel

BEHIND_SECONDS = 10.0
"""By how much a kept time may be behind the last poll that saw the same."""

RecordT = TypeVar("RecordT", bound=BaseModel)


def worth_writing(before: RecordT | None, after: RecordT, time: str) -> bool:
    """Tell whether a record differs in more than its time (the field's name), or would say one too far behind."""
    if before is None:
        return True
    kept: datetime | None = getattr(before, time)
    now: datetime | None = getattr(after, time)
    if kept is None or now is None:
        return before != after
    # A clock that was set back must not stop the writing until it has caught up.
    near = 0 <= (now - kept).total_seconds() < BEHIND_SECONDS
    return not near or before.model_copy(update={time: now}) != after
