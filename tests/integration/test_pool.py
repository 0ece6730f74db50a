"""A pool with whole hosts in this process: members that go on, stop, fall silent; parents that take over from each other."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from integration.test_worker import PARENT, PATIENCE_S, Site

from broker.handlers.registry import HandlerRegistry
from broker.lifecycle.clock import SystemClock
from broker.lifecycle.state import State
from broker.messages.effects import DocumentWrite, Effects
from broker.runtime.app import App
from broker.runtime.host import Host
from broker.settings import InterAppSettings
from broker.table.census import list_workers
from broker.table.documents import find_documents
from lantime.contract import POOL, SLOTS, GetSlotStatus, SlotPost, SlotRecord, child_address, pool_address
from lantime.settings import LantimeSettings
from modular_parent.assigner import Assigner
from servers.processes import eventually
from tcr_child.pool import PoolMember
from tcr_child.service import SlotService

SETTINGS = LantimeSettings(name=PARENT)
OTHER = "m3000-z"
CLK1, CLK2 = child_address(PARENT, "clk1"), child_address(PARENT, "clk2")


class Yard:
    """One chassis whose inventory a test writes, its parents and the members of its pool, each in a host of its own."""

    def __init__(self, stack: ExitStack, site: Site) -> None:
        self.stack = stack
        self.site = site
        self.hosts: dict[str, Host] = {}
        self.parents: list[Host] = []
        self.looks = threading.Semaphore(0)

    def parent(self, *others: str) -> Host:
        """Start a parent: it assigns, also for other chassis, and a test writes what it polled."""
        host = self.site.host()
        for chassis in (*others, PARENT):
            host.add(App(address=chassis, registry=HandlerRegistry[None]("yard"), resource=None))
        assigner = Assigner([*others, PARENT], host, SystemClock())
        needed = assigner._needed

        def noticed(*args: Any) -> set[str]:
            self.looks.release()
            return needed(*args)

        assigner._needed = noticed  # type: ignore[method-assign]  # a test waits for looks
        assigner.start()
        self.stack.callback(assigner.stop)
        self.parents.append(host)
        return host

    def slots(self, *served: str, without: tuple[str, ...] = ()) -> None:
        """Write the inventory: slots that need a service, and slots that do not."""
        host = next(host for host in self.parents if PARENT in host.apps())
        host._workers[PARENT].tenure.wait_active(active=True, seconds=PATIENCE_S)
        with host.client(PARENT).transaction() as tx:
            for slot in served:
                tx.documents.put(SLOTS, slot, SlotRecord(slot=slot, app=child_address(PARENT, slot)))
            for slot in without:
                tx.documents.put(SLOTS, slot, SlotRecord(slot=slot))

    def member(self) -> str:
        """Start a member; return its name in the pool."""
        return self.start(PoolMember(SETTINGS, SystemClock()))

    def fixed(self, slot: str) -> str:
        """Start a child of one slot; return its process."""
        return self.start(SlotService(SETTINGS, slot, SystemClock()))

    def start(self, service: PoolMember | SlotService) -> str:
        """Start a service in a host of its own."""
        host = self.site.host()
        service.start(host)
        self.stack.callback(service.stop)
        self.hosts[host.incarnation] = host
        return host.incarnation

    def posts(self) -> dict[str, tuple[str | None, str | None]]:
        """Return who serves and who stands by, by slot."""
        found = {
            document.key: SlotPost.model_validate_json(document.body)
            for document in find_documents(self.site.place.database, POOL, app=PARENT)
        }
        return {slot: (post.server, post.standby) for slot, post in found.items()}

    def active(self, app: str) -> str | None:
        """Return the process that works for an app."""
        return next(
            (
                row.id.partition("@")[2]
                for row in list_workers(self.site.place.database, app=app)
                if row.leading and row.status == "active" and row.ended_us is None
            ),
            None,
        )

    def wait_posts(self, expected: dict[str, tuple[str | None, str | None]]) -> None:
        """Wait until the slots are served like this, each by the one that should."""

        def stands() -> bool:
            works = all(
                server in (None, self.active(child_address(PARENT, slot))) for slot, (server, _) in expected.items()
            )
            return self.posts() == expected and works

        eventually(stands, PATIENCE_S, f"{expected}")

    def ask(self, app: str) -> str:
        """Send a command to a slot's service; return its id."""
        return self.parents[-1].client("somebody").send(GetSlotStatus(), to=app)

    def wait_look(self) -> None:
        """Wait until a parent has decided on what it read after now."""
        while self.looks.acquire(blocking=False):
            continue
        # The first may have read before, and writes before the second begins.
        for _ in range(2):
            assert self.looks.acquire(timeout=PATIENCE_S)

    def fall_silent(self, incarnation: str) -> None:
        """Let a process go on without a sign of life, as if its host were cut off; its lock stays held."""
        self.hosts[incarnation]._presence.stop(release=False)


@pytest.fixture(params=["memory and sqlite", "rabbitmq and postgresql"])
def yard(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Yard]:
    """Each deployment in turn; silence for two seconds is enough to be gone."""
    with ExitStack() as stack:
        if request.param == "memory and sqlite":
            urls = "memory://", f"sqlite:///{tmp_path / 'table.db'}"
        else:
            urls = request.getfixturevalue("amqp_url"), request.getfixturevalue("ready_postgres_url")
        site = Site(stack, *urls)
        site.settings = InterAppSettings(broker_url=urls[0], database_url=urls[1], lease_seconds=2.0)
        yield Yard(stack, site)


def test_one_member_takes_all_and_shares_with_the_next(yard: Yard) -> None:
    """Alone a member serves every slot; the next one is handed one of two, and each stands by for the other."""
    yard.parent()
    yard.slots("clk1", "clk2")
    first = yard.member()
    yard.wait_posts({"clk1": (first, None), "clk2": (first, None)})
    second = yard.member()
    eventually(lambda: {yard.active(CLK1), yard.active(CLK2)} == {first, second}, PATIENCE_S, "each serves one")
    eventually(
        lambda: {standby for _, standby in yard.posts().values()} == {first, second}, PATIENCE_S, "and stands by"
    )
    for app in (CLK1, CLK2):
        yard.site.row(yard.ask(app), State.SUCCEEDED)


def test_a_member_that_falls_silent_is_replaced(yard: Yard) -> None:
    """A member that shows no sign of life for the lease time loses its slot; when it is back it is there for the next need."""
    yard.parent()
    yard.slots("clk1")
    first = yard.member()
    yard.wait_posts({"clk1": (first, None)})
    second = yard.member()
    yard.wait_posts({"clk1": (first, second)})
    yard.fall_silent(first)
    yard.wait_posts({"clk1": (second, None)})
    yard.site.row(yard.ask(CLK1), State.SUCCEEDED)
    eventually(lambda: CLK1 not in yard.hosts[first].apps(), PATIENCE_S, "the silent one ends what it lost")
    third = yard.member()
    yard.wait_posts({"clk1": (second, third)})


def test_a_member_that_stops_hands_over(yard: Yard) -> None:
    """A member that is asked to stop finishes and is replaced by its standby, without being thought dead."""
    yard.parent()
    yard.slots("clk1")
    member = PoolMember(SETTINGS, SystemClock())
    first = yard.start(member)
    yard.wait_posts({"clk1": (first, None)})
    second = yard.member()
    yard.wait_posts({"clk1": (first, second)})
    member.stop()
    yard.wait_posts({"clk1": (second, None)})
    statuses = {
        row.id.partition("@")[2]: row.status for row in list_workers(yard.site.place.database, app=pool_address(PARENT))
    }
    assert statuses == {first: "stopped", second: "assigned"}


def test_the_next_parent_goes_on(yard: Yard) -> None:
    """When the parent that assigns is gone the other one does, and moves nobody."""
    first_parent = yard.parent()
    yard.slots("clk1")
    yard.parent()
    first = yard.member()
    yard.wait_posts({"clk1": (first, None)})
    first_parent.remove(PARENT)
    second = yard.member()
    yard.wait_posts({"clk1": (first, second)})


def test_a_member_that_was_thought_dead_joins_again(yard: Yard) -> None:
    """A member whose row says that it died, though it lives, enters again and is given work."""
    host = yard.parent()
    yard.slots("clk1")
    first = yard.member()
    yard.wait_posts({"clk1": (first, None)})
    host._leases.found_dead(f"{pool_address(PARENT)}@{first}")
    eventually(lambda: yard.posts() == {"clk1": (first, None)} and yard.active(CLK1) == first, PATIENCE_S, "it serves")
    rows = {row.id.partition("@")[2]: row for row in list_workers(yard.site.place.database, app=pool_address(PARENT))}
    eventually(
        lambda: list_workers(yard.site.place.database, app=pool_address(PARENT))[0].ended_us is None,
        PATIENCE_S,
        "it is back",
    )
    assert rows.keys() == {first}


def test_a_child_of_its_own_is_left_alone(yard: Yard) -> None:
    """A slot that a child was set up for is served by it; a member of the pool stands by, and takes over when it is lost."""
    yard.parent()
    yard.slots("clk1", "clk2")
    fixed = yard.fixed("clk1")
    eventually(lambda: yard.active(CLK1) == fixed, PATIENCE_S, "it serves its slot")
    member = yard.member()
    yard.wait_posts({"clk1": (None, member), "clk2": (member, None)})
    assert yard.active(CLK1) == fixed
    yard.hosts[fixed].remove(CLK1)
    yard.wait_posts({"clk1": (member, None), "clk2": (member, None)})


def test_a_service_that_is_not_needed_ends_when_its_work_is_done(yard: Yard) -> None:
    """A slot without a TCR keeps its service until what is due is handled; what comes later waits for the next one."""
    yard.parent()
    yard.slots("clk1")
    first = yard.member()
    yard.wait_posts({"clk1": (first, None)})
    stopped, go_on = threading.Event(), threading.Event()
    worker = yard.hosts[first]._workers[CLK1]
    turn = worker._turn

    def hold_up() -> float | None:
        stopped.set()
        go_on.wait(PATIENCE_S)
        return turn()

    worker._turn = hold_up  # type: ignore[method-assign]  # nothing is claimed while the test looks
    asked = yard.ask(CLK1)
    assert stopped.wait(PATIENCE_S)
    yard.slots(without=("clk1",))
    yard.wait_look()
    assert yard.posts() == {"clk1": (first, None)}
    go_on.set()
    yard.site.row(asked, State.SUCCEEDED)
    eventually(lambda: yard.posts() == {} and CLK1 not in yard.hosts[first].apps(), PATIENCE_S, "its service ended")
    later = yard.ask(CLK1)
    assert yard.site.place.row(later)["state"] == State.WAITING
    yard.slots("clk1")
    yard.site.row(later, State.SUCCEEDED)


def test_the_trouble_of_one_chassis_is_its_own(yard: Yard) -> None:
    """Slots are assigned although the inventory of another chassis of the same parent is damaged."""
    damaged = Effects(documents=(DocumentWrite(SLOTS, "clk1", "no inventory"),))
    yard.parent(OTHER)
    yard.site.place.table.accept(damaged, app=OTHER)
    yard.slots("clk1")
    member = yard.member()
    yard.wait_posts({"clk1": (member, None)})


def test_an_unassigned_member_is_well_and_says_so(yard: Yard) -> None:
    """A member with nothing to do is ready, and health and its row say that it waits for an assignment."""
    member = yard.member()
    ready, checks = yard.hosts[member].health.ready()
    assert checks[f"assignment {PARENT}"].ok
    assert checks[f"assignment {PARENT}"].detail == f"unassigned, member of the pool {pool_address(PARENT)}"
    eventually(lambda: yard.hosts[member].health.ready()[0], PATIENCE_S, f"it is ready, was {ready}")
    (row,) = list_workers(yard.site.place.database, app=pool_address(PARENT))
    eventually(
        lambda: list_workers(yard.site.place.database, app=pool_address(PARENT))[0].status == "unassigned",
        PATIENCE_S,
        "listed",
    )
    assert (row.leading, row.epoch) == (False, 0)
