"""Connections of PostgreSQL's driver, for the few statements that every message needs.

SQLAlchemy's share of such a statement is as long as the server's, and a transaction around it takes two more round trips.
"""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import exc
from sqlalchemy.engine import Engine, ExceptionContext

from broker.table.watchdog import Watchdog


class Straight:
    """Idle connections in autocommit, each taken for one statement at a time. Safe for any thread."""

    def __init__(self, engine: Engine, watchdog: Watchdog, most: int) -> None:
        """Take connections from the engine's pool for good, and keep at most so many."""
        self._engine = engine
        self._watchdog = watchdog
        self._most = most
        self._idle: list[Any] = []

    def execute(self, statement: str, parameters: Mapping[str, Any]) -> Any:
        """Run one statement, a transaction by itself; return its cursor, which has all of the answer.

        Raises what SQLAlchemy would raise.
        """
        try:
            driver = self._idle.pop()
        except IndexError:
            driver = self._opened()
        try:
            with self._watchdog.watching(driver.fileno()):
                if not driver.autocommit:
                    driver.autocommit = True
                cursor = driver.execute(statement, parameters, binary=True)
        except self._engine.dialect.loaded_dbapi.Error as error:
            raise self._failed(driver, error) from error
        except BaseException:
            driver.close()
            raise
        if len(self._idle) < self._most:
            self._idle.append(driver)
        else:
            driver.close()
        return cursor

    def close(self) -> None:
        """Close what is idle."""
        idle, self._idle = self._idle, []
        for driver in idle:
            driver.close()

    def on_error(self, context: ExceptionContext) -> None:
        """Learn from SQLAlchemy that the server went away: what is idle here has lost it too."""
        if context.is_disconnect:
            self.close()

    def _opened(self) -> Any:
        connection = self._engine.connect()
        driver: Any = connection.connection.driver_connection
        connection.detach()
        return driver

    def _failed(self, driver: Any, error: Any) -> BaseException:
        """Close the connection it failed on; return SQLAlchemy's form of the error."""
        dialect = self._engine.dialect
        gone = dialect.is_disconnect(error, driver, None)
        driver.close()
        if gone:
            # What else is idle has lost the same server.
            self.close()
            pool: Any = self._engine.pool
            pool._invalidate(None)  # noqa: SLF001 to dispose of the pool would forget what of it is in use
        base: Any = dialect.loaded_dbapi.Error
        seen: BaseException = exc.DBAPIError.instance(
            None, None, error, base, connection_invalidated=gone, dialect=dialect
        )
        return seen
