"""One statement for many rows, on either database.

A column that differs from row to row goes as one value with all of them, any other as the value that it has: most of a call's
columns say the same in every row. PostgreSQL gets an array for each column that differs, SQLite one JSON document for all of them.
Either way the database works through the batch by itself: it is asked once, and holds no interpreter's lock meanwhile.

The statement is written once, with ``{column}`` where a value of the batch goes.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy.engine import Connection

from broker.table import array_rows, json_rows
from broker.table.columns import Columns, Row
from broker.table.database import Database
from broker.table.fence import HOLD


class Batch:
    """A statement over a batch of rows whose columns have the given PostgreSQL types."""

    def __init__(self, columns: Mapping[str, str], statement: str) -> None:
        """Take the statement; ``{batch}`` stands for the rows, ``{in_order}`` for what sorts them where that is needed."""
        self.columns = dict(columns)
        self.statement = statement
        self._written: dict[tuple[bool, tuple[str, ...]], str] = {}

    @classmethod
    def insert(cls, table: str, columns: Mapping[str, str], *, where: str = "true", on_conflict: str = "") -> "Batch":
        """Return an insert of whole rows, in their order; ``where`` is what a row of the batch must fulfil."""
        names = ", ".join(columns)
        values = ", ".join(f"{{{name}}}" for name in columns)
        return cls(
            columns,
            f"INSERT INTO {table} ({names}) SELECT {values} FROM {{batch}} WHERE {where} {{in_order}} {on_conflict}",  # noqa: S608 names are ours
        )

    @classmethod
    def update(cls, table: str, columns: Mapping[str, str], *, set_: str, key: str, where: str = "true") -> "Batch":
        """Return an update of the row that ``key`` finds for each row of the batch, if ``where`` is true of it."""
        return cls(
            columns,
            # A case, so that PostgreSQL does not guess how few rows that is true of: it takes them to be next to none, reads
            # the table for them, and goes through the whole batch for each.
            f"UPDATE {table} AS t SET {set_} FROM {{batch}} WHERE {key} AND CASE WHEN {where} THEN true ELSE false END",  # noqa: S608 names are ours
        )

    def execute(self, connection: Connection, rows: Columns | Sequence[Row]) -> int:
        """Run it for the rows; return how many rows it changed."""
        if not rows:
            return 0
        return connection.exec_driver_sql(*self._prepared(rows, sqlite=connection.dialect.name == "sqlite")).rowcount

    def under_lease(self) -> "Batch":
        """Return PostgreSQL's form of an update that changes nothing unless ``worker`` holds the lease of ``app``, and renews that.

        The lease is locked until the commit. These three columns must say the same in every row.
        """
        held = f"WITH held AS ({HOLD} RETURNING epoch) "
        columns = self.columns | {"app": "text", "epoch": "bigint", "worker": "text"}
        return Batch(columns, held + self.statement.replace("FROM {batch}", "FROM held, {batch}"))

    def after(self, first: "Batch") -> "Batch":
        """Return PostgreSQL's form of two updates of the same batch in one statement, which counts the rows of this one."""
        return Batch(first.columns | self.columns, f"WITH first AS ({first.statement}) {self.statement}")

    def execute_at_once(self, database: Database, rows: Columns | Sequence[Row]) -> int:
        """Run it for the rows, at least one, on PostgreSQL as a transaction by itself; return how many rows it changed."""
        return int(database.at_once(lambda: self._prepared(rows)).rowcount)

    def scalars_at_once(self, database: Database, rows: Columns | Sequence[Row]) -> list[Any]:
        """Run it in the same way; return the first column of what it returns."""
        return [value for value, *_ in database.at_once(lambda: self._prepared(rows)).fetchall()]

    def within(self, statement: str) -> "Batch":
        """Return PostgreSQL's form as a part, ``{insert}``, of a larger statement that returns something."""
        return Batch(self.columns, statement.replace("{insert}", self.statement))

    def scalars(self, connection: Connection, rows: Columns | Sequence[Row]) -> list[Any]:
        """Run it for the rows, at least one, on PostgreSQL; return the first column of what it returns."""
        return list(connection.exec_driver_sql(*self._prepared(rows)).scalars())

    def _prepared(self, rows: Columns | Sequence[Row], *, sqlite: bool = False) -> tuple[str, dict[str, Any]]:
        """Return the statement for the rows, at least one, and its parameters, as the driver takes both."""
        columns = rows if isinstance(rows, Columns) else Columns.of(rows)
        values = {name: columns[name] for name in self.columns}
        if len(rows) == 1:
            return self._text((), sqlite=sqlite), {name: column[0] for name, column in values.items()}
        differing = tuple(name for name, column in values.items() if column.count(column[0]) != len(rows))
        if not differing:
            differing = (next(iter(values)),)
        parameters = {name: column[0] for name, column in values.items() if name not in differing}
        form = json_rows if sqlite else array_rows
        parameters |= form.parameters(self.columns, {name: values[name] for name in differing})
        return self._text(differing, sqlite=sqlite), parameters

    def _text(self, differing: tuple[str, ...], *, sqlite: bool) -> str:
        """Return the statement when these columns differ: for a given sender or worker it is hardly ever another."""
        text = self._written.get((sqlite, differing))
        if text is None:
            form = json_rows if sqlite else array_rows
            batch, places = form.source(self.columns, differing), form.places(self.columns, differing)
            text = self.statement.format(batch=batch, in_order=form.IN_ORDER, **places)
            self._written[sqlite, differing] = text
        return text
