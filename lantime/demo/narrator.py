"""Shows the story while it happens: a live handler table on a terminal, one line per change otherwise."""

import sys
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event, Lock, Thread

from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from broker.cli.live import change_line, follow_changes, handler_table
from broker.cli.words import local_time
from broker.lifecycle.clock import Clock
from broker.table.database import Database
from broker.table.queries import HandlerRow

KEPT_LINES = 6
"""How many lines of the story stay above the live table."""

FRAME_LINES = KEPT_LINES + 5
"""Lines of the terminal that are not for rows of the table."""


class Narrator:
    """Tells what happens and follows what becomes of it."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._console = Console(highlight=False)
        self._told: deque[str] = deque(maxlen=KEPT_LINES)
        self._rows: dict[int, HandlerRow] = {}
        self._lock = Lock()
        self._live: Live | None = None

    def tell(self, text: str) -> None:
        """Say what happens now."""
        line = f"{local_time(self._clock.now_us())}  ▸ {text}"
        with self._lock:
            self._told.append(line)
            if self._live is None:
                self._print(line)
        self._redraw()

    @contextmanager
    def following(self) -> Iterator[None]:
        """Show every change of the handler table until the block ends."""
        ended = Event()
        thread = Thread(target=self._follow, args=(ended,), name="narrator", daemon=True)
        if self._console.is_terminal:
            self._live = Live(console=self._console, auto_refresh=False, transient=True)
            self._live.start()
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()
            if self._live is not None:
                self._live.stop()
                self._live = None

    def _follow(self, ended: Event) -> None:
        for rows in follow_changes(self._database, ended.wait):
            with self._lock:
                self._rows.update((row.seq, row) for row in rows)
                if self._live is None:
                    for row in rows:
                        self._print(f"  {change_line(row)}")
            self._redraw()

    def _redraw(self) -> None:
        with self._lock:
            if self._live is None:
                return
            newest = sorted(self._rows)[-max(1, self._console.height - FRAME_LINES) :]
            table = handler_table([self._rows[seq] for seq in newest], self._clock.now_us())
            self._live.update(Group(*(Text(line, style="bold") for line in self._told), table), refresh=True)

    def _print(self, line: str) -> None:
        sys.stdout.write(line + "\n")
        sys.stdout.flush()
