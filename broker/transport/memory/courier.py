"""The thread of the memory transport."""

import threading
from collections import deque
from collections.abc import Callable

import structlog

Job = Callable[[], None]


class Courier:
    """Runs posted jobs one after the other, then ``turn`` once for all of them: one wake-up for many envelopes."""

    def __init__(self, turn: Job) -> None:
        self._turn = turn
        self._jobs: deque[Job] = deque()
        self._wake = threading.Condition()
        self._ended = False
        self._thread = threading.Thread(target=self._run, name="interapp-memory", daemon=True)
        self._log = structlog.get_logger("interapp.transport")

    def start(self) -> None:
        """Start the thread; jobs posted before run first."""
        self._thread.start()

    def post(self, job: Job) -> bool:
        """Run the job on the thread, soon; return False when the thread has ended. For any thread."""
        with self._wake:
            if self._ended:
                return False
            self._jobs.append(job)
            if len(self._jobs) == 1:
                self._wake.notify()
        return True

    def here(self) -> bool:
        """Tell whether the caller runs on this thread."""
        return threading.current_thread() is self._thread

    def end(self) -> None:
        """End the thread when the jobs posted so far are done, and wait for it."""
        with self._wake:
            self._ended = True
            self._wake.notify()
        if not self.here():
            self._thread.join()

    def guarded(self, job: Job) -> None:
        """Run a job; a defect in it, or in somebody's callback, must not end the thread."""
        try:
            job()
        except Exception:  # noqa: BLE001 anything may be raised in it, and nothing of it may end the transport
            self._log.exception("a job or callback of the transport raised", job=repr(job))

    def _run(self) -> None:
        while jobs := self._next():
            for job in jobs:
                self.guarded(job)
            self.guarded(self._turn)

    def _next(self) -> deque[Job]:
        """Wait for jobs; return none when the thread is to end."""
        with self._wake:
            while not self._jobs and not self._ended:
                self._wake.wait()
            jobs, self._jobs = self._jobs, deque()
        return jobs
