"""Tombstones: what is left of a purged row, so that a late duplicate of its message is recognised."""

from collections.abc import Iterable

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from broker.lifecycle.state import State
from broker.messages.envelope import Envelope
from broker.table.call_parts import forget_empty
from broker.table.rows import Standing
from broker.table.schema import messages, tombstones

BURIED = (
    tombstones.c.id == messages.c.id,
    tombstones.c.destination == messages.c.destination,
    tombstones.c.amqp_user == messages.c.amqp_user,
)


def purged(connection: Connection, app: str, envelopes: Iterable[Envelope]) -> dict[tuple[str, str], Standing]:
    """Return those of an app's messages that were handled and purged, by (message id, user).

    To be called after an insert: one that ran while its row was being purged may have made the row again, which is undone.
    """
    envelopes = list(envelopes)
    ids = [envelope.message_id for envelope in envelopes]
    found = connection.execute(
        sa.select(tombstones.c.id, tombstones.c.amqp_user, tombstones.c.state).where(
            tombstones.c.id.in_(ids), tombstones.c.destination == app
        )
    ).all()
    if found:
        again = sa.select(tombstones.c.id).where(*BURIED).exists()
        connection.execute(
            sa.delete(messages).where(
                messages.c.id.in_(ids), messages.c.destination == app, messages.c.claims == 0, again
            )
        )
        forget_empty(connection, (envelope.call_id for envelope in envelopes))
    return {(row.id, row.amqp_user): Standing(State(row.state), 0) for row in found}
