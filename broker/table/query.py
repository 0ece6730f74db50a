"""A query that goes to the driver as it is written, for the few that every message needs: no time for SQLAlchemy's share of one."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy.engine import Connection

from broker.table.database import Database

_NAME = re.compile(r":(\w+)")


class Query:
    """A query with parameters as SQLite takes them, ``:name``, for either database."""

    def __init__(self, text: str, *, postgresql: str | None = None) -> None:
        """Take its text, and another one where PostgreSQL is to be asked in another way."""
        # In one line: PostgreSQL's driver keeps its own form of a query only when that is no longer than 4,096 characters.
        self.sqlite = " ".join(text.split())
        self.postgresql = " ".join((postgresql or text).split())
        self._for_driver = _NAME.sub(r"%(\1)s", self.postgresql)

    def rows(self, connection: Connection, values: Mapping[str, Any]) -> Sequence[Sequence[Any]]:
        """Run it in a transaction; return its rows."""
        text = self.sqlite if connection.dialect.name == "sqlite" else self._for_driver
        return connection.exec_driver_sql(text, dict(values)).all()

    def rows_at_once(self, database: Database, values: Mapping[str, Any]) -> Sequence[Sequence[Any]]:
        """Run it as a transaction by itself; return its rows. Raises TableUnavailable."""
        if database.is_sqlite:
            with database.read() as connection:
                return self.rows(connection, values)
        found: Sequence[Sequence[Any]] = database.at_once(self._for_driver, values).fetchall()
        return found
