"""Rate limits in a worker: who waits, who passes, and what the table shows of it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

import pytest
from contract.databases import Place

from broker.handlers.context import Context
from broker.handlers.rate import Rate
from broker.handlers.registry import HandlerRegistry
from broker.lifecycle.clock import ManualClock, SystemClock
from broker.messages.message import Command
from broker.runtime.app import App
from broker.runtime.host import Host
from broker.settings import InterAppSettings
from broker.transport.memory.transport import MemoryTransport
from servers.processes import eventually

CHILD = "m1000-a.clk1"
PARENT = "m1000-a"
PATIENCE_S = 30.0
RATE = Rate(count=2, per_seconds=0.5)


class Write(Command[None]):
    kind: ClassVar[str] = "test.write"
    n: int


class Read(Command[None]):
    kind: ClassVar[str] = "test.read"
    n: int


Ran = list[tuple[str, int, float]]


def handlers(rate: Rate = RATE) -> HandlerRegistry[Ran]:
    """Return handlers that note what ran and when; one of them is limited."""
    registry = HandlerRegistry[Ran]("test")

    @registry.handles(Write, rate=rate)
    def write(message: Write, ctx: Context[Ran]) -> None:
        ctx.resource.append(("write", message.n, time.monotonic()))

    @registry.handles(Read)
    def read(message: Read, ctx: Context[Ran]) -> None:
        ctx.resource.append(("read", message.n, time.monotonic()))

    return registry


class Site:
    """One database, and as many hosts after one another as a test wants."""

    def __init__(self, folder: Path) -> None:
        self.url = f"sqlite:///{folder / 'table.db'}"
        self.ran: Ran = []
        self.place = Place(self.url, ManualClock())

    def host(self) -> Host:
        """Return a started host without apps."""
        settings = InterAppSettings(broker_url="memory://", database_url=self.url)
        host = Host(settings, SystemClock(), transport=MemoryTransport(SystemClock()))
        host.start()
        return host

    def app(self, rate: Rate = RATE) -> App[Ran]:
        return App(address=CHILD, registry=handlers(rate), resource=self.ran)

    def written(self) -> list[int]:
        return [n for what, n, _ in self.ran if what == "write"]


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """A database in the test's folder."""
    site = Site(tmp_path)
    yield site
    site.place.close()


def test_the_rate_is_kept_and_others_pass(site: Site) -> None:
    """No window holds more starts than the rate allows, the order is kept, and messages of other kinds need not wait."""
    host = site.host()
    client = host.client(PARENT)
    client.send_call([*(Write(n=n) for n in range(7)), *(Read(n=n) for n in range(3))], to=CHILD)
    host.add(site.app())
    eventually(lambda: len(site.ran) == 10, PATIENCE_S, "all ran")
    host.stop()
    assert site.written() == list(range(7))
    starts = [at for what, _, at in site.ran if what == "write"]
    for first, last in zip(starts, starts[RATE.count :], strict=False):
        assert last - first >= RATE.per_seconds - 0.02
    assert [what for what, _, _ in site.ran[:5]].count("read") == 3
    rows = site.place.rows()
    assert {row["state"] for row in rows} == {"succeeded"}
    assert {row["attempts"] for row in rows} == {1}
    assert site.place.history() == []
    assert max(row["claims"] for row in rows) <= 3, "they are not claimed again and again"


def test_who_waits_keeps_its_place(site: Site) -> None:
    """Who waits for the rate is waiting with a due time, has used up no attempt, and keeps its place over a failover."""
    slow = Rate(count=1, per_seconds=3600.0)
    host = site.host()
    host.add(site.app(slow))
    ids = host.client(PARENT).send_call([Write(n=n) for n in range(3)], to=CHILD)

    def waits(message_id: str) -> bool:
        row = site.place.row(message_id)
        return row["state"] == "waiting" and row["due_us"] > SystemClock().now_us()

    eventually(lambda: all(map(waits, ids[1:])), PATIENCE_S, "two wait")
    first, second = (site.place.row(message_id) for message_id in ids[1:])
    assert (first["attempts"], first["started_us"]) == (0, None)
    assert second["due_us"] - first["due_us"] == pytest.approx(3600e6, abs=1e6)
    host.stop()

    successor = site.host()
    successor.add(site.app(slow))
    (late,) = successor.client(PARENT).send_call([Write(n=3)], to=CHILD)
    eventually(lambda: waits(late), PATIENCE_S, "a later one waits, too")
    assert site.place.row(late)["due_us"] >= second["due_us"]
    successor.stop()
    assert site.written() == [0]
