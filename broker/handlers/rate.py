"""The rate limit of a handler: when a message may start, in the order in which messages were sent. Pure: the clock is passed in."""

from bisect import bisect_left, insort
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from math import isfinite

CLOCKS_APART_SECONDS = 0.005
"""How far the monotonic clock, by which a wait is decided, and the wall clock, by which the table ends it, may differ then."""


@dataclass(frozen=True, slots=True)
class Rate:
    """A handler is started at most ``count`` times in any ``per_seconds`` seconds."""

    count: int
    per_seconds: float

    def __post_init__(self) -> None:
        """Refuse a rate that cannot be kept, when it is written. Raises TypeError, ValueError."""
        if type(self.count) is not int or type(self.per_seconds) not in (int, float):
            raise TypeError(f"{self}: count must be a whole number of starts, per_seconds a number of seconds")
        if self.count < 1 or not isfinite(self.per_seconds) or self.per_seconds <= 0:
            raise ValueError(f"{self}: count >= 1, per_seconds > 0")


@dataclass(slots=True)
class Limit:
    """Decides about the messages of one rate-limited kind. Times are monotonic seconds.

    A message is known by its ``seq``, which grows in the order of sending. One that must wait is given a time that is later
    than that of every earlier one that waits; it is asked about again then.
    """

    rate: Rate
    _starts: deque[float] = field(init=False)
    _queue: list[int] = field(init=False, default_factory=list)
    """Those that wait, in the order of sending."""
    _due: dict[int, float] = field(init=False, default_factory=dict)
    """When each of them was told to come back."""

    def __post_init__(self) -> None:
        """Begin without a start."""
        self._starts = deque(maxlen=self.rate.count)

    def wait_seconds(self, seq: int, now: float, asked: float) -> float | None:
        """Return None when the message may start now, which is then counted as a start; else how long it must wait.

        ``asked`` is when the table was asked for what is due, before ``now``.
        """
        self._forget_gone(seq, asked)
        place = bisect_left(self._queue, seq)
        slot = self._slot(place, now)
        if place == 0 and slot <= now:
            self._drop(seq)
            self._starts.append(now)
            return None
        # Behind the one before it, whatever time that was told: of what is due the table gives the earlier first.
        due = max(slot, self._due[self._queue[place - 1]]) if place else slot
        if seq not in self._due:
            insort(self._queue, seq)
        self._due[seq] = due
        return max(0.0, due - now)

    def recall(self, waiting: Iterable[tuple[int, float]]) -> None:
        """Forget who waits, and remember these instead: seq and when each was told to come back."""
        self._due = dict(waiting)
        self._queue = sorted(self._due)

    def _slot(self, place: int, now: float) -> float:
        """Return the earliest start of the message that so many others wait before."""
        rounds, column = divmod(place, self.rate.count)
        # The start that must be `per_seconds` old; with fewer starts than the limit there is none.
        index = len(self._starts) + column - self.rate.count
        first = max(now, self._starts[index] + self.rate.per_seconds) if index >= 0 else now
        return first + rounds * self.rate.per_seconds

    def _forget_gone(self, seq: int, asked: float) -> None:
        """Forget earlier ones that were due when the table was asked: it would have given them first, so they ended otherwise."""
        while self._queue and self._queue[0] < seq and self._due[self._queue[0]] + CLOCKS_APART_SECONDS <= asked:
            self._drop(self._queue[0])

    def _drop(self, seq: int) -> None:
        if self._due.pop(seq, None) is not None:
            del self._queue[bisect_left(self._queue, seq)]


class Limits:
    """The rate-limited kinds of one worker."""

    def __init__(self, rates: Mapping[str, Rate]) -> None:
        self._limits = {kind: Limit(rate) for kind, rate in rates.items()}

    @property
    def kinds(self) -> tuple[str, ...]:
        """The kinds that are limited."""
        return tuple(self._limits)

    def wait_seconds(self, kind: str, seq: int, now: float, asked: float) -> float | None:
        """Return None when the message may start now; else how long it must wait. As ``Limit.wait_seconds``."""
        limit = self._limits.get(kind)
        return None if limit is None else limit.wait_seconds(seq, now, asked)

    def recall(self, waiting: Iterable[tuple[str, int, float]]) -> None:
        """Learn whom a predecessor told to wait: kind, seq, and when it is due."""
        found: dict[str, list[tuple[int, float]]] = {kind: [] for kind in self._limits}
        for kind, seq, due in waiting:
            found[kind].append((seq, due))
        for kind, known in found.items():
            self._limits[kind].recall(known)
