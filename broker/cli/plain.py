"""Tables as plain text: what a listing looks like where no person sits before a terminal."""

from collections.abc import Sequence
from typing import NamedTuple

from broker.observe.printable import printable


class Cell(NamedTuple):
    """What stands in one place of a table."""

    text: str
    style: str = ""
    """As rich names styles; plain text leaves it out."""


class PlainTable:
    """Draws rows in aligned columns. Widths are those of the rows seen so far, so that a long listing can be drawn in parts."""

    def __init__(self, titles: Sequence[str]) -> None:
        self._titles = titles
        self._widths = [len(title) for title in titles]
        self._headed = False

    def draw(self, rows: Sequence[Sequence[Cell]]) -> str:
        """Return the rows as lines, below the titles the first time."""
        texts = [[printable(cell.text) for cell in row] for row in rows]
        for row in texts:
            self._widths = [max(width, len(text)) for width, text in zip(self._widths, row, strict=True)]
        lines = [] if self._headed else [self._line(self._titles)]
        self._headed = True
        lines += [self._line(row) for row in texts]
        return "".join(f"{line}\n" for line in lines)

    def _line(self, texts: Sequence[str]) -> str:
        return "  ".join(text.ljust(width) for text, width in zip(texts, self._widths, strict=True)).rstrip()
