"""What a setting of the simulated configuration may be: kinds of limits, and the error that names field, value and range.

The limits themselves are in ``schema``. Nothing here is shared with the client's own validation: the device has to
refuse by itself what a client lets through.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from textwrap import shorten
from typing import Any

from lantime.status.values import plain

Change = Any
"""JSON as a client sent it: anything."""


class InvalidSetting(ValueError):
    """A setting cannot be what was asked: names the field, the value and what is allowed."""

    def __init__(self, field: str, value: object, allowed: str) -> None:
        super().__init__(f"{field}={shorten(repr(value), 100, placeholder='…')} is not allowed: {allowed}")
        self.field = field


@dataclass(frozen=True)
class Flag:
    """True or false."""

    def read(self, field: str, value: Change) -> bool:
        """Return the flag. Raises InvalidSetting."""
        if not isinstance(value, bool):
            raise InvalidSetting(field, value, "true or false")
        return value


@dataclass(frozen=True)
class Choice:
    """One of some words, however they are joined: compared on letters and digits, kept as the device spells them."""

    words: tuple[str, ...]

    def read(self, field: str, value: Change) -> str:
        """Return the word in the device's spelling. Raises InvalidSetting."""
        if isinstance(value, str):
            for word in self.words:
                if plain(word) == plain(value):
                    return word
        raise InvalidSetting(field, value, f"one of {', '.join(self.words)}")


@dataclass(frozen=True)
class Whole:
    """A whole number between two, or one of a few."""

    lowest: int
    highest: int
    unit: str = ""
    among: frozenset[int] = frozenset()

    def read(self, field: str, value: Change) -> int:
        """Return the number. Raises InvalidSetting."""
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, int) or not self._allows(value):
            raise InvalidSetting(field, value, self._allowed())
        return value

    def _allows(self, value: int) -> bool:
        return value in self.among if self.among else self.lowest <= value <= self.highest

    def _allowed(self) -> str:
        if self.among:
            return f"one of {', '.join(map(str, sorted(self.among)))}{self.unit}"
        return f"a whole number from {self.lowest} to {self.highest}{self.unit}"


@dataclass(frozen=True)
class Decimal:
    """A number between two; ``step`` is the fineness, 0 for any."""

    lowest: float
    highest: float
    step: float = 0.0
    unit: str = ""

    def read(self, field: str, value: Change) -> float:
        """Return the number as it came. Raises InvalidSetting."""
        allowed = f"a number from {self.lowest:g} to {self.highest:g}{self.unit}"
        if self.step:
            allowed += f" in steps of {self.step:g}"
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise InvalidSetting(field, value, allowed)
        # Half a step of tolerance at the ends, as 99.9 µs is no exact number of seconds.
        if not self.lowest - self.step / 2 < value < self.highest + self.step / 2 and value not in {
            self.lowest,
            self.highest,
        }:
            raise InvalidSetting(field, value, allowed)
        if self.step and abs(value / self.step - round(value / self.step)) > _STEP_TOLERANCE:
            raise InvalidSetting(field, value, allowed)
        return float(value)


_STEP_TOLERANCE = 1e-3
"""Part of a step by which a number may miss it: 0.2 is no whole number of 0.01 in binary."""


@dataclass(frozen=True)
class Times:
    """At most so many pairs of times of day, ``{"on": "HH:MM:SS", "off": …}``; hundredths are no part of them."""

    most: int

    def read(self, field: str, value: Change) -> list[dict[str, str]]:
        """Return the pairs. Raises InvalidSetting."""
        allowed = f"a list of at most {self.most} pairs of 'on' and 'off', each HH:MM:SS from 00:00:00 to 24:00:00"
        if not isinstance(value, list) or len(value) > self.most or not all(map(_is_pair, value)):
            raise InvalidSetting(field, value, allowed)
        return value


def _is_pair(pair: Change) -> bool:
    times = list(pair.values()) if isinstance(pair, dict) and pair.keys() == {"on", "off"} else []
    return len(times) > 0 and all(isinstance(each, str) and _TIME_OF_DAY.fullmatch(each) for each in times)


_TIME_OF_DAY = re.compile(r"([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]|24:00:00")


@dataclass(frozen=True)
class Fixed:
    """What the module says of itself and nobody sets: it may be sent back as it was read."""


@dataclass(frozen=True)
class Group:
    """An object with these settings; ``optional`` ones need not be there."""

    fields: Mapping[str, "Limit"] = field(default_factory=dict)
    optional: Mapping[str, "Limit"] = field(default_factory=dict)

    def get(self, name: str) -> "Limit | None":
        """Return the limit of a setting, or None when there is no such setting."""
        return self.fields.get(name) or self.optional.get(name)


@dataclass(frozen=True)
class Members:
    """A list whose members are there for good and are addressed by their object id."""

    member: Group


@dataclass(frozen=True)
class Ranking:
    """A list that is written whole; the members' object ids are a name and their position: ``priority0``."""

    member: Group
    name: str
    most: int


Limit = Flag | Choice | Whole | Decimal | Times | Fixed | Group | Members | Ranking
