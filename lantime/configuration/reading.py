"""Reading and writing single values of the configuration. Nothing here raises.

Lengths of time are seconds in the device's JSON (inferred from captured floats) and whole numbers of a smaller unit here,
so that they can be compared.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum
from typing import TypeVar

from lantime.status.values import integer, mapping, members, number, pick, plain, raw

_CLOCK = re.compile(r"(\d{1,2}):(\d{2}):(\d{2})(\.\d+)?", re.ASCII)
_LARGEST = 2**53

EnumT = TypeVar("EnumT", bound=StrEnum)


def scaled(per_second: int) -> Callable[[object], int | None]:
    """Return what reads seconds as a whole number of units, of which a second has so many."""

    def read(value: object) -> int | None:
        found = number(value)
        if found is None or abs(found) > _LARGEST / per_second:
            return None
        return round(found * per_second)

    return read


def seconds(per_second: int) -> Callable[[int], float]:
    """Return what writes a whole number of units as seconds."""
    return lambda value: value / per_second


def word(words: type[EnumT]) -> Callable[[object], str | None]:
    """Return what reads a word of a list, or its number in it, in our spelling; another word stays as it is."""
    ours = {plain(each): each.value for each in words}
    numbered = [each.value for each in words]

    def read(value: object) -> str | None:
        shown = raw(value)
        if shown is None or isinstance(value, bool):
            return None
        if plain(shown) in ours:
            return ours[plain(shown)]
        code = integer(value)
        return numbered[code] if code is not None and 0 <= code < len(numbered) else shown

    return read


def time_of_day(value: object) -> str | None:
    """Read ``HH:MM:SS`` without hundredths; 24:00:00 is one."""
    found = _CLOCK.fullmatch(raw(value) or "")
    return f"{int(found[1]):02}:{found[2]}:{found[3]}" if found else None


def supported(container: Mapping[str, object], key: str, words: type[StrEnum]) -> tuple[str, ...] | None:
    """Return what a device says that it supports, in our spelling; None when it does not say."""
    listed = pick(container, key)
    if not isinstance(listed, Sequence | Mapping) or isinstance(listed, str):
        return None
    read = word(words)
    named = [read(object_id) for object_id, _ in members(listed)] if not _is_words(listed) else map(read, listed)
    return tuple(dict.fromkeys(each for each in named if each is not None))


def member(container: Mapping[str, object], key: str, name: str) -> Mapping[str, object]:
    """Return the member of a list whose object id this is; an empty object when there is none."""
    for object_id, found in members(pick(container, key)):
        if object_id is not None and plain(object_id) == plain(name):
            return found
    return mapping(None)


def _is_words(listed: object) -> bool:
    return isinstance(listed, list) and all(isinstance(each, str | int) for each in listed)
