"""The states that a device names in words or, with ``?raw``, in numbers.

Spelling drifts between firmware versions (captured), so words are compared on letters and digits only, and what
is not known becomes ``UNKNOWN``: a new word in a new firmware must never stop a poll.
"""

import re
from collections.abc import Mapping
from enum import StrEnum
from typing import Self, TypeVar

from lantime.status.values import integer, plain, raw

_CODE_AFTER_WORD = re.compile(r"\s*\[\s*\d+\s*\]$")
"""The command line shows enums as ``holdover [2]`` (vendor document)."""


class ReceiverState(StrEnum):
    """Whether the receiver follows the time code.

    The words are inferred from a captured key of another clock module, the codes 0 and 1 from the clock's.
    """

    SYNCHRONIZED = "synchronized"
    NOT_SYNCHRONIZED = "not-synchronized"
    UNKNOWN = "unknown"

    @classmethod
    def read(cls, value: object) -> Self:
        """Return the state for a word or number of the device; ``UNKNOWN`` for anything else."""
        states = {word: cls(state) for word, state in _SYNC_WORDS.items()}
        codes = {0: cls("not-synchronized"), 1: cls("synchronized")}
        return _state(value, states, codes, cls("unknown"))


class ClockState(StrEnum):
    """What the clock does. "synchronized" is captured, holdover = 2 a vendor document, 0 and 1 are inferred."""

    SYNCHRONIZED = "synchronized"
    HOLDOVER = "holdover"
    NOT_SYNCHRONIZED = "not-synchronized"
    UNKNOWN = "unknown"

    @classmethod
    def read(cls, value: object) -> Self:
        """Return the state for a word or number of the device; ``UNKNOWN`` for anything else."""
        states = {word: cls(state) for word, state in _SYNC_WORDS.items()} | {"holdover": cls("holdover")}
        codes = {0: cls("not-synchronized"), 1: cls("synchronized"), 2: cls("holdover")}
        return _state(value, states, codes, cls("unknown"))


class OscillatorState(StrEnum):
    """Whether the oscillator is warm. "warmed-up" is captured, not-warmed-up = 0 a vendor document, 1 inferred."""

    WARMED_UP = "warmed-up"
    NOT_WARMED_UP = "not-warmed-up"
    UNKNOWN = "unknown"

    @classmethod
    def read(cls, value: object) -> Self:
        """Return the state for a word or number of the device; ``UNKNOWN`` for anything else."""
        words = {
            "warmedup": cls("warmed-up"),
            "notwarmedup": cls("not-warmed-up"),
            "warmingup": cls("not-warmed-up"),
        }
        return _state(value, words, {0: cls("not-warmed-up"), 1: cls("warmed-up")}, cls("unknown"))


class Modulation(StrEnum):
    """How a time code comes: amplitude modulated, or as a level shift (SDK header; the words are inferred)."""

    AM = "am"
    DCLS = "dcls"

    @classmethod
    def read(cls, value: object) -> Self | None:
        """Return the modulation for the device's word; None for anything else."""
        words = {"am": cls("am"), "dcls": cls("dcls"), "dc": cls("dcls")}
        return words.get(plain(value)) if isinstance(value, str) else None


_SYNC_WORDS = {
    "synchronized": "synchronized",
    "synchronised": "synchronized",
    "sync": "synchronized",
    "notsynchronized": "not-synchronized",
    "notsynchronised": "not-synchronized",
    "notsync": "not-synchronized",
}
"""Plain spelling to state: British and American, long and as the LCD and the MIB shorten it."""

_S = TypeVar("_S", bound=StrEnum)


def _state(value: object, words: Mapping[str, _S], codes: Mapping[int, _S], unknown: _S) -> _S:
    code = integer(value)
    if code is not None:
        return codes.get(code, unknown)
    shown = raw(value) if isinstance(value, str) else None
    return words.get(plain(_CODE_AFTER_WORD.sub("", shown)), unknown) if shown else unknown
