"""What every listing shares: the table opened for reading, and rows written as JSON Lines, as plain text or as a table."""

import json
import re
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager

from broker.cli.plain import Cell, PlainTable
from broker.errors import NotFound, TableError
from broker.settings import InterAppSettings, redacted
from broker.table.database import Database
from broker.table.upgrade import REVISION, revision

KNOWN_FORM = re.compile(r"\d{4}")
"""How interapp numbers the versions of the database: they sort as text."""


@contextmanager
def open_listing() -> Iterator[Database | None]:
    """Yield the handler table to read from; None when there is none yet, and then nothing is made.

    Raises SettingError, TableUnavailable, TableError as ``is_there``.
    """
    with open_database() as database:
        yield database if is_there(database) else None


@contextmanager
def open_existing() -> Iterator[Database]:
    """Yield the handler table to look something up in. Raises NotFound when there is none yet, and as ``open_listing``."""
    with open_listing() as database:
        if database is None:
            url = redacted(InterAppSettings.load().database_url)
            raise NotFound(
                f"there is no handler table at {url} yet (INTERAPP_DATABASE_URL): start a service, or name another"
            )
        yield database


@contextmanager
def open_database() -> Iterator[Database]:
    """Yield the database that the settings name, and close it afterwards. Raises SettingError."""
    database = Database(InterAppSettings.load().database_url)
    try:
        yield database
    finally:
        database.close()


def is_there(database: Database) -> bool:
    """Tell whether the database has our tables.

    Raises TableError, saying what to do, when they are not of this program's version; TableUnavailable.
    """
    present = revision(database) if database.exists() else None
    if present is None or present == REVISION:
        return present is not None
    older = KNOWN_FORM.fullmatch(present) and present < REVISION
    way_out = "run interapp db upgrade" if older else "update interapp"
    raise TableError(
        f"the database {database.shown_url} is at version {present}, this interapp needs {REVISION}: {way_out}"
    )


def print_json(objects: Iterable[Mapping[str, object]]) -> None:
    """Write one JSON object per line to stdout."""
    sys.stdout.writelines(json.dumps(each) + "\n" for each in objects)


def print_rows(titles: Sequence[str], chunks: Iterable[Sequence[Sequence[Cell]]]) -> None:
    """Write rows to stdout, a chunk at a time: a table on a terminal, else plain text. Without rows, nothing."""
    (_print_drawn if sys.stdout.isatty() else _print_plain)(titles, chunks)


def _print_plain(titles: Sequence[str], chunks: Iterable[Sequence[Sequence[Cell]]]) -> None:
    table = PlainTable(titles)
    for rows in chunks:
        if rows:
            sys.stdout.write(table.draw(rows))


def _print_drawn(titles: Sequence[str], chunks: Iterable[Sequence[Sequence[Cell]]]) -> None:
    # Only a terminal needs it, and it is slow to import.
    from rich.console import Console  # noqa: PLC0415

    from broker.cli.drawing import draw  # noqa: PLC0415

    console = Console()
    headed = True
    for rows in chunks:
        if rows:
            console.print(draw(titles, rows, width=console.width, headed=headed))
            headed = False
