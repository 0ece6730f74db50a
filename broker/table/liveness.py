"""Proof of death: a lock that a process holds for as long as it lives, freed by the kernel or the server when it dies."""

import fcntl
import os
from collections.abc import Callable
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import IO, Protocol

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from broker.errors import TableUnavailable
from broker.table.database import Database

POSTGRESQL_PROOF_SECONDS = 1.5
"""A PostgreSQL session can end while its process lives; the process takes the lock again at its next beat."""


class Liveness(Protocol):
    """One process's own lock, and a look at those of others."""

    proof_seconds: float
    """How long a lock must be seen free, with no sign of life meanwhile, before that proves its process dead."""

    def hold(self) -> None:
        """Take this process's lock, or take it again when it was lost. Raises TableUnavailable."""
        ...

    def is_free(self, incarnation: str) -> bool:
        """Tell whether nobody holds the lock of that process. Raises TableUnavailable."""
        ...

    def release(self) -> None:
        """Let this process's lock go."""
        ...


def open_liveness(database: Database, incarnation: str) -> Liveness:
    """Return the sort of lock that fits the database."""
    if database.file is not None:
        return FileLiveness(database.file, incarnation)
    return AdvisoryLiveness(database, incarnation)


class FileLiveness:
    """``flock`` on a file beside the SQLite database. A file that is gone was removed by its own process, or after it."""

    proof_seconds = 0.0

    def __init__(self, database_file: Path, incarnation: str) -> None:
        self._folder = database_file.with_name(database_file.name + "-locks")
        self._own = self._file(incarnation)
        self._held: IO[str] | None = None

    def hold(self) -> None:
        """Take the lock; sweep away files of processes that are dead."""
        if self._held is not None:
            return
        try:
            self._make_and_hold()
        except OSError as exc:
            raise TableUnavailable(f"no lock can be kept in {self._folder}: {exc.strerror}") from exc

    def is_free(self, incarnation: str) -> bool:
        """Tell whether the file is gone or unlocked."""
        try:
            return _with_free_file(self._file(incarnation), _nothing)
        except OSError as exc:
            raise TableUnavailable(f"no lock can be looked at in {self._folder}: {exc.strerror}") from exc

    def release(self) -> None:
        """Remove the file, then unlock it."""
        if self._held is not None:
            self._own.unlink(missing_ok=True)
            self._held.close()
            self._held = None

    def _make_and_hold(self) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        # Locked before it gets its name: no other process ever sees it unlocked while we live.
        unnamed = self._own.with_suffix(".new")
        held = unnamed.open("w")
        fcntl.flock(held, fcntl.LOCK_EX)
        unnamed.rename(self._own)
        self._held = held
        for file in self._folder.glob("*.lock"):
            _with_free_file(file, file.unlink)

    def _file(self, incarnation: str) -> Path:
        return self._folder / f"{_key(incarnation):016x}.lock"


def _nothing() -> None:
    pass


def _with_free_file(file: Path, act: Callable[[], None]) -> bool:
    """Act while holding the file's lock; return whether it was free, or gone."""
    try:
        descriptor = os.open(file, os.O_RDWR)
    except FileNotFoundError:
        return True
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        act()
    except (BlockingIOError, FileNotFoundError):
        return False
    finally:
        os.close(descriptor)
    return True


class AdvisoryLiveness:
    """A PostgreSQL session advisory lock on a connection of its own."""

    proof_seconds = POSTGRESQL_PROOF_SECONDS

    def __init__(self, database: Database, incarnation: str) -> None:
        self._database = database
        self._key = _key(incarnation)
        self._connection: Connection | None = None
        self._locked = False

    def hold(self) -> None:
        """Take the lock; when its session is gone, take it on a new one."""
        with self._database.translated():
            if self._connection is not None:
                try:
                    self._ask(self._connection, "SELECT 1")
                except sa.exc.DBAPIError:
                    self._close()
            if self._connection is None:
                self._connection = self._database.engine.connect().execution_options(isolation_level="AUTOCOMMIT")
            if not self._locked:
                try:
                    # Only tried: the server may not have noticed yet that our last session is gone, and keeps the lock for it.
                    self._locked = self._ask(self._connection, "SELECT pg_try_advisory_lock(:key)", key=self._key)
                except sa.exc.DBAPIError:
                    # Or the next beat would ask on it again, and all that come after: it never answers any more.
                    self._close()
                    raise

    def is_free(self, incarnation: str) -> bool:
        """Look the lock up among the server's locks."""
        key = _key(incarnation)
        query = sa.text(
            "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objsubid = 1 AND granted"
            " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
            " AND classid::bigint = :high AND objid::bigint = :low"
        )
        parts = {"high": (key >> 32) & 0xFFFF_FFFF, "low": key & 0xFFFF_FFFF}
        with self._database.read() as connection:
            return connection.execute(query, parts).scalar() == 0

    def release(self) -> None:
        """Free the lock and close the session that held it."""
        if self._connection is not None:
            # Freed by a statement: a session that is closed ends a moment later, and a successor would wait for that.
            with suppress(sa.exc.DBAPIError):
                self._ask(self._connection, "SELECT pg_advisory_unlock(:key)", key=self._key)
            self._close()

    def _ask(self, connection: Connection, query: str, **values: int) -> bool:
        with self._database.watched(connection):
            return bool(connection.execute(sa.text(query), values).scalar())

    def _close(self) -> None:
        """End the session; it must not go back to the pool: it is unclear what became of a statement that failed."""
        if self._connection is not None:
            self._connection.invalidate()
            self._connection.close()
        self._connection, self._locked = None, False


def _key(incarnation: str) -> int:
    """Return 63 bits that stand for the process, as PostgreSQL's lock keys are."""
    return int.from_bytes(sha256(incarnation.encode()).digest()[:8], "big") >> 1
