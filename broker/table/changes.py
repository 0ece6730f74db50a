"""Which rows changed, for those who watch."""

from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from broker.table.database import Database
from broker.table.queries import CHUNK, EVERY_ROW, ROW, STATES, HandlerRow, Wanted, to_handler_row
from broker.table.schema import history, messages

RECENT = 500
"""How many of the newest rows are looked at again for changes: on PostgreSQL a lower number may be committed later."""

Mark = tuple[object, ...]
"""What tells that a row has changed."""

MARK = (
    messages.c.state,
    messages.c.attempts,
    messages.c.claims,
    messages.c.generation,
    messages.c.cancel_requested,
    messages.c.progress,
)


class Changes:
    """Sees which rows change, by looking now and then; the final state of a row is never missed.

    A look costs as much as there are open rows, however many final ones there are.
    """

    def __init__(self, database: Database, wanted: Wanted = EVERY_ROW, *, from_now: bool = True) -> None:
        """Take what to look for; ``from_now``: the first look only learns how things stand, it returns nothing."""
        self._database = database
        self._wanted = wanted
        self._known: dict[int, Mark] | None = None if from_now else {}
        self._newest = 0
        self._newest_entry = 0

    def look(self) -> list[HandlerRow]:
        """Return the rows that changed since the last look, oldest change first.

        Raises TableUnavailable.
        """
        with self._database.read() as connection:
            known, changed = self._compare(connection)
            begun = self._known is not None
            self._known = known
            rows = _read(connection, changed, self._wanted) if begun else []
        return sorted(rows, key=lambda row: (row.changed_us, row.seq))

    def _compare(self, connection: Connection) -> tuple[dict[int, Mark], list[int]]:
        """Return the marks of the rows that are open, new or recent, and which rows changed."""
        seq = messages.c.seq
        if self._known is None:
            self._newest = connection.execute(sa.select(sa.func.max(seq))).scalar() or 0
            self._newest_entry = connection.execute(sa.select(sa.func.max(history.c.number))).scalar() or 0
        marks: dict[int, Mark] = {}
        for condition in (sa.text("open"), seq > self._newest - RECENT):
            found = connection.execute(sa.select(seq, *MARK).where(condition))
            marks.update((row[0], tuple(row[1:])) for row in found)
        # A final row that an operator retried may be final again by now: the history tells.
        entries = connection.execute(
            sa.select(history.c.number, history.c.seq).where(history.c.number > self._newest_entry)
        ).all()
        known = self._known or {}
        changed = {seq for seq, mark in marks.items() if known.get(seq) != mark}
        changed |= {row.seq for row in entries if row.seq not in marks}
        # Known and not among them: it was open, and is final now, or it is no longer recent.
        changed |= {seq for seq, mark in known.items() if seq not in marks and not STATES[str(mark[0])].final}
        self._newest = max(marks, default=self._newest)
        self._newest_entry = max((row.number for row in entries), default=self._newest_entry)
        return marks, sorted(changed)


def _read(connection: Connection, seqs: Sequence[int], wanted: Wanted) -> list[HandlerRow]:
    rows: list[HandlerRow] = []
    for start in range(0, len(seqs), CHUNK):
        query = sa.select(*ROW).where(messages.c.seq.in_(seqs[start : start + CHUNK]), *wanted.conditions())
        rows += [to_handler_row(row) for row in connection.execute(query)]
    return rows
