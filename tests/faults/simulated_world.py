"""The world of the property test: processes, senders, an operator, and a ledger that checks every promise as it goes.

The ledger stands outside the product: it sees each start and end of a handler, and each change of a row right after the
transaction that made it, with the process that made it.
"""

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import sqlalchemy as sa
from simulated import APP, AWAY, LEASE_SECONDS, Process, ProcessEnded, handle
from simulated_broker import Broker, Weather

from broker.errors import TableUnavailable
from broker.handlers.context import Context
from broker.handlers.registry import HandlerRegistry
from broker.handlers.retry import Backoff
from broker.lifecycle.clock import ManualClock
from broker.messages.effects import Effects
from broker.messages.envelope import Envelope
from broker.messages.message import Command
from broker.table import operator_acts
from broker.table.claim_plan import POISON_CRASHES
from broker.table.database import Database

SINK = "m1000-a"
FINAL = ("succeeded", "failed")
HANG_SECONDS = 2.0
CALM_ROUNDS = 60
BEAT_SECONDS = 2.5
"""Beats are further apart than in the product, to save time, and still near enough for it."""
SNAPSHOT = (
    "SELECT seq, id, destination, source, kind, state, reason, error, generation, claims, epoch, worker, alone,"
    " cancel_requested, due_us, ordered FROM messages"
)
LEASE = "SELECT epoch, worker FROM leases"
TABLES = ("messages", "history", "leases", "workers", "documents", "tombstones", "subscriptions", "sqlite_sequence")

Row = sqlite3.Row


class Nothing(Command[None]):
    kind = "test.nothing"


class Ok(Nothing):
    """Succeeds, and sends a message of its own with its outcome."""

    kind = "test.ok"


class Slow(Nothing):
    """Succeeds after many points."""

    kind = "test.slow"


class FailsOnce(Nothing):
    """Fails at its first attempt."""

    kind = "test.fails-once"


class InOrder(Nothing):
    """Fails at its first attempt; what follows waits."""

    kind = "test.in-order"


class Hangs(Nothing):
    """Outlives its timeout at its first run, and goes on in its thread."""

    kind = "test.hangs"


class Kills(Nothing):
    """Takes its process down, always."""

    kind = "test.kills"


class Fails(Nothing):
    """Fails for good, until an operator retries it."""

    kind = "test.fails"


KINDS: tuple[type[Nothing], ...] = (Ok, Slow, FailsOnce, InOrder, Hangs, Kills, Fails)


@dataclass(slots=True, eq=False)
class Run:
    """One run of a handler."""

    id: str
    claims: int
    process: Process
    epoch: int
    result: str = ""
    """``succeeded``, ``retry``, ``ordered retry`` or ``failed``; empty while it runs."""
    given_up: bool = False


@dataclass(slots=True)
class Story:
    """What is known of one message beside its row."""

    runs: list[Run] = field(default_factory=list)
    blamed: int = 0
    """How often its worker was killed, by nothing of its own, while it ran or was to run alone."""
    released: bool = False
    """Whether those sent after it need not wait for it any more."""


class World:
    """Everything there is. ``wrong`` collects what breaks a promise."""

    registry: ClassVar[HandlerRegistry[Process]]

    def __init__(self, database: Database, workers: int) -> None:
        self.wrong: list[str] = []
        self.log: list[str] = []
        self.clock = ManualClock()
        self._database = database
        self._stories: dict[str, Story] = {}
        self._rows: dict[int, Row] = {}
        self._foreign: set[str] = set()
        self._lost: set[str] = set()
        self._sent: dict[str, int] = {}
        self._running: list[Run] = []
        self._eye = sqlite3.connect(str(database.file), check_same_thread=False)
        self._eye.row_factory = sqlite3.Row
        self._started = 0
        with database.write() as connection:
            for table in TABLES:
                connection.execute(sa.text(f"DELETE FROM {table}"))
        self.broker = Broker(self.clock, APP, self._acknowledged)
        self.parent = self._process("parent", serves=False)
        self.processes = [self._process(f"host:{number}/w", serves=True) for number in range(workers)]
        self._started = workers

    # What happens.

    def send(self, sender: str, kinds: Sequence[type[Nothing]], *, published: bool) -> None:
        """Commit messages of one sender; publish them, or leave that to whoever finds them."""
        for kind in kinds:
            number = self._sent[sender] = self._sent.get(sender, -1) + 1
            envelope = Envelope(
                message_id=f"{sender}{number}",
                kind=kind.kind,
                body=b"{}",
                destination=APP,
                source=sender,
                call_id="call",
                sent_us=self.clock.now_us(),
            )
            sent = self.parent.table.accept(Effects(sent=(envelope,)), app=sender)
            if published:
                self.parent.outgoing.publish(sent)

    def foreign(self, *, copies: int, again: bool) -> None:
        """Publish a foreign producer's message so many times, a new one or its last one ``again``."""
        number = max(0, self._sent.get("f", -1) + (0 if again else 1))
        self._sent["f"] = number
        envelope = Envelope(message_id=f"f{number}", kind=Ok.kind, body=b"{}", destination=APP)
        self._foreign.add(envelope.message_id)
        for _ in range(copies):
            self.broker.publish(envelope)

    def deliver(self, count: int) -> None:
        """Let the broker deliver and every process read."""
        for process in self.processes:
            process.read()
        self.broker.deliver(count)
        for process in self.processes:
            process.read()

    def advance(self, seconds: float) -> None:
        """Let time pass: whoever is awake beats and watches meanwhile."""
        while seconds > 0:
            step = min(seconds, BEAT_SECONDS)
            seconds -= step
            self.clock.advance(step)
            for process in self.processes:
                process.watch()
                process.beat()

    def run(self, process: Process, points: int, *, newest_first: bool = True) -> bool:
        """Let a process go on; whoever died in it is buried and replaced. Return whether it did anything."""
        moved = process.run(points, newest_first=newest_first)
        if process.worker is not None and process.worker.status()[1] not in ("", AWAY):
            self._flag(f"{process.name}: {process.worker.status()[1]}")
        self.bury()
        return moved

    def kill(self, process: Process) -> None:
        """Kill a process wherever it stands."""
        self._blame(process)
        process.kill()
        self.bury()

    def stop(self, process: Process) -> None:
        """Stop a process in good order; what its handler does not finish in time ends with it."""
        process.stop()
        process.kill()
        self.bury()

    def bury(self) -> None:
        """End what is left of dead processes and start others in their place."""
        for dead in [process for process in self.processes if process.dead]:
            self._running = [run for run in self._running if run.process is not dead]
            dead.bury()
            self.processes.remove(dead)
            self._started += 1
            self.processes.append(self._process(f"host:{self._started}/w", serves=True))

    def freeze(self, process: Process) -> None:
        """Stop a process as SIGSTOP does."""
        process.frozen = process.was_frozen = True

    def wipe(self) -> None:
        """Wipe the broker's disk."""
        known = {row["id"] for row in self._rows.values()}
        self._lost |= {envelope.message_id for envelope in self.broker.wipe()} - known

    def cancel(self, row: Row) -> None:
        """Cancel a row as an operator."""
        self._act(lambda: operator_acts.cancel(self._database, self.clock, [row["seq"]], "operator"))

    def retry(self, row: Row) -> None:
        """Retry a failed row as an operator."""
        self._act(lambda: operator_acts.retry(self._database, self.clock, [row["seq"]], "operator"))

    def rung(self) -> list[Process]:
        """Return the process that the broker delivers to, if any."""
        active = self.broker.channels[:1]
        return [
            each for each in self.processes if [consumer.channel for consumer in each.transport.consumers] == active
        ]

    def rows(self, *states: str) -> list[Row]:
        """Return the app's rows in these states, in the order in which they were sent."""
        return [row for _, row in sorted(self._rows.items()) if row["state"] in states and row["destination"] == APP]

    def calm(self) -> None:
        """Let everything work, and whatever is left come to its end."""
        self.broker.weather = Weather.FINE
        for process in self.processes:
            process.frozen, process.fault = False, ""
        for _ in range(CALM_ROUNDS):
            self.deliver(100)
            for process in list(self.processes):
                self.run(process, 400)
                self.run(process, 50, newest_first=False)
            self.parent.relay("x", "y")
            if self.wrong or not (self.rows("waiting", "processing") or self.broker.ready or self._unread()):
                break
            self.advance(BEAT_SECONDS)
        self._check_end()

    def close(self) -> None:
        """End every process."""
        for process in self.processes:
            process.kill()
            process.bury()
        self._eye.close()

    # What the processes tell.

    def committed(self, process: Process) -> None:
        """Look at what a transaction changed."""
        self._look(process)

    def given_up(self, process: Process) -> None:
        """Note that the handler that runs there does not count any more."""
        for run in self._running:
            if run.process is process:
                run.given_up = True

    def work(self, process: Process, context: Context[Process]) -> None:
        """Be the handler of every kind."""
        row = next(
            row for row in self._rows.values() if (row["id"], row["destination"]) == (context.envelope.message_id, APP)
        )
        run = Run(row["id"], row["claims"], process, row["epoch"])
        self._check_start(run, row)
        story = self._story(run.id)
        story.runs.append(run)
        self._running.append(run)
        self.say(f"{process.name} starts {run.id} ({row['kind']}), claim {run.claims}, epoch {run.epoch}")
        try:
            run.result = self._behave(process, context, row, first=len(story.runs) == 1)
        finally:
            if run in self._running:
                self._running.remove(run)
        self.say(f"{process.name} ends {run.id}: {run.result}")
        if run.result != "succeeded":
            raise RuntimeError(run.result)
        if row["kind"] == Ok.kind:
            context.send(Nothing(), to=SINK)

    def broken(self, process: Process, error: Exception) -> None:
        """Note that a thread ended as no thread should."""
        self._flag(f"{process.name}: {error!r}")

    def say(self, what: str) -> None:
        """Note what happened, for whoever reads a failure."""
        self.log.append(f"{self.clock.monotonic():7.1f} {what}")

    # Checks.

    def _check_start(self, run: Run, row: Row) -> None:
        process = run.process
        assert process.worker is not None
        for other in self._running:
            excused = other.given_up or other.process.was_frozen or process.was_frozen
            if not excused:
                self._flag(f"two handlers at once: {run.id} on {process.name}, {other.id} on {other.process.name}")
        mine = row["state"] == "processing" and row["worker"] == process.worker.id
        if not mine and not process.was_frozen:
            self._flag(f"{process.name} starts {run.id}, which the table does not show as its own")
        if process.was_frozen or self._story(run.id).runs:
            return
        for before in self.rows("waiting", "processing"):
            if before["seq"] >= row["seq"]:
                break
            story = self._story(before["id"])
            if before["ordered"]:
                self._flag(f"{run.id} starts before {before['id']}, which asked to be waited for")
            handled = any(
                each.process is process and each.epoch == run.epoch and each.result in ("succeeded", "failed", "retry")
                for each in story.runs
            )
            if before["source"] == row["source"] != "" and not story.released and not handled:
                self._flag(f"overtaken: {run.id} is handled before {before['id']}")

    def _look(self, process: Process | None) -> None:
        rows = {row["seq"]: row for row in self._eye.execute(SNAPSHOT)}
        lease = next(iter(self._eye.execute(LEASE).fetchall()), (0, ""))
        before, self._rows = self._rows, rows
        for seq, row in rows.items():
            old = before.get(seq)
            if old is None:
                self.say(f"{process.name if process else 'operator'}: new row {row['id']} for {row['destination']}")
            elif row["destination"] == APP and row != old:
                self._check_move(process, old, row, lease)
        if len(rows) < len(before):
            self._flag("a row is gone")

    def _check_move(self, process: Process | None, old: Row, row: Row, lease: Any) -> None:
        if process is None:
            return self._check_operator(old, row)
        if all(old[name] == row[name] for name in ("state", "claims", "epoch", "generation")):
            return None
        self.say(
            f"{process.name}: {row['id']} {old['state']} -> {row['state']} {row['reason'] or ''} {row['error'] or ''}"
        )
        if old["state"] in FINAL:
            self._flag(f"{row['id']} was {old['state']} and became {row['state']}")
        worker = process.worker.id if process.worker else ""
        if tuple(lease) != (row["epoch"], worker) or row["worker"] != worker:
            self._flag(
                f"{row['id']} moved to {row['state']} by {process.name}, which does not hold the lease: {tuple(lease)}"
            )
        if row["claims"] > old["claims"]:
            process.was_frozen = process.frozen
            process.lose_answer_of("claim")
            if old["cancel_requested"] or (old["state"] == "waiting" and old["due_us"] > self.clock.now_us()):
                self._flag(f"{row['id']} was claimed though cancelled or not due")
            return None
        process.lose_answer_of("outcome")
        return self._check_outcome(process, old, row)

    def _check_outcome(self, process: Process, old: Row, row: Row) -> None:
        story = self._story(row["id"])
        runs = [run for run in story.runs if run.claims == old["claims"]]
        if row["reason"] == "poison":
            innocent = row["kind"] != Kills.kind and story.blamed < POISON_CRASHES
            if innocent:
                self._flag(f"innocent row poisoned: {row['id']}")
        elif row["reason"] == "cancelled":
            if not old["cancel_requested"]:
                self._flag(f"{row['id']} is cancelled, and nobody asked for it")
        elif row["state"] == "waiting" and row["error"] is None:
            if runs:
                self._flag(f"{row['id']} was given back though its handler had started")
        elif not any(run.process is process and (run.result or run.given_up) for run in runs):
            self._flag(f"{row['id']} became {row['state']} by {process.name} without a run of claim {old['claims']}")
        elif row["state"] == "succeeded" and not any(run.result == "succeeded" and not run.given_up for run in runs):
            self._flag(f"{row['id']} succeeded, but the run of claim {old['claims']} did not")
        elif row["state"] == "waiting" and not row["ordered"]:
            story.released = True

    def _check_operator(self, old: Row, row: Row) -> None:
        self.say(f"operator: {row['id']} {old['state']} -> {row['state']}, cancel requested: {row['cancel_requested']}")
        if old["state"] == "processing" and row["state"] != "processing":
            self._flag(f"{row['id']} became {row['state']} by an operator while its handler ran")
        if row["generation"] > old["generation"]:
            self._story(row["id"]).released = True

    def _check_end(self) -> None:
        for row in self.rows("waiting", "processing"):
            self._flag(f"not final at the end: {dict(row)}")
        for row in self.rows("succeeded"):
            if row["kind"] == Kills.kind:
                self._flag(f"{row['id']} kills its worker and succeeded")
        known = {row["id"] for row in self.rows(*FINAL)}
        for message_id in self._foreign - known - self._lost:
            self._flag(f"lost: {message_id} of a foreign producer never got a row")
        sent = sum(row["destination"] == SINK for row in self._rows.values())
        wanted = sum(row["kind"] == Ok.kind for row in self.rows("succeeded"))
        if sent != wanted:
            self._flag(f"{wanted} outcomes sent {sent} messages")

    def _acknowledged(self, envelope: Envelope) -> None:
        if not any(row["id"] == envelope.message_id for row in self._rows.values()):
            self._flag(f"lost: {envelope.message_id} was acknowledged before it had a row")

    def _flag(self, what: str) -> None:
        self.say(f"*** {what}")
        self.wrong.append(what)

    # The rest.

    def _behave(self, process: Process, context: Context[Process], row: Row, *, first: bool) -> str:
        process.point()
        kind = row["kind"]
        if kind == Kills.kind:
            self.say(f"{row['id']} kills {process.name}")
            process.kill()
            raise ProcessEnded
        if kind in (Slow.kind, Hangs.kind):
            for _ in range(20 if kind == Hangs.kind and first else 5):
                process.point()
        if kind == FailsOnce.kind and context.attempt == 1:
            return "retry"
        if kind == InOrder.kind and context.attempt == 1:
            return "ordered retry"
        if kind == Fails.kind and row["generation"] == 0:
            return "failed"
        return "succeeded"

    def _process(self, name: str, *, serves: bool) -> Process:
        return Process(
            name,
            self,
            database=self._database,
            clock=self.clock,
            broker=self.broker,
            living=lambda: {process.name for process in self.processes},
            registry=_registry(self) if serves else None,
        )

    def _blame(self, process: Process) -> None:
        for row in self.rows("processing"):
            if process.worker is not None and row["worker"] == process.worker.id and row["alone"]:
                self._story(row["id"]).blamed += 1

    def _story(self, message_id: str) -> Story:
        return self._stories.setdefault(message_id, Story())

    def _unread(self) -> bool:
        return any(channel.socket or channel.unacked for channel in self.broker.channels)

    def _act(self, act: Any) -> None:
        act()
        self._look(None)


def _registry(world: World) -> HandlerRegistry[Process]:
    registry: HandlerRegistry[Process] = HandlerRegistry("simulated")
    retries = {
        InOrder: Backoff(attempts=3, first=3.0, jitter=0.0, ordered=True),
        Fails: Backoff(attempts=1),
    }

    def function(_message: Nothing, context: Context[Process]) -> None:
        handle(context, world.work)

    for kind in KINDS:
        retry = retries.get(kind, Backoff(attempts=3, first=3.0, jitter=0.0))
        registry.handles(kind, timeout=HANG_SECONDS if kind is Hangs else None, retry=retry)(function)
    return registry


def unavailable(act: Any) -> bool:
    """Do something that the table may refuse; return whether it did."""
    try:
        act()
    except TableUnavailable:
        return True
    return False


__all__ = ["KINDS", "LEASE_SECONDS", "World", "unavailable"]
