"""How one worker comes to hold its app's lease, waits for its predecessors, and loses it."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeVar

import structlog

from broker.errors import Superseded, TableUnavailable
from broker.lifecycle.clock import Clock
from broker.table.leases import Holder, LeaseRow, Leases
from broker.table.liveness import Liveness
from broker.table.rows import Lease

log = structlog.get_logger("interapp.worker")

BLIND_SECONDS = 3.0
"""Looks are a second apart at most; after a longer pause, what happened in between is not known."""

TakenT = TypeVar("TakenT", bound=Lease | None)


class Post(StrEnum):
    """Where a worker stands towards its app."""

    STANDBY = "standby"
    """Another may be active; nothing is claimed."""
    TAKING_OVER = "taking over"
    """Holds the lease; an older holder has not let go yet."""
    ACTIVE = "active"
    """Holds the lease; claims and runs."""


@dataclass(slots=True)
class Sighting:
    """Something that has not changed since it was first seen so."""

    value: object
    since: float
    """Monotonic seconds."""
    last: float
    """When it was last looked at, in monotonic seconds."""


def sighted(before: Sighting | None, value: object, now: float) -> Sighting:
    """Return how long the value has been seen unchanged. While nobody looked (the table was away), nothing was seen."""
    if before is None or before.value != value or now - before.last > BLIND_SECONDS:
        return Sighting(value, now, now)
    return Sighting(value, before.since, now)


class Holding:
    """One worker's side of its app's lease. Used by the worker's own thread only."""

    def __init__(
        self, app: str, worker: str, *, leases: Leases, liveness: Liveness, clock: Clock, lease_seconds: float
    ) -> None:
        self.post = Post.STANDBY
        self.lease: Lease | None = None
        self._app = app
        self._worker = worker
        self._leases = leases
        self._liveness = liveness
        self._clock = clock
        self._lease_seconds = lease_seconds
        self._superseded_on = 0
        self._seen: Sighting | None = None
        self._silent: dict[str, Sighting] = {}
        self._debts: list[tuple[Lease, bool]] = []

    def rung(self, channel: int) -> None:
        """Take the lease: a live channel rang this worker. Not on a channel on which it was superseded.

        Raises TableUnavailable.
        """
        if self.lease is None and channel > self._superseded_on:
            self._took(self._try(lambda: self._leases.take(self._app, self._worker)), "rung")

    def seen(self, row: LeaseRow) -> None:
        """Take a lease that is free, whose holder is dead, or that has not changed for the lease time. Raises TableUnavailable."""
        if self.lease is not None:
            return
        now = self._clock.monotonic()
        self._seen = sighted(self._seen, row, now)
        unchanged = now - self._seen.since
        # In our own name though we hold nothing: left over from a take or renewal whose commit was unclear.
        free = row.worker in ("", self._worker)
        dead = (
            not free
            and unchanged >= self._liveness.proof_seconds
            and self._liveness.is_free(incarnation_of(row.worker))
        )
        if free or dead or unchanged >= self._lease_seconds:
            lease = self._try(lambda: self._leases.take_unchanged(row, self._worker))
            if lease is not None:
                self._took(lease, "free" if free else "its holder is dead" if dead else "its holder is silent")

    def advance(self) -> bool:
        """Return whether handlers may be started: the lease is held and every older holder let go, died or fell silent.

        Raises Superseded, TableUnavailable.
        """
        if self.lease is None or self.post is Post.ACTIVE:
            return self.post is Post.ACTIVE
        # First our own lease: two workers that wait for each other would wait for ever.
        if not self._leases.holds(self.lease):
            raise Superseded(f"{self._worker} lost the lease of {self._app} before it began to work")
        waiting_for = [holder for holder in self._leases.older_holders(self.lease) if not self._out_of_the_way(holder)]
        if waiting_for:
            return False
        self.post = Post.ACTIVE
        self._silent.clear()
        log.info("active", app=self._app, worker=self._worker, epoch=self.lease.epoch)
        return True

    def superseded(self, channel: int) -> None:
        """Fall back to standby: another worker took the lease. Nothing of ours runs any more."""
        log.warning("superseded: another worker took the lease; standing by", app=self._app, worker=self._worker)
        self._superseded_on = max(self._superseded_on, channel)
        self.drop()

    def renew_epoch(self, lease: Lease) -> Lease:
        """Succeed ourselves, so that whatever was claimed under the present epoch becomes an older epoch's.

        Raises Superseded, TableUnavailable.
        """
        self.lease = self._leases.renew_epoch(lease)
        return self.lease

    def drop(self, *, free: bool = False) -> None:
        """Let the lease go, now or as soon as the table answers; ``free`` offers it to whoever looks next."""
        if self.lease is not None:
            self._debts.append((self.lease, free))
        self.lease, self.post, self._seen = None, Post.STANDBY, None
        self._silent.clear()
        try:
            self.pay_debts()
        except TableUnavailable as exc:
            log.warning("could not let the lease go yet", app=self._app, worker=self._worker, error=str(exc))

    def pay_debts(self) -> None:
        """Let go of what could not be let go of before: a successor waits for it. Raises TableUnavailable."""
        while self._debts:
            lease, free = self._debts[0]
            self._leases.let_go(lease, free=free)
            del self._debts[0]

    def _try(self, take: Callable[[], TakenT]) -> TakenT:
        try:
            return take()
        except TableUnavailable:
            # Its commit may have come through, and for what nobody lets go of a successor would wait for ever.
            self._debts.append((Lease(self._app, self._worker, 0), False))
            raise

    def _took(self, lease: Lease, why: str) -> None:
        self.lease = lease
        self.post = Post.TAKING_OVER
        self._seen = None
        log.info("took the lease", app=self._app, worker=self._worker, epoch=lease.epoch, why=why)

    def _out_of_the_way(self, holder: Holder) -> bool:
        now = self._clock.monotonic()
        seen = self._silent[holder.worker] = sighted(self._silent.get(holder.worker), holder.beats, now)
        silent = now - seen.since
        if silent >= self._liveness.proof_seconds and self._liveness.is_free(holder.incarnation):
            self._leases.found_dead(holder.worker)
            log.warning("a worker died", app=self._app, worker=holder.worker)
            return True
        return silent >= self._lease_seconds


def incarnation_of(worker: str) -> str:
    """Return the process incarnation that a worker id names."""
    return worker.partition("@")[2]
