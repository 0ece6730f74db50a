"""The world of the property test: processes, senders, an operator, and what may befall them."""

from collections.abc import Callable, Sequence

import sqlalchemy as sa
from simulated_broker import Broker, Weather
from simulated_kinds import Nothing, Ok, simulated_registry
from simulated_ledger import Ledger, Row
from simulated_process import APP, AWAY, Process

from broker.lifecycle.clock import ManualClock
from broker.messages.effects import Effects
from broker.messages.envelope import Envelope
from broker.table import operator_acts
from broker.table.database import Database
from broker.table.schema import metadata

LEASE_ROUNDS = 20
"""How long it may take in calm until some worker works."""

MESSAGE_ROUNDS = 6
"""How long one message may hold up the others then: it kills four workers, or is tried three times with pauses between."""

BEAT_SECONDS = 2.5
"""Beats are further apart than in the product, to save time, and still near enough for it."""


class World:
    """Everything there is. The same acts on an empty table always lead to the same ledger, line by line."""

    def __init__(self, database: Database, workers: int) -> None:
        self.clock = ManualClock()
        self._database = database
        self._foreign: set[str] = set()
        self._lost: set[str] = set()
        self._sent: dict[str, int] = {}
        self._started = 0
        _empty(database)
        self.ledger = Ledger(database, self.clock)
        self.broker = Broker(
            self.clock, APP, lambda envelope: self.ledger.check_acknowledged(envelope.message_id), self.ledger.say
        )
        self.parent = self._process("parent", serves=False)
        self.processes = [self._process(f"host:{number}/w", serves=True) for number in range(workers)]
        self._started = workers

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

    def send_from_outside(self, *, copies: int, again: bool) -> None:
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
            self.ledger.flag(f"{process.name}: {process.worker.status()[1]}")
        self._bury()
        return moved

    def kill(self, process: Process) -> None:
        """Kill a process wherever it stands."""
        self.ledger.killed(process)
        process.kill()
        self._bury()

    def stop(self, process: Process) -> None:
        """Stop a process in good order; what its handler does not finish in time ends with it."""
        process.stop()
        process.kill()
        self._bury()

    def freeze(self, process: Process) -> None:
        """Stop a process as SIGSTOP does."""
        process.frozen = True
        self.ledger.frozen(process)

    def wipe(self) -> None:
        """Wipe the broker's disk."""
        self._lost |= {envelope.message_id for envelope in self.broker.wipe()} - self.ledger.known()

    def cancel(self, row: Row) -> None:
        """Cancel a row as an operator."""
        self._operate(lambda: operator_acts.cancel(self._database, self.clock, [row["seq"]], "operator"))

    def retry(self, row: Row) -> None:
        """Retry a failed row as an operator."""
        self._operate(lambda: operator_acts.retry(self._database, self.clock, [row["seq"]], "operator"))

    def rung(self) -> list[Process]:
        """Return the process that the broker delivers to, if any."""
        active = self.broker.channels[:1]
        return [
            each for each in self.processes if [consumer.channel for consumer in each.transport.consumers] == active
        ]

    def calm(self) -> None:
        """Let everything work, and whatever is left come to its end; then check the end."""
        self.broker.weather = Weather.FINE
        for process in self.processes:
            process.frozen, process.fault = False, ""
        for _ in range(LEASE_ROUNDS + MESSAGE_ROUNDS * self._left()):
            self.deliver(100)
            for process in list(self.processes):
                self.run(process, 400)
                self.run(process, 50, newest_first=False)
            self.parent.relay("x", "y")
            if self.ledger.wrong or not self._left():
                break
            self.advance(BEAT_SECONDS)
        self.ledger.check_end(self._foreign - self._lost)

    def close(self) -> None:
        """End every process."""
        for process in self.processes:
            process.kill()
            process.bury()
        self.ledger.close()

    def _left(self) -> int:
        """Return how much there is still to do: rows that are not final, and messages that the broker keeps."""
        kept = sum(len(channel.unacked) for channel in self.broker.channels)
        return len(self.ledger.rows("waiting", "processing")) + len(self.broker.ready) + kept

    def _bury(self) -> None:
        """End what is left of dead processes and start others in their place."""
        for dead in [process for process in self.processes if process.dead]:
            self.ledger.say(f"{dead.name} is dead")
            self.ledger.buried(dead)
            dead.bury()
            self.processes.remove(dead)
            self._started += 1
            self.processes.append(self._process(f"host:{self._started}/w", serves=True))

    def _operate(self, act: Callable[[], object]) -> None:
        act()
        self.ledger.look(None)

    def _process(self, name: str, *, serves: bool) -> Process:
        return Process(
            name,
            self.ledger,
            database=self._database,
            clock=self.clock,
            broker=self.broker,
            living=lambda: {process.name for process in self.processes},
            registry=simulated_registry(self.ledger.work) if serves else None,
        )


def _empty(database: Database) -> None:
    """Leave nothing of an earlier world, not even its numbers."""
    with database.write() as connection:
        for table in metadata.sorted_tables:
            connection.execute(table.delete())
        connection.execute(sa.text("DELETE FROM sqlite_sequence"))
