"""Tables for people before a terminal."""

from collections.abc import Sequence

from rich.table import Table
from rich.text import Text

from broker.cli.plain import Cell
from broker.observe.printable import printable

ELASTIC = frozenset({"KIND", "FROM", "TO", "NOTE", "DETAIL", "HOST", "HANDLER", "FIELDS", "TEXT"})
"""Columns whose texts are cut where the terminal is too narrow."""

DISPENSABLE = (
    *("TRIES", "TOOK", "FROM", "VERSION", "PACKAGE", "PID", "HOST", "HANDLER"),
    *("SOFTWARE", "TYPE", "SERIAL", "RECEIVER", "QUALITY"),
)
"""Columns that are left out, the first first, where cutting alone would leave nothing to read."""

READABLE = 20
"""How many characters of an elastic text should be seen."""

GAP = 2


def draw(titles: Sequence[str], rows: Sequence[Sequence[Cell]], *, width: int, headed: bool = True) -> Table:
    """Return the rows as a table, one line each, for a terminal that is ``width`` characters wide."""
    table = Table(box=None, show_header=headed, pad_edge=False, padding=(0, GAP, 0, 0), header_style="bold underline")
    kept = fitting(titles, rows, width)
    for index in kept:
        # rich takes width from columns that may wrap before it takes it from others; the texts themselves never wrap.
        table.add_column(titles[index], no_wrap=titles[index] not in ELASTIC, overflow="ellipsis")
    for row in rows:
        # Text, not markup: what a message says must not become a style.
        table.add_row(
            *(Text(printable(row[i].text), style=row[i].style, no_wrap=True, overflow="ellipsis") for i in kept)
        )
    return table


def fitting(titles: Sequence[str], rows: Sequence[Sequence[Cell]], width: int) -> list[int]:
    """Return which columns to show: all, or without those that a narrow terminal has no room for."""
    needed = [
        min(longest, max(READABLE, len(title))) if title in ELASTIC else longest
        for index, title in enumerate(titles)
        for longest in [max([len(title), *(len(row[index].text) for row in rows)])]
    ]
    kept = list(range(len(titles)))
    for title in DISPENSABLE:
        if sum(needed[index] + GAP for index in kept) - GAP <= width:
            break
        kept = [index for index in kept if titles[index] != title]
    return kept
