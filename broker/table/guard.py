"""A guard: of all processes that use one database, one does a thing at a time."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from hashlib import sha256
from pathlib import Path

import sqlalchemy as sa

from broker.errors import TableError, TableUnavailable
from broker.table.database import Database


@contextmanager
def guard(database: Database, duty: str) -> Iterator[bool]:
    """Yield whether this process alone may do the duty until the block ends; the guard falls with the process.

    Raises TableUnavailable.
    """
    if database.file is not None:
        with _file_guard(database.file, duty) as alone:
            yield alone
    else:
        with _advisory_guard(database, duty) as alone:
            yield alone


@contextmanager
def _file_guard(database_file: Path, duty: str) -> Iterator[bool]:
    folder = database_file.with_name(database_file.name + "-locks")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(folder / f"{duty}.guard", os.O_RDWR | os.O_CREAT, 0o666)
    except OSError as exc:
        raise TableUnavailable(f"no guard can be kept in {folder}: {exc.strerror}") from exc
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True
    finally:
        os.close(descriptor)


@contextmanager
def _advisory_guard(database: Database, duty: str) -> Iterator[bool]:
    key = {"key": int.from_bytes(sha256(f"guard {duty}".encode()).digest()[:8], "big") >> 1}
    with database.translated():
        connection = database.engine.connect().execution_options(isolation_level="AUTOCOMMIT")
    try:
        with database.translated():
            taken = bool(connection.execute(sa.text("SELECT pg_try_advisory_lock(:key)"), key).scalar())
        try:
            yield taken
        finally:
            if taken:
                with suppress(TableError), database.translated():
                    connection.execute(sa.text("SELECT pg_advisory_unlock(:key)"), key)
    finally:
        # Its session ends: back in the pool it might still have the lock, when it could not be let go.
        connection.invalidate()
        connection.close()
