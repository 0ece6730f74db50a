"""Several services of one process as one."""

from threading import Event
from typing import cast

import pytest

from broker.errors import TableUnavailable
from broker.runtime.host import Host
from broker.runtime.together import Together

NO_HOST = cast("Host", None)
PATIENCE_S = 10.0


class Service:
    """Counts its starts; each of the first ones finds the table away."""

    def __init__(self, failures: int = 0) -> None:
        self.starts = 0
        self.stops = 0
        self._failures = failures

    def start(self, host: Host) -> None:
        """Start, or fail."""
        self.starts += 1
        if self.starts <= self._failures:
            raise TableUnavailable("away")

    def stop(self) -> None:
        """Stop."""
        self.stops += 1


def test_a_start_that_is_tried_again_starts_nothing_twice() -> None:
    """When the table is away in the middle of a start, the next try goes on where this one ended."""
    services = [Service(), Service(failures=1), Service()]
    together = Together(services)
    with pytest.raises(TableUnavailable):
        together.start(NO_HOST)
    assert [service.starts for service in services] == [1, 1, 0]
    together.start(NO_HOST)
    assert [service.starts for service in services] == [1, 2, 1]


def test_only_what_was_started_is_stopped() -> None:
    """A service that was never started is not stopped; nothing at all may have been."""
    services = [Service(), Service(failures=1)]
    together = Together(services)
    together.stop()
    with pytest.raises(TableUnavailable):
        together.start(NO_HOST)
    together.stop()
    assert [service.stops for service in services] == [1, 0]


class Slow(Service):
    """Stops when another has."""

    def __init__(self, mine: Event, other: Event) -> None:
        super().__init__()
        self._mine, self._other = mine, other

    def stop(self) -> None:
        """Say that it is stopping, and wait for the other to say so."""
        self._mine.set()
        assert self._other.wait(PATIENCE_S)
        super().stop()


def test_all_are_stopped_at_once() -> None:
    """One that takes its time to stop holds up none of the others."""
    a, b = Event(), Event()
    services = [Slow(a, b), Slow(b, a)]
    together = Together(services)
    together.start(NO_HOST)
    together.stop()
    assert [service.stops for service in services] == [1, 1]


class Broken(Service):
    """Cannot stop."""

    def stop(self) -> None:
        """Break."""
        raise ValueError("broken")


def test_one_that_breaks_does_not_spare_the_others() -> None:
    """When one breaks while it stops, the others stop all the same, and whoever stops them is told."""
    services = [Broken(), Service()]
    together = Together(services)
    together.start(NO_HOST)
    with pytest.raises(ValueError, match="broken"):
        together.stop()
    assert services[1].stops == 1
