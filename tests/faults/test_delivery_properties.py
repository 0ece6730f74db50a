"""Promises 1 to 4 on every path that hypothesis finds through the real table and worker code, over a simulated RabbitMQ."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

import pytest
import sqlalchemy as sa
import structlog
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
from simulated import Process
from simulated_broker import Requeued, Weather
from simulated_world import Fails, FailsOnce, Hangs, InOrder, Kills, Ok, Slow, World

from broker.table.database import Database
from broker.table.upgrade import upgrade

ON = settings(
    max_examples=40,
    stateful_step_count=50,
    deadline=None,
    derandomize=True,
    print_blob=True,
    phases=[Phase.generate, Phase.shrink],  # tracing for explanations would double the time
    suppress_health_check=list(HealthCheck),
)
pytestmark = pytest.mark.simulation

KIND = st.sampled_from([Ok, Ok, Ok, Ok, Ok, Ok, Slow, Slow, FailsOnce, InOrder, Hangs, Kills, Fails])
WORKER = st.integers(0, 2)


class Delivery(RuleBasedStateMachine):
    """Senders, an operator, workers and everything that may befall them, one small step at a time."""

    database: ClassVar[Database]

    def __init__(self) -> None:
        super().__init__()
        self.world: World

    @initialize(workers=st.integers(2, 3))
    def begin(self, workers: int) -> None:
        self.world = World(self.database, workers)

    @rule(
        sender=st.sampled_from("xy"),
        kinds=st.lists(KIND, min_size=1, max_size=4),
        published=st.sampled_from([True, True, False]),
    )
    def send(self, sender: str, kinds: list[Any], published: bool) -> None:
        self.world.send(sender, kinds, published=published)

    @rule(copies=st.integers(1, 2), again=st.booleans())
    def send_from_outside(self, copies: int, again: bool) -> None:
        self.world.foreign(copies=copies, again=again)

    @rule(count=st.integers(1, 8))
    def deliver(self, count: int) -> None:
        self.world.deliver(count)

    @rule(worker=WORKER, points=st.integers(1, 40), newest_first=st.sampled_from([True, True, True, False]))
    def run(self, worker: int, points: int, newest_first: bool) -> None:
        self.world.run(self.process(worker), points, newest_first=newest_first)

    @rule(worker=WORKER, points=st.integers(20, 120))
    def deliver_and_run(self, worker: int, points: int) -> None:
        self.world.deliver(8)
        self.world.run(self.process(worker), points)

    @rule(points=st.integers(5, 60))
    def deliver_and_run_all(self, points: int) -> None:
        self.world.deliver(8)
        for process in list(self.world.processes):
            self.world.run(process, points)

    @rule(
        sender=st.sampled_from("xy"),
        kinds=st.lists(KIND, min_size=2, max_size=6),
        worker=WORKER,
        points=st.integers(5, 40),
    )
    def send_and_run(self, sender: str, kinds: list[Any], worker: int, points: int) -> None:
        self.world.send(sender, kinds, published=True)
        self.world.deliver(8)
        self.world.run(self.process(worker), points)

    @rule(seconds=st.sampled_from([0.3, 2.5, 5.0, 12.5]))
    def advance(self, seconds: float) -> None:
        self.world.advance(seconds)

    @rule(worker=WORKER)
    def beat(self, worker: int) -> None:
        self.process(worker).beat()

    @rule(worker=WORKER)
    def kill(self, worker: int) -> None:
        self.world.say("kill")
        self.world.kill(self.process(worker))

    @rule(worker=WORKER)
    def stop(self, worker: int) -> None:
        self.world.say("stop")
        self.world.stop(self.process(worker))

    @rule(worker=WORKER)
    def freeze(self, worker: int) -> None:
        self.world.say("freeze")
        self.world.freeze(self.process(worker))

    @rule()
    def thaw(self) -> None:
        for process in self.world.processes:
            process.frozen = False

    @precondition(lambda self: self.world.broker.channels)
    @rule(where=st.sampled_from(Requeued), points=st.integers(0, 30))
    def close_active_channel(self, where: Requeued, points: int) -> None:
        self.world.say("close channel")
        self.world.broker.close(self.world.broker.channels[0], where)
        self.world.deliver(8)
        for process in self.world.rung():
            self.world.run(process, points)

    @rule()
    def wipe(self) -> None:
        self.world.say("wipe")
        self.world.wipe()

    @rule(weather=st.sampled_from(Weather))
    def change_weather(self, weather: Weather) -> None:
        self.world.broker.weather = weather

    @rule()
    def relay(self) -> None:
        self.world.parent.relay("x", "y")

    @rule(worker=WORKER, fault=st.sampled_from(["before", "after", "claim", "outcome"]))
    def lose_the_table_once(self, worker: int, fault: str) -> None:
        self.world.say(f"table {fault}")
        self.process(worker).fault = fault

    @precondition(lambda self: self.world.rows("waiting", "processing"))
    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        self.world.cancel(self.pick(data, "waiting", "processing"))

    @precondition(lambda self: self.world.rows("failed"))
    @rule(data=st.data())
    def retry(self, data: st.DataObject) -> None:
        self.world.retry(self.pick(data, "failed"))

    @invariant()
    def every_promise_is_kept(self) -> None:
        assert not self.world.wrong, "\n".join(self.world.log)

    def teardown(self) -> None:
        if not hasattr(self, "world"):
            return
        try:
            if not self.world.wrong:
                self.world.calm()
                assert not self.world.wrong, "\n".join(self.world.log)
        finally:
            self.world.close()

    def process(self, number: int) -> Process:
        return self.world.processes[number % len(self.world.processes)]

    def pick(self, data: st.DataObject, *states: str) -> Any:
        rows = self.world.rows(*states)
        return rows[data.draw(st.integers(0, len(rows) - 1))]


@pytest.fixture(scope="module", autouse=True)
def _database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """One table for every example, emptied by each."""
    database = Database(f"sqlite:///{tmp_path_factory.mktemp('simulated')}/table.db")

    @sa.event.listens_for(database.engine, "connect")
    def _no_power_cuts(connection: Any, _record: object) -> None:
        connection.execute("PRAGMA synchronous = OFF")

    upgrade(database)
    Delivery.database = database
    yield
    database.close()


@pytest.fixture(autouse=True)
def _silence() -> Iterator[None]:
    """Every example makes the product warn of what is done to it."""
    before = structlog.get_config()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    yield
    structlog.configure(**before)


def test_every_promise_on_every_path() -> None:
    """Nothing is lost, doubled or overtaken, nothing innocent is poisoned and nothing is stuck, on any path found."""
    run_state_machine_as_test(
        Delivery,
        settings=ON,
    )
