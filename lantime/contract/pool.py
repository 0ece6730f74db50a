"""The pool of a chassis: processes that serve whichever TCR slot the chassis' service gives them.

A process is named by its incarnation, so that one that was started anew is another member.
"""

from lantime.contract.document import ContractDocument

POOL = "pool"
"""Collection of the chassis' documents with one SlotPost per slot id that the pool serves or stands by for."""


class SlotPost(ContractDocument):
    """Which members of the pool run the service of one slot."""

    server: str | None = None
    """Serves the slot; None when none of the pool does, e.g. because a child of its own serves it."""
    standby: str | None = None
    """Takes over at once when the one that serves is lost."""

    @property
    def members(self) -> tuple[str, ...]:
        """Return who runs the slot's service."""
        return tuple(member for member in (self.server, self.standby) if member is not None)


def pool_address(chassis: str) -> str:
    """Return the address under which a chassis' pool is listed: ``m1000-a.pool``. No slot has such an id (inferred)."""
    return f"{chassis}.pool"
