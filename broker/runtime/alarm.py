"""What wakes a worker: deliveries, rows that may be there to claim, rows that become due."""

import threading
from heapq import heappop, heappush

from broker.lifecycle.clock import Clock

DUE_MARGIN_SECONDS = 0.005
"""Added to a row's due time on the monotonic clock, so that the wall clock agrees that it is due."""


class Alarm:
    """One worker's. ``wait`` and ``seeks`` are for its thread, everything else for any."""

    def __init__(self, clock: Clock, event: threading.Event) -> None:
        self._clock = clock
        self._event = event
        self._lock = threading.Lock()
        self._due: list[float] = []
        self._seek = True

    def ring(self) -> None:
        """Wake the worker: something was delivered, or it is to stop. What was delivered may be known to it."""
        self._event.set()

    def seek(self) -> None:
        """Wake the worker: there may be rows to claim."""
        with self._lock:
            self._seek = True
        self._event.set()

    def due_later(self, in_us: int) -> None:
        """Let it seek when so many microseconds have passed: a row is due then."""
        with self._lock:
            heappush(self._due, self._clock.monotonic() + in_us / 1_000_000 + DUE_MARGIN_SECONDS)

    def wait(self, pause_seconds: float | None) -> None:
        """Wait until it is woken or a row is due; after a pause, however long that was, it seeks: something was left undone."""
        self._event.wait(self._until_due() if pause_seconds is None else pause_seconds)
        self._event.clear()
        if pause_seconds is not None:
            with self._lock:
                self._seek = True

    def seeks(self) -> bool:
        """Return whether there may be rows to claim, as far as it was told since the last time."""
        with self._lock:
            seek, self._seek = self._seek, False
            return seek

    def _until_due(self) -> float | None:
        """Return the seconds until a row is due, as far as it was told; None when it was told of none."""
        with self._lock:
            if not self._due:
                return None
            left = self._due[0] - self._clock.monotonic()
            if left > 0:
                return left
            heappop(self._due)
            self._seek = True
            return 0.0
