"""``interapp handlers purge``: an operator makes room."""

from __future__ import annotations

from typing import Any

import pytest

from broker.lifecycle.state import Reason, State
from broker.table.database import Database
from broker.table.guard import guard
from broker.table.queries import list_handlers
from broker.table.retention import GUARD


@pytest.fixture
def old(rows: Any) -> None:
    """Two handlers that ended in 2023, and one that waits."""
    rows.final(State.SUCCEEDED)
    rows.final(State.FAILED, Reason.ERROR, "no")
    rows.waiting()


def left(database: Database) -> list[str]:
    """Return the states of all rows."""
    return [row.state.value for chunk in list_handlers(database, limit=10) for row in chunk]


def test_what_ended_goes(cli: Any, old: None, database: Database) -> None:
    """What ended before the time goes and is counted; what waits stays."""
    done = cli("handlers", "purge", "--older-than", "7d")
    assert (done.exit_code, done.stdout) == (0, "2 purged\n")
    assert left(database) == ["waiting"]
    assert cli("handlers", "purge", "--older-than", "7d").stdout == "0 purged\n"


def test_a_dry_run_changes_nothing(cli: Any, old: None, database: Database) -> None:
    """``--dry-run`` says how many would go, and they stay."""
    done = cli("handlers", "purge", "--older-than", "2023-12-31", "--dry-run")
    assert (done.exit_code, done.stdout) == (0, "2 would be purged\n")
    assert len(left(database)) == 3


def test_the_newest_can_be_kept(cli: Any, old: None, database: Database) -> None:
    """``--keep`` spares the newest rows, those that are open included."""
    assert cli("handlers", "purge", "--older-than", "7d", "--keep", "2").stdout == "1 purged\n"
    assert left(database) == ["failed", "waiting"]


@pytest.mark.parametrize(
    ("args", "said"),
    [
        ((), "--older-than"),
        (("--older-than", "soon"), "'soon' is no time; give an age like"),
        (("--older-than", "7d", "--keep", "-1"), "-1 is not in the range x>=0"),
    ],
)
def test_wrong_usage_is_named(cli: Any, args: tuple[str, ...], said: str) -> None:
    """A missing or impossible limit is wrong usage: exit code 2, and nothing goes."""
    done = cli("handlers", "purge", *args)
    assert done.exit_code == 2
    assert said in done.stderr


def test_two_do_not_purge_at_once(cli: Any, old: None, database: Database) -> None:
    """While another process purges, the command says so and changes nothing."""
    with guard(database, GUARD):
        done = cli("handlers", "purge", "--older-than", "7d")
    assert done.exit_code == 1
    assert "another process is purging just now" in done.stderr
    assert len(left(database)) == 3


def test_without_a_table_there_is_nothing_to_do(cli: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A database that does not exist is not made, and that is no error."""
    monkeypatch.setenv("INTERAPP_DATABASE_URL", "sqlite:///not-there.db")
    done = cli("handlers", "purge", "--older-than", "7d")
    assert (done.exit_code, done.stdout) == (0, "0 purged: there is no handler table yet\n")
