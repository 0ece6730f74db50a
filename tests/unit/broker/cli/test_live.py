"""What is seen of the table while it changes."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
import sqlalchemy as sa

from broker.cli.live import change_line, follow_changes, handler_table
from broker.errors import TableError, TableUnavailable
from broker.lifecycle.state import Reason, State
from broker.table.changes import Changes
from broker.table.database import Database
from broker.table.queries import HandlerRow, Wanted
from broker.table.upgrade import upgrade


@pytest.fixture
def changes(database: Database) -> Changes:
    """Sees changes from now on."""
    made = Changes(database)
    made.look()
    return made


def seen(changes: Changes) -> list[tuple[str, State]]:
    """Return id and state of what changed."""
    return [(row.id, row.state) for row in changes.look()]


def test_what_was_before_is_no_change(rows: Any, database: Database) -> None:
    """The first look learns how things stand; what does not change is not told."""
    rows.final(State.SUCCEEDED)
    rows.waiting()
    changes = Changes(database)
    assert seen(changes) == []
    assert seen(changes) == []


def test_every_state_is_seen_once(rows: Any, changes: Changes) -> None:
    """A row is told when it appears, when it is claimed and when it ends, each once."""
    row = rows.waiting()
    assert seen(changes) == [(row.id, State.WAITING)]
    assert seen(changes) == []
    running = rows.processing(to="t2")
    assert seen(changes) == [(running.id, State.PROCESSING)]
    rows.succeed()
    assert seen(changes) == [(row.id, State.SUCCEEDED)]
    assert seen(changes) == []


def test_quick_rows_are_seen(rows: Any, changes: Changes) -> None:
    """A row that came and ended between two looks is told with its end."""
    row = rows.final(State.FAILED, Reason.REJECTED, "no")
    assert seen(changes) == [(row.id, State.FAILED)]
    assert seen(changes) == []


def test_old_open_rows_are_seen(rows: Any, database: Database) -> None:
    """The end of a row is told however many newer rows there are."""
    old = rows.waiting()
    rows.copies(old, 1500, State.SUCCEEDED)
    changes = Changes(database)
    changes.look()
    rows.succeed()
    assert seen(changes) == [(old.id, State.SUCCEEDED)]
    assert seen(changes) == []


def test_quick_retry_of_an_old_row_is_seen(rows: Any, database: Database, cli: Any) -> None:
    """A final row that is retried and final again between two looks is told."""
    old = rows.final(State.FAILED, Reason.ERROR, "bad")
    with database.write() as connection:
        connection.execute(sa.text("UPDATE sqlite_sequence SET seq = 5000 WHERE name = 'messages'"))
    rows.final(State.SUCCEEDED)
    changes = Changes(database)
    changes.look()
    assert cli("handlers", "retry", old.id).exit_code == 0
    rows.succeed()
    assert seen(changes) == [(old.id, State.SUCCEEDED)]
    assert seen(changes) == []


def test_only_what_is_wanted(rows: Any, database: Database) -> None:
    """Changes of rows that nobody asked for are not told."""
    changes = Changes(database, Wanted(kinds=("t.set",), states=frozenset({State.FAILED})))
    changes.look()
    rows.final(State.FAILED, Reason.ERROR, "bad")
    row = rows.final(State.FAILED, Reason.ERROR, "bad", kind="t.set")
    assert seen(changes) == [(row.id, State.FAILED)]


class Steps:
    """Stands for the pause between two looks: acts in each, then ends."""

    def __init__(self, *acts: Any) -> None:
        self._acts: Iterator[Any] = iter(acts)

    def __call__(self, seconds: float) -> bool:
        assert seconds > 0
        act = next(self._acts, None)
        if act is not None:
            act()
        return act is None


def followed(database: Database, *acts: Any, **options: Any) -> list[HandlerRow]:
    """Return what is told when these acts are done between looks."""
    return [row for rows in follow_changes(database, Steps(*acts), **options) for row in rows]


def test_follow(rows: Any, database: Database) -> None:
    """Changes are told as they come, until it is time to end."""
    rows.waiting(to="t0")
    told = followed(database, lambda: rows.waiting(kind="t.one"), lambda: None, lambda: rows.waiting(kind="t.two"))
    assert [row.kind for row in told] == ["t.one", "t.two"]


def test_follow_a_database_to_come(rows: Any, database: Database, tmp_path: Any) -> None:
    """A database that is not there yet is waited for; all that is in it then is new."""
    later = Database(f"sqlite:///{tmp_path / 'later.db'}")

    def begin() -> None:
        upgrade(later)
        type(rows)(later, rows.clock).waiting(kind="t.first")

    assert [row.kind for row in followed(later, lambda: None, begin)] == ["t.first"]
    later.close()


def test_follow_through_trouble(rows: Any, database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """While the database is away it is said once, and once when it is back; nothing is missed meanwhile."""
    said: list[str] = []
    look = Changes.look

    def away(_self: Changes) -> list[HandlerRow]:
        raise TableUnavailable("away")

    told = followed(
        database,
        lambda: monkeypatch.setattr(Changes, "look", away),
        rows.waiting,
        lambda: monkeypatch.setattr(Changes, "look", look),
        lambda: None,
        trouble=said.append,
    )
    assert said == ["away", ""]
    assert len(told) == 1


def test_follow_another_version(database: Database) -> None:
    """A database of another version is refused."""
    with database.write() as connection:
        connection.execute(sa.text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(TableError, match="update interapp"):
        followed(database)


def test_change_line(rows: Any) -> None:
    """A change is one line of plain text: when, which message, from whom to whom, what became of it."""
    failed = change_line(rows.final(State.FAILED, Reason.ERROR, "ValueError:\nbad"))
    assert re.fullmatch(
        r"\d\d:\d\d:\d\d  [0-9a-f]{8}  t\.ping  sender -> t1  failed \(error\)  after 250 ms  \(ValueError:\\nbad\)",
        failed,
    )
    assert change_line(rows.waiting()).endswith("waiting")


def test_handler_table(rows: Any) -> None:
    """The live table has a line for each row."""
    assert handler_table([rows.waiting(), rows.processing(to="t2")], rows.clock.now_us(), width=80).row_count == 2
