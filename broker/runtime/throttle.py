"""Makes messages of rate-limited kinds wait for their turn. One worker's, for its thread."""

from collections.abc import Callable, Mapping
from math import ceil

from broker.handlers.rate import Limits, Rate
from broker.lifecycle.clock import Clock
from broker.runtime.running import DueOf
from broker.table.rows import Claimed
from broker.table.store import HandlerTable


class Throttle:
    """What an app's rates mean for the rows of its batches."""

    def __init__(
        self,
        app: str,
        rates: Mapping[str, Rate],
        *,
        table: HandlerTable,
        clock: Clock,
        due_later: Callable[[int], None],
    ) -> None:
        """``due_later`` is told in how many microseconds a row is due that was found waiting for its turn."""
        self._app = app
        self._limits = Limits(rates)
        self._table = table
        self._clock = clock
        self._due_later = due_later
        self._recalled = False

    def recall(self) -> None:
        """Learn, once, who waits for its turn already: later ones must not overtake them. Raises TableUnavailable."""
        if self._recalled:
            return
        waiting = self._table.given_back(self._app, self._limits.kinds)
        now, now_us = self._clock.monotonic(), self._clock.now_us()
        self._limits.recall((kind, seq, now + (due_us - now_us) / 1_000_000) for kind, seq, due_us in waiting)
        for *_, due_us in waiting:
            self._due_later(due_us - now_us)
        self._recalled = True

    def forget(self) -> None:
        """Let ``recall`` learn anew: another worker tells rows when to come back from now on."""
        self._recalled = False

    def due_of(self, asked: float) -> DueOf:
        """Return what tells when a row may start; ``asked`` is when the table was asked for what is due, in monotonic seconds."""

        def due_us(row: Claimed) -> int | None:
            seconds = self._limits.wait_seconds(row.envelope.kind, row.seq, self._clock.monotonic(), asked)
            return None if seconds is None else self._clock.now_us() + ceil(seconds * 1_000_000)

        return due_us
