"""What is read from the handler table, for waiting requests and for the command line."""

from dataclasses import dataclass

import sqlalchemy as sa

from broker.lifecycle.state import State
from broker.messages.envelope import Envelope
from broker.table.database import Database
from broker.table.schema import messages


@dataclass(frozen=True, slots=True)
class Answer:
    """How a request stands; ``reply`` is JSON."""

    state: State
    reason: str
    error: str
    reply_kind: str | None
    reply: str | None


def find_answer(database: Database, envelope: Envelope) -> Answer | None:
    """Return how the request stands; None when it has no row. Raises TableUnavailable."""
    query = sa.select(
        messages.c.state, messages.c.reason, messages.c.error, messages.c.reply_kind, messages.c.reply
    ).where(
        messages.c.id == envelope.message_id,
        messages.c.destination == envelope.destination,
        messages.c.amqp_user == envelope.user,
    )
    with database.read() as connection:
        row = connection.execute(query).one_or_none()
    return None if row is None else Answer(State(row.state), row.reason or "", row.error or "", row.reply_kind, row.reply)
