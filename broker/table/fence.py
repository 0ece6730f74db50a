"""The fence: what a worker writes is committed only while it holds the lease of its app."""

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from broker.errors import Superseded
from broker.table.rows import Lease

# An UPDATE, not a SELECT: it waits for a successor's take and then matches nothing, where a SELECT would have read too early.
HOLD = "UPDATE leases SET renewals = renewals + 1 WHERE app = {app} AND epoch = {epoch} AND worker = {worker}"
"""With places for the lease's values, as a batch has them."""

HOLD_LEASE = HOLD.format(app=":app", epoch=":epoch", worker=":worker")

_HOLD_LEASE = sa.text(HOLD_LEASE)


def hold(connection: Connection, lease: Lease) -> None:
    """Lock and renew the lease row for this transaction; raise Superseded when another has taken it."""
    held = connection.execute(_HOLD_LEASE, {"app": lease.app, "epoch": lease.epoch, "worker": lease.worker})
    if held.rowcount != 1:
        raise Superseded(f"{lease.worker} no longer holds the lease of {lease.app} (epoch {lease.epoch})")
