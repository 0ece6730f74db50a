"""Takes in the exchanges of one app, in memory only: it is called while the device's lock is held."""

from collections import deque
from collections.abc import Iterable
from threading import Lock

from lantime.contract import HttpSessionSettings
from lantime.exchange import Exchange


class Recorder:
    """The exchanges of one app that are not kept yet, at most as many as its settings say. Thread-safe."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._settings = HttpSessionSettings()
        self._fresh: deque[Exchange] = deque(maxlen=self._settings.maximum)

    @property
    def settings(self) -> HttpSessionSettings:
        """Return the settings that hold."""
        return self._settings

    def record(self, exchange: Exchange) -> None:
        """Take in an exchange, unless recording is off."""
        if not self._settings.enabled:
            return
        with self._lock:
            # Looked at again: it may have been switched off while we waited for the lock.
            if self._settings.enabled:
                self._fresh.append(exchange)

    def use(self, settings: HttpSessionSettings) -> None:
        """Let settings hold from now on, unless later ones do already.

        When they are off, what was taken in and not kept yet goes: it may have come before it was known that none is wanted.
        """
        with self._lock:
            if settings.revision >= self._settings.revision:
                self._settings = settings
                self._fresh = deque(self._fresh if settings.enabled else (), maxlen=settings.maximum)

    def take(self) -> list[Exchange]:
        """Hand over what was taken in, the oldest first."""
        with self._lock:
            taken = list(self._fresh)
            self._fresh.clear()
        return taken

    def give_back(self, exchanges: Iterable[Exchange]) -> None:
        """Take in again what could not be kept, before what came meanwhile."""
        with self._lock:
            if self._settings.enabled:
                self._fresh = deque([*exchanges, *self._fresh], maxlen=self._settings.maximum)
