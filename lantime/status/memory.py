"""Reads parts of answers, and none again of which the device says the same as in the answer before."""

import json
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

PartT = TypeVar("PartT")


class Memory(Generic[PartT]):
    """What was read of the parts of one device's answers. For one thread, and for parts that nobody changes."""

    def __init__(self) -> None:
        self._before: dict[Hashable, tuple[str, PartT]] = {}
        self._now: dict[Hashable, tuple[str, PartT]] = {}

    def next_answer(self) -> None:
        """Begin with an answer: what only those before the last one said is forgotten."""
        self._before, self._now = self._now, {}

    def read(self, name: Hashable, reported: object, read: Callable[[], PartT]) -> PartT:
        """Return what ``read`` made of a part, or makes of it now when ``reported`` is not letter for letter as it was then."""
        said = _written(reported)
        if said is None:
            return read()
        before = self._before.get(name)
        found = before if before is not None and before[0] == said else (said, read())
        self._now[name] = found
        return found[1]


def _written(reported: object) -> str | None:
    try:
        # Not compared as it is: to Python 1, 1.0 and True are the same.
        return json.dumps(reported)
    except RecursionError:
        return None
