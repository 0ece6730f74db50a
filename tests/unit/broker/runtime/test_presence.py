"""The housekeeping of one process: one worker's trouble is not the others'."""

import threading
from collections.abc import Callable, Iterator
from typing import cast

import pytest

from broker.errors import TableUnavailable
from broker.lifecycle.clock import ManualClock
from broker.runtime.outgoing import Outgoing
from broker.runtime.presence import STALE_SECONDS, WATCH_SECONDS, Presence
from broker.runtime.worker import Worker
from broker.table.leases import Leases
from broker.table.liveness import Liveness
from broker.table.store import HandlerTable
from servers.processes import eventually


class Watched:
    """A worker as the thread that watches sees it."""

    def __init__(self, error: Exception | None = None) -> None:
        self.error = error
        self.busy = False
        self.times = 0
        self.seen = threading.Semaphore(0)

    def watch(self) -> None:
        """Count, then raise what it was given."""
        self.times += 1
        self.seen.release()
        if self.error is not None:
            raise self.error

    def is_watched(self, times: int) -> bool:
        """Wait until it is watched so often more; return whether that came true in time."""
        return all(self.seen.acquire(timeout=20) for _ in range(times))


def presence(clock: ManualClock, *workers: Watched) -> Presence:
    """Return the housekeeping of these workers, with nothing else behind it."""
    nothing = object()
    return Presence(
        table=cast("HandlerTable", nothing),
        leases=cast("Leases", nothing),
        liveness=cast("Liveness", nothing),
        outgoing=cast("Outgoing", nothing),
        clock=clock,
        workers=lambda: cast("list[Worker]", list(workers)),
        sources=list,
    )


@pytest.mark.parametrize("error", [TableUnavailable("away"), RuntimeError("a defect")])
def test_every_worker_is_watched_whatever_befalls_another(error: Exception) -> None:
    """A worker whose batch cannot be freed does not keep the timeouts of the others from being noticed."""
    workers = Watched(), Watched(error), Watched()
    with pytest.raises(type(error)):
        presence(ManualClock(), *workers)._watch()
    assert [worker.times for worker in workers] == [1, 1, 1]


@pytest.fixture
def watching(worker: Watched) -> Iterator[Presence]:
    """The housekeeping of one worker, of which only the thread that watches runs."""
    made = presence(ManualClock(), worker)
    thread = threading.Thread(target=made._go_on_watching)
    thread.start()
    yield made
    made._stopping.set()
    made.busy.set()
    thread.join()


@pytest.fixture
def worker() -> Watched:
    """A worker that runs nothing."""
    return Watched()


def test_a_worker_is_watched_for_as_long_as_it_runs_something(watching: Presence, worker: Watched) -> None:
    """It is looked at again and again while it is busy, and each time it begins anew; in between nobody looks."""
    for _ in range(2):
        worker.busy = True
        watching.busy.set()
        assert worker.is_watched(3)
        worker.busy = False
        eventually(lambda: not watching.busy.is_set(), 20, "nobody has to be watched")
        times = worker.times
        assert not watching._stopping.wait(5 * WATCH_SECONDS)
        assert worker.times <= times + 1, "the look that found it idle"
        while worker.seen.acquire(blocking=False):
            pass


class StoppedMeanwhile(threading.Event):
    """What is set by a stop between the end of a wait and the line that clears it."""

    def __init__(self, stop: Callable[[], None]) -> None:
        super().__init__()
        self._stop = stop

    def clear(self) -> None:
        """Be set once more, then clear."""
        self._stop()
        self.set()
        super().clear()


def test_a_stop_at_any_moment_ends_the_watch(worker: Watched) -> None:
    """A stop wakes the thread once, and it may be past its wait just then."""
    made = presence(ManualClock(), worker)
    made.busy = StoppedMeanwhile(made._stopping.set)
    made.busy.set()
    thread = threading.Thread(target=made._go_on_watching, daemon=True)
    thread.start()
    thread.join(20)
    assert not thread.is_alive()


def test_trouble_does_not_end_the_watch(watching: Presence, worker: Watched) -> None:
    """While the table is away a slow handler's outcomes cannot be committed: that is tried again, and shown meanwhile."""
    worker.busy, worker.error = True, TableUnavailable("away")
    watching.busy.set()
    assert worker.is_watched(3)
    assert watching.check().detail == "away"


def test_a_beat_that_stands_still_needs_a_restart() -> None:
    """A process whose beat has stopped is not alive; one that has only just begun is alive and not ready."""
    clock = ManualClock()
    made = presence(clock)
    assert (made.check().ok, made.check().alive) == (False, True)
    clock.advance(STALE_SECONDS + 0.1)
    assert (made.check().ok, made.check().alive) == (False, False)
