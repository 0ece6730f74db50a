"""One process that serves several chassis: real HTTP to simulated devices, real hosts and tables, several threads."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest
from integration.test_device import JSON, RawServer, http

from broker.handlers.context import Context
from broker.handlers.registry import HandlerRegistry
from broker.lifecycle.clock import ManualClock, SystemClock
from broker.lifecycle.state import State
from broker.runtime.app import App
from broker.runtime.host import Host
from broker.runtime.service import Service
from broker.settings import CONFIG_VARIABLE, InterAppSettings
from broker.table.queries import list_handlers
from lantime.contract import (
    GetInventory,
    Inventory,
    NotificationTriggered,
    PollChassisNow,
    SystemChanged,
)
from lantime.settings import LantimeSettings
from lantime.simulator.server import Simulator
from lantime.status.states import ClockState
from modular_parent import service as parent
from modular_parent.chassis_known import KnownChassis, known_chassis
from servers.processes import eventually
from tcr_child import service as child

PATIENCE_S = 30.0

watching = HandlerRegistry[None]("watcher")


@watching.handles(SystemChanged)
def system_changed(event: SystemChanged, ctx: Context[None]) -> None:
    """Take note."""


@watching.handles(NotificationTriggered)
def notification(event: NotificationTriggered, ctx: Context[None]) -> None:
    """Take note."""


class Site:
    """Processes of ours that serve the chassis of one file, one after the other, over one table."""

    def __init__(self, folder: Path) -> None:
        self._settings = InterAppSettings(broker_url="memory://", database_url=f"sqlite:///{folder / 'table.db'}")
        self._file = folder / "interapp.toml"
        self._stack = ExitStack()
        self.host: Host | None = None

    def listed(self, *entries: tuple[str, str], more: str = "") -> None:
        """Write the list: a name and a URL each."""
        shared = f'[lantime]\nusername = "info"\npassword = "info"\npoll_seconds = 1\n{more}'
        tables = "".join(f'[[chassis]]\nname = "{name}"\nurl = "{url}"\n' for name, url in entries)
        self._file.write_text(shared + tables, encoding="utf-8")

    def start(self, *builds: Callable[[], Service]) -> Host:
        """Start a process with these services, and one that subscribed to all events of every chassis."""
        self.host = self._stack.enter_context(Host(self._settings, SystemClock()))
        self.host.add(App(address="watcher", registry=watching, resource=None))
        for build in builds:
            service = build()
            service.start(self.host)
            self._stack.callback(service.stop)
        return self.host

    def stop(self) -> None:
        """End the process."""
        self._stack.close()

    def known(self) -> dict[str, KnownChassis]:
        """Return what is known of every chassis."""
        assert self.host is not None
        return {each.address: each for each in known_chassis(self.host.database)}

    def events(self, source: str) -> list[str]:
        """Return the kinds of the events that one chassis published, in their order."""
        assert self.host is not None
        rows = [row for chunk in list_handlers(self.host.database, limit=1000) for row in chunk]
        assert all(row.state is not State.FAILED for row in rows)
        return [row.kind for row in rows if row.destination == "watcher" and row.source == source]


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Site]:
    """A folder with a file for --config, and nothing else set."""
    monkeypatch.chdir(tmp_path)
    for name in LantimeSettings.model_fields:
        monkeypatch.delenv(f"LANTIME_{name.upper()}", raising=False)
    monkeypatch.delenv("TCR_SLOT_ID", raising=False)
    site = Site(tmp_path)
    monkeypatch.setenv(CONFIG_VARIABLE, str(tmp_path / "interapp.toml"))
    yield site
    site.stop()


def test_every_chassis_has_its_own_service_and_children(site: Site) -> None:
    """Two chassis of other models and API versions are polled by one process, which serves the TCR slots of both."""
    with Simulator(model="M1000", api=20) as first, Simulator(model="M3000", api=10) as second:
        site.listed(("m1000-a", first.url), ("m3000-b", second.url))
        host = site.start(parent.build, child.build)
        served = ["m1000-a", "m1000-a.clk1", "m3000-b", "m3000-b.clk1", "m3000-b.clk2", "watcher"]
        eventually(lambda: host.apps() == served, PATIENCE_S, "every slot's service runs")
        inventory = host.client("operator").request(PollChassisNow(), to="m3000-b", timeout=PATIENCE_S)
        known = site.known()
    assert [known[name].record.model for name in known] == ["M1000", "M3000"]
    assert [known[name].record.api_version for name in known] == ["20.05.013", "10.21.016"]
    assert [known[name].record.url for name in known] == [first.url, second.url]
    assert len(inventory.slots) == 17
    assert inventory.system is not None
    assert inventory.system.state.reference == "clk1-tcr"
    assert {one.id for one in inventory.notifications} >= {"refclock-1-sync", "leap-second-announced"}


def test_a_chassis_that_is_broken_delays_no_other(site: Site) -> None:
    """While one device hangs, one answers garbage and one refuses, another is polled on time, and health tells which is which."""
    with ExitStack() as stack:
        silent = stack.enter_context(closing(socket.create_server(("127.0.0.1", 0))))
        garbage = stack.enter_context(RawServer(http("200 OK", JSON, b'{"data": {"chassis0": [')))
        refused = stack.enter_context(closing(socket.create_server(("127.0.0.1", 0))))
        nobody = refused.getsockname()[1]
        refused.close()
        healthy = stack.enter_context(Simulator())
        hanging = f"http://127.0.0.1:{silent.getsockname()[1]}"
        site.listed(
            ("hangs", hanging),
            ("garbage", garbage.url),
            ("refused", f"http://127.0.0.1:{nobody}"),
            ("well", healthy.url),
            more="timeout_seconds = 300\n",
        )
        host = site.start(parent.build)
        # the silent device holds its first request for longer than all of this takes
        connection, _ = silent.accept()
        stack.callback(connection.close)

        def polls() -> int:
            return sum(request.path == "/api/status" for request in healthy.request_log)

        eventually(lambda: polls() >= 4, PATIENCE_S, "the device that is well was polled four times")
        eventually(
            lambda: {"garbage", "refused", "well"} <= site.known().keys(), PATIENCE_S, "all that answered are known"
        )
        checks = host.health.run()
        problems = {name: each.record.problem for name, each in site.known().items()}
        connection.close()
        silent.close()
        site.stop()
    assert [checks[f"device {name}"].ok for name in ("well", "hangs", "garbage", "refused")] == [
        True,
        False,
        False,
        False,
    ]
    assert problems["well"] is None
    assert "JSON" in (problems["garbage"] or "")
    assert "refused" in (problems["refused"] or "")
    assert "hangs" not in problems


NOTIFICATION = "chassis.notification"


def changes(kinds: list[str]) -> int:
    """Return how often a change of the system was told."""
    return kinds.count("chassis.system-changed")


@pytest.mark.parametrize("api", [10, 20])
def test_events_of_each_chassis_once_across_restarts(site: Site, api: int) -> None:
    """A lost signal is one change of its chassis, and its notifications are told; a restart repeats nothing, and misses nothing."""
    clock = ManualClock()
    with Simulator(api=api, clock=clock) as loses, Simulator(api=api) as keeps:
        site.listed(("m1000-a", loses.url), ("m1000-b", keeps.url))
        site.start(parent.build)
        eventually(lambda: len(site.known()) == 2, PATIENCE_S, "both are known")
        eventually(lambda: site.known()["m1000-a"].system, PATIENCE_S, "its system is known")
        clock.advance(5)
        loses.lose_signal("clk1")
        eventually(lambda: changes(site.events("m1000-a")), PATIENCE_S, "the change is told")
        lost = site.events("m1000-a").count(NOTIFICATION)
        assert (changes(site.events("m1000-a")), lost > 0) == (1, True)
        system = site.known()["m1000-a"].system
        assert system is not None
        assert system.state.clock is ClockState.HOLDOVER
        site.stop()

        # what happens while nobody polls is not missed: the signal is back and lost again
        clock.advance(5)
        loses.restore_signal("clk1")
        clock.advance(5)
        loses.lose_signal("clk1")
        host = site.start(parent.build)
        host.client("operator").request(PollChassisNow(), to="m1000-a", timeout=PATIENCE_S)
        host.client("operator").request(GetInventory(), to="m1000-a", timeout=PATIENCE_S)
        missed = site.events("m1000-a")
        assert changes(missed) == 1, "it ended as it was"
        assert missed.count(NOTIFICATION) > 2 * lost, "those of the loss again, and those of the return"
        site.stop()

        host = site.start(parent.build)
        answer = host.client("operator").request(PollChassisNow(), to="m1000-a", timeout=PATIENCE_S)
        assert isinstance(answer, Inventory)
        assert site.events("m1000-a") == missed
        assert site.events("m1000-b") == []
