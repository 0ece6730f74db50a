"""The phases of an executor: their names, and how far one run has come."""

from collections.abc import Callable
from enum import StrEnum


class Phase(StrEnum):
    """The phases in the order in which they run."""

    GATHER = "gather"
    PARSE = "parse"
    VALIDATE = "validate"
    MODIFY = "modify"
    APPLY = "apply"
    REPLY = "reply"


PhaseTime = tuple[str, int]
"""A phase and how long it took, in microseconds."""


class Phases:
    """How far one run of an executor has come. Written by the thread that runs it, read by any."""

    def __init__(self, monotonic: Callable[[], float], told: Callable[[Phase], None] | None = None) -> None:
        """Take a clock in seconds; ``told`` is called when a phase begins."""
        self._monotonic = monotonic
        self._told = told
        # One value, so that a reader in another thread never sees half a step.
        self._seen: tuple[tuple[PhaseTime, ...], str, float] = ((), "", 0.0)

    @property
    def current(self) -> str:
        """The phase that runs, or that was not finished; empty between two phases."""
        return self._seen[1]

    def enter(self, phase: Phase) -> None:
        """Begin a phase; the one before it, if any runs, has ended."""
        self._seen = (self.times(), phase.value, self._monotonic())
        if self._told is not None:
            self._told(phase)

    def leave(self) -> None:
        """End the phase that runs."""
        self._seen = (self.times(), "", 0.0)

    def times(self) -> tuple[PhaseTime, ...]:
        """Return every phase so far, in order, with its duration; one that runs with how long it has been running."""
        done, current, since = self._seen
        return (*done, (current, round((self._monotonic() - since) * 1_000_000))) if current else done
