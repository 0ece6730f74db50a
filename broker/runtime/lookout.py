"""Tells which processes live that are there for some apps. No clock but the observer's own is read."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from enum import StrEnum

import structlog

from broker.lifecycle.clock import Clock
from broker.runtime.holding import Sighting, incarnation_of, sighted
from broker.table.attendance import Present, attendance
from broker.table.database import Database
from broker.table.leases import Leases
from broker.table.liveness import Liveness

log = structlog.get_logger("interapp.lookout")


class Life(StrEnum):
    """What is known of a process whose row has not ended. One that is proven dead, or silent, is not listed at all."""

    LIVING = "living"
    """It was seen to beat, or to come."""
    UNSEEN = "unseen"
    """It was there at the first look and has not beaten since: it may be the row of a process that died unnoticed."""


@dataclass(frozen=True, slots=True)
class Attendee:
    """One process that is there for an app, as a worker or as a pool's member."""

    app: str
    incarnation: str
    life: Life
    status: str
    """Where it stands, as it says itself: ``active``, ``standby``, ``stopping``, …"""


@dataclass(frozen=True, slots=True)
class Muster:
    """What one look saw. ``holders`` has, by app, the incarnation of the process that holds its lease."""

    attendees: tuple[Attendee, ...]
    holders: Mapping[str, str]


class Lookout:
    """Remembers what it saw of each process. For one thread."""

    def __init__(
        self,
        database: Database,
        *,
        leases: Leases,
        liveness: Liveness,
        clock: Clock,
        lease_seconds: float,
        own: str,
    ) -> None:
        """``own`` is the incarnation of this process, which lives for certain."""
        self._database = database
        self._leases = leases
        self._liveness = liveness
        self._clock = clock
        self._lease_seconds = lease_seconds
        self._own = own
        self._sightings: dict[str, Sighting] = {}
        self._living: set[str] = set()
        self._known_apps: frozenset[str] = frozenset()

    def look(self, apps: Collection[str]) -> Muster:
        """Return who is there for these apps now.

        A process is dead when its lock is free while it does not beat, and counts as gone when it has not beaten for the
        lease time. Raises TableUnavailable.
        """
        found = attendance(self._database, apps)
        there = [row for row in found.present if not self._gone(row)]
        attendees = tuple(Attendee(row.app, row.incarnation, self._life(row), row.status) for row in there)
        present = {row.id for row in found.present}
        self._sightings = {id_: seen for id_, seen in self._sightings.items() if id_ in present}
        self._living &= present
        self._known_apps = frozenset(apps)
        return Muster(attendees, {app: incarnation_of(worker) for app, worker in found.holders.items()})

    def _gone(self, row: Present) -> bool:
        """Note what the row shows; return whether its process is dead or silent."""
        now = self._clock.monotonic()
        before = self._sightings.get(row.id)
        seen = self._sightings[row.id] = sighted(before, row.beats, now)
        # A row that an earlier look at its app did not see was written since.
        came = before is None and row.app in self._known_apps
        if came or (before is not None and before.value != row.beats):
            self._living.add(row.id)
        silent = now - seen.since
        if row.incarnation == self._own:
            return False
        if silent >= self._liveness.proof_seconds and self._liveness.is_free(row.incarnation):
            self._leases.found_dead(row.id)
            log.warning("a process died", app=row.app, worker=row.id)
            return True
        if silent >= self._lease_seconds:
            self._living.discard(row.id)
            return True
        return False

    def _life(self, row: Present) -> Life:
        return Life.LIVING if row.id in self._living or row.incarnation == self._own else Life.UNSEEN
