"""What only SQLite or only PostgreSQL knows of the tables: partial indexes, numbers that are never given twice, room in a page.

``open`` and ``failed`` follow from ``state``; indexes name them and not ``state``, so that a claim (waiting to processing)
changes no indexed value and PostgreSQL can keep the new row version beside the old one. ``due_us`` is 0 in rows that wait for no
time and in all that were claimed; it comes first in the index of a claim, which so passes over nothing that is due later.

Not in ``schema``: at a database's name SQLAlchemy imports all that it knows of that sort, which whoever reads and writes rows
would pay for twice. Only migrations need this, and what compares them with the tables.
"""

from typing import Any

import sqlalchemy as sa

from broker.table.schema import dead_letters, history, messages, metadata, outbox

for table in (messages, outbox, history, dead_letters):
    table.dialect_kwargs["sqlite_autoincrement"] = True

# Less than half: then a claim finds room for the new version of each row beside the old one, and writes to no index. What it leaves
# behind makes room for the outcomes.
messages.dialect_kwargs["postgresql_with"] = {"fillfactor": 45}

# An outcome takes a row out of the index of open rows, so each other index gets an entry for its new version, beside that of the
# old one. In full pages PostgreSQL would look for entries to delete, find few, and split them.
for index in ("messages_pkey", "messages_identity"):
    room = sa.DDL(f"ALTER INDEX {index} SET (fillfactor = 50)")  # type: ignore[no-untyped-call]
    sa.event.listen(messages, "after_create", room.execute_if(dialect="postgresql"))


def _partial(name: str, *columns: sa.ColumnElement[Any], where: str, unique: bool = False) -> None:
    """Add an index of those rows that fulfil the condition."""
    condition = sa.text(where)
    sa.Index(name, *columns, unique=unique, postgresql_where=condition, sqlite_where=condition)


_partial(
    "messages_open",
    messages.c.destination,
    messages.c.due_us,
    messages.c.priority.desc(),
    messages.c.seq,
    where="open",
)
_partial("messages_failed", messages.c.seq, where="failed")
_partial(
    "messages_ordered",
    messages.c.destination,
    messages.c.priority.desc(),
    messages.c.seq,
    where="open AND ordered",
)
_partial("messages_retried", messages.c.destination, messages.c.retried_us, where="retried_us IS NOT NULL")
_partial(
    "messages_delayed",
    messages.c.destination,
    messages.c.due_us,
    where="open AND stop_on_failure AND due_us > 0",
)
_partial(
    "dead_letters_identity",
    dead_letters.c.queue,
    dead_letters.c.message_id,
    dead_letters.c.digest,
    where="state = 'kept' AND message_id <> ''",
    unique=True,
)

complete = metadata
"""The tables with all of that."""
