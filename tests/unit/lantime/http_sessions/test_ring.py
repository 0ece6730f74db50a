"""The bounded list of HTTP sessions in chunks."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lantime.contract import HttpSession
from lantime.http_sessions.ring import CHUNK_SESSIONS, Ring, RingChange, key_of, number_of, opened

START = datetime(2026, 11, 26, tzinfo=UTC)


def sessions(first: int, count: int) -> list[HttpSession]:
    """Return sessions that can be told apart."""
    return [
        HttpSession(
            method="GET", path=f"/{n}", status=200, requested_at=START + timedelta(seconds=n), round_trip_ms=1.0
        )
        for n in range(first, first + count)
    ]


class Disk:
    """The documents as the changes leave them."""

    def __init__(self) -> None:
        self.chunks: dict[int, tuple[HttpSession, ...] | None] = {}

    def apply(self, change: RingChange) -> None:
        for number in change.deletes:
            self.chunks.pop(number, None)
        self.chunks.update(change.puts)

    def paths(self) -> list[str]:
        return [each.path for number in sorted(self.chunks) for each in self.chunks[number] or ()]


Steps = st.lists(
    st.tuples(st.just("add"), st.integers(0, 160))
    | st.tuples(st.just("maximum"), st.integers(1, 300))
    | st.tuples(st.just("restart"), st.just(0)),
    max_size=30,
)


@given(Steps)
def test_the_newest_are_kept_in_order_and_no_more_than_a_chunk_too_many(steps: list[tuple[str, int]]) -> None:
    """Whatever is added, set and restarted: the newest are there, in order, and 49 more than the maximum at most."""
    disk, ring, maximum, count, promised = Disk(), Ring(), 100, 0, 0
    for what, number in steps:
        if what == "add":
            ring, change = ring.added(sessions(count, number), maximum)
            count, promised = count + number, min(maximum, promised + number)
        else:
            maximum = number or maximum
            promised = min(promised, maximum)
            ring, change = opened(disk.chunks, maximum)
        disk.apply(change)
        kept = disk.paths()
        assert kept == [f"/{n}" for n in range(count - len(kept), count)]
        assert promised <= len(kept) < maximum + CHUNK_SESSIONS
        assert all(len(chunk or ()) <= CHUNK_SESSIONS for chunk in disk.chunks.values())


def test_a_write_touches_one_chunk() -> None:
    """However many are kept, one more session writes one chunk and deletes one at most."""
    ring, _ = Ring().added(sessions(0, 10_000), 10_000)
    for n in range(200):
        ring, change = ring.added(sessions(10_000 + n, 1), 10_000)
        assert len(change.puts) == 1
        assert len(change.deletes) <= 1


def test_nothing_to_add_is_nothing_to_write() -> None:
    """No session, no write."""
    ring, _ = Ring().added(sessions(0, 10), 100)
    assert not ring.added([], 100)[1]
    assert not opened({}, 100)[1]


def test_a_smaller_maximum_drops_the_oldest_exactly() -> None:
    """After a smaller maximum no session above it is kept, not even within a chunk."""
    disk = Disk()
    _, change = Ring().added(sessions(0, 130), 500)
    disk.apply(change)
    _, change = opened(disk.chunks, 60)
    disk.apply(change)
    assert disk.paths() == [f"/{n}" for n in range(70, 130)]
    _, change = opened(disk.chunks, 1)
    disk.apply(change)
    assert disk.paths() == ["/129"]


def test_what_cannot_be_read_goes_with_its_age() -> None:
    """A chunk that cannot be read stays until newer sessions fill the maximum, then it goes; nothing is added to it."""
    disk = Disk()
    disk.chunks = {3: None, 4: tuple(sessions(0, 5))}
    ring, change = opened(disk.chunks, 10)
    assert not change
    ring, change = ring.added(sessions(5, 4), 10)
    disk.apply(change)
    assert sorted(disk.chunks) == [3, 4, 5]
    ring, change = ring.added(sessions(9, 6), 10)
    disk.apply(change)
    assert sorted(disk.chunks) == [5]


@pytest.mark.parametrize("key", ["", "1", "settings", "00000000000a", "0000000000001", "\u0661" * 12, "-00000000001"])
def test_a_key_that_is_none(key: str) -> None:
    """Only the keys that are written here are numbers of chunks."""
    assert number_of(key) is None
    assert number_of(key_of(17)) == 17
