"""The outbox: what was committed and RabbitMQ has not confirmed yet. One entry for all that a sender commits at once.

A row of its own for hundreds of messages, so that a confirm is no second write to each of them. An entry stands for the rows of its
sender from its first to its last one; those that wait are published again when nobody takes the entry out in time.
"""

from collections.abc import Iterable, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from broker.errors import TableConflict
from broker.lifecycle.state import State
from broker.table.batch import Batch
from broker.table.call_parts import ADDED, NOTE, insert_on_sqlite, of_calls
from broker.table.columns import Columns
from broker.table.database import Database
from broker.table.envelopes import ENVELOPE_COLUMNS, to_envelope
from broker.table.query import Query
from broker.table.rows import Consignment
from broker.table.schema import messages, outbox
from broker.table.statements import INSERT_MESSAGES, INSERT_NEW_MESSAGES

_ENTRY = "INSERT INTO outbox (source, amqp_user, sent_us, first_seq, last_seq)"
_OF_ROWS = "SELECT source, amqp_user, min(sent_us), min(seq), max(seq)"
_BY_SENDER = "GROUP BY source, amqp_user RETURNING number"

_ENTER_ADDED = f"{_ENTRY} {_OF_ROWS} FROM added {_BY_SENDER}"
_SINGLE = f"WITH added AS ({{insert}} RETURNING seq, source, amqp_user, sent_us) {_ENTER_ADDED}"
_OF_CALLS = (
    f"WITH added AS ({{insert}} RETURNING {ADDED}), parts AS ({NOTE.format(added='added WHERE true')}) {_ENTER_ADDED}"
)
_INSERT, _INSERT_NEW = (
    {True: insert.within(_OF_CALLS), False: insert.within(_SINGLE)} for insert in (INSERT_MESSAGES, INSERT_NEW_MESSAGES)
)
"""Inserts on PostgreSQL that also enter what they added, in one statement; by whether any of it is of a call."""
_ENTER = sa.text(f"{_ENTRY} {_OF_ROWS} FROM messages WHERE seq > :newest {_BY_SENDER}")

_TAKE_OUT = Batch({"number": "bigint"}, "DELETE FROM outbox WHERE number IN (SELECT {number} FROM {batch})")


def insert_to_publish(connection: Connection, rows: Columns) -> tuple[int, ...]:
    """Insert rows that are to be published; return the numbers of their entries, none when all were there already."""
    if not rows:
        return ()
    if connection.dialect.name != "sqlite":
        return tuple(_INSERT[of_calls(rows)].scalars(connection, rows))
    newest = insert_on_sqlite(connection, rows)
    return tuple(connection.execute(_ENTER, {"newest": newest}).scalars())


def insert_alone(database: Database, rows: Columns) -> tuple[int, ...]:
    """Do what ``insert_to_publish`` does, in a transaction that holds nothing else. Raises TableUnavailable."""
    if database.is_sqlite:
        with database.write() as connection:
            return insert_to_publish(connection, rows)
    if not rows:
        return ()
    try:
        return tuple(_INSERT_NEW[of_calls(rows)].scalars_at_once(database, rows))
    except TableConflict:
        # Sent before: in a commit whose answer was lost, or by whoever gives its messages ids of its own.
        return tuple(_INSERT[of_calls(rows)].scalars_at_once(database, rows))


def take_out(database: Database, numbers: Iterable[int]) -> None:
    """Delete the entries whose messages were confirmed. Raises TableUnavailable."""
    rows = [{"number": number} for number in numbers]
    if not rows:
        return
    if database.is_sqlite:
        with database.write() as connection:
            _TAKE_OUT.execute(connection, rows)
    else:
        _TAKE_OUT.execute_at_once(database, rows)


_OLD_ENTRIES = Query(
    "SELECT number, first_seq, last_seq FROM outbox"
    " WHERE source AMONG :sources AND amqp_user = :user AND sent_us < :before_us ORDER BY number LIMIT :limit"
)


def unconfirmed(
    database: Database, sources: Sequence[str], *, user: str, before_us: int, limit: int
) -> list[Consignment]:
    """Return the oldest entries of these senders from before a time, each with those of its rows that still wait.

    Of entries as many as have about ``limit`` rows, but at least one. Only those of the RabbitMQ user that is to publish them:
    RabbitMQ takes no others from it. Raises TableUnavailable.
    """
    wanted = {"sources": list(sources), "user": user, "before_us": before_us, "limit": limit}
    entries = _OLD_ENTRIES.rows_at_once(database, wanted)
    if not entries:
        return []
    taken: dict[int, list[Any]] = {}
    size = 0
    for number, first_seq, last_seq in entries:
        size += last_seq - first_seq + 1
        if taken and size > limit:
            break
        taken[number] = []
    query = (
        sa.select(outbox.c.number, *ENVELOPE_COLUMNS)
        .where(outbox.c.number.in_(taken), is_of_entry(), messages.c.state == State.WAITING.value)
        .order_by(messages.c.seq)
    )
    with database.read() as connection:
        for row in connection.execute(query):
            taken[row.number].append(to_envelope(row, due_us=row.due_us))
    return [Consignment(envelopes, (number,)) for number, envelopes in taken.items()]


def is_of_entry() -> sa.ColumnElement[bool]:
    """Return what makes an open row of the table one that an entry stands for."""
    return sa.and_(
        messages.c.seq.between(outbox.c.first_seq, outbox.c.last_seq),
        messages.c.source == outbox.c.source,
        messages.c.amqp_user == outbox.c.amqp_user,
        sa.text("open"),
    )
