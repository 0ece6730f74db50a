"""Gives the slots of each chassis to the members of its pool, and keeps that as documents of the chassis.

Whoever runs the chassis' service looks; only the active one can write, since its transactions are fenced by its lease. The
others so know already who lives when they become active.
"""

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

import structlog
from pydantic import BaseModel

from broker.errors import Superseded, TableError, TableUnavailable
from broker.lifecycle.clock import Clock
from broker.runtime.host import Host
from broker.runtime.lookout import Life, Muster
from broker.table.attendance import apps_with_open_rows
from broker.table.documents import Collections, find_collections
from lantime.contract import POOL, SLOTS, SlotPost, SlotRecord, child_address, pool_address
from modular_parent.pool import SlotView, assign

ModelT = TypeVar("ModelT", bound=BaseModel)

log = structlog.get_logger("interapp.pool")

LOOK_SECONDS = 0.5
"""How often the pool and the slots are looked at."""

STOPPING = "stopping"
"""What a process says of itself that was asked to end: it is given nothing any more."""


@dataclass(frozen=True, slots=True)
class Staff:
    """The processes that may serve slots, by what is known of them."""

    living: frozenset[str]
    unseen: frozenset[str]
    fixed: Mapping[str, frozenset[str]]
    """By app: living processes that were set up for this one slot."""


def staff_of(muster: Muster, pool: str) -> Staff:
    """Return who may serve slots, from one look at a pool and the apps of its slots."""
    there = [each for each in muster.attendees if each.status != STOPPING]
    members = {each.incarnation: each.life for each in there if each.app == pool}
    # One that leaves its pool ends its apps first: they are no children of their own.
    leaving = {each.incarnation for each in muster.attendees if each.app == pool}
    fixed: dict[str, set[str]] = {}
    for each in there:
        if each.app != pool and each.life is Life.LIVING and each.incarnation not in leaving:
            fixed.setdefault(each.app, set()).add(each.incarnation)
    return Staff(
        frozenset(member for member, life in members.items() if life is Life.LIVING),
        frozenset(member for member, life in members.items() if life is Life.UNSEEN),
        {app: frozenset(processes) for app, processes in fixed.items()},
    )


@dataclass(frozen=True, slots=True)
class Task:
    """One chassis whose slots are to be assigned, as it is kept."""

    chassis: str
    posts: Mapping[str, SlotPost]
    apps: Mapping[str, str]
    """The slots that need a service, with its address."""

    @property
    def pool(self) -> str:
        """The address of its pool."""
        return pool_address(self.chassis)


class Assigner:
    """One thread that looks at the slots and pools of all chassis of a process, and writes down what is decided."""

    def __init__(self, chassis: Sequence[str], host: Host, clock: Clock) -> None:
        self._host = host
        self._clock = clock
        self._clients = {each: host.client(each) for each in chassis}
        self._lookout = host.lookout()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="assigner", daemon=True)

    def start(self) -> None:
        """Begin to look."""
        self._thread.start()

    def stop(self) -> None:
        """Look no more."""
        self._stopping.set()
        self._thread.join()

    def look(self) -> None:
        """Look once, and write what changes; the trouble of one chassis is not that of the others. Raises TableUnavailable."""
        kept = find_collections(self._host.database, list(self._clients), (SLOTS, POOL))
        tasks: list[Task] = []
        for chassis, documents in kept.items():
            with self._alone(chassis):
                tasks.append(self._task(chassis, documents))
        muster = self._lookout.look([address for task in tasks for address in (task.pool, *task.apps.values())])
        for task in tasks:
            with self._alone(task.chassis):
                self._assign(task, muster)

    def _task(self, chassis: str, kept: Collections) -> Task:
        records, posts = _read(kept[SLOTS], SlotRecord), _read(kept[POOL], SlotPost)
        return Task(
            chassis, posts, {slot: child_address(chassis, slot) for slot in self._needed(chassis, records, posts)}
        )

    def _needed(self, chassis: str, records: Mapping[str, SlotRecord], posts: Mapping[str, SlotPost]) -> set[str]:
        """Return the slots that need a service: those that have one in the inventory, and those whose work is not done.

        An empty slot keeps its service, which says so to whoever asks. A slot that another kind of module took, or that
        is gone from the chassis, has none: it ends when nothing that is due waits for it any more.
        """
        needed = {slot for slot, record in records.items() if record.app is not None}
        ending = {child_address(chassis, slot): slot for slot in posts if slot not in needed}
        busy = apps_with_open_rows(self._host.database, ending, self._clock.now_us())
        return needed | {ending[app] for app in busy}

    def _assign(self, task: Task, muster: Muster) -> None:
        staff = staff_of(muster, task.pool)
        views = {
            slot: SlotView(task.posts.get(slot, SlotPost()), muster.holders.get(app), staff.fixed.get(app, frozenset()))
            for slot, app in task.apps.items()
        }
        self._write(task, assign(views, staff.living, staff.unseen))

    def _write(self, task: Task, after: Mapping[str, SlotPost]) -> None:
        nobody = SlotPost()
        changed = {
            slot: post
            for slot in sorted({*task.posts, *after})
            if (post := after.get(slot, nobody)) != task.posts.get(slot, nobody)
        }
        if not changed:
            return
        with self._clients[task.chassis].transaction() as tx:
            for slot, post in changed.items():
                if post == nobody:
                    tx.documents.delete(POOL, slot)
                else:
                    tx.documents.put(POOL, slot, post)
        for slot, post in changed.items():
            if post == nobody:
                log.info("assigned to nobody of the pool", app=task.chassis, slot=slot)
                continue
            log.info("assigned", app=task.chassis, slot=slot, server=post.server or "-", standby=post.standby or "-")

    @contextmanager
    def _alone(self, chassis: str) -> Iterator[None]:
        """Keep what goes wrong with one chassis from the others. TableUnavailable goes on: it is the trouble of all."""
        try:
            yield
        except TableUnavailable:
            raise
        except Superseded as exc:
            log.debug("another process assigns", app=chassis, why=str(exc))
        except Exception:
            # Nothing known gets here; without this thread no lost member would be replaced any more.
            log.exception("unexpected; going on", app=chassis)

    def _run(self) -> None:
        while not self._stopping.wait(LOOK_SECONDS):
            try:
                self.look()
            except TableError as exc:
                # Said by whoever beats; the next look may find it again.
                log.debug("cannot look at the pools", error=str(exc))
            except Exception:
                # As above.
                log.exception("unexpected; going on")


def _read(bodies: Mapping[str, str], model: type[ModelT]) -> dict[str, ModelT]:
    return {key: model.model_validate_json(body) for key, body in sorted(bodies.items())}
