"""A query that goes to the driver as it is written, for the few that run again and again: no time for SQLAlchemy's share of one."""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy.engine import Connection

from broker.table.database import Database
from broker.table.encoded import array

_NAME = re.compile(r":(\w+)")
_AMONG = re.compile(r"AMONG (:\w+)")


class Query:
    """A query with parameters as SQLite takes them, ``:name``, for either database.

    ``column AMONG :texts`` is true of a value that is in that list of texts.
    """

    def __init__(self, text: str, *, postgresql: str | None = None) -> None:
        """Take its text, and another one where PostgreSQL is to be asked in another way."""
        # In one line: PostgreSQL's driver keeps its own form of a query only when that is no longer than 4,096 characters.
        self.sqlite = _AMONG.sub(r"IN (SELECT value FROM json_each(\1))", " ".join(text.split()))
        self.postgresql = _AMONG.sub(r"= ANY(\1)", " ".join((postgresql or text).split()))
        self._for_driver = _NAME.sub(r"%(\1)s", self.postgresql)

    def rows(self, connection: Connection, values: Mapping[str, Any]) -> Sequence[Sequence[Any]]:
        """Run it in a transaction; return its rows."""
        sqlite = connection.dialect.name == "sqlite"
        text = self.sqlite if sqlite else self._for_driver
        return connection.exec_driver_sql(text, _parameters(values, sqlite=sqlite)).all()

    def rows_at_once(self, database: Database, values: Mapping[str, Any]) -> Sequence[Sequence[Any]]:
        """Run it as a transaction by itself; return its rows. Raises TableUnavailable."""
        if database.is_sqlite:
            with database.read() as connection:
                return self.rows(connection, values)
        cursor = database.at_once(lambda: (self._for_driver, _parameters(values, sqlite=False)))
        found: Sequence[Sequence[Any]] = cursor.fetchall()
        return found


def _parameters(values: Mapping[str, Any], *, sqlite: bool) -> dict[str, Any]:
    """Return the values with each list in the form in which the database looks into it."""
    return {name: _texts(value, sqlite=sqlite) if isinstance(value, list) else value for name, value in values.items()}


def _texts(values: Sequence[str], *, sqlite: bool) -> object:
    return json.dumps(values) if sqlite else array("text", values)
