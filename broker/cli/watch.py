"""``interapp handlers --watch``: a table that redraws itself on a terminal, else one line per change."""

import sys
from threading import Event

import click
from rich.console import Console
from rich.live import Live
from rich.text import Text

from broker.cli.lines import handler_line
from broker.cli.listing import is_there, print_json
from broker.cli.live import LOOK_SECONDS, change_line, follow_changes, handler_table
from broker.errors import TableUnavailable
from broker.lifecycle.clock import SystemClock
from broker.table.database import Database
from broker.table.queries import HandlerRow, Wanted, list_handlers

FRAME_LINES = 4
"""Lines of the terminal that are not for rows: titles, rule, and what stands below the table."""


def watch_handlers(database: Database, wanted: Wanted, *, limit: int, as_json: bool) -> None:
    """Show what changes until Ctrl-C. Raises TableError when the database is not of this program's version."""
    try:
        if as_json or not sys.stdout.isatty():
            _print_changes(database, wanted, as_json=as_json)
        else:
            _redraw(database, wanted, limit)
    except KeyboardInterrupt:
        # The way to end it, so no failure.
        return


def _print_changes(database: Database, wanted: Wanted, *, as_json: bool) -> None:
    for rows in follow_changes(database, Event().wait, wanted=wanted, trouble=_tell_trouble):
        if as_json:
            now_us = SystemClock().now_us()
            print_json(handler_line(row, now_us) for row in rows)
        else:
            sys.stdout.writelines(change_line(row) + "\n" for row in rows)
        sys.stdout.flush()


def _tell_trouble(trouble: str) -> None:
    click.echo(trouble or "the handler table answers again", err=True)


def _redraw(database: Database, wanted: Wanted, limit: int) -> None:
    console = Console()
    never = Event()
    with Live(console=console, auto_refresh=False, screen=True) as live:
        while True:
            # Only as many as can be seen: the newest are last.
            seen = max(1, min(limit, console.height - FRAME_LINES))
            try:
                rows = _newest(database, wanted, seen)
                live.update(
                    handler_table(rows, SystemClock().now_us()) if rows else Text("no handlers yet"), refresh=True
                )
            except TableUnavailable as exc:
                live.update(Text(str(exc), style="red"), refresh=True)
            never.wait(LOOK_SECONDS)


def _newest(database: Database, wanted: Wanted, limit: int) -> list[HandlerRow]:
    if not is_there(database):
        return []
    return [row for rows in list_handlers(database, wanted, limit=limit) for row in rows]
