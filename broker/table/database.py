"""Opens the database of the handler table and keeps SQLAlchemy's errors inside this room."""

import os
import sqlite3
import struct
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy import event, exc
from sqlalchemy.engine import Connection, ExceptionContext, make_url
from sqlalchemy.pool import QueuePool

from broker.errors import SettingError, TableConflict, TableDamaged, TableError, TableUnavailable
from broker.lifecycle.clock import SystemClock
from broker.settings import redacted
from broker.table.sqlite_trouble import DAMAGED, is_busy, is_damage, is_read_only, way_out
from broker.table.straight import Straight
from broker.table.watchdog import Watchdog

SQLITE_BUSY_SECONDS = 15
"""How long a SQLite writer waits for another process to finish before the table counts as unavailable."""

SWITCH_PAUSE_SECONDS = 0.01

TURN_SECONDS = 0.0005
"""How long a SQLite writer pauses before it looks again whether another process has ended its transaction."""

BEGIN_TO_WRITE = "BEGIN IMMEDIATE"

EMPTY_OR_OURS = "SELECT count(*) = 0 OR max(name = 'alembic_version') FROM sqlite_schema"

CONNECT_SECONDS = 5

ANSWER_SECONDS = 15.0
"""How long a transaction may take on PostgreSQL before its connection is cut and the table counts as unavailable."""

IDLE_MS = 5_000
"""How long PostgreSQL keeps the locks of a process that was frozen, or cut off, inside a transaction."""


class Database:
    """One database, SQLite or PostgreSQL: transactions, and errors as TableError."""

    def __init__(self, url: str, *, pool_size: int = 8) -> None:
        """Prepare the engine; nothing is opened before the first transaction.

        ``url`` is as in INTERAPP_DATABASE_URL. Raises SettingError when it cannot be understood, or names a folder.
        """
        self.shown_url = redacted(url)
        try:
            parsed = make_url(url)
        except exc.ArgumentError as error:
            raise SettingError(
                "INTERAPP_DATABASE_URL", self.shown_url, "sqlite:///file or postgresql://host/name"
            ) from error
        self.is_sqlite = parsed.get_backend_name() == "sqlite"
        self.file = Path(parsed.database or "") if self.is_sqlite else None
        if self.file is not None and os.path.isdir(self.file):  # noqa: PTH112 a folder that may not be entered is no error yet
            raise SettingError("INTERAPP_DATABASE_URL", self.shown_url, "the name of a file, and this is a folder")
        self._writing = threading.Lock() if self.is_sqlite else nullcontext()
        if self.is_sqlite:
            self.engine = sa.create_engine(
                parsed,
                poolclass=QueuePool,
                pool_size=pool_size,
                max_overflow=64,
                connect_args={"timeout": SQLITE_BUSY_SECONDS, "check_same_thread": False},
            )
            event.listen(self.engine, "connect", _prepare_sqlite)
            event.listen(self.engine, "begin", _begin_sqlite)
            event.listen(self.engine, "handle_error", _drop_read_only)
        else:
            self.engine = sa.create_engine(
                parsed.set(drivername="postgresql+psycopg"),
                pool_size=pool_size,
                max_overflow=64,
                pool_timeout=CONNECT_SECONDS,
                connect_args={"connect_timeout": CONNECT_SECONDS, "application_name": "interapp"},
            )
            event.listen(self.engine, "connect", _prepare_postgresql)
        self._watchdog = Watchdog(SystemClock(), ANSWER_SECONDS)
        self._straight = Straight(self.engine, self._watchdog, pool_size)
        event.listen(self.engine, "handle_error", self._straight.on_error)

    def exists(self) -> bool:
        """Tell whether there is a database to look at; a SQLite file is not made by asking. Raises TableUnavailable."""
        try:
            return self.file is None or self.file.exists()
        except OSError as error:
            raise TableUnavailable(
                f"the handler table {self.shown_url} cannot be looked for: {error.strerror}; let this user enter its folder"
            ) from error

    @contextmanager
    def write(self, *, patient: bool = False) -> Iterator[Connection]:
        """Run one transaction that may write: committed at the end, rolled back on any exception.

        ``patient``: it may take as long as it takes. Raises TableUnavailable when the database is away, full or read-only.
        """
        # One writer at a time is SQLite's rule; waiting here is fair and wakes at once, its own busy handler is neither.
        with (
            self.translated(),
            self._writing,
            self.engine.connect() as connection,
            nullcontext() if patient else self.watched(connection),
            connection.execution_options(write=True).begin(),
        ):
            yield connection

    def read(self) -> AbstractContextManager[Connection]:
        """Run statements that only read; on PostgreSQL each sees what was committed when it began, as in a transaction there.

        Raises TableUnavailable when the database is away.
        """
        return self._read_sqlite() if self.is_sqlite else self._at_once()

    @contextmanager
    def _read_sqlite(self) -> Iterator[Connection]:
        with self.translated(), self.engine.connect() as connection, connection.begin():
            yield connection

    @contextmanager
    def _at_once(self) -> Iterator[Connection]:
        """Let PostgreSQL take each statement for a transaction: BEGIN and COMMIT are a round trip each."""
        with self.translated(), self.engine.connect() as connection, self.watched(connection):
            driver: Any = connection.connection.driver_connection
            try:
                # Not as the engine's isolation level: to set that and to set it back takes a tenth of a send.
                driver.autocommit = True
                yield connection
                driver.autocommit = False
            except BaseException:
                # It may go back to the pool only as it came from there, or the next transaction would be none.
                connection.invalidate()
                raise

    def at_once(self, written: Callable[[], tuple[str, Mapping[str, Any]]]) -> Any:
        """Run one statement on PostgreSQL, a transaction by itself; return its cursor.

        ``written`` returns it and its parameters as the driver takes them; what they cannot hold is a TableError, too.
        Raises as ``write``.
        """
        with self.translated():
            return self._straight.execute(*written())

    def watched(self, connection: Connection) -> AbstractContextManager[None]:
        """Return a block that fails when the server takes too long to answer; SQLite has its own busy timeout."""
        if self.is_sqlite:
            return nullcontext()
        driver = connection.connection.driver_connection
        if driver is None or driver.closed:
            return nullcontext()
        return self._watchdog.watching(driver.fileno())

    @contextmanager
    def translated(self) -> Iterator[None]:
        """Turn SQLAlchemy's errors into TableError, the passing ones into TableUnavailable; causes are kept."""
        try:
            yield
        except (exc.OperationalError, exc.InterfaceError, exc.InternalError, exc.TimeoutError) as error:
            raise TableUnavailable(
                f"the handler table {self.shown_url} cannot be used now: {_first_line(error)}{way_out(error)}"
            ) from error
        except exc.IntegrityError as error:
            raise TableConflict(f"the handler table {self.shown_url} refused a row: {_first_line(error)}") from error
        except exc.DBAPIError as error:
            if is_damage(error):
                raise TableDamaged(f"the handler table {self.shown_url} cannot be used: {DAMAGED}") from error
            if error.connection_invalidated:
                raise TableUnavailable(f"the handler table {self.shown_url} went away: {_first_line(error)}") from error
            raise TableError(f"the handler table {self.shown_url} refused a statement: {_first_line(error)}") from error
        except (UnicodeError, OverflowError, struct.error) as error:
            # The drivers and our arrays raise these as they are, for half characters and for numbers beyond their column.
            raise TableError(f"the handler table {self.shown_url} cannot keep a value: {_first_line(error)}") from error

    def close(self) -> None:
        """Close every pooled connection."""
        self._straight.close()
        self.engine.dispose()


def _prepare_sqlite(dbapi_connection: Any, _record: object) -> None:
    # SQLAlchemy sends BEGIN itself (below): the driver's own would come too late for a write lock.
    dbapi_connection.isolation_level = None
    cursor = dbapi_connection.cursor()
    cursor.execute(f"PRAGMA busy_timeout = {SQLITE_BUSY_SECONDS * 1000}")
    _switch_to_wal(cursor)
    # FULL: a commit survives a power cut, which WAL's default NORMAL does not promise.
    cursor.execute("PRAGMA synchronous = FULL")
    cursor.execute("PRAGMA foreign_keys = ON")
    cursor.close()


def _switch_to_wal(cursor: sqlite3.Cursor) -> None:
    """Let readers and a writer of the file not wait for each other. Not in the file of another program, which keeps the mode."""
    deadline = time.monotonic() + SQLITE_BUSY_SECONDS
    while True:
        try:
            ((ours,),) = cursor.execute(EMPTY_OR_OURS).fetchall()
            if ours:
                cursor.execute("PRAGMA journal_mode = WAL").fetchall()
        except sqlite3.OperationalError as error:
            # Two that switch a new file at once would wait for each other for ever, so SQLite refuses one without waiting.
            if not is_busy(error) or time.monotonic() > deadline:
                raise
            time.sleep(SWITCH_PAUSE_SECONDS)
        else:
            return


def _prepare_postgresql(dbapi_connection: Any, _record: object) -> None:
    # It imports PostgreSQL's driver, which nobody with SQLite needs.
    from broker.table.encoded_dumper import register  # noqa: PLC0415

    # In autocommit, or the first rollback would undo it. Not as a parameter of the connection: proxies refuse those.
    dbapi_connection.autocommit = True
    dbapi_connection.execute(f"SET idle_in_transaction_session_timeout = {IDLE_MS}")
    # A claim takes the first rows of an index. While statistics are old (a backlog came in a burst), PostgreSQL thinks that few
    # rows wait, collects all of them in a bitmap and sorts them: seconds for each claim where a million wait.
    dbapi_connection.execute("SET enable_bitmapscan = off")
    # Of a claim's query most is never executed in the end, but the more rows wait, the dearer it looks: from 100,000 or so on
    # PostgreSQL compiled it anew each time, which takes longer than to run it a hundred times.
    dbapi_connection.execute("SET jit = off")
    dbapi_connection.autocommit = False
    register(dbapi_connection)


def _begin_sqlite(connection: Connection) -> None:
    if not connection.get_execution_options().get("write"):
        connection.exec_driver_sql("BEGIN")
    elif not _began_to_write(connection.connection.driver_connection):
        connection.exec_driver_sql(BEGIN_TO_WRITE)


def _began_to_write(driver: Any) -> bool:
    """Begin as soon as no other process writes; return whether that came to be.

    SQLite itself looks again after longer and longer pauses, of up to a tenth of a second: a process that writes all the time
    would hardly let another one in between.
    """
    deadline = time.monotonic() + SQLITE_BUSY_SECONDS
    driver.execute("PRAGMA busy_timeout = 0")
    try:
        while True:
            try:
                driver.execute(BEGIN_TO_WRITE)
            except sqlite3.DatabaseError as error:
                if not is_busy(error) or time.monotonic() > deadline:
                    return False
                time.sleep(TURN_SECONDS)
            else:
                return True
    finally:
        driver.execute(f"PRAGMA busy_timeout = {SQLITE_BUSY_SECONDS * 1000}")


def _drop_read_only(context: ExceptionContext) -> None:
    # What was opened while the file could not be written stays read-only for ever: it must not go back to the pool.
    if is_read_only(context.sqlalchemy_exception):
        context.is_disconnect = True


def _first_line(error: Exception) -> str:
    cause = getattr(error, "orig", None) or error
    return " ".join(str(cause).split())[:300]
