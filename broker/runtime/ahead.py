"""A claim of the next rows, made while the present ones run: else the worker and the database wait for each other in turns."""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from broker.table.rows import Claimed, Lease


@dataclass(frozen=True, slots=True)
class Claim:
    """What a claim took."""

    lease: Lease
    """Under which it was made, and its outcomes must be committed."""
    rows: Sequence[Claimed]
    more: bool
    """Whether there may be more to claim."""
    asked: float
    """Monotonic seconds before it began."""
    ended: float
    """Monotonic seconds when its rows were ours."""
    ahead: bool
    """Whether it was made while the rows before it ran."""


class Ahead:
    """One claim under way. ``run`` is for a thread of its own; what was claimed goes to whoever takes it first."""

    def __init__(self, claim: Callable[[], Claim], ended: threading.Event) -> None:
        self._claim = claim
        self._ended = ended
        self._lock = threading.Lock()
        self._claimed: Claim | None = None
        self._error: Exception | None = None

    def run(self) -> None:
        """Claim, and keep what came of it."""
        try:
            self._claimed = self._claim()
        except Exception as exc:  # noqa: BLE001 whatever it is, it is told to whoever waits for the rows
            self._error = exc
        finally:
            self._ended.set()

    def take(self) -> Claim | None:
        """Wait for its end and take what was claimed; None when another took it. Raises what the claim raised."""
        self._ended.wait()
        with self._lock:
            claimed, self._claimed = self._claimed, None
            error, self._error = self._error, None
        if error is not None:
            raise error
        return claimed

    def take_rows_at_hand(self) -> Sequence[Claimed]:
        """Take its rows, if it has ended well and nobody took them."""
        with self._lock:
            claimed, self._claimed = self._claimed, None
        return () if claimed is None else claimed.rows


def begin(claim: Callable[[], Claim], name: str) -> Ahead:
    """Begin a claim on a thread of its own."""
    ahead = Ahead(claim, threading.Event())
    threading.Thread(target=ahead.run, name=name, daemon=True).start()
    return ahead
