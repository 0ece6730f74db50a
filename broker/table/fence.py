"""The fence: what a worker writes is committed only while it holds the lease of its app."""

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from broker.errors import Superseded
from broker.table import batch
from broker.table.rows import Lease

HOLD_LEASE = batch.HOLD_LEASE.format(app=":app", epoch=":epoch", worker=":worker")

_HOLD = sa.text(HOLD_LEASE)


def hold(connection: Connection, lease: Lease) -> None:
    """Lock and renew the lease row for this transaction; raise Superseded when another has taken it."""
    held = connection.execute(_HOLD, {"app": lease.app, "epoch": lease.epoch, "worker": lease.worker})
    if held.rowcount != 1:
        raise Superseded(f"{lease.worker} no longer holds the lease of {lease.app} (epoch {lease.epoch})")
