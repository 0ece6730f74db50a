"""What became of one run of a handler."""

from dataclasses import dataclass

from broker.lifecycle.state import Reason
from broker.messages.effects import NO_EFFECTS, Effects


@dataclass(frozen=True, slots=True)
class Succeeded:
    """The handler returned."""

    reply_kind: str = ""
    reply: bytes | None = None
    effects: Effects = NO_EFFECTS
    reply_version: int = 1


SUCCEEDED = Succeeded()
"""Nothing follows from it."""


@dataclass(frozen=True, slots=True)
class Failed:
    """Final: no further attempt."""

    reason: Reason
    error: str
    phase: str = ""


@dataclass(frozen=True, slots=True)
class Retry:
    """Another attempt follows."""

    after_seconds: float
    error: str
    counted: bool = True
    """Whether this run used up an attempt."""
    ordered: bool = False
    """Whether later messages of the app wait for it."""
    phase: str = ""


Outcome = Succeeded | Failed | Retry
