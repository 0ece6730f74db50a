"""A claimed batch while it is worked off, shared by the thread that runs handlers and the one that watches it."""

import json
import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from broker.handlers.context import Context
from broker.handlers.phases import Phases
from broker.table.rows import Claimed, Lease, Settlement


@dataclass(slots=True)
class Running:
    """The handler that runs now."""

    row: Claimed
    lease: Lease
    since: float
    """Monotonic seconds at its start."""
    cancelled: bool = False
    """Whether its handler was asked to stop."""
    progress: str | None = None
    """What its handler said last of how far it is, as JSON."""
    shown: str | None = None
    """Of that, what the table shows."""
    phases: Phases | None = None
    """How far it has come; None for a handler without phases."""
    read_documents: bool = False
    """Whether its handler read some of the app's documents."""
    context: Context[Any] | None = None
    """What the middleware knows the run by; None when there is none."""

    def is_cancelled(self) -> bool:
        """Tell whether its handler was asked to stop."""
        return self.cancelled

    def phase(self) -> str:
        """Return the phase that it is in; empty when it has none."""
        return "" if self.phases is None else self.phases.current

    def phase_times(self) -> str | None:
        """Return its phases so far as the table keeps them: JSON, a list of [phase, microseconds]."""
        return None if self.phases is None else json.dumps(self.phases.times())


DueOf = Callable[[Claimed], int | None]
"""From a row that is next to when it may start at the earliest, in microseconds since 1970; None: now."""


class Batch:
    """Rows in the order in which they were claimed. Each is started, or given back, by exactly one thread."""

    def __init__(
        self, lease: Lease, rows: Sequence[Claimed], claimed_at: float, *, counts: Callable[[Settlement], None]
    ) -> None:
        """``counts`` learns of each outcome that counts, before anybody can commit it."""
        self.lease = lease
        self.claimed_at = claimed_at
        self._rest = deque(rows)
        self._counts = counts
        self._later: list[Claimed] = []
        self._done: list[Settlement] = []
        self._running: Running | None = None
        self._abandoned = False
        self.gave_back = False
        """Whether rows were handed over that had not been started."""
        self._lock = threading.Lock()

    def start_next(self, now: float, due_of: DueOf | None = None) -> Running | None:
        """Return the next row, now running; None when there is none left, or this thread was given up.

        Rows that may not start yet, as ``due_of`` says, are passed over: they are to be given back for later.
        """
        with self._lock:
            while self._rest and not self._abandoned:
                row = self._rest.popleft()
                due_us = None if due_of is None else due_of(row)
                if due_us is None:
                    self._running = Running(row, self.lease, now)
                    return self._running
                self._later.append(replace(row, due_us=due_us))
            return None

    def add(self, rows: Sequence[Claimed]) -> None:
        """Add rows that were claimed after these."""
        with self._lock:
            self._rest.extend(rows)

    def finish(self, settlement: Settlement) -> bool:
        """Keep the outcome of the running row; return False when it came too late: the thread was given up."""
        with self._lock:
            if self._abandoned:
                return False
            self._running = None
            self._counts(settlement)
            self._done.append(settlement)
            return True

    def running(self) -> Running | None:
        """Return what runs now."""
        return self._running

    def hand_over(self) -> tuple[list[Settlement], list[Claimed]]:
        """Return the outcomes not yet committed and the rows not yet started; they are the caller's now."""
        with self._lock:
            done, rest = self._done, [*self._later, *self._rest]
            self._done, self._later = [], []
            self._rest.clear()
            self.gave_back = self.gave_back or bool(rest)
            return done, rest

    def take_back(self, done: list[Settlement], rest: list[Claimed]) -> None:
        """Undo a hand-over that could not be committed."""
        with self._lock:
            self._done[:0] = done
            self._later[:0] = [row for row in rest if row.due_us is not None]
            self._rest.extendleft(row for row in reversed(rest) if row.due_us is None)

    def give_up(self, running: Running) -> bool:
        """Give the running handler up for lost, if it still runs: nothing its thread does counts any more."""
        with self._lock:
            if self._running is not running or self._abandoned:
                return False
            self._abandoned = True
            running.cancelled = True
            return True

    def cancel_running(self, seq: int | None = None) -> None:
        """Ask the running handler to stop; with ``seq`` only if it is that row's."""
        running = self._running
        if running is not None and seq in (None, running.row.seq):
            running.cancelled = True
