"""The rows by which one process is known to be there: those of its workers, and those of the pools it is a member of."""

import os
import socket
from collections.abc import Callable
from importlib.metadata import version

import structlog

from broker.errors import TableUnavailable
from broker.lifecycle.ids import worker_id
from broker.table.leases import Leases, WorkerStart

log = structlog.get_logger("interapp.host")

Standing = Callable[[], tuple[str, str]]
"""Returns where a member stands in its pool, and a detail."""


class Roll:
    """Enters and ends the rows of one process; remembers what its memberships say of themselves."""

    def __init__(self, leases: Leases, incarnation: str) -> None:
        self._leases = leases
        self._incarnation = incarnation
        self._members: dict[str, Standing] = {}

    def enter(self, address: str) -> str:
        """Write the row that says that this process is there for an address; return its id. Raises TableUnavailable."""
        own_id = worker_id(address, self._incarnation)
        self._leases.enter(
            WorkerStart(
                own_id, self._incarnation, address, socket.gethostname(), os.getpid(), version("lantime-interapp")
            )
        )
        return own_id

    def end(self, worker: str) -> None:
        """Note that a worker or a membership has ended."""
        try:
            self._leases.leave(worker)
        except TableUnavailable as exc:
            log.warning("could not note the end of a worker", worker=worker, error=str(exc))

    def join(self, pool: str, standing: Standing) -> None:
        """Enter as a member of a pool; safe to repeat. Raises TableUnavailable."""
        self._members[self.enter(pool)] = standing

    def leave(self, pool: str) -> None:
        """End a membership; harmless when there is none."""
        member = worker_id(pool, self._incarnation)
        if self._members.pop(member, None) is not None:
            self.end(member)

    def members(self) -> dict[str, tuple[str, str]]:
        """Return what every membership says of itself: id to status and detail."""
        return {member: standing() for member, standing in list(self._members.items())}
