"""Connections of PostgreSQL's driver, for the few statements that every message needs.

SQLAlchemy's share of such a statement is as long as the server's, and a transaction around it takes two more round trips.
"""

import threading
from collections.abc import Mapping
from typing import Any

from sqlalchemy import exc
from sqlalchemy.engine import Engine, ExceptionContext

from broker.table.watchdog import Watchdog

PATIENCE_SECONDS = 0.5
"""How long a statement waits for a connection that another one uses, before it has one opened that is closed after it."""


class Straight:
    """Connections in autocommit, each taken for one statement at a time. Safe for any thread.

    To open one costs more than ten statements do. So only a few are kept, and whoever finds all of them in use waits for a moment:
    hundreds of apps that are rung at once share them, and one whose statement waits for a lock holds up nobody for long.
    """

    def __init__(self, engine: Engine, watchdog: Watchdog, most: int) -> None:
        """Take connections from the engine's pool for good, and keep at most so many."""
        self._engine = engine
        self._watchdog = watchdog
        self._most = most
        self._idle: list[Any] = []
        self._open = 0
        self._freed = threading.Condition()

    def execute(self, statement: str, parameters: Mapping[str, Any]) -> Any:
        """Run one statement, a transaction by itself; return its cursor, which has all of the answer.

        Raises what SQLAlchemy would raise.
        """
        driver = self._take()
        try:
            with self._watchdog.watching(driver.fileno()):
                if not driver.autocommit:
                    _settle_in(driver)
                cursor = driver.execute(statement, parameters, binary=True)
        except self._engine.dialect.loaded_dbapi.Error as error:
            raise self._failed(driver, error) from error
        except BaseException:
            self._close(driver)
            raise
        self._give_back(driver)
        return cursor

    def _take(self) -> Any:
        with self._freed:
            self._freed.wait_for(lambda: self._idle or self._open < self._most, PATIENCE_SECONDS)
            if self._idle:
                return self._idle.pop()
            self._open += 1
        try:
            return self._opened()
        except BaseException:
            self._forget(1)
            raise

    def _give_back(self, driver: Any) -> None:
        with self._freed:
            keep = self._open <= self._most
            if keep:
                self._idle.append(driver)
                self._freed.notify()
        if not keep:
            self._close(driver)

    def _close(self, *drivers: Any) -> None:
        for driver in drivers:
            driver.close()
        self._forget(len(drivers))

    def _forget(self, count: int) -> None:
        with self._freed:
            self._open -= count
            self._freed.notify(count)

    def close(self) -> None:
        """Close what is idle."""
        with self._freed:
            idle, self._idle = self._idle, []
        self._close(*idle)

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
        """Close the connection it failed on, unless it was refused a row only; return SQLAlchemy's form of the error."""
        dialect = self._engine.dialect
        gone = dialect.is_disconnect(error, driver, None)
        if isinstance(error, dialect.loaded_dbapi.IntegrityError):
            # Who sends something once more, to be sure, is refused it again and again.
            self._give_back(driver)
        else:
            self._close(driver)
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


def _settle_in(driver: Any) -> None:
    """Let each statement be a transaction, and be planned once, at its first use.

    By itself PostgreSQL plans it ten times before it keeps a plan, and to plan a claim takes longer than to claim a row. All that
    comes this way goes by an index, also when the plan was made while the table was small.
    """
    driver.autocommit = True
    driver.prepare_threshold = 0
    driver.execute("SET plan_cache_mode = force_generic_plan")
    driver.execute("SET enable_seqscan = off")
