"""What may happen to a world, by name: hypothesis draws moves, scripts are written of them, and both can be played again."""

import random
from collections.abc import Callable, Sequence
from typing import Any

from simulated_broker import Requeued, Weather
from simulated_kinds import KINDS, Nothing
from simulated_ledger import Row
from simulated_process import Process
from simulated_world import World

from broker.table.database import Database

Move = tuple[Any, ...]
"""The name of a method of Moves, and its arguments: plain values, so that a failure can be copied into a script."""

Script = Sequence[Move]

KIND_NAMES = tuple(kind.kind.removeprefix("test.") for kind in KINDS)


class Moves:
    """Workers and rows are chosen by number, counted round those that are there."""

    def __init__(self, world: World) -> None:
        self._world = world

    def play(self, move: Move) -> None:
        """Do what the move says."""
        name, *arguments = move
        self._world.ledger.say(f"> {move}")
        getattr(self, name)(*arguments)

    def send(self, sender: str, kinds: str, published: bool = True) -> None:
        """Send messages of these kinds, e.g. ``"ok slow"``."""
        self._world.send(sender, [_kind(name) for name in kinds.split()], published=published)

    def send_from_outside(self, copies: int, again: bool) -> None:
        self._world.send_from_outside(copies=copies, again=again)

    def deliver(self, count: int = 8) -> None:
        self._world.deliver(count)

    def run(self, worker: int, points: int, newest_first: bool = True) -> None:
        self._world.run(self._process(worker), points, newest_first=newest_first)

    def run_until(self, worker: int, said: str) -> None:
        """Let a worker run until the log says so, a promise is broken, or it has nothing more to do."""
        process, ledger, begin = self._process(worker), self._world.ledger, len(self._world.ledger.log)
        while not ledger.wrong and not any(said in line for line in ledger.log[begin:]):
            if not self._world.run(process, 1):
                return

    def run_rung(self, points: int) -> None:
        """Let the worker run that the broker delivers to."""
        for process in self._world.rung():
            self._world.run(process, points)

    def advance(self, seconds: float) -> None:
        self._world.advance(seconds)

    def beat(self, worker: int) -> None:
        self._process(worker).beat()

    def kill(self, worker: int) -> None:
        self._world.kill(self._process(worker))

    def stop(self, worker: int) -> None:
        self._world.stop(self._process(worker))

    def freeze(self, worker: int) -> None:
        self._world.freeze(self._process(worker))

    def thaw(self) -> None:
        for process in self._world.processes:
            process.frozen = False

    def close_channel(self, where: str = "FRONT") -> None:
        """Close the channel that the broker delivers by."""
        for channel in self._world.broker.channels[:1]:
            self._world.broker.close(channel, Requeued[where])

    def wipe(self) -> None:
        self._world.wipe()

    def weather(self, weather: str) -> None:
        self._world.broker.weather = Weather[weather]

    def relay(self) -> None:
        self._world.parent.relay("x", "y")

    def fault(self, worker: int, fault: str) -> None:
        """Lose the table once: ``before``, ``after``, or the answer of the next ``claim`` or ``outcome``."""
        self._process(worker).fault = fault

    def cancel(self, number: int) -> None:
        self._on_row(self._world.cancel, number, "waiting", "processing")

    def retry(self, number: int) -> None:
        self._on_row(self._world.retry, number, "failed")

    def _process(self, number: int) -> Process:
        return self._world.processes[number % len(self._world.processes)]

    def _on_row(self, act: Callable[[Row], None], number: int, *states: str) -> None:
        rows = self._world.ledger.rows(*states)
        if rows:
            act(rows[number % len(rows)])


def play(database: Database, workers: int, script: Script) -> World:
    """Play a script from the beginning, until a promise breaks; then let all come to its end. Returns the closed world."""
    world = World(database, workers)
    moves = Moves(world)
    try:
        for move in script:
            moves.play(move)
            if world.ledger.wrong:
                return world
        world.calm()
        return world
    finally:
        world.close()


def script_by_chance(seed: int, count: int) -> list[Move]:
    """Return so many moves that always follow from the seed."""
    chance = random.Random(seed)

    def worker() -> int:
        return chance.randrange(3)

    def kinds() -> str:
        return " ".join(chance.choices(KIND_NAMES, weights=[12, 3, 1, 1, 1, 1, 1], k=chance.randint(1, 5)))

    often: list[Callable[[], Move]] = [
        lambda: ("send", chance.choice("xy"), kinds(), chance.random() < 0.8),
        lambda: ("deliver", chance.randint(1, 8)),
        lambda: ("run", worker(), chance.randint(1, 60), chance.random() < 0.8),
        lambda: ("run", worker(), chance.randint(20, 120)),
        lambda: ("run_rung", chance.randint(1, 60)),
        lambda: ("advance", chance.choice([0.3, 2.5, 5.0, 12.5])),
    ]
    seldom: list[Callable[[], Move]] = [
        lambda: ("send_from_outside", chance.randint(1, 2), chance.random() < 0.5),
        lambda: ("beat", worker()),
        lambda: ("kill", worker()),
        lambda: ("stop", worker()),
        lambda: ("freeze", worker()),
        lambda: ("thaw",),
        lambda: ("close_channel", chance.choice(list(Requeued)).name),
        lambda: ("wipe",),
        lambda: ("weather", chance.choice(list(Weather)).name),
        lambda: ("relay",),
        lambda: ("fault", worker(), chance.choice(["before", "after", "claim", "outcome"])),
        lambda: ("cancel", chance.randrange(8)),
        lambda: ("retry", chance.randrange(8)),
    ]
    return [chance.choice(often if chance.random() < 0.7 else seldom)() for _ in range(count)]


def _kind(name: str) -> type[Nothing]:
    return KINDS[KIND_NAMES.index(name)]
