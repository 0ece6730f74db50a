"""A claimed batch while it is worked off, shared by the thread that runs handlers and the one that watches it."""

import threading
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

from broker.table.rows import Claimed, Lease, Settlement


@dataclass(slots=True)
class Running:
    """The handler that runs now."""

    row: Claimed
    lease: Lease
    since: float
    """Monotonic seconds at its start."""
    cancelled: threading.Event = field(default_factory=threading.Event)
    progress: str | None = None
    """What its handler said last of how far it is, as JSON."""
    shown: str | None = None
    """Of that, what the table shows."""


class Batch:
    """Rows in the order in which they were claimed. Each is started, or given back, by exactly one thread."""

    def __init__(self, lease: Lease, rows: Sequence[Claimed], claimed_at: float) -> None:
        self.lease = lease
        self.claimed_at = claimed_at
        self._rest = deque(rows)
        self._done: list[Settlement] = []
        self._running: Running | None = None
        self._abandoned = False
        self._lock = threading.Lock()

    def start_next(self, now: float) -> Running | None:
        """Return the next row, now running; None when there is none left, or this thread was given up."""
        with self._lock:
            if self._abandoned or not self._rest:
                return None
            self._running = Running(self._rest.popleft(), self.lease, now)
            return self._running

    def finish(self, settlement: Settlement) -> bool:
        """Keep the outcome of the running row; return False when it came too late: the thread was given up."""
        with self._lock:
            if self._abandoned:
                return False
            self._running = None
            self._done.append(settlement)
            return True

    def running(self) -> Running | None:
        """Return what runs now."""
        return self._running

    def hand_over(self) -> tuple[list[Settlement], list[Claimed]]:
        """Return the outcomes not yet committed and the rows not yet started; they are the caller's now."""
        with self._lock:
            done, rest = self._done, list(self._rest)
            self._done = []
            self._rest.clear()
            return done, rest

    def take_back(self, done: list[Settlement], rest: list[Claimed]) -> None:
        """Undo a hand-over that could not be committed."""
        with self._lock:
            self._done[:0] = done
            self._rest.extendleft(reversed(rest))

    def give_up(self, running: Running) -> bool:
        """Give the running handler up for lost, if it still runs: nothing its thread does counts any more."""
        with self._lock:
            if self._running is not running or self._abandoned:
                return False
            self._abandoned = True
            running.cancelled.set()
            return True

    def cancel_running(self, seq: int | None = None) -> None:
        """Ask the running handler to stop; with ``seq`` only if it is that row's."""
        running = self._running
        if running is not None and seq in (None, running.row.seq):
            running.cancelled.set()
