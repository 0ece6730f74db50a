"""The retry policy of a handler: from an exception and a count to a decision. Touches nothing."""

import random
from collections.abc import Callable
from dataclasses import dataclass
from math import isfinite


@dataclass(frozen=True, slots=True, kw_only=True)
class Backoff:
    """Try again after exponentially growing pauses, at most ``attempts`` times in all."""

    attempts: int = 3
    """How often the handler may run for one message, the first run included."""
    first: float = 1.0
    """Seconds before the second attempt."""
    factor: float = 2.0
    """Each further pause is this many times the one before."""
    ceiling: float = 60.0
    """Longest pause in seconds."""
    jitter: float = 0.1
    """Part of the pause that is drawn by chance, 0 to 1, so that many messages do not come back at once."""
    retry_on: tuple[type[Exception], ...] = (Exception,)
    """Exceptions that another attempt may mend; any other fails at once."""
    ordered: bool = False
    """Whether later messages of the same app wait until this one is final."""

    def __post_init__(self) -> None:
        """Refuse a policy that cannot work, when it is written."""
        finite = all(map(isfinite, (self.first, self.factor, self.ceiling, self.jitter)))
        if (
            not finite
            or self.attempts < 1
            or self.first < 0
            or self.factor < 1
            or self.ceiling < 0
            or not 0 <= self.jitter <= 1
        ):
            raise ValueError(f"{self}: attempts >= 1, first >= 0, factor >= 1, ceiling >= 0, jitter from 0 to 1")

    def pause_seconds(self, attempt: int, chance: Callable[[], float] = random.random) -> float:
        """Return the pause after the given attempt (from 1): seconds, with jitter."""
        try:
            pause = min(self.ceiling, self.first * self.factor ** (attempt - 1))
        except OverflowError:
            pause = self.ceiling
        return pause * (1 - self.jitter + self.jitter * chance())

    def allows(self, attempt: int, error: Exception) -> bool:
        """Tell whether another attempt follows when this one (from 1) ended with the error."""
        return attempt < self.attempts and isinstance(error, self.retry_on)


NO_RETRY = Backoff(attempts=1)
"""The first failure is final."""
