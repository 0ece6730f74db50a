"""Executors and async handlers in a worker: phases in the row, stopping, time-outs, and the thread's one event loop."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import pytest
from contract.databases import Place

from broker.handlers.context import Context
from broker.handlers.executor import MessageExecutor
from broker.handlers.registry import HandlerRegistry
from broker.handlers.retry import NO_RETRY
from broker.lifecycle.clock import ManualClock, SystemClock
from broker.lifecycle.state import State
from broker.messages.message import Command, Reply
from broker.runtime.app import App
from broker.runtime.client import Client
from broker.runtime.host import Host
from broker.settings import InterAppSettings
from broker.table import operator_acts
from servers.processes import eventually

CHILD = "m1000-a.clk1"
PARENT = "m1000-a"
PATIENCE_S = 30.0


class Desk:
    """What the handlers work on."""

    def __init__(self) -> None:
        self.entered = threading.Event()
        self.go_on = threading.Event()
        self.ran: list[str] = []
        self.loops: list[asyncio.AbstractEventLoop] = []
        self.client: Client | None = None

    def wait(self) -> None:
        self.entered.set()
        assert self.go_on.wait(PATIENCE_S)


class Done(Reply):
    kind: ClassVar[str] = "test.done"


class Work(Command[Done]):
    kind: ClassVar[str] = "test.work"


class Slow(Command[None]):
    kind: ClassVar[str] = "test.slow"


class Turn(Command[None]):
    kind: ClassVar[str] = "test.turn"


class Heed(Command[None]):
    kind: ClassVar[str] = "test.heed"


handlers = HandlerRegistry[Desk]("test")


@handlers.handles(Work)
class Working(MessageExecutor[Work, Desk]):
    def gather(self) -> None:
        self.ctx.resource.wait()

    async def apply(self) -> None:
        self.ctx.resource.ran.append("apply")

    def reply(self) -> Done:
        return Done()


@handlers.handles(Slow, timeout=0.3, retry=NO_RETRY)
class TooSlow(MessageExecutor[Slow, Desk]):
    def gather(self) -> None:
        """Be quick."""

    async def apply(self) -> None:
        self.ctx.resource.wait()


@handlers.handles(Turn)
async def turn(_message: Turn, ctx: Context[Desk]) -> None:
    """Note the loop; send by the client in the name of the run."""
    await asyncio.sleep(0)
    ctx.resource.loops.append(asyncio.get_running_loop())
    if ctx.resource.client is not None:
        ctx.resource.client.send(Heed(), to=PARENT)


@handlers.handles(Heed)
async def heed(_message: Heed, ctx: Context[Desk]) -> None:
    """Go on until asked to stop."""
    ctx.resource.entered.set()
    while not ctx.cancelled:  # noqa: ASYNC110 ctx.cancelled is no asyncio.Event: it is set by another thread
        await asyncio.sleep(0.01)
    ctx.resource.ran.append("heeded")


class Site:
    """One host with one app."""

    def __init__(self, folder: Path) -> None:
        url = f"sqlite:///{folder / 'table.db'}"
        self.host = Host(InterAppSettings(broker_url="memory://", database_url=url), SystemClock())
        self.host.start()
        self.desk = Desk()
        self.host.add(App(address=CHILD, registry=handlers, resource=self.desk))
        self.client = self.host.client(PARENT)
        self.place = Place(url, ManualClock())

    def final(self, message_id: str) -> dict[str, Any]:
        """Wait for a final state; return the row."""
        eventually(lambda: State(self.place.row(message_id)["state"]).final, PATIENCE_S, "it is final")
        return dict(self.place.row(message_id))


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """A host with the app."""
    site = Site(tmp_path)
    yield site
    site.desk.go_on.set()
    site.host.stop()
    site.place.close()


def test_phases_are_in_the_row(site: Site) -> None:
    """The phases of a run are committed with its outcome, with their microseconds; a plain handler has none."""
    site.desk.go_on.set()
    row = site.final(site.client.send(Work(), to=CHILD))
    assert (row["state"], row["phase"]) == ("succeeded", None)
    times = json.loads(row["phases"])
    assert [phase for phase, _ in times] == ["gather", "apply", "reply"]
    assert all(isinstance(took_us, int) and took_us >= 0 for _, took_us in times)
    assert site.final(site.client.send(Turn(), to=CHILD))["phases"] is None


def test_the_phase_that_outlived_its_timeout_is_in_the_row(site: Site) -> None:
    """A handler that is given up leaves behind in which phase it was, and for how long."""
    row = site.final(site.client.send(Slow(), to=CHILD))
    assert (row["state"], row["reason"], row["phase"]) == ("failed", "timeout", "apply")
    (first, _), (last, took_us) = json.loads(row["phases"])
    assert (first, last) == ("gather", "apply")
    assert took_us >= 200_000


def test_a_cancelled_executor_stops_before_its_next_phase(site: Site) -> None:
    """Cancelled by an operator while it runs a phase, it begins no other and ends as cancelled, with the phases it had."""
    message_id = site.client.send(Work(), to=CHILD)
    assert site.desk.entered.wait(PATIENCE_S)
    operator_acts.cancel(site.place.database, SystemClock(), [site.place.row(message_id)["seq"]], "test")
    worker = site.host.workers()[0]
    eventually(lambda: bool(worker._batch and worker._batch.running().cancelled), PATIENCE_S, "it was asked")  # type: ignore[union-attr]
    site.desk.go_on.set()
    row = site.final(message_id)
    assert (row["state"], row["reason"]) == ("failed", "cancelled")
    assert site.desk.ran == []


def test_async_handlers_share_their_threads_loop(site: Site) -> None:
    """Async handlers of one worker run on one loop, which is closed when the worker ends; what they send is the run's."""
    site.desk.client = site.host.client(CHILD)
    ids = [site.client.send(Turn(), to=CHILD) for _ in range(3)]
    for message_id in ids:
        assert site.final(message_id)["state"] == "succeeded"
    loops = site.desk.loops
    assert len(loops) == 3
    assert len(set(map(id, loops))) == 1
    caused = site.place.select("SELECT correlation_id FROM messages WHERE kind = 'test.heed' ORDER BY seq")
    assert [row["correlation_id"] for row in caused] == ids
    site.host.remove(CHILD)
    eventually(loops[0].is_closed, PATIENCE_S, "the loop is closed")


def test_an_async_handler_can_be_asked_to_stop(site: Site) -> None:
    """An operator's cancel reaches an async handler by ctx.cancelled, as it does a plain one."""
    message_id = site.client.send(Heed(), to=CHILD)
    assert site.desk.entered.wait(PATIENCE_S)
    operator_acts.cancel(site.place.database, SystemClock(), [site.place.row(message_id)["seq"]], "test")
    assert site.final(message_id)["state"] == "succeeded"
    assert site.desk.ran == ["heeded"]
