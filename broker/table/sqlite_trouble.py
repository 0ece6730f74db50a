"""What SQLite's errors mean to whoever runs the program: its own words name no way out."""

import sqlite3

from sqlalchemy import exc

WAYS_OUT = {
    sqlite3.SQLITE_FULL: "make room on its disk",
    sqlite3.SQLITE_READONLY: "let this user write the file and its folder",
    sqlite3.SQLITE_CANTOPEN: "see that its folder is there, and that this user may write in it",
    sqlite3.SQLITE_IOERR: "see whether its disk is full, read-only or broken",
    sqlite3.SQLITE_BUSY: "another process has held it for too long; see whether one is frozen",
}

DAMAGES = (sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT)
"""A damaged file gives either, by turns: which of the two tells nothing."""

DAMAGED = (
    "the file is damaged, or is no database; restore it from a backup while every service is stopped, or name another"
)

PRIMARY = 0xFF
"""The part of a result code that is the same for all its variants."""


def is_damage(error: exc.SQLAlchemyError) -> bool:
    """Tell whether SQLite says that the file is no database, or a damaged one."""
    return _code(error) in DAMAGES


def is_busy(error: sqlite3.Error) -> bool:
    """Tell whether SQLite says that another process or connection holds the file."""
    return error.sqlite_errorcode & PRIMARY == sqlite3.SQLITE_BUSY


def is_read_only(error: exc.SQLAlchemyError | None) -> bool:
    """Tell whether SQLite says that this connection may only read."""
    return _code(error) == sqlite3.SQLITE_READONLY


def way_out(error: exc.SQLAlchemyError) -> str:
    """Return what helps, to be added to an error's text; empty when that is not known."""
    way = WAYS_OUT.get(_code(error))
    return f"; {way}" if way else ""


def _code(error: exc.SQLAlchemyError | None) -> int:
    return getattr(getattr(error, "orig", None), "sqlite_errorcode", 0) & PRIMARY
