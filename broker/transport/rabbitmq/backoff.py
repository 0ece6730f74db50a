"""How long to wait before the next attempt."""

import random
from collections.abc import Callable


class Backoff:
    """Waits that double from ``first`` to ``ceiling`` seconds, each shortened at random by up to half.

    Without the random part every process would come back to a restarted RabbitMQ in the same instant.
    """

    def __init__(self, first: float, ceiling: float, chance: Callable[[], float] = random.random) -> None:
        self._first = first
        self._ceiling = ceiling
        self._chance = chance
        self._failures = 0

    def next_delay(self) -> float:
        """Return the seconds to wait after one more failure."""
        # the exponent stops growing: 2.0 ** 2000 overflows after a long night without RabbitMQ
        delay = min(self._ceiling, self._first * 2.0 ** min(self._failures, 30))
        self._failures += 1
        return delay * (1.0 - 0.5 * self._chance())

    def reset(self) -> None:
        """Begin again with the shortest wait: it works."""
        self._failures = 0
