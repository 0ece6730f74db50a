"""One statement for many rows, on either database.

PostgreSQL gets one statement with an array per column; SQLite, which runs in our own process, gets one prepared statement
and a loop in C. Both are written once, with ``{column}`` where a value of the batch goes.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from broker.table.arrays import array

Row = Mapping[str, Any]


class Batch:
    """A statement over a batch of rows whose columns have the given PostgreSQL types."""

    def __init__(self, columns: Mapping[str, str], *, postgresql: str, sqlite: str) -> None:
        self._columns = dict(columns)
        arrays = ", ".join(f"CAST(:{name} AS {kind}[])" for name, kind in columns.items())
        source = f"unnest({arrays}) WITH ORDINALITY AS batch({', '.join(columns)}, position)"
        in_array = {name: f"batch.{name}" for name in columns}
        in_row = {name: f":{name}" for name in columns}
        self._postgresql = sa.text(postgresql.format(batch=source, **in_array))
        self._sqlite = sa.text(sqlite.format(**in_row))

    @classmethod
    def insert(cls, table: str, columns: Mapping[str, str], *, where: str = "", on_conflict: str = "") -> "Batch":
        """Return an insert of whole rows, in their order; ``where`` is what a row of the batch must fulfil."""
        condition = f"WHERE {where}" if where else ""
        names = ", ".join(columns)
        values = ", ".join(f"{{{name}}}" for name in columns)
        return cls(
            columns,
            postgresql=f"INSERT INTO {table} ({names}) SELECT {values} FROM {{batch}} {condition} ORDER BY position {on_conflict}",  # noqa: S608 names are ours
            sqlite=f"INSERT INTO {table} ({names}) SELECT {values} {condition or 'WHERE true'} {on_conflict}",
        )

    @classmethod
    def update(cls, table: str, columns: Mapping[str, str], *, set_: str, where: str) -> "Batch":
        """Return an update of the rows that ``where`` finds for each row of the batch."""
        return cls(
            columns,
            postgresql=f"UPDATE {table} AS t SET {set_} FROM {{batch}} WHERE {where}",  # noqa: S608 names are ours
            sqlite=f"UPDATE {table} AS t SET {set_} WHERE {where}",  # noqa: S608 names are ours
        )

    def execute(self, connection: Connection, rows: Sequence[Row]) -> int:
        """Run it for the rows; return how many rows it changed."""
        if not rows:
            return 0
        if connection.dialect.name == "sqlite":
            return connection.execute(self._sqlite, rows).rowcount
        arrays = {name: array(kind, [row[name] for row in rows]) for name, kind in self._columns.items()}
        return connection.execute(self._postgresql, arrays).rowcount
