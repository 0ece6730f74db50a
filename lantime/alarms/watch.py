"""``interapp alarms --watch``: a table that redraws itself on a terminal, else one line per alarm that is raised or ends."""

import sys
from collections.abc import Callable, Iterator
from threading import Event

from broker.cli.listing import is_there, print_json
from broker.errors import TableUnavailable
from broker.lifecycle.clock import SystemClock
from broker.table.database import Database
from lantime.alarms.listing import (
    ACTIVE_TITLES,
    Listed,
    Tell,
    WantedAlarms,
    active_alarms,
    alarm_line,
    change_line,
    ended_alarms,
    from_microseconds,
    rows,
)

LOOK_SECONDS = 1.0
"""How often is looked: looks at a device come less often."""

FRAME_LINES = 4
"""Lines of the terminal that are not for rows."""

Wait = Callable[[float], bool]
"""Waits that many seconds, or until it is time to end; returns whether it is."""


def watch_alarms(database: Database, wanted: WantedAlarms, *, limit: int | None, as_json: bool, tell: Tell) -> None:
    """Show what is active and what changes until Ctrl-C. Raises TableError as ``follow_alarms``."""
    never = Event()
    try:
        if as_json or not sys.stdout.isatty():
            for found in follow_alarms(database, wanted, never.wait, tell):
                now = from_microseconds(SystemClock().now_us())
                if as_json:
                    print_json(alarm_line(each, now) for each in found)
                else:
                    sys.stdout.writelines(change_line(each, now) + "\n" for each in found)
                sys.stdout.flush()
        else:
            _redraw(database, wanted, never.wait, limit)
    except KeyboardInterrupt:
        # The way to end it, so no failure.
        return


def follow_alarms(database: Database, wanted: WantedAlarms, wait: Wait, tell: Tell) -> Iterator[list[Listed]]:
    """Yield the alarms that are active at first, then those that were raised and those that ended since.

    Yields an empty list when nothing changed. A database that is not there yet is waited for. Raises TableError when it
    is not of this program's version.
    """
    raised: set[str] = set()
    ended: set[str] | None = None
    trouble = ""
    while True:
        changed: list[Listed] = []
        said = ""
        try:
            if is_there(database):
                # Active ones first: one that ends in between is found ended, not missed.
                active = active_alarms(database, wanted, tell)
                over = ended_alarms(database, wanted, tell)
                known = {each.alarm.correlation_key for each in over} if ended is None else ended
                changed = [each for each in over if each.alarm.correlation_key not in known]
                changed += [each for each in active if each.alarm.correlation_key not in raised]
                raised = {each.alarm.correlation_key for each in active}
                ended = {each.alarm.correlation_key for each in over}
        except TableUnavailable as exc:
            said = str(exc)
        if bool(said) != bool(trouble):
            tell(said or "the handler table answers again")
        trouble = said
        yield changed
        if wait(LOOK_SECONDS):
            return


def _redraw(database: Database, wanted: WantedAlarms, wait: Wait, limit: int | None) -> None:
    # Only a terminal needs it, and it is slow to import.
    from rich.console import Console  # noqa: PLC0415
    from rich.live import Live  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    from broker.cli.drawing import draw  # noqa: PLC0415

    console = Console()
    with Live(console=console, auto_refresh=False, screen=True) as live:
        while True:
            seen = max(1, min(limit or console.height, console.height - FRAME_LINES))
            try:
                found = active_alarms(database, wanted, lambda _: None)[:seen] if is_there(database) else []
                now = from_microseconds(SystemClock().now_us())
                table = draw(ACTIVE_TITLES, rows(found, now), width=console.width)
                live.update(table if found else Text("no alarms"), refresh=True)
            except TableUnavailable as exc:
                live.update(Text(str(exc), style="red"), refresh=True)
            if wait(LOOK_SECONDS):
                return
