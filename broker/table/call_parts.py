"""Which rows are a call's: of each part of it that was written at once, the numbers of its first and its last row.

Between these may be rows of others. In place of an index with an entry for each row, to which every insert and every outcome would
add one. A call that an app sends is one part; one that a foreign producer sends may have many.
"""

from collections.abc import Iterable

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from broker.table.columns import Columns
from broker.table.schema import call_parts, messages
from broker.table.statements import INSERT_MESSAGES

CALL = (call_parts.c.call_id, call_parts.c.source, call_parts.c.destination, call_parts.c.amqp_user)
"""What tells two calls apart."""

_SAME = "call_id, source, destination, amqp_user, call_size, stop_on_failure"
"""What all rows of a part have in common."""

ADDED = f"seq, sent_us, {_SAME}"
"""What a statement must know of the rows that it added."""

NOTE = (
    f"INSERT INTO call_parts ({_SAME}, sent_us, first_seq, last_seq)"  # noqa: S608 names are ours
    f" SELECT {_SAME}, min(sent_us), min(seq), max(seq) FROM {{added}} AND call_size <> 1 GROUP BY {_SAME}"
)
"""Notes the parts among the rows that a statement added, or that fulfil a condition."""

_INSERT = INSERT_MESSAGES.within(
    f"WITH added AS ({{insert}} RETURNING {ADDED}) {NOTE.format(added='added WHERE true')}"
)
_NOTE_NEWER = sa.text(NOTE.format(added="messages WHERE seq > :newest"))


def of_calls(rows: Columns) -> bool:
    """Tell whether any of these new rows is of a call."""
    return any(size != 1 for size in rows["call_size"])


def insert(connection: Connection, rows: Columns) -> None:
    """Insert rows that are not there yet, at least one, and note the parts of calls among them."""
    if connection.dialect.name == "sqlite":
        insert_on_sqlite(connection, rows)
    else:
        (_INSERT if of_calls(rows) else INSERT_MESSAGES).execute(connection, rows)


def insert_on_sqlite(connection: Connection, rows: Columns) -> int:
    """Do what ``insert`` does; return the number of the newest row before.

    Nobody else writes meanwhile: what has a higher number afterwards is ours.
    """
    newest = connection.execute(sa.select(sa.func.max(messages.c.seq))).scalar() or 0
    INSERT_MESSAGES.execute(connection, rows)
    if of_calls(rows):
        connection.execute(_NOTE_NEWER, {"newest": newest})
    return newest


def is_of_part(rows: sa.FromClause = messages) -> sa.ColumnElement[bool]:
    """Return what makes a row one of a part."""
    return sa.and_(
        rows.c.seq.between(call_parts.c.first_seq, call_parts.c.last_seq),
        *(rows.c[column.name] == column for column in CALL),
    )


def forget_empty(connection: Connection, call_ids: Iterable[str]) -> None:
    """Drop the parts of these calls of which no row is left. To be called in the transaction that deleted rows."""
    ids = sorted({call_id for call_id in call_ids if call_id})
    if ids:
        # A value, not EXISTS, of which PostgreSQL would make a join with the whole table.
        left = sa.select(messages.c.seq).where(is_of_part()).order_by(messages.c.seq).limit(1).scalar_subquery()
        connection.execute(sa.delete(call_parts).where(call_parts.c.call_id.in_(ids), left.is_(None)))
