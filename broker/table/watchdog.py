"""Cuts off a server that does not answer: a frozen PostgreSQL, or a network that swallows all, must not hold a thread for ever."""

import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from broker.lifecycle.clock import Clock

LOOK_SECONDS = 1.0


class Watchdog:
    """Cuts sockets that are used for too long. Its thread runs only while something is watched now and then."""

    def __init__(self, clock: Clock, seconds: float) -> None:
        self._clock = clock
        self._seconds = seconds
        self._lock = threading.Lock()
        self._deadlines: dict[int, float] = {}
        self._looking = False
        self._used = False
        """Since the last look."""

    @contextmanager
    def watching(self, descriptor: int) -> Iterator[None]:
        """Shut the socket down when the block takes too long: whoever reads from it is told that the server is gone."""
        # A duplicate: whatever becomes of the original meanwhile, this number stays that socket's.
        own = os.dup(descriptor)
        with self._lock:
            self._deadlines[own] = self._clock.monotonic() + self._seconds
            self._used = True
            if not self._looking:
                self._looking = True
                threading.Thread(target=self._look, name="table watchdog", daemon=True).start()
        try:
            yield
        finally:
            with self._lock:
                del self._deadlines[own]
                os.close(own)

    def _look(self) -> None:
        pause = threading.Event()
        while True:
            pause.wait(LOOK_SECONDS)
            with self._lock:
                if not self._deadlines and not self._used:
                    self._looking = False
                    return
                self._used = False
                now = self._clock.monotonic()
                for descriptor, deadline in self._deadlines.items():
                    if now >= deadline:
                        _shut(descriptor)


def _shut(descriptor: int) -> None:
    with suppress(OSError), socket.socket(fileno=os.dup(descriptor)) as own:
        own.shutdown(socket.SHUT_RDWR)
