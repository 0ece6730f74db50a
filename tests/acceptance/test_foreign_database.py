"""INTERAPP_DATABASE_URL names something that is not ours to use: one clear line, the right exit code, nothing changed."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from hashlib import sha256
from pathlib import Path

import pytest

from broker.table.database import Database
from broker.table.upgrade import upgrade
from servers.processes import run_interapp

PAGE = 4096


def a_text(file: Path) -> None:
    """Keep a diary under the name."""
    file.write_text("Dear diary, nobody would take you for a database.\n" * 200)


def a_damaged_file(file: Path) -> None:
    """Make a handler table, and lose what comes after its first page."""
    a_handler_table(file)
    with file.open("r+b") as written:
        written.seek(PAGE)
        written.write(os.urandom(file.stat().st_size - PAGE))


def of_a_newer_version(file: Path) -> None:
    """Make a handler table as a later program leaves it."""
    a_handler_table(file)
    execute(file, "UPDATE alembic_version SET version_num = '9999'")


def a_handler_table(file: Path) -> None:
    """Make a handler table."""
    database = Database(f"sqlite:///{file}")
    upgrade(database)
    database.close()


def of_another_program(file: Path) -> None:
    """Make the database of a program that has messages, too."""
    execute(file, "CREATE TABLE messages (text)")


def a_folder(file: Path) -> None:
    """Make a folder, as Docker does for a file that is not there."""
    file.mkdir()


def execute(file: Path, statement: str) -> None:
    """Run and commit a statement."""
    with closing(sqlite3.connect(file)) as connection, connection:
        connection.execute(statement)


@pytest.mark.parametrize(
    ("make", "code", "says"),
    [
        (a_text, 2, "is no database; restore it from a backup while every service is stopped, or name another"),
        (a_damaged_file, 2, "the file is damaged, or is no database; restore it from a backup"),
        (of_a_newer_version, 1, "update interapp"),
        (of_another_program, 2, "name a database of interapp's own"),
        (a_folder, 2, "the name of a file, and this is a folder"),
    ],
)
def test_what_is_no_table_of_ours_is_told_and_left_alone(
    make: Callable[[Path], None], code: int, says: str, tmp_path: Path
) -> None:
    """A file that is no table of ours ends every command and service in one line with the way out, and stays as it is."""
    file = tmp_path / "interapp.db"
    make(file)
    before = None if file.is_dir() else sha256(file.read_bytes()).hexdigest()
    env = {"LANTIME_URL": "http://127.0.0.1:1", "LANTIME_NAME": "m1000-a"}
    for command in ("stats", "up"):
        done = run_interapp(command, cwd=tmp_path, env=env)
        if make is of_another_program and command == "stats":
            assert (done.returncode, done.stdout) == (0, ""), "what only reads finds no handlers"
            continue
        assert (done.returncode, done.stdout) == (code, ""), (command, done)
        [line] = [each for each in done.stderr.splitlines() if "[info" not in each]
        assert says in line
        assert "sqlite:///interapp.db" in line
        assert code == 1 or "INTERAPP_DATABASE_URL" in line
    assert (None if file.is_dir() else sha256(file.read_bytes()).hexdigest()) == before, "unchanged"
