"""How many rows to claim at once: as many as recent handlers finish in a few milliseconds."""

CLAIM_SECONDS = 0.02
"""Run time that one claim should hold."""

CLAIM_MOST = 500
SMOOTHING = 0.2

GROWTH = 8
"""A claim takes at most so many times as many rows as have run: the first few tell little of the next ones."""


class Pace:
    """A moving average of handler run times."""

    def __init__(self) -> None:
        self._seconds = CLAIM_SECONDS
        self._ran = 0

    def ran(self, seconds: float) -> None:
        """Take the run time of one handler into account."""
        self._ran += 1
        self._seconds += max(SMOOTHING, 1 / self._ran) * (seconds - self._seconds)

    def claim_size(self) -> int:
        """Return how many rows the next claim should take, at least 1."""
        return max(1, min(CLAIM_MOST, GROWTH * self._ran, int(CLAIM_SECONDS / max(self._seconds, 1e-6))))
