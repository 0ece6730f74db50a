"""Promises 1 to 4 on every path that hypothesis finds through the real table and worker code, over a simulated RabbitMQ."""

from __future__ import annotations

from typing import Any, ClassVar

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from simulated_broker import Requeued, Weather
from simulated_moves import Move, Moves
from simulated_world import World

from broker.table.database import Database

ON = settings(
    max_examples=80,
    stateful_step_count=50,
    deadline=None,
    derandomize=True,
    print_blob=True,
    phases=[Phase.generate, Phase.shrink],  # tracing for explanations would double the time
    suppress_health_check=list(HealthCheck),
)
KIND = st.sampled_from(["ok"] * 6 + ["slow"] * 2 + ["fails-once", "in-order", "hangs", "kills", "fails"])
WORKER = st.integers(0, 2)
ROW = st.integers(0, 7)


class Delivery(RuleBasedStateMachine):
    """Senders, an operator, workers and everything that may befall them, one small step at a time."""

    database: ClassVar[Database]

    def __init__(self) -> None:
        super().__init__()
        self.world: World | None = None
        self.workers = 0
        self.script: list[Move] = []

    @initialize(workers=st.integers(2, 3))
    def begin(self, workers: int) -> None:
        self.workers = workers
        self.world = World(self.database, workers)

    @rule(
        sender=st.sampled_from("xy"),
        kinds=st.lists(KIND, min_size=1, max_size=4),
        published=st.sampled_from([True, True, False]),
    )
    def send(self, sender: str, kinds: list[str], published: bool) -> None:
        self.play("send", sender, " ".join(kinds), published)

    @rule(copies=st.integers(1, 2), again=st.booleans())
    def send_from_outside(self, copies: int, again: bool) -> None:
        self.play("send_from_outside", copies, again)

    @rule(count=st.integers(1, 8))
    def deliver(self, count: int) -> None:
        self.play("deliver", count)

    @rule(worker=WORKER, points=st.integers(1, 40), newest_first=st.sampled_from([True, True, True, False]))
    def run(self, worker: int, points: int, newest_first: bool) -> None:
        self.play("run", worker, points, newest_first)

    @rule(worker=WORKER, points=st.integers(20, 120))
    def deliver_and_run(self, worker: int, points: int) -> None:
        self.play("deliver", 8)
        self.play("run", worker, points)

    @rule(points=st.integers(5, 60))
    def deliver_and_run_all(self, points: int) -> None:
        self.play("deliver", 8)
        for worker in range(self.workers):
            self.play("run", worker, points)

    @rule(
        sender=st.sampled_from("xy"),
        kinds=st.lists(KIND, min_size=2, max_size=6),
        worker=WORKER,
        points=st.integers(5, 40),
    )
    def send_and_run(self, sender: str, kinds: list[str], worker: int, points: int) -> None:
        self.play("send", sender, " ".join(kinds))
        self.play("deliver", 8)
        self.play("run", worker, points)

    @rule(seconds=st.sampled_from([0.3, 2.5, 5.0, 12.5]))
    def advance(self, seconds: float) -> None:
        self.play("advance", seconds)

    @rule(worker=WORKER)
    def beat(self, worker: int) -> None:
        self.play("beat", worker)

    @rule(worker=WORKER)
    def kill(self, worker: int) -> None:
        self.play("kill", worker)

    @rule(worker=WORKER)
    def stop(self, worker: int) -> None:
        self.play("stop", worker)

    @rule(worker=WORKER)
    def freeze(self, worker: int) -> None:
        self.play("freeze", worker)

    @rule()
    def thaw(self) -> None:
        self.play("thaw")

    @rule(where=st.sampled_from(Requeued), points=st.integers(0, 30))
    def close_channel(self, where: Requeued, points: int) -> None:
        self.play("close_channel", where.name)
        self.play("deliver", 8)
        self.play("run_rung", points)

    @rule()
    def wipe(self) -> None:
        self.play("wipe")

    @rule(weather=st.sampled_from(Weather))
    def change_weather(self, weather: Weather) -> None:
        self.play("weather", weather.name)

    @rule()
    def relay(self) -> None:
        self.play("relay")

    @rule(worker=WORKER, fault=st.sampled_from(["before", "after", "claim", "outcome"]))
    def lose_the_table_once(self, worker: int, fault: str) -> None:
        self.play("fault", worker, fault)

    @precondition(lambda self: self.world.ledger.rows("waiting", "processing"))
    @rule(row=ROW)
    def cancel(self, row: int) -> None:
        self.play("cancel", row)

    @precondition(lambda self: self.world.ledger.rows("failed"))
    @rule(row=ROW)
    def retry(self, row: int) -> None:
        self.play("retry", row)

    @invariant()
    def every_promise_is_kept(self) -> None:
        assert self.world is None or not self.world.ledger.wrong, self.story()

    def teardown(self) -> None:
        if self.world is None:
            return
        try:
            if not self.world.ledger.wrong:
                self.world.calm()
                assert not self.world.ledger.wrong, self.story()
        finally:
            self.world.close()

    def play(self, *move: Any) -> None:
        assert self.world is not None
        if not self.world.ledger.wrong:
            self.script.append(move)
            Moves(self.world).play(move)

    def story(self) -> str:
        """Return what happened, and the moves to play it again."""
        assert self.world is not None
        moves = [f"    {move!r}," for move in self.script]
        return "\n".join([*self.world.ledger.log, f"play(database, {self.workers}, [", *moves, "])"])


@pytest.mark.timeout(900)  # half a minute on its own; to shrink a failure, hypothesis takes up to five minutes
def test_every_promise_on_every_path(simulated_table: Database) -> None:
    """Nothing is lost, doubled or overtaken, nothing innocent is poisoned and nothing is stuck, on any path found."""
    Delivery.database = simulated_table
    run_state_machine_as_test(Delivery, settings=ON)
