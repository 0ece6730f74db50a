"""The worker: one app in one process. From a ring to a claim, its handlers, their outcomes, and the acknowledgement.

One thread does all of it, in this order and for a batch at a time: take deliveries in, hold the lease, claim, run, commit,
publish, acknowledge. Only where rows pile up, another one claims the next batch while this one runs. When a handler outlives its
timeout, the thread is given up and another goes on.
"""

import threading
from dataclasses import dataclass, field, replace

import structlog

from broker.errors import Superseded, TableUnavailable
from broker.handlers.context import ResourceT
from broker.handlers.outcome import Outcome
from broker.lifecycle.clock import Clock
from broker.lifecycle.state import State
from broker.runtime.ahead import Claim
from broker.runtime.alarm import Alarm
from broker.runtime.app import App
from broker.runtime.claims import Claims
from broker.runtime.holding import Holding, Post
from broker.runtime.middleware.hooks import NO_HOOKS, Hooks
from broker.runtime.outgoing import Outgoing
from broker.runtime.pending_documents import PendingDocuments
from broker.runtime.receiving import Receiving
from broker.runtime.reports import show_progress
from broker.runtime.runner import Runner
from broker.runtime.running import Batch, Running
from broker.runtime.settlements import to_settlement
from broker.runtime.settling import Settling
from broker.runtime.tenure import Tenure
from broker.runtime.throttle import Throttle
from broker.runtime.vigil import Sight
from broker.table.documents import AppDocuments
from broker.table.leases import LeaseRow
from broker.table.rows import Claimed, Lease, Settlement
from broker.table.store import HandlerTable
from broker.transport.seam import Transport

log = structlog.get_logger("interapp.worker")

BATCH_SECONDS = 0.25
"""How long after its claim a row may still be started; later it is given back, or the table would not tell the truth."""

SLOW_SECONDS = 0.1
"""A handler that runs longer does not keep finished outcomes and unstarted rows of its batch waiting."""

TABLE_PAUSE_SECONDS = 0.5
"""Pause before the table is tried again."""

HAND_OVER_SECONDS = 0.2
"""How often a worker that waits for its predecessor looks again."""


@dataclass(frozen=True, slots=True)
class Services:
    """What a worker uses of its host."""

    table: HandlerTable
    transport: Transport
    outgoing: Outgoing
    clock: Clock
    prefetch: int
    max_bytes: int
    hooks: Hooks = NO_HOOKS
    busy: threading.Event = field(default_factory=threading.Event)
    """Set when there is something to watch."""


@dataclass(frozen=True, slots=True)
class Unsettled:
    """What the table is to be told of claimed rows before anything else."""

    lease: Lease
    done: list[Settlement]
    rest: list[Claimed]
    """To be given back."""


class GivenUp(Exception):
    """This thread's handler outlived its timeout; another thread went on in its place."""


class Worker:
    """Serves one app with one handler at a time."""

    def __init__(self, app: App[ResourceT], worker_id: str, holding: Holding, services: Services) -> None:
        self.app = app
        self.id = worker_id
        self._holding = holding
        self._services = services
        self._clock = services.clock
        self._documents = PendingDocuments(AppDocuments(services.table.database, app.address))
        self._runner = Runner(
            app,
            services.table.database,
            services.clock,
            services.outgoing,
            self._documents,
            user=services.transport.user,
            hooks=services.hooks,
        )
        self._settling = Settling(services.table, services.outgoing, services.hooks)
        self._alarm = Alarm(services.clock, threading.Event())
        rates = app.registry.rates()
        self._throttle = (
            Throttle(app.address, rates, table=services.table, clock=services.clock, due_later=self._alarm.due_later)
            if rates
            else None
        )
        self.tenure = Tenure(app.address, worker_id, holding)
        self._ended = threading.Event()
        self._committing = threading.Lock()
        self._lease_row: LeaseRow | None = None
        self._batch: Batch | None = None
        self._unsettled: Unsettled | None = None
        self._detail = ""
        self._doubt = ""
        self._claimed = 0
        self._thread = threading.Thread()
        self._receiving = Receiving(
            app.address,
            transport=services.transport,
            table=services.table,
            clock=services.clock,
            prefetch=services.prefetch,
            max_bytes=services.max_bytes,
            wake=self._alarm.ring,
            due_later=self._alarm.due_later,
            hooks=services.hooks,
        )
        self._claims = Claims(
            app.address, holding, services.table, services.clock, self._receiving.arrivals, self._runner.facts_of
        )

    # Called by the host.

    def start(self) -> None:
        """Begin to work."""
        self._runner.start()
        self._go_on()

    def stop(self, timeout_seconds: float) -> bool:
        """Finish what runs, commit, let the lease go, acknowledge, close the channel; return whether that was in time."""
        self.tenure.stop()
        self._alarm.ring()
        ended = self._ended.wait(timeout_seconds)
        if not ended:
            self._cancel_running()
            # An isolated handler ends by that, at the latest when its process is killed.
            ended = self._ended.wait(self._runner.patience_seconds)
        if not ended:
            log.warning("a handler still runs; its message will be handled again", app=self.app.address, worker=self.id)
        self._runner.close()
        # Not cancelled before: the standby must not start while our last handler runs.
        self._receiving.close()
        return ended

    def status(self) -> tuple[str, str]:
        """Return where the worker stands and what hinders it, for its row."""
        link = self._receiving.link()
        detail = self._detail or ("" if link.up else link.detail) or self._doubt
        return ("stopping" if self.tenure.stopping.is_set() else self._holding.post.value), detail

    def sight(self) -> Sight | None:
        """Return how its consumer fares, after round trips to RabbitMQ; None when the worker is ending."""
        if self.tenure.stopping.is_set():
            return None
        connected = self._receiving.link().up
        at_hand, unknown = self._receiving.at_hand()
        batch = self._batch
        return Sight(
            connected=connected,
            registered=connected and self._receiving.registered(),
            backlog=self._receiving.backlog() if connected else 0,
            room=at_hand < self._services.prefetch,
            delivered=self._receiving.delivered,
            unknown=unknown,
            worked=self._receiving.acknowledged + self._claimed,
            busy=batch is not None and batch.running() is not None,
            active=self.tenure.active(),
        )

    def doubt(self, trouble: str) -> None:
        """Show what is wrong with its consumer; empty when all is well."""
        self._doubt = trouble

    def rebuild_consumer(self) -> None:
        """Close the consumer's channel and consume again."""
        self._receiving.rebuild()

    def lease_lost(self, lease: Lease) -> None:
        """Learn that another worker took the lease: start nothing more, ask the running handler to stop."""
        if self.tenure.lose(lease):
            self._cancel_running()
            self._alarm.seek()

    def lease_seen(self, row: LeaseRow) -> None:
        """Learn how the lease stands, while not holding it."""
        self._lease_row = row
        self._alarm.seek()

    def work_seen(self, in_us: int = 0) -> None:
        """Learn that the table has a row to claim, now or in so many microseconds, whoever did not ring."""
        if in_us > 0:
            self._alarm.due_later(in_us)
        self._alarm.seek()

    @property
    def busy(self) -> bool:
        """Whether it works off a batch."""
        return self._batch is not None

    def running(self) -> int | None:
        """Return the number of the row whose handler runs."""
        batch = self._batch
        running = batch.running() if batch else None
        return running.row.seq if running else None

    def cancel(self, seq: int) -> None:
        """Ask the handler of that row to stop, if it still runs: an operator cancelled it."""
        self._cancel_running(seq)

    def watch(self) -> None:
        """Do what a slow handler holds up, show how far it is; give up a thread whose handler outlived its timeout.

        Raises TableUnavailable.
        """
        batch = self._batch
        running = batch.running() if batch else None
        if batch is None or running is None:
            return
        seconds = self._clock.monotonic() - running.since
        timed_out = self._runner.overdue(running, seconds)
        if timed_out is not None:
            self._give_up(batch, running, timed_out)
        else:
            if seconds >= SLOW_SECONDS:
                self._free(batch)
                if self._receiving.keep_up():
                    self._alarm.seek()
            show_progress(self._services.table.database, running)

    # The worker's thread.

    def _go_on(self) -> None:
        self._thread = threading.Thread(target=self._work, name=f"worker {self.app.address}", daemon=True)
        self._thread.start()

    def _work(self) -> None:
        try:
            self._go_round()
        finally:
            self._runner.leave()

    def _go_round(self) -> None:
        me = threading.current_thread()
        pause: float | None = None
        while self._thread is me:
            self._alarm.wait(pause)
            try:
                pause = self._turn()
                self._detail = ""
            except GivenUp:
                return
            except Superseded:
                self._stand_by()
                pause = None
            except TableUnavailable as exc:
                pause = self._table_away(exc)
            except Exception as exc:
                # Nothing known gets here. What was claimed is unclear; a worker that ends in silence would be worse.
                log.exception("unexpected; going on", app=self.app.address)
                self._detail = f"{type(exc).__name__}: {exc}"
                self._unsettled = None
                self._claims.forget()
                self._documents.clear()
                pause = TABLE_PAUSE_SECONDS
            if self.tenure.stopping.is_set() and self._unsettled is None and not self._claims.pending:
                self._holding.drop(free=True)
                self._receiving.acknowledge()
                self._ended.set()
                return

    def _turn(self) -> float | None:
        """Do everything that is to do now; return how long to pause, or None to wait for a ring."""
        self._holding.pay_debts()
        self._call_off()
        if self._unsettled is not None:
            self._commit(self._unsettled)
            self._alarm.seek()
        news = self._receiving.take_in()
        if self.tenure.stopping.is_set():
            return None
        if self.tenure.lost:
            self._stand_by()
            return None
        if not self._hold():
            return HAND_OVER_SECONDS if self._holding.lease else None
        if self._throttle is not None:
            self._throttle.recall()
        if not self._alarm.seeks() and not news:
            # What was delivered was settled before: most of a call is delivered after the first of it led to a claim of the whole.
            self._receiving.acknowledge()
            return None
        while self._claim_and_run():
            self._receiving.acknowledge()
            self._receiving.take_in()
            if self.tenure.over:
                self._alarm.seek()
                return None
        if self._receiving.look_again():
            self._alarm.seek()
        self._receiving.acknowledge()
        return None

    def _hold(self) -> bool:
        """Take the lease when there is reason to; return whether handlers may be started."""
        row, self._lease_row = self._lease_row, None
        rung = self._receiving.rung
        # A process that was paused still has deliveries in hand; only a live channel is a reason to take a lease.
        if self._holding.lease is None and rung and self._receiving.alive(rung):
            self._holding.rung(rung)
        self._receiving.rung = 0
        if row is not None:
            self._holding.seen(row)
        was_active = self._holding.post is Post.ACTIVE
        may_run = self._holding.advance()
        if may_run is not was_active:
            self.tenure.tell()
            self._alarm.seek()
        return may_run

    def _claim_and_run(self) -> bool:
        """Claim a batch, or take the one that was claimed ahead, run it, commit it; return whether there may be more."""
        lease = self._holding.lease
        if lease is None:
            return False
        claim = self._claims.take(lease)
        if not claim.rows:
            return claim.more
        self._claimed += 1
        batch = self._batch = Batch(claim.lease, claim.rows, claim.ended, counts=self._show_documents)
        self._services.busy.set()
        self._receiving.claimed(row.envelope.identity for row in claim.rows)
        if self._throttle is None:
            self._claims.begin_ahead(claim)
        through = self._run_batch(batch, claim)
        with self._committing:
            done, rest = batch.hand_over()
            self._batch = None
            self._unsettled = Unsettled(claim.lease, done, rest)
            if batch.gave_back or not through:
                # What comes next must not begin before these have.
                self._call_off()
            self._commit(self._unsettled)
        return claim.more or batch.gave_back

    def _call_off(self) -> None:
        """Let what was claimed ahead be given back, when its claim has ended. Raises Superseded."""
        claim = self._claims.call_off()
        if claim is not None and claim.rows:
            before = self._unsettled or Unsettled(claim.lease, [], [])
            self._unsettled = replace(before, rest=[*before.rest, *claim.rows])

    def _run_batch(self, batch: Batch, claim: Claim) -> bool:
        """Run the rows of a batch in order, but those whose kind was started too often lately.

        Return whether what was claimed after them may begin. Raises GivenUp.
        """
        # The first row may be late, or a slow machine would give everything back for ever.
        first = not claim.ahead
        due_of = None if self._throttle is None else self._throttle.due_of(claim.asked)
        now = self._clock.monotonic()
        while not self._must_give_back(batch, now, first=first):
            running = batch.start_next(now, due_of)
            if running is None:
                return True
            first = False
            started_us = self._clock.now_us()
            outcome = self._runner.run(running)
            now = self._clock.monotonic()
            seconds = now - running.since
            self._claims.pace.ran(seconds)
            settlement = to_settlement(
                running.row,
                outcome,
                started_us=started_us,
                finished_us=self._clock.now_us(),
                phases=running.phase_times(),
                read_documents=running.read_documents,
            )
            if not batch.finish(settlement):
                late = running.row.envelope.message_id
                log.warning("a handler ended after its timeout; its outcome is refused", app=self.app.address, id=late)
                raise GivenUp
            self._runner.ended(running, outcome, seconds)
            if settlement.state is State.WAITING and settlement.ordered:
                break
            if settlement.state is not State.SUCCEEDED and running.row.envelope.stop_on_failure:
                # What follows of its call must not begin before this one has succeeded.
                break
        return False

    def _must_give_back(self, batch: Batch, now: float, *, first: bool) -> bool:
        late = not first and now - batch.claimed_at > BATCH_SECONDS
        return late or self.tenure.over

    # Outcomes: the worker's thread, or the one that watches it.

    def _commit(self, unsettled: Unsettled) -> None:
        """Commit outcomes; while the table is away they are kept and tried again before anything else."""
        self._unsettled = unsettled
        self._settling.settle(unsettled.lease, unsettled.done, unsettled.rest)
        self._unsettled = None
        done, rest = unsettled.done, unsettled.rest
        for item in done:
            self._documents.drop(item.effects.documents)
            if item.state is State.WAITING:
                self._alarm.due_later(item.due_us - item.finished_us)
        later = {row.envelope.identity: row.due_us for row in rest if row.due_us is not None}
        for due_us in later.values():
            self._alarm.due_later(due_us - self._clock.now_us())
        self._receiving.settled([*(item.row.envelope.identity for item in done), *later])

    def _show_documents(self, settlement: Settlement) -> None:
        """Let the next handler find what this outcome wrote, though it is not committed yet."""
        self._documents.add(settlement.effects.documents)

    def _free(self, batch: Batch) -> None:
        """Commit what a slow handler keeps waiting, and give back what it keeps from starting."""
        with self._committing:
            if self._batch is not batch:
                return
            batch.add(self._claims.rows_at_hand())
            done, rest = batch.hand_over()
            if not done and not rest:
                return
            try:
                self._commit(Unsettled(batch.lease, done, rest))
            except Superseded:
                self.lease_lost(batch.lease)
            except Exception:
                # Whatever it was: outcomes that nobody has in hand would leave their rows in processing for ever.
                batch.take_back(done, rest)
                raise
            finally:
                self._unsettled = None

    def _give_up(self, batch: Batch, running: Running, outcome: Outcome) -> None:
        if not batch.give_up(running):
            return
        app, envelope = self.app.address, running.row.envelope
        log.warning("a handler outlived its timeout; going on without it", app=app, id=envelope.message_id)
        now_us = self._clock.now_us()
        seconds = self._clock.monotonic() - running.since
        ran_us = round(seconds * 1_000_000)
        settlement = to_settlement(
            running.row, outcome, started_us=now_us - ran_us, finished_us=now_us, phases=running.phase_times()
        )
        done, rest = batch.hand_over()
        self._batch = None
        # The new thread commits before it does anything else.
        self._unsettled = Unsettled(batch.lease, [*done, settlement], rest)
        self._go_on()
        self._alarm.seek()
        self._runner.ended(running, outcome, seconds)

    # Trouble.

    def _stand_by(self) -> None:
        """Superseded: drop what is in hand, let go, and queue up behind the others."""
        for item in self._unsettled.done if self._unsettled is not None else ():
            late = item.row.envelope.message_id
            log.warning("outcome refused: another worker took the lease", app=self.app.address, id=late)
        self._unsettled = None
        self._claims.lease_lost()
        self._documents.clear()
        self._batch = None
        if self._throttle is not None:
            self._throttle.forget()
        self._holding.superseded(self._receiving.channel())
        self.tenure.tell()
        self._alarm.seek()
        self._receiving.rebuild()

    def _table_away(self, error: TableUnavailable) -> float:
        if self._detail != str(error):
            log.warning("waiting for the table", app=self.app.address, error=str(error))
        self._detail = str(error)
        return TABLE_PAUSE_SECONDS

    def _cancel_running(self, seq: int | None = None) -> None:
        batch = self._batch
        if batch is not None:
            batch.cancel_running(seq)
