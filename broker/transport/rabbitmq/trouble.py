"""A trouble in the log: one line when it starts, one when it ends, however often it is tried in between."""

import structlog

from broker.errors import TransportError
from broker.lifecycle.clock import Clock


class Trouble:
    """What is wrong with one thing, for every place that notices it."""

    def __init__(self, thing: str, clock: Clock) -> None:
        self._thing = thing
        self._clock = clock
        self._log = structlog.get_logger("interapp.transport")
        self._noticed: set[str] = set()
        self._kinds: set[type[TransportError]] = set()
        self._since = 0.0

    def begin(self, error: TransportError, place: str = "") -> None:
        """Log that ``place`` is in trouble, unless the same kind of trouble is known already."""
        if not self._noticed:
            self._since = self._clock.monotonic()
        self._noticed.add(place)
        if type(error) not in self._kinds:
            self._kinds.add(type(error))
            self._log.warning("trouble", thing=self._thing, error=type(error).__name__, detail=str(error))

    def end(self, place: str = "") -> None:
        """Log the end when this was the last place in trouble."""
        self._noticed.discard(place)
        if not self._noticed and self._kinds:
            self._kinds.clear()
            self._log.info("trouble over", thing=self._thing, seconds=round(self._clock.monotonic() - self._since, 1))
