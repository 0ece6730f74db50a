"""The handler table while it changes: for ``--watch`` and for the demo."""

import time
from collections.abc import Callable, Iterator, Sequence
from shutil import get_terminal_size

from rich.table import Table

from broker.cli.cells import HANDLER_TITLES, handler_cells, note, state_text, took_text
from broker.cli.drawing import draw
from broker.cli.listing import is_there
from broker.cli.words import local_time
from broker.errors import TableUnavailable
from broker.lifecycle.ids import short_id
from broker.observe.printable import printable
from broker.table.changes import Changes
from broker.table.database import Database
from broker.table.queries import EVERY_ROW, HandlerRow, Wanted

LOOK_SECONDS = 0.3
"""How often the table is looked at."""

REST = 4
"""A look that takes long is followed by a pause this many times as long, so that watching never slows the work down."""

Wait = Callable[[float], bool]
"""Waits that many seconds, or until it is time to end; returns whether it is."""

Trouble = Callable[[str], None]
"""Told why the table cannot be looked at, and ``""`` when it can again."""


def follow_changes(
    database: Database, wait: Wait, *, wanted: Wanted = EVERY_ROW, trouble: Trouble | None = None
) -> Iterator[list[HandlerRow]]:
    """Yield the rows that changed from now on, oldest change first, until ``wait`` says that it is time to end.

    Yields an empty list when nothing changed. A database that is not there yet is waited for. Raises TableError when
    it is not of this program's version.
    """
    changes: Changes | None = None
    late = False
    told = ""
    while True:
        began = time.monotonic()
        rows: list[HandlerRow] = []
        said = ""
        try:
            if changes is None and is_there(database):
                # What was written into a database that was not there when we began is new.
                changes = Changes(database, wanted, from_now=not late)
            rows = changes.look() if changes else []
            late = True
        except TableUnavailable as exc:
            said = str(exc)
        if trouble is not None and bool(said) != bool(told):
            trouble(said)
        told = said
        yield rows
        if wait(max(LOOK_SECONDS, REST * (time.monotonic() - began))):
            return


def handler_table(rows: Sequence[HandlerRow], now_us: int, *, width: int | None = None) -> Table:
    """Return rows of the Handlers table as rich draws them, for a terminal of that many characters, or for ours."""
    columns = width if width is not None else get_terminal_size().columns
    return draw(HANDLER_TITLES, [handler_cells(row, now_us) for row in rows], width=columns)


def change_line(row: HandlerRow) -> str:
    """Return what a row has become as one line of plain text: when, which message, and its state."""
    took = took_text(row, row.changed_us)
    parts = [
        local_time(row.changed_us),
        short_id(row.id),
        row.kind,
        f"{row.source or '-'} -> {row.destination}",
        state_text(row),
        f"attempt {row.attempts}" if row.attempts > 1 else "",
        f"after {took}" if took and row.state.final else "",
    ]
    said = note(row, row.changed_us)
    return printable("  ".join(part for part in parts if part) + (f"  ({said})" if said else ""))
