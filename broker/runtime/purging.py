"""Automatic retention: one process at a time purges what is old or too many, slowly, in a thread of its own."""

import threading
from collections.abc import Iterator

import structlog

from broker.errors import TableError
from broker.lifecycle.clock import Clock
from broker.table.database import Database
from broker.table.guard import guard
from broker.table.retention import DAY_US, GUARD, Limits, Retention

log = structlog.get_logger("interapp.retention")

FIRST_SECONDS = 60.0
"""Pause before the first round: a process that only looks in does not purge."""

ROUND_SECONDS = 600.0

PAUSE_SECONDS = 0.05
"""Pause between two parts, in which everybody else has the table to themselves."""


class Purging:
    """The retention of one process."""

    def __init__(self, database: Database, clock: Clock, *, days: int, rows: int) -> None:
        """Take the limits: days since the end of a handler, and how many rows; 0 for none."""
        self._database = database
        self._clock = clock
        self._days = days
        self._rows = rows
        self._retention = Retention(database, clock)
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._repeat, name="retention", daemon=True)

    def start(self) -> None:
        """Begin, unless nothing is ever purged."""
        if self._days or self._rows:
            self._thread.start()

    def stop(self) -> None:
        """End after the present part."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join()

    def purge_once(self) -> int:
        """Purge what is beyond the limits, unless another process is at it; return how many rows went.

        Raises TableUnavailable.
        """
        with guard(self._database, GUARD) as alone:
            if not alone:
                return 0
            purged = self._slowly(self._retention.purge(self._limits()))
            self._slowly(self._retention.forget())
            self._slowly(self._retention.sweep())
        if purged:
            log.info("purged handlers that ended", rows=purged)
        return purged

    def _limits(self) -> Limits:
        return Limits(
            before_us=self._clock.now_us() - self._days * DAY_US if self._days else 0,
            surplus_below=self._retention.nth_newest(self._rows) if self._rows else 0,
        )

    def _slowly(self, parts: Iterator[int]) -> int:
        total = 0
        for count in parts:
            total += count
            if self._stopping.wait(PAUSE_SECONDS):
                break
        return total

    def _repeat(self) -> None:
        pause = FIRST_SECONDS
        while not self._stopping.wait(pause):
            pause = ROUND_SECONDS
            try:
                self.purge_once()
            except TableError as exc:
                log.warning("could not purge; it is tried again", error=str(exc))
            except Exception:
                # Nothing known gets here; a table that only grows would be noticed too late.
                log.exception("could not purge; it is tried again")
