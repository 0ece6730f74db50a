"""The one thread that touches pika."""

import logging
import threading
from collections import deque
from collections.abc import Callable

import structlog
from pika.adapters.select_connection import IOLoop

Job = Callable[[], None]


class IoThread:
    """A thread that turns one of pika's loops; other threads post jobs to it.

    Jobs posted between two turns run together after one wake-up: no thread hop per message.
    """

    def __init__(self, name: str) -> None:
        self.loop: IOLoop
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._jobs: deque[Job] = deque()
        self._posting = threading.Lock()
        self._draining = False
        self._after: list[Job] = []
        self._woken = True  # nothing to wake before the start
        self._stopping = False
        self._ended = False
        self._log = structlog.get_logger("interapp.transport")

    def start(self) -> None:
        """Start the thread; jobs posted before run first."""
        # pika logs a traceback for what we report in one clear line
        logging.getLogger("pika").setLevel(logging.CRITICAL)
        self.loop = IOLoop()
        self.loop.add_callback_threadsafe(self._drain)
        self._thread.start()

    def post(self, job: Job) -> bool:
        """Run the job on the thread, soon; return False when the thread has ended. For any thread."""
        with self._posting:
            if self._ended:
                return False
            self._jobs.append(job)
            if self._woken:
                return True
            self._woken = True
        self.loop.add_callback_threadsafe(self._drain)
        return True

    def call(self, callback: Callable[..., None], *args: object) -> None:
        """Call somebody else's callback: what it raises is their defect, and is logged."""
        try:
            callback(*args)
        except Exception:  # noqa: BLE001 anything may be raised in it, and nothing of it may end the transport
            self._log.exception("a callback of the transport raised", callback=repr(callback))

    def soon(self, job: Job) -> None:
        """Run the job at the end of this turn of the loop. For this thread only."""
        if self._draining:
            self._after.append(job)
        else:
            self.loop.call_later(0, lambda: self.call(job))

    def later(self, seconds: float, job: Job) -> Callable[[], None]:
        """Run the job after some seconds; return what cancels it. For this thread only."""
        handle = self.loop.call_later(seconds, lambda: self.call(job))
        return lambda: self.loop.remove_timeout(handle)

    def here(self) -> bool:
        """Tell whether the caller runs on this thread."""
        return threading.current_thread() is self._thread

    def stop(self) -> None:
        """End the thread after this turn. For this thread only."""
        self._stopping = True
        self.loop.stop()

    def join(self, timeout_seconds: float) -> None:
        """Wait for the end of the thread."""
        self._thread.join(timeout_seconds)

    def _run(self) -> None:
        while not self._stopping:
            try:
                self.loop.start()
            except Exception:  # noqa: BLE001 a defect, ours or pika's, must not end the thread
                self._log.exception("defect on the transport's thread")
        with self._posting:
            self._ended = True
        self._drain()
        self.loop.close()

    def _drain(self) -> None:
        # before the first job is taken: whoever posts from now on wakes the loop again
        self._woken = False
        self._draining = True
        while self._jobs:
            self.call(self._jobs.popleft())
        self._draining = False
        # Not as timers: what those write would leave a turn later, and a message that is sent alone takes few turns.
        after, self._after = self._after, []
        for job in after:
            self.call(job)
