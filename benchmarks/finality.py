"""The check at the end of every measurement of interapp: each message is in the table once, and succeeded."""

from dataclasses import dataclass

import sqlalchemy as sa

from broker.lifecycle.state import State
from broker.table.database import Database
from broker.table.schema import messages

KIND = "bench.status"


class NotFinal(Exception):
    """Messages were lost, doubled or left open: says how many of each. The run's numbers are worth nothing."""


@dataclass(frozen=True, slots=True)
class Tally:
    """What the table has of one measurement's messages."""

    rows: int
    ids: int
    """Distinct ones."""
    succeeded: int

    def complaint(self, sent: int) -> str:
        """Return what is wrong when that many were sent; "" when each is there once and succeeded."""
        if (self.rows, self.ids, self.succeeded) == (sent, sent, sent):
            return ""
        return (
            f"{sent:,} messages were sent, but the table has {self.rows:,} rows with {self.ids:,} different ids, "
            f"of which {self.rows - self.succeeded:,} have not succeeded"
        )


def check_final(database_url: str, address: str, sent: int) -> None:
    """Raise NotFinal unless exactly that many of the benchmark's messages to an address (a LIKE pattern) succeeded."""
    database = Database(database_url)
    try:
        with database.read() as connection:
            query = sa.select(
                sa.func.count(),
                sa.func.count(messages.c.id.distinct()),
                sa.func.count(sa.case((messages.c.state == State.SUCCEEDED.value, 1))),
            ).where(messages.c.kind == KIND, messages.c.destination.like(address))
            tally = Tally(*connection.execute(query).one())
    finally:
        database.close()
    if complaint := tally.complaint(sent):
        raise NotFinal(f"{address}: {complaint}")
