"""Looks at every consumer of the process now and then, and does what the vigil decides."""

import threading
from collections.abc import Callable, Sequence

import structlog

from broker.lifecycle.clock import Clock
from broker.runtime.vigil import Verdict, Vigil
from broker.runtime.worker import Worker

log = structlog.get_logger("interapp.guardian")

LOOK_SECONDS = 5.0


class Guardian:
    """One thread that keeps a vigil over each worker's consumer."""

    def __init__(self, clock: Clock, workers: Callable[[], Sequence[Worker]], give_up: Callable[[str], None]) -> None:
        """``give_up`` is told why when nothing but a restart of the process is left."""
        self._clock = clock
        self._workers = workers
        self._give_up = give_up
        self._vigils: dict[str, Vigil] = {}
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="guardian", daemon=True)

    def start(self) -> None:
        """Begin to look."""
        self._thread.start()

    def stop(self) -> None:
        """Look no more."""
        self._stopping.set()
        self._thread.join()

    def look(self) -> None:
        """Look at every consumer once, and act."""
        workers = self._workers()
        self._vigils = {worker.id: self._vigils.get(worker.id, Vigil()) for worker in workers}
        for worker in workers:
            try:
                self._look_at(worker, self._vigils[worker.id])
            except Exception:
                # A defect here must not end the watch over the others.
                log.exception("unexpected; going on", app=worker.app.address)

    def _run(self) -> None:
        while not self._stopping.wait(LOOK_SECONDS):
            self.look()

    def _look_at(self, worker: Worker, vigil: Vigil) -> None:
        sight = worker.sight()
        if sight is None:
            return
        verdict = vigil.judge(sight, self._clock.monotonic())
        worker.doubt(vigil.trouble)
        if verdict is Verdict.REBUILD:
            log.warning("rebuilding the consumer", app=worker.app.address, why=vigil.trouble)
            worker.rebuild_consumer()
        elif verdict is Verdict.GIVE_UP:
            self._give_up(f"{worker.app.address}: {vigil.trouble}; rebuilding its consumer did not help")
