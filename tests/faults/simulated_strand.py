"""Threads that run only while the test waits for them, and how they wait for each other.

A strand hands a baton back to the test at every *point*. So the test decides what happens next at each point, and the same
decisions always lead to the same run: no two strands ever run at once, and none waits for real time.
"""

import threading
from collections.abc import Callable
from typing import Protocol

NAME = "strand"
BATON_SECONDS = 30.0
"""Nothing between two points takes this long, unless the strand waits for something that it will never get."""


class ProcessEnded(BaseException):
    """Raised inside a process that was killed: nothing catches it for long, and nothing is written on the way."""


class Home(Protocol):
    """The process that strands belong to."""

    dead: bool

    def broken(self, error: Exception) -> None:
        """Learn that a strand ended as none should."""
        ...


class Strand:
    """A thread that runs only while the test waits for it."""

    def __init__(self, home: Home, work: Callable[[], None]) -> None:
        self.ended = False
        self.waits_for: Callable[[], bool] | None = None
        """When set: it is idle until this is true."""
        self._home = home
        self._work = work
        self._go = threading.Semaphore(0)
        self._back = threading.Semaphore(0)
        self.thread = threading.Thread(target=self._run, name=NAME, daemon=True)
        self.thread.start()

    def ready(self) -> bool:
        """Tell whether it has anything to do."""
        return not self.ended and (self._home.dead or self.waits_for is None or self.waits_for())

    def step(self) -> None:
        """Let it run to its next point, when it has not ended."""
        self._go.release()
        if not self._back.acquire(timeout=BATON_SECONDS):
            raise AssertionError("a strand blocks on something that the simulation does not know")
        if self.ended:
            self.thread.join()

    def point(self) -> None:
        """Hand the baton back; raise ProcessEnded when the process was killed meanwhile. For the strand itself."""
        self._back.release()
        self._go.acquire()
        if self._home.dead:
            raise ProcessEnded

    def _run(self) -> None:
        self._go.acquire()
        try:
            if not self._home.dead:
                self._work()
        except ProcessEnded:
            pass
        except Exception as exc:  # noqa: BLE001 whatever it is, the test must say it
            self._home.broken(exc)
        finally:
            self.ended = True
            self._back.release()


class Strands:
    """The strands of one process, oldest first."""

    def __init__(self, home: Home) -> None:
        self._home = home
        self._strands: list[Strand] = []
        self._test = threading.current_thread()

    def begin(self, work: Callable[[], None]) -> threading.Thread:
        """Add a strand, which waits for its first step; return its thread."""
        strand = Strand(self._home, work)
        self._strands.append(strand)
        return strand.thread

    def current(self) -> Strand | None:
        """Return the strand that runs now, None when it is the test itself.

        Any other thread would run beside the test and make every run another one: raises AssertionError.
        """
        me = threading.current_thread()
        if me is self._test:
            return None
        found = next((strand for strand in self._strands if strand.thread is me), None)
        if found is None:
            raise AssertionError(f"{me.name} is no strand: the simulation does not decide when it runs")
        return found

    def run(self, points: int, *, newest_first: bool = True) -> bool:
        """Let them run over so many points; return whether they did anything."""
        moved = False
        for _ in range(points):
            ready = [] if self._home.dead else [strand for strand in self._strands if strand.ready()]
            if not ready:
                break
            moved = True
            ready[-1 if newest_first else 0].step()
        return moved

    def end(self) -> None:
        """Run every strand of a dead process to its end."""
        for strand in self._strands:
            while not strand.ended:
                strand.step()


class SimulatedEvent(threading.Event):
    """An event whose waiters give the baton back, and whose timeouts pass on the simulation's clock."""

    def __init__(self, strands: Strands, monotonic: Callable[[], float]) -> None:
        super().__init__()
        self._strands = strands
        self._monotonic = monotonic

    def wait(self, timeout: float | None = None) -> bool:
        """Wait: a strand until it is chosen again, the test itself by letting the process run."""
        strand = self._strands.current()
        if strand is None:
            self._strands.run(200)
            return self.is_set()
        until = None if timeout is None else self._monotonic() + timeout
        strand.waits_for = lambda: self.is_set() or (until is not None and self._monotonic() >= until)
        strand.point()
        strand.waits_for = None
        return self.is_set()
