"""The housekeeping of one process: shows that it lives, sees leases and work that nobody rang for, relays, watches handlers."""

import threading
from collections.abc import Callable, Mapping, Sequence

import structlog

from broker.errors import TableError
from broker.lifecycle.clock import Clock
from broker.observe.health import Check
from broker.runtime.outgoing import Outgoing
from broker.runtime.worker import Worker
from broker.table.leases import Leases
from broker.table.liveness import Liveness
from broker.table.store import HandlerTable

log = structlog.get_logger("interapp.presence")

BEAT_SECONDS = 1.0
"""How often a process shows that it lives and looks at the table; what nobody rang for is found within this time."""

DUE_WITHIN_US = round(1.5 * BEAT_SECONDS * 1_000_000)
"""How far a look at the table looks ahead: to the next look, which may be late."""

WATCH_SECONDS = 0.1
STALE_SECONDS = 10.0
"""Without a beat for so long, only a restart helps: the thread that beats is gone or stuck."""


class Presence:
    """Two threads: one beats and looks once a second, one watches running handlers."""

    def __init__(
        self,
        *,
        table: HandlerTable,
        leases: Leases,
        liveness: Liveness,
        outgoing: Outgoing,
        clock: Clock,
        workers: Callable[[], Sequence[Worker]],
        sources: Callable[[], Sequence[str]],
        members: Callable[[], Mapping[str, tuple[str, str]]] = dict,
    ) -> None:
        """``members`` are the rows to beat for beside those of the workers: id to status and detail."""
        self._table = table
        self._leases = leases
        self._liveness = liveness
        self._outgoing = outgoing
        self._clock = clock
        self._workers = workers
        self._sources = sources
        self._members = members
        self._stopping = threading.Event()
        self._detail = "no beat yet"
        self._away = False
        self._last_turn = clock.monotonic()
        self.busy = threading.Event()
        """Set by whoever begins to run handlers. While nobody does there is nothing to watch."""
        self._threads = [
            threading.Thread(target=self._go_on_beating, name="presence", daemon=True),
            threading.Thread(target=self._go_on_watching, name="watch", daemon=True),
        ]

    def start(self) -> None:
        """Begin to beat and to watch."""
        for thread in self._threads:
            thread.start()

    def stop(self, *, release: bool = True) -> None:
        """End both threads, note the last confirms, let the process's lock go (``release``)."""
        self._stopping.set()
        self.busy.set()
        for thread in self._threads:
            thread.join()
        try:
            self._outgoing.flush()
        except TableError as exc:
            log.warning("some confirms are not noted; those rows are published again later", error=str(exc))
        if release:
            self._liveness.release()

    def check(self) -> Check:
        """Say whether the table answers and the beat goes on."""
        silent = self._clock.monotonic() - self._last_turn
        if silent > STALE_SECONDS:
            return Check(ok=False, detail=f"no beat for {silent:.0f} s", alive=False)
        return Check(ok=not self._detail, detail=self._detail)

    def _go_on_beating(self) -> None:
        while True:
            if self._done(self._beat):
                self._note("")
            self._last_turn = self._clock.monotonic()
            if self._stopping.wait(BEAT_SECONDS):
                return

    def _go_on_watching(self) -> None:
        while True:
            self.busy.wait()
            if self._stopping.wait(WATCH_SECONDS):
                return
            # Before the look: what begins after it sets it again.
            self.busy.clear()
            # So does a stop, once: it may have come after the wait and before the line above.
            if self._stopping.is_set():
                return
            self._done(self._watch)
            if any(worker.busy for worker in self._workers()):
                self.busy.set()

    def _done(self, act: Callable[[], None]) -> bool:
        """Do one turn; return whether it came to its end."""
        try:
            act()
        except TableError as exc:
            self._note(str(exc))
        except Exception as exc:
            # Nothing known gets here; the process must go on showing that it lives.
            log.exception("unexpected; going on")
            self._note(f"{type(exc).__name__}: {exc}")
        else:
            return True
        return False

    def _note(self, detail: str) -> None:
        if detail and not self._away:
            log.warning("the table is away; nothing is acknowledged until it answers", error=detail)
        elif self._away and not detail:
            log.info("the table answers")
        self._away = bool(detail)
        self._detail = detail

    def _beat(self) -> None:
        self._liveness.hold()
        workers = list(self._workers())
        held = {worker: lease for worker in workers if (lease := worker.tenure.held()) is not None}
        statuses = {worker.id: worker.status() for worker in workers} | dict(self._members())
        kept = set(self._leases.beat(statuses, list(held.values())))
        for worker, lease in held.items():
            if lease not in kept:
                worker.lease_lost(lease)
        self._look(workers, {worker.app.address for worker in held})
        self._cancel(workers)
        self._outgoing.flush()
        self._outgoing.relay(self._sources())

    def _look(self, workers: Sequence[Worker], held: set[str]) -> None:
        with_work = self._table.apps_with_work(sorted(held), within_us=DUE_WITHIN_US)
        others = [worker.app.address for worker in workers if worker.app.address not in held]
        rows = self._leases.look(others) if others else {}
        for worker in workers:
            if worker.app.address in with_work:
                worker.work_seen(with_work[worker.app.address])
            if worker.app.address in rows:
                worker.lease_seen(rows[worker.app.address])

    def _cancel(self, workers: Sequence[Worker]) -> None:
        running = {seq: worker for worker in workers if (seq := worker.running()) is not None}
        for seq in self._table.to_cancel(running):
            running[seq].cancel(seq)

    def _watch(self) -> None:
        trouble: Exception | None = None
        for worker in self._workers():
            try:
                worker.watch()
            except Exception as exc:  # noqa: BLE001 one worker's trouble must not keep the others from being watched
                trouble = exc
        if trouble is not None:
            raise trouble
