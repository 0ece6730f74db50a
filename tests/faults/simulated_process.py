"""A process of the property test: the real worker, table, lease and presence code, one thread at a time.

The points at which a process hands the baton back, or dies, are: before and after each transaction, before it publishes or
acknowledges, inside handlers, and where it waits.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, Protocol

from simulated_broker import Broker, SimulatedTransport
from simulated_strand import ProcessEnded, SimulatedEvent, Strands
from sqlalchemy.engine import Connection

from broker.errors import TableError, TableUnavailable
from broker.handlers.context import Context
from broker.handlers.outcome import Outcome
from broker.handlers.registry import HandlerRegistry
from broker.lifecycle.clock import ManualClock
from broker.runtime.ahead import Ahead, Claim
from broker.runtime.app import App
from broker.runtime.holding import Holding
from broker.runtime.outgoing import Outgoing
from broker.runtime.pace import Pace
from broker.runtime.presence import Presence
from broker.runtime.running import Batch, Running
from broker.runtime.worker import Services, Worker
from broker.table.database import Database
from broker.table.leases import Leases, WorkerStart
from broker.table.store import HandlerTable

APP = "m1000-a.clk1"
LEASE_SECONDS = 10.0
PREFETCH = 8
AWAY = "simulated: the table is away"


class ProcessDatabase(Database):
    """The one database as a process uses it: with a point before and after each transaction, and lost answers."""

    def __init__(self, shared: Database, process: "Process", *, rows: bool = True) -> None:
        """``rows``: whether rows of messages are written through it, or the lease."""
        self.__dict__.update(shared.__dict__)
        self._process = process
        self._rows = rows

    @contextmanager
    def write(self, *, patient: bool = False) -> Iterator[Connection]:
        """Run a transaction, unless the table is away; its answer may get lost after it was committed."""
        self._process.point("write")
        if self._process.fault == "before":
            self._process.fault = ""
            raise TableUnavailable(AWAY)
        with super().write(patient=patient) as connection:
            yield connection
        if self._rows:
            self._process.witness.committed(self._process)
        else:
            self._process.witness.leased(self._process)
        lost = self._process.fault == "after"
        if lost:
            self._process.fault = ""
        self._process.point("written")
        if lost:
            raise TableUnavailable(AWAY)

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """Run a transaction that only reads, unless the table is away."""
        self._process.point("read")
        if self._process.fault == "before":
            self._process.fault = ""
            raise TableUnavailable(AWAY)
        with super().read() as connection:
            yield connection


class SimulatedLiveness:
    """Knows who is dead, because the simulation knows."""

    proof_seconds = 0.0

    def __init__(self, living: Callable[[], set[str]]) -> None:
        self._living = living

    def hold(self) -> None:
        """Do nothing: who lives holds its lock."""

    def is_free(self, incarnation: str) -> bool:
        """Tell whether the process is gone; a stopped one is not."""
        return incarnation not in self._living()

    def release(self) -> None:
        """Do nothing: who is gone holds no lock."""


class FewAtOnce(Pace):
    """Claims are batches from the beginning, and so small that there often is another to claim ahead."""

    def claim_size(self) -> int:
        """Return a few."""
        return 3


class SimulatedWorker(Worker):
    """The real worker on strands instead of threads of its own; any two rows are enough for it to claim ahead."""

    def __init__(self, process: "Process", app: App[Any], holding: Holding, services: Services) -> None:
        self._process = process
        super().__init__(app, f"{APP}@{process.name}", holding, services)
        self._alarm._event = SimulatedEvent(process.strands, process.clock.monotonic)
        self._ended = SimulatedEvent(process.strands, process.clock.monotonic)
        self._claims.pace = FewAtOnce()
        self._claims.ahead_from = 2
        self._claims.begin = self._begin_ahead

    def _go_on(self) -> None:
        # At the start, and in place of a thread that was given up: a real thread there would run when it likes.
        self._thread = self._process.strands.begin(self._work)

    def _begin_ahead(self, claim: Callable[[], Claim], _name: str) -> Ahead:
        ahead = Ahead(claim, SimulatedEvent(self._process.strands, self._process.clock.monotonic))
        self._process.strands.begin(ahead.run)
        return ahead

    def _give_up(self, batch: Batch, running: Running, outcome: Outcome) -> None:
        self._process.witness.given_up(self._process)
        super()._give_up(batch, running, outcome)


class Witness(Protocol):
    """Whoever checks the promises, as a process sees it."""

    def passed(self, process: "Process", point: str) -> None:
        """Learn that the process has come to a point."""
        ...

    def committed(self, process: "Process") -> None:
        """Learn that the process has just committed a transaction that may have changed rows."""
        ...

    def leased(self, process: "Process") -> None:
        """Learn that the process has just committed a transaction that may have changed the lease."""
        ...

    def given_up(self, process: "Process") -> None:
        """Learn that the handler that runs in the process outlived its timeout."""
        ...

    def broken(self, process: "Process", error: Exception) -> None:
        """Learn that a thread of the process ended as no thread should."""
        ...


class Process:
    """A process with one worker of the app, or with none (``registry`` None): then it only sends and relays."""

    def __init__(
        self,
        name: str,
        witness: Witness,
        *,
        database: Database,
        clock: ManualClock,
        broker: Broker,
        living: Callable[[], set[str]],
        registry: "HandlerRegistry[Process] | None",
    ) -> None:
        self.name = name
        self.witness = witness
        self.clock = clock
        self.dead = False
        self.frozen = False
        self.late = False
        """Whether it was frozen since its last claim, and has started no handler of that claim."""
        self.fault = ""
        """What the next transaction meets: the table away ``before`` it, its answer lost ``after`` it.

        With ``claim`` or ``outcome`` the next of these loses its answer.
        """
        self.strands = Strands(self)
        self.transport = SimulatedTransport(broker, self.point)
        self.database = ProcessDatabase(database, self)
        self.table = HandlerTable(self.database, clock)
        self.leases = Leases(ProcessDatabase(database, self, rows=False), clock)
        self.outgoing = Outgoing(self.table, self.transport, clock)
        self.worker: SimulatedWorker | None = None
        self._sources: set[str] = set()
        liveness = SimulatedLiveness(living)
        self.presence = Presence(
            table=self.table,
            leases=self.leases,
            liveness=liveness,
            outgoing=self.outgoing,
            clock=clock,
            workers=lambda: [self.worker] if self.worker else [],
            sources=lambda: sorted(self._sources),
        )
        if registry is not None:
            worker_id = f"{APP}@{name}"
            self.leases.make([APP])
            self.leases.enter(WorkerStart(worker_id, name, APP, "host", 1, "0"))
            holding = Holding(
                APP, worker_id, leases=self.leases, liveness=liveness, clock=clock, lease_seconds=LEASE_SECONDS
            )
            services = Services(self.table, self.transport, self.outgoing, clock, PREFETCH, 1000)
            self.worker = SimulatedWorker(self, App(address=APP, registry=registry, resource=self), holding, services)
            self.worker.start()

    @property
    def awake(self) -> bool:
        """Whether it does anything at all."""
        return not self.dead and not self.frozen

    def point(self, where: str) -> None:
        """Let others act, when on a strand. Raises ProcessEnded when this process was killed."""
        strand = self.strands.current()
        self.witness.passed(self, where)
        if strand is not None:
            strand.point()
        if self.dead:
            raise ProcessEnded

    def broken(self, error: Exception) -> None:
        """Tell that a strand ended as none should."""
        self.witness.broken(self, error)

    def lose_answer_of(self, transaction: str) -> None:
        """Lose the answer of the transaction that was just committed, if it is one of those that are to lose it."""
        if self.fault == transaction:
            self.fault = "after"

    def run(self, points: int, *, newest_first: bool = True) -> bool:
        """Let its strands run over so many points; return whether they did anything."""
        return self.awake and self.strands.run(points, newest_first=newest_first)

    def read(self) -> None:
        """Let its I/O thread take in what was sent to it."""
        for consumer in self.transport.consumers if self.awake else []:
            consumer.read()

    def beat(self) -> None:
        """Let it beat and look, as once a second."""
        if self.awake:
            self._presence(self.presence._beat)

    def watch(self) -> None:
        """Let it watch its handler, as ten times a second."""
        if self.awake:
            self._presence(self.presence._watch)

    def relay(self, *sources: str) -> None:
        """Let it note confirms and publish again what was not confirmed."""
        self._sources = set(sources)
        self.beat()

    def stop(self) -> None:
        """Stop it in good order, as far as its handler lets it."""
        if self.worker is not None and self.awake:
            self.worker.stop(1.0)
            with suppress(TableError, ProcessEnded):
                self.leases.leave(self.worker.id)

    def kill(self) -> None:
        """Kill it where it stands; its strands end when ``bury`` is called."""
        self.dead = True
        self.transport.close()

    def bury(self) -> None:
        """End the strands of a dead process."""
        self.strands.end()

    def _presence(self, act: Callable[[], None]) -> None:
        try:
            act()
        except TableUnavailable as exc:
            if str(exc) != AWAY:
                raise


def handle(context: Context[Process], work: Callable[[Process, Context[Process]], None]) -> None:
    """Run the simulation's part of a handler, unless its process is dead."""
    process = context.resource
    if process.dead:
        raise ProcessEnded
    work(process, context)
