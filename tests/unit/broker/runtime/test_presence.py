"""The housekeeping of one process: one worker's trouble is not the others'."""

from typing import cast

import pytest

from broker.errors import TableUnavailable
from broker.lifecycle.clock import ManualClock
from broker.runtime.outgoing import Outgoing
from broker.runtime.presence import STALE_SECONDS, Presence
from broker.runtime.worker import Worker
from broker.table.leases import Leases
from broker.table.liveness import Liveness
from broker.table.store import HandlerTable


class Watched:
    """A worker as the thread that watches sees it."""

    def __init__(self, error: Exception | None = None) -> None:
        self.error = error
        self.times = 0

    def watch(self) -> None:
        """Count, then raise what it was given."""
        self.times += 1
        if self.error is not None:
            raise self.error


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


def test_a_beat_that_stands_still_needs_a_restart() -> None:
    """A process whose beat has stopped is not alive; one that has only just begun is alive and not ready."""
    clock = ManualClock()
    made = presence(clock)
    assert (made.check().ok, made.check().alive) == (False, True)
    clock.advance(STALE_SECONDS + 0.1)
    assert (made.check().ok, made.check().alive) == (False, False)
