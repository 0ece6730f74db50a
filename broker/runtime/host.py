"""The host: everything that one process shares, and the apps it runs."""

import threading
from collections.abc import Iterable, Sequence
from concurrent.futures import Future
from dataclasses import replace
from types import TracebackType
from typing import Any, Self

import structlog

from broker.errors import Superseded, TableUnavailable
from broker.handlers.registry import HandlerRegistry
from broker.lifecycle.clock import Clock
from broker.lifecycle.ids import incarnation_id
from broker.messages.codecs import Codec, Codecs
from broker.observe.health import Check, Health
from broker.runtime.app import App
from broker.runtime.client import Client
from broker.runtime.drain import Drain
from broker.runtime.duty import DutyRunner
from broker.runtime.group_commit import GroupCommit
from broker.runtime.guardian import Guardian
from broker.runtime.holding import Holding
from broker.runtime.lookout import Lookout
from broker.runtime.middleware.hooks import Hooks
from broker.runtime.middleware.middleware import Middleware
from broker.runtime.outgoing import Outgoing
from broker.runtime.presence import Presence
from broker.runtime.purging import Purging
from broker.runtime.registries import extended
from broker.runtime.replies import Replies
from broker.runtime.roll import Roll, Standing
from broker.runtime.worker import Services, Worker
from broker.settings import InterAppSettings
from broker.table.database import Database
from broker.table.leases import Leases
from broker.table.liveness import open_liveness
from broker.table.rows import Lease
from broker.table.store import HandlerTable
from broker.table.subscriptions import subscribe
from broker.table.upgrade import upgrade
from broker.transport.opening import open_transport
from broker.transport.seam import Transport

log = structlog.get_logger("interapp.host")

STOP_SECONDS = 30.0
"""How long running handlers may take to finish when the process is asked to stop."""

OPEN_PAUSE_SECONDS = 1.0
OPEN_PAUSE_CEILING_SECONDS = 15.0


class Host:
    """One process: one table, one transport, any number of apps. Use it as a context manager, or ``start`` and ``stop``."""

    def __init__(
        self,
        settings: InterAppSettings,
        clock: Clock,
        *,
        transport: Transport | None = None,
        extensions: Sequence[HandlerRegistry[Any]] = (),
        codecs: Iterable[Codec] = (),
        middleware: Iterable[Middleware] = (),
    ) -> None:
        """``extensions`` are registries of other packages; each adds handlers to the apps whose registry it extends.

        ``codecs`` are those that clients use beside the ones of the apps that run here; ``middleware`` is called in its
        order. Raises TypeError when one of it is none.
        """
        self._hooks = Hooks(middleware)
        self.settings = settings
        self._codecs = Codecs(codecs)
        self.health = Health()
        self.incarnation = incarnation_id()
        self.database = Database(settings.database_url)
        self.table = HandlerTable(self.database, clock)
        self.transport = transport or open_transport(settings.broker_url, clock, self.incarnation)
        self.outgoing = Outgoing(self.table, self.transport, clock)
        self._group_commit = GroupCommit(self.table, self.outgoing)
        self._clock = clock
        self._leases = Leases(self.database, clock)
        self._roll = Roll(self._leases, self.incarnation)
        self._liveness = open_liveness(self.database, self.incarnation)
        self._replies = Replies()
        self._workers: dict[str, Worker] = {}
        self._duties: dict[str, list[DutyRunner]] = {}
        self._sources: set[str] = set()
        self._served: set[str] = set()
        self._handlers_left = False
        self._drain: Drain | None = None
        self._extensions = extensions
        self._changing = threading.Lock()
        self._opened = threading.Event()
        self._stopping = threading.Event()
        self.failed: Future[str] = Future()
        """Done, with the reason, when nothing but a restart of the process helps."""
        self._guardian = Guardian(clock, self.workers, self.fail)
        self._presence = Presence(
            table=self.table,
            leases=self._leases,
            liveness=self._liveness,
            outgoing=self.outgoing,
            clock=clock,
            workers=self.workers,
            sources=lambda: sorted(self._sources),
            members=self._roll.members,
        )
        self._purging = Purging(self.database, clock, days=settings.retention_days, rows=settings.retention_rows)

    def start(self) -> None:
        """Wait for the database, bring it up to date, begin to connect and to beat; ends early when asked to stop."""
        self.health.add("table", self._table_check)
        self.health.add("transport", self._transport_check)
        if not self._open_table():
            return
        self.transport.start()
        self._presence.start()
        self._guardian.start()
        self._purging.start()
        self._opened.set()

    def add(self, app: App[Any]) -> Client:
        """Run an app in this process; return the client that sends in its name.

        Raises InterAppError when it and an extension have a handler for one kind, TableUnavailable, and as
        ``HandlerRegistry.check_codecs`` and ``Codecs`` when codecs are missing or clash.
        """
        registry = extended(app.registry, self._extensions)
        app = app if registry is app.registry else replace(app, registry=registry)
        app.registry.check_codecs()
        with self._changing:
            self._codecs |= app.registry.codecs
            if app.address in self._workers:
                raise ValueError(f"{app.address} runs in this process already")
            subscribe(self.database, app.address, app.subscriptions(), from_before=app.catch_up)
            self._leases.make([app.address])
            own_id = self._roll.enter(app.address)
            holding = Holding(
                app.address,
                own_id,
                leases=self._leases,
                liveness=self._liveness,
                clock=self._clock,
                lease_seconds=self.settings.lease_seconds,
            )
            services = Services(
                self.table,
                self.transport,
                self.outgoing,
                self._clock,
                self.settings.prefetch,
                self.settings.message_max_bytes,
                self._hooks,
                self._presence.busy,
            )
            worker = Worker(app, own_id, holding, services)
            self._workers[app.address] = worker
            self._served.add(app.address)
            client = self.client(app.address)
            worker.start()
            self.health.add(f"worker {app.address}", lambda: _worker_check(worker))
            for name, check in app.checks.items():
                self.health.add(f"{name} {app.address}", check)
            duties = [*([] if app.duty is None else [app.duty]), *app.more_duties]
            runners = self._duties[app.address] = [
                DutyRunner(app.address, duty, client, worker.tenure) for duty in duties
            ]
            for runner in runners:
                runner.start()
            return client

    def remove(self, *addresses: str) -> None:
        """Stop running apps, all at once: finish what runs, let their leases go, close their channels."""
        stopping = [threading.Thread(target=self._remove, args=(address,)) for address in addresses]
        for thread in stopping:
            thread.start()
        for thread in stopping:
            thread.join()

    def join(self, pool: str, standing: Standing) -> None:
        """Be listed and beat under a pool's address, without a queue or a lease, until ``leave``; safe to repeat.

        ``standing`` returns where this member stands and a detail, for its row. Raises TableUnavailable.
        """
        self._roll.join(pool, standing)

    def leave(self, pool: str) -> None:
        """Be a member of the pool no more. Harmless when this process is none."""
        self._roll.leave(pool)

    def lookout(self) -> Lookout:
        """Return what tells which processes live; each keeps its own memory."""
        return Lookout(
            self.database,
            leases=self._leases,
            liveness=self._liveness,
            clock=self._clock,
            lease_seconds=self.settings.lease_seconds,
            own=self.incarnation,
        )

    def drain_dead_letters(self) -> None:
        """Keep what reaches no app as rows of the table, from now on. Harmless when that is done already."""
        with self._changing:
            if self._drain is None:
                self._drain = Drain(self.database, self.transport, max_bytes=self.settings.message_max_bytes)
                self._drain.start()
                self.health.add("dead letters", self._drain.check)

    def client(self, source: str) -> Client:
        """Return a client that sends in the name of an app.

        When a worker of that app runs here, the client's transactions are refused unless that worker is the active one.
        """
        self._sources.add(source)

        def lease_of() -> Lease | None:
            worker = self._workers.get(source)
            if worker is None and source in self._served:
                raise Superseded(f"{source} does not run in this process any more")
            return worker.tenure.fence() if worker is not None else None

        return Client(
            source,
            table=self.table,
            transport=self.transport,
            group_commit=self._group_commit,
            replies=self._replies,
            clock=self._clock,
            max_bytes=self.settings.message_max_bytes,
            lease_of=lease_of,
            codecs_of=lambda: self._codecs,
            hooks=self._hooks,
        )

    def workers(self) -> list[Worker]:
        """Return the workers that run here."""
        return list(self._workers.values())

    def apps(self) -> list[str]:
        """Return the addresses of the apps that run here."""
        return sorted(self._workers)

    def fail(self, reason: str) -> None:
        """Say that nothing but a restart of this process helps: it is not alive any more, and should end."""
        if not self.failed.done():
            self.health.add("process", lambda: Check(ok=False, detail=reason, alive=False))
            self.failed.set_result(reason)

    def stop(self) -> None:
        """End everything in order: duties, workers (they commit and acknowledge), relay and heartbeat, connections."""
        self._stopping.set()
        if self._opened.is_set():
            self._guardian.stop()
        self.remove(*self.apps())
        if self._drain is not None:
            self._drain.stop()
        # Presence goes on until the workers ended: their leases must not look silent meanwhile.
        if self._opened.is_set():
            self._purging.stop()
            # With a handler that has not ended this process must not look dead: only its end frees the lock then.
            self._presence.stop(release=not self._handlers_left)
        self.transport.close()
        self.database.close()

    def __enter__(self) -> Self:
        """Start."""
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Stop."""
        self.stop()

    def _remove(self, address: str) -> None:
        worker = self._workers.get(address)
        if worker is None:
            return
        duties = self._duties.pop(address, [])
        for duty in duties:
            duty.stop()
        if not worker.stop(STOP_SECONDS):
            self._handlers_left = True
        for duty in duties:
            duty.join(STOP_SECONDS)
        with self._changing:
            del self._workers[address]
            self._sources.discard(address)
        for name in [f"worker {address}", *(f"{name} {address}" for name in worker.app.checks)]:
            self.health.remove(name)
        self._roll.end(worker.id)

    def _open_table(self) -> bool:
        pause = OPEN_PAUSE_SECONDS
        waiting = False
        while True:
            try:
                before = upgrade(self.database)
                self._liveness.hold()
            except TableUnavailable as exc:
                if not waiting:
                    log.warning("waiting for the table", error=str(exc))
                waiting = True
                if self._stopping.wait(pause):
                    return False
                pause = min(OPEN_PAUSE_CEILING_SECONDS, pause * 2)
                continue
            if before is None:
                log.info("made the tables", database=self.database.shown_url)
            elif waiting:
                log.info("the table answers", database=self.database.shown_url)
            return True

    def _table_check(self) -> Check:
        return self._presence.check() if self._opened.is_set() else Check(ok=False, detail="waiting for the table")

    def _transport_check(self) -> Check:
        link = self.transport.link()
        return Check(ok=link.up, detail=link.detail)


def _worker_check(worker: Worker) -> Check:
    _, detail = worker.status()
    return Check(ok=not detail, detail=detail)
