"""The bounded list of sessions in chunks, one document each: what an addition puts and deletes. Pure.

One document per session would make thousands of them, one for all would be written anew with every session: with chunks a
write costs the same whatever the maximum is.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from lantime.contract import HttpSession

CHUNK_SESSIONS = 50

_KEY = re.compile(r"[0-9]{12}")


def key_of(number: int) -> str:
    """Return the key of a chunk's document: keys sort as the numbers do."""
    return f"{number:012d}"


def number_of(key: str) -> int | None:
    """Return the number of a chunk's document; None for a key that is none."""
    return int(key) if _KEY.fullmatch(key) else None


class Chunk(NamedTuple):
    """A chunk that is not written any more: its number, and how many sessions it holds (none when it cannot be read)."""

    number: int
    size: int


@dataclass(frozen=True, slots=True)
class RingChange:
    """What is to be written: chunks to put by number, and numbers of chunks to delete."""

    puts: Mapping[int, tuple[HttpSession, ...]] = field(default_factory=dict)
    deletes: tuple[int, ...] = ()

    def __bool__(self) -> bool:
        """Tell whether there is anything to write."""
        return bool(self.puts or self.deletes)


@dataclass(frozen=True, slots=True)
class Ring:
    """How the chunks stand: the full ones, the oldest first, and the newest, which grows."""

    full: tuple[Chunk, ...] = ()
    number: int = 0
    newest: tuple[HttpSession, ...] = ()

    def added(self, sessions: Sequence[HttpSession], maximum: int) -> tuple["Ring", RingChange]:
        """Return the ring with further sessions, and what to write for it.

        A chunk goes when the others hold the maximum: up to 49 sessions more may be kept, which no reader shows.
        """
        full, number, newest = list(self.full), self.number, self.newest
        puts: dict[int, tuple[HttpSession, ...]] = {}
        rest = tuple(sessions)
        while rest:
            if len(newest) == CHUNK_SESSIONS:
                full.append(Chunk(number, len(newest)))
                number, newest = number + 1, ()
            room = CHUNK_SESSIONS - len(newest)
            newest, rest = newest + rest[:room], rest[room:]
            puts[number] = newest
        kept = sum(chunk.size for chunk in full) + len(newest)
        deletes = []
        while full and kept - full[0].size >= maximum:
            kept -= full[0].size
            deletes.append(full.pop(0).number)
        puts = {each: chunk for each, chunk in puts.items() if each not in deletes}
        return Ring(tuple(full), number, newest), RingChange(puts, tuple(deletes))


def opened(chunks: Mapping[int, Sequence[HttpSession] | None], maximum: int) -> tuple[Ring, RingChange]:
    """Return the ring over the chunks that are kept, and what to write so that they hold no more than the maximum.

    A chunk is None when it cannot be read: it goes like an empty one. None of them is added to any more, since another
    version may have written it.
    """
    left = maximum
    full: list[Chunk] = []
    puts: dict[int, tuple[HttpSession, ...]] = {}
    deletes: list[int] = []
    for number in sorted(chunks, reverse=True):
        sessions = chunks[number] or ()
        if left <= 0:
            deletes.append(number)
            continue
        if len(sessions) > left:
            puts[number] = tuple(sessions[-left:])
        full.insert(0, Chunk(number, min(len(sessions), left)))
        left -= len(sessions)
    return Ring(tuple(full), max(chunks, default=-1) + 1), RingChange(puts, tuple(sorted(deletes)))
