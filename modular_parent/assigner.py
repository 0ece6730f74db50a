"""Gives the slots of one chassis to the members of its pool, and keeps that as documents of the chassis.

Whoever runs the chassis' service looks; only the active one can write, since its transactions are fenced by its lease. The
others so know already who lives when they become active.
"""

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeVar

import structlog
from pydantic import BaseModel

from broker.errors import Superseded, TableError
from broker.lifecycle.clock import Clock
from broker.runtime.host import Host
from broker.runtime.lookout import Life, Muster
from broker.table.attendance import apps_with_open_rows
from broker.table.documents import find_documents
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


class Assigner:
    """One thread that looks at one chassis' slots and pool, and writes down what is decided."""

    def __init__(self, chassis: str, host: Host, clock: Clock) -> None:
        self._chassis = chassis
        self._host = host
        self._clock = clock
        self._client = host.client(chassis)
        self._lookout = host.lookout()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"assigner {chassis}", daemon=True)

    def start(self) -> None:
        """Begin to look."""
        self._thread.start()

    def stop(self) -> None:
        """Look no more."""
        self._stopping.set()
        self._thread.join()

    def look(self) -> None:
        """Look once, and write what changes. Raises TableUnavailable; Superseded when another process has the duty."""
        records, posts = self._read(SLOTS, SlotRecord), self._read(POOL, SlotPost)
        needed = self._needed(records, posts)
        pool = pool_address(self._chassis)
        apps = {slot: child_address(self._chassis, slot) for slot in needed}
        muster = self._lookout.look([pool, *apps.values()])
        staff = staff_of(muster, pool)
        views = {
            slot: SlotView(posts.get(slot, SlotPost()), muster.holders.get(app), staff.fixed.get(app, frozenset()))
            for slot, app in apps.items()
        }
        self._write(posts, assign(views, staff.living, staff.unseen))

    def _needed(self, records: Mapping[str, SlotRecord], posts: Mapping[str, SlotPost]) -> set[str]:
        """Return the slots that need a service: those that have one in the inventory, and those whose work is not done.

        An empty slot keeps its service, which says so to whoever asks. A slot that another kind of module took, or that
        is gone from the chassis, has none: it ends when nothing that is due waits for it any more.
        """
        needed = {slot for slot, record in records.items() if record.app is not None}
        ending = {child_address(self._chassis, slot): slot for slot in posts if slot not in needed}
        busy = apps_with_open_rows(self._host.database, ending, self._clock.now_us())
        return needed | {ending[app] for app in busy}

    def _write(self, before: Mapping[str, SlotPost], after: Mapping[str, SlotPost]) -> None:
        nobody = SlotPost()
        changed = {
            slot: post
            for slot in sorted({*before, *after})
            if (post := after.get(slot, nobody)) != before.get(slot, nobody)
        }
        if not changed:
            return
        with self._client.transaction() as tx:
            for slot, post in changed.items():
                if post == nobody:
                    tx.documents.delete(POOL, slot)
                else:
                    tx.documents.put(POOL, slot, post)
        for slot, post in changed.items():
            log.info("assigned", app=self._chassis, slot=slot, server=post.server or "-", standby=post.standby or "-")

    def _read(self, collection: str, model: type[ModelT]) -> dict[str, ModelT]:
        found = find_documents(self._host.database, collection, app=self._chassis)
        return {document.key: model.model_validate_json(document.body) for document in found}

    def _run(self) -> None:
        while not self._stopping.wait(LOOK_SECONDS):
            try:
                self.look()
            except Superseded as exc:
                log.debug("another process assigns", app=self._chassis, why=str(exc))
            except TableError as exc:
                # Said by whoever beats; the next look may find it again.
                log.debug("cannot look at the pool", app=self._chassis, error=str(exc))
            except Exception:
                # Nothing known gets here; without this thread no lost member would be replaced any more.
                log.exception("unexpected; going on", app=self._chassis)
