"""A trouble in the log: one line when it starts, one when it ends, however often it is tried and whoever else has it."""

import structlog

from broker.errors import TransportError
from broker.lifecycle.clock import Clock


class Trouble:
    """What is wrong with one thing, for every place that notices it."""

    def __init__(self, thing: str, clock: Clock, *, beside: "Trouble | None" = None) -> None:
        """Take the thing's name; a trouble that it shares with those ``beside`` it is said once for all."""
        self._thing = thing
        self._clock = clock
        self._log = structlog.get_logger("interapp.transport")
        self.sharing: dict[str, set[str]] = {} if beside is None else beside.sharing
        """Each detail that is in the log now, with the things that have that trouble."""
        self._noticed: set[str] = set()
        self._kinds: set[type[TransportError]] = set()
        self._details: set[str] = set()
        self._since = 0.0

    def begin(self, error: TransportError, place: str = "") -> None:
        """Log that ``place`` is in trouble, unless the same kind of trouble is known already."""
        if not self._noticed:
            self._since = self._clock.monotonic()
        self._noticed.add(place)
        if type(error) in self._kinds:
            return
        self._kinds.add(type(error))
        self._details.add(str(error))
        others = self.sharing.setdefault(str(error), set())
        if not others:
            self._log.warning("trouble", thing=self._thing, error=type(error).__name__, detail=str(error))
        others.add(self._thing)

    def end(self, place: str = "") -> None:
        """Log the end when this was the last place, of the last thing, in trouble."""
        self._noticed.discard(place)
        if self._noticed or not self._kinds:
            return
        self._kinds.clear()
        over = [detail for detail in self._details if self._leave(detail)]
        self._details.clear()
        if over:
            self._log.info("trouble over", thing=self._thing, seconds=round(self._clock.monotonic() - self._since, 1))

    def _leave(self, detail: str) -> bool:
        others = self.sharing[detail]
        others.discard(self._thing)
        if others:
            return False
        del self.sharing[detail]
        return True
