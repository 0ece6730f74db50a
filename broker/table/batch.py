"""One statement for many rows, on either database.

PostgreSQL gets one statement with an array for each column that differs from row to row, and one value for each that does not: most
of a call's columns say the same in every row. SQLite, which runs in our own process, gets one prepared statement and a loop in C.
Both are written once, with ``{column}`` where a value of the batch goes.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from operator import itemgetter
from typing import Any

from sqlalchemy.engine import Connection

from broker.table.database import Database
from broker.table.encoded import array
from broker.table.fence import HOLD

Row = Mapping[str, Any]

_PLACE = re.compile(r"\{(\w+)\}")


class Batch:
    """A statement over a batch of rows whose columns have the given PostgreSQL types."""

    def __init__(self, columns: Mapping[str, str], *, postgresql: str, sqlite: str) -> None:
        """Take the statement in both forms; ``{batch}`` stands for the rows, with their ``position``."""
        self._columns = dict(columns)
        self._template = postgresql
        self._postgresql: dict[tuple[str, ...], str] = {}
        # By position: the driver looks a named value up by its name, anew for each row, and searches for that name, too.
        self._sqlite = sqlite.format(**dict.fromkeys(columns, "?"))
        self._values_of = _values_of(_PLACE.findall(sqlite))

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
    def update(cls, table: str, columns: Mapping[str, str], *, set_: str, key: str, where: str = "true") -> "Batch":
        """Return an update of the row that ``key`` finds for each row of the batch, if ``where`` is true of it."""
        return cls(
            columns,
            # A case, so that PostgreSQL does not guess how few rows that is true of: it takes them to be next to none, reads
            # the table for them, and goes through the whole batch for each.
            postgresql=f"UPDATE {table} AS t SET {set_} FROM {{batch}} WHERE {key} AND CASE WHEN {where} THEN true ELSE false END",  # noqa: S608 names are ours
            sqlite=f"UPDATE {table} AS t SET {set_} WHERE {key} AND {where}",  # noqa: S608 names are ours
        )

    def execute(self, connection: Connection, rows: Sequence[Row]) -> int:
        """Run it for the rows; return how many rows it changed."""
        if not rows:
            return 0
        if connection.dialect.name == "sqlite":
            return connection.exec_driver_sql(self._sqlite, [self._values_of(row) for row in rows]).rowcount
        return connection.exec_driver_sql(*self._prepared(rows)).rowcount

    def under_lease(self) -> "Batch":
        """Return PostgreSQL's form of an update that changes nothing unless ``worker`` holds the lease of ``app``, and renews that.

        The lease is locked until the commit. These three columns must say the same in every row.
        """
        held = f"WITH held AS ({HOLD} RETURNING epoch) "
        columns = self._columns | {"app": "text", "epoch": "bigint", "worker": "text"}
        return Batch(columns, postgresql=held + self._template.replace("FROM {batch}", "FROM held, {batch}"), sqlite="")

    def execute_at_once(self, database: Database, rows: Sequence[Row]) -> int:
        """Run it for the rows, at least one, on PostgreSQL as a transaction by itself; return how many rows it changed."""
        changed: int = database.at_once(*self._prepared(rows)).rowcount
        return changed

    def scalars_at_once(self, database: Database, rows: Sequence[Row]) -> list[Any]:
        """Run it in the same way; return the first column of what it returns."""
        return [value for value, *_ in database.at_once(*self._prepared(rows)).fetchall()]

    def within(self, statement: str) -> "Batch":
        """Return PostgreSQL's form as a part, ``{insert}``, of a larger statement that returns something."""
        return Batch(self._columns, postgresql=statement.replace("{insert}", self._template), sqlite="")

    def scalars(self, connection: Connection, rows: Sequence[Row]) -> list[Any]:
        """Run it for the rows, at least one, on PostgreSQL; return the first column of what it returns."""
        return list(connection.exec_driver_sql(*self._prepared(rows)).scalars())

    def _prepared(self, rows: Sequence[Row]) -> tuple[str, dict[str, Any]]:
        """Return PostgreSQL's form for the rows, at least one, and its parameters, as the driver takes both."""
        if len(rows) == 1:
            return self._statement(()), {name: rows[0][name] for name in self._columns}
        values = {name: [row[name] for row in rows] for name in self._columns}
        differing = tuple(name for name, column in values.items() if column.count(column[0]) != len(rows))
        if not differing:
            differing = (next(iter(values)),)
        parameters = {
            name: array(self._columns[name], column) if name in differing else column[0]
            for name, column in values.items()
        }
        return self._statement(differing), parameters

    def _statement(self, differing: tuple[str, ...]) -> str:
        """Return PostgreSQL's form with arrays for these columns: for a given sender or worker it is hardly ever another."""
        statement = self._postgresql.get(differing)
        if statement is None:
            arrays = ", ".join(f"CAST(%({name})s AS {self._columns[name]}[])" for name in differing)
            named = ", ".join((*differing, "position"))
            batch = f"unnest({arrays}) WITH ORDINALITY" if differing else "(SELECT 1)"
            places = {
                name: f"batch.{name}" if name in differing else f"CAST(%({name})s AS {kind})"
                for name, kind in self._columns.items()
            }
            statement = self._template.format(batch=f"{batch} AS batch({named})", **places)
            self._postgresql[differing] = statement
        return statement


def _values_of(names: Sequence[str]) -> Callable[[Row], tuple[Any, ...]]:
    """Return what picks these values of a row."""
    # Of a single name itemgetter returns the value itself.
    return itemgetter(*names) if len(names) > 1 else lambda row: tuple(row[name] for name in names)
