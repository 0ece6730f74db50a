"""The ledger of the property test: what happened, and every promise that it breaks.

It stands outside the product: it sees each start and end of a handler, and each change of a row right after the transaction
that made it, with the process that made it.
"""

import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass, field

from simulated_kinds import Kills, Nothing, Ok, behave
from simulated_process import APP, Process

from broker.handlers.context import Context
from broker.lifecycle.clock import ManualClock
from broker.table.claim_plan import POISON_CRASHES
from broker.table.database import Database

SINK = "m1000-a"
FINAL = ("succeeded", "failed")
SNAPSHOT = (
    "SELECT seq, id, destination, source, kind, state, reason, error, generation, claims, epoch, worker, alone,"
    " cancel_requested, due_us, ordered FROM messages ORDER BY seq"
)
LEASE = "SELECT epoch, worker FROM leases"
NO_LEASE = (0, "")

Row = sqlite3.Row


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
    frozen: bool = False
    """Whether its process was frozen in it, or between its claim and its start: it may go on beside a successor."""


@dataclass(slots=True)
class Story:
    """What is known of one message beside its row."""

    runs: list[Run] = field(default_factory=list)
    blamed: int = 0
    """How often its worker was killed, by nothing of its own, while it ran or was to run alone."""
    released: bool = False
    """Whether those sent after it need not wait for it any more."""


class Ledger:
    """``wrong`` collects what breaks a promise, ``log`` what happened, ``trace`` that and every point passed."""

    def __init__(self, database: Database, clock: ManualClock) -> None:
        self.wrong: list[str] = []
        self.log: list[str] = []
        self.trace: list[str] = []
        self._clock = clock
        self._stories: dict[str, Story] = {}
        self._rows: dict[int, Row] = {}
        self._running: list[Run] = []
        self._last_lease = NO_LEASE
        self._eye = sqlite3.connect(str(database.file), check_same_thread=False)
        self._eye.row_factory = sqlite3.Row

    def close(self) -> None:
        """Look no more."""
        self._eye.close()

    def say(self, what: str) -> None:
        """Note what happened, for whoever reads a failure."""
        self.log.append(f"{self._clock.monotonic():7.1f} {what}")
        self.trace.append(self.log[-1])

    def flag(self, what: str) -> None:
        """Note that a promise is broken."""
        self.say(f"*** {what}")
        self.wrong.append(what)

    def rows(self, *states: str) -> list[Row]:
        """Return the app's rows in these states, in the order in which they were sent."""
        return [row for row in self._rows.values() if row["state"] in states and row["destination"] == APP]

    def known(self) -> set[str]:
        """Return the ids of all rows."""
        return {row["id"] for row in self._rows.values()}

    # What the processes tell.

    def passed(self, process: Process, point: str) -> None:
        """Note a point."""
        self.trace.append(f"{process.name} {point}")

    def committed(self, process: Process) -> None:
        """Look at what a transaction changed."""
        self.look(process)

    def leased(self, process: Process) -> None:
        """Note who has the lease now."""
        lease = self._lease()
        if lease != self._last_lease:
            self._last_lease = lease
            self.say(f"{process.name}: the lease is epoch {lease[0]} of {lease[1].partition('@')[2] or 'nobody'}")

    def given_up(self, process: Process) -> None:
        """Note that the handler that runs there does not count any more."""
        for run in self._running:
            if run.process is process:
                run.given_up = True

    def broken(self, process: Process, error: Exception) -> None:
        """Note that a thread ended as no thread should."""
        self.flag(f"{process.name}: {error!r}")

    def work(self, process: Process, context: Context[Process]) -> None:
        """Be the handler of every kind."""
        row = next(
            row for row in self._rows.values() if (row["id"], row["destination"]) == (context.envelope.message_id, APP)
        )
        run = Run(row["id"], row["claims"], process, row["epoch"], frozen=process.late)
        process.late = False
        self._check_start(run, row)
        story = self._story(run.id)
        story.runs.append(run)
        self._running.append(run)
        self.say(f"{process.name} starts {run.id} ({row['kind']}), claim {run.claims}, epoch {run.epoch}")
        try:
            run.result = behave(
                process,
                row["kind"],
                runs=len(story.runs) - 1,
                ends=sum(bool(each.result) for each in story.runs),
                generation=row["generation"],
            )
        finally:
            if run in self._running:
                self._running.remove(run)
        self.say(f"{process.name} ends {run.id}: {run.result}")
        if run.result != "succeeded":
            raise RuntimeError(run.result)
        if row["kind"] == Ok.kind:
            context.send(Nothing(), to=SINK)

    # What befalls the processes.

    def frozen(self, process: Process) -> None:
        """Note that a process was frozen: in a handler, or between a claim and its first handler."""
        process.late = True
        for run in self._running:
            if run.process is process and not run.given_up:
                run.frozen, process.late = True, False

    def killed(self, process: Process) -> None:
        """Note that a process is about to be killed: what it held alone is blamed, though it may be innocent."""
        for row in self.rows("processing"):
            if process.worker is not None and row["worker"] == process.worker.id and row["alone"]:
                self._story(row["id"]).blamed += 1

    def buried(self, process: Process) -> None:
        """Note that nothing of a process runs any more."""
        self._running = [run for run in self._running if run.process is not process]

    # Checks.

    def look(self, process: Process | None) -> None:
        """Compare the table with what it was; ``process`` has just written, None is the operator."""
        rows = {row["seq"]: row for row in self._eye.execute(SNAPSHOT)}
        lease = self._lease()
        before, self._rows = self._rows, rows
        for seq, row in rows.items():
            old = before.get(seq)
            if old is None:
                self.say(f"{process.name if process else 'operator'}: new row {row['id']} for {row['destination']}")
            elif row["destination"] == APP and row != old:
                self._check_move(process, old, row, lease)
        if len(rows) < len(before):
            self.flag("a row is gone")

    def check_acknowledged(self, message_id: str) -> None:
        """Check that what the broker forgets has a row."""
        if message_id not in self.known():
            self.flag(f"lost: {message_id} was acknowledged before it had a row")

    def check_end(self, foreign: Iterable[str]) -> None:
        """Check that all is final, done once, and that these foreign messages got their rows."""
        for row in self.rows("waiting", "processing"):
            self.flag(f"not final at the end: {dict(row)}")
        for row in self.rows("succeeded"):
            if row["kind"] == Kills.kind:
                self.flag(f"{row['id']} kills its worker and succeeded")
        for message_id in sorted(set(foreign) - {row["id"] for row in self.rows(*FINAL)}):
            self.flag(f"lost: {message_id} of a foreign producer never got a row")
        sent = sum(row["destination"] == SINK for row in self._rows.values())
        wanted = sum(row["kind"] == Ok.kind for row in self.rows("succeeded"))
        if sent != wanted:
            self.flag(f"{wanted} outcomes sent {sent} messages")

    def _check_start(self, run: Run, row: Row) -> None:
        process = run.process
        assert process.worker is not None
        for other in self._running:
            if not (other.given_up or other.frozen or run.frozen):
                self.flag(f"two handlers at once: {run.id} on {process.name}, {other.id} on {other.process.name}")
        if run.frozen:
            return
        if row["state"] != "processing" or row["worker"] != process.worker.id:
            self.flag(f"{process.name} starts {run.id}, which the table does not show as its own")
        if not self._story(run.id).runs:
            self._check_order(run, row)

    def _check_order(self, run: Run, row: Row) -> None:
        for before in self.rows("waiting", "processing"):
            if before["seq"] >= row["seq"]:
                break
            story = self._story(before["id"])
            if before["ordered"]:
                self.flag(f"{run.id} starts before {before['id']}, which asked to be waited for")
            handled = any(
                each.process is run.process
                and each.epoch == run.epoch
                and each.result in ("succeeded", "failed", "retry")
                for each in story.runs
            )
            if before["source"] == row["source"] != "" and not story.released and not handled:
                self.flag(f"overtaken: {run.id} is handled before {before['id']}")

    def _check_move(self, process: Process | None, old: Row, row: Row, lease: tuple[int, str]) -> None:
        if process is None:
            return self._check_operator(old, row)
        if all(old[name] == row[name] for name in ("state", "claims", "epoch", "generation")):
            return None
        self.say(
            f"{process.name}: {row['id']} {old['state']} -> {row['state']} {row['reason'] or ''} {row['error'] or ''}"
        )
        if old["state"] in FINAL:
            self.flag(f"{row['id']} was {old['state']} and became {row['state']}")
        worker = process.worker.id if process.worker else ""
        if lease != (row["epoch"], worker) or row["worker"] != worker:
            self.flag(f"{row['id']} moved to {row['state']} by {process.name}, which does not hold the lease: {lease}")
        if row["claims"] > old["claims"]:
            process.late = False
            process.lose_answer_of("claim")
            if old["cancel_requested"] or (old["state"] == "waiting" and old["due_us"] > self._clock.now_us()):
                self.flag(f"{row['id']} was claimed though cancelled or not due")
            return None
        process.lose_answer_of("outcome")
        return self._check_outcome(process, old, row)

    def _check_outcome(self, process: Process, old: Row, row: Row) -> None:
        story = self._story(row["id"])
        runs = [run for run in story.runs if run.claims == old["claims"]]
        if row["reason"] == "poison":
            if row["kind"] != Kills.kind and story.blamed < POISON_CRASHES:
                self.flag(f"innocent row poisoned: {row['id']}")
        elif row["reason"] == "cancelled":
            if not old["cancel_requested"]:
                self.flag(f"{row['id']} is cancelled, and nobody asked for it")
        elif row["state"] == "waiting" and row["error"] is None:
            if runs:
                self.flag(f"{row['id']} was given back though its handler had started")
        elif not any(run.process is process and (run.result or run.given_up) for run in runs):
            self.flag(f"{row['id']} became {row['state']} by {process.name} without a run of claim {old['claims']}")
        elif row["state"] == "succeeded" and not any(run.result == "succeeded" and not run.given_up for run in runs):
            self.flag(f"{row['id']} succeeded, but the run of claim {old['claims']} did not")
        elif row["state"] == "waiting" and not row["ordered"]:
            story.released = True

    def _check_operator(self, old: Row, row: Row) -> None:
        self.say(f"operator: {row['id']} {old['state']} -> {row['state']}, cancel requested: {row['cancel_requested']}")
        if old["state"] == "processing" and row["state"] != "processing":
            self.flag(f"{row['id']} became {row['state']} by an operator while its handler ran")
        if row["generation"] > old["generation"]:
            self._story(row["id"]).released = True

    def _lease(self) -> tuple[int, str]:
        epoch, worker = next(iter(self._eye.execute(LEASE).fetchall()), NO_LEASE)
        return epoch, worker

    def _story(self, message_id: str) -> Story:
        return self._stories.setdefault(message_id, Story())
