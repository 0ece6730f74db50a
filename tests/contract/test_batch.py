"""A batch is written as it was given, whatever its values are: the same on both databases."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from contract.databases import KINDS, Place, database_url

from broker.errors import TableError, TableUnavailable
from broker.table.batch import Batch

COLUMNS = {"id": "text", "note": "text", "size": "bigint", "small": "integer", "flag": "boolean", "body": "bytea"}

INSERT = Batch.insert("odd", COLUMNS, on_conflict="ON CONFLICT DO NOTHING")

UPDATE = Batch.update(
    "odd", {"id": "text", "size": "bigint"}, set_="size = {size}", key="t.id = {id}", where="t.flag AND {size} > 0"
)

TEXTS = (
    None,
    "",
    "null",
    "zwölf 時刻 \U0001f570",
    "'; DROP TABLE odd; --",
    '{"a": "\\u0000"}',
    '["x", 1]',
    "\\u0000",
    "\x01\x7f\n\t",
    "7",
    ":batch %s",
)

BODIES = (b"", b"\x00\xff", b"{}", bytes(range(256)) * 9)

NUMBERS = (None, 0, -1, 2**63 - 1, -(2**63), 2**53 + 1)


@pytest.fixture(params=KINDS)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    """A database with a table of every type of column."""
    with Place.opened(database_url(request.param, request, tmp_path)) as place:
        columns = "number {}, id TEXT UNIQUE, note TEXT, size BIGINT, small INTEGER, flag BOOLEAN, body {}"
        types = (
            ("INTEGER PRIMARY KEY", "BLOB") if place.database.is_sqlite else ("SERIAL PRIMARY KEY", "BYTEA NOT NULL")
        )
        place.execute(f"CREATE TABLE odd ({columns.format(*types)})")
        yield place


def write(place: Place, batch: Batch, *rows: Mapping[str, Any]) -> int:
    """Run a batch in a transaction by itself."""
    with place.database.write() as connection:
        return batch.execute(connection, rows)


def kept(place: Place) -> list[dict[str, Any]]:
    """Return all rows in the order of their numbers, as they were given."""
    rows = place.select("SELECT id, note, size, small, flag, body FROM odd ORDER BY number")
    return [{**row, "flag": bool(row["flag"]), "body": bytes(row["body"])} for row in rows]


def row(number: int = 0, **values: object) -> dict[str, Any]:
    """Return a row with one value of each type."""
    return {"id": str(number), "note": "n", "size": number, "small": 1, "flag": True, "body": b"b"} | values


@pytest.mark.parametrize("count", [1, 2, 40])
def test_every_value_comes_back_in_its_row(place: Place, count: int) -> None:
    """Texts, numbers, flags and bodies of any size, beside others and alone, in the order of the batch."""
    rows = [
        row(
            note=TEXTS[number % len(TEXTS)],
            id=f"id {count - number}",
            size=NUMBERS[number % len(NUMBERS)],
            flag=number % 2 == 0,
            body=BODIES[number % len(BODIES)],
        )
        for number in range(count)
    ]
    assert write(place, INSERT, *rows) == count
    assert kept(place) == rows


@pytest.mark.parametrize("name", ["note", "size", "small", "flag", "body"])
def test_one_column_may_differ_and_the_others_not(place: Place, name: str) -> None:
    """Whichever of them differs, each row has its own value of it."""
    values = {"note": TEXTS, "size": NUMBERS, "small": (1, None, -(2**31)), "flag": (True, False), "body": BODIES}
    rows = [row(number, **{name: value}) for number, value in enumerate(values[name])]
    write(place, INSERT, *rows)
    assert kept(place) == rows


def test_rows_that_say_the_same_are_written_as_often(place: Place) -> None:
    """A batch in which no column differs has its rows all the same."""
    rows = [row(id=None)] * 3
    assert write(place, INSERT, *rows) == 3
    assert kept(place) == rows


def test_an_update_finds_its_row_by_the_key(place: Place) -> None:
    """Each row gets its own value, where the condition is true of it; how many those were is returned."""
    write(place, INSERT, *[row(number, flag=number != 2) for number in range(5)])
    changes = [{"id": str(number), "size": 100 * number} for number in (4, 2, 0, 1, 7)]
    assert write(place, UPDATE, *changes) == 2
    assert [one["size"] for one in kept(place)] == [0, 100, 2, 3, 400]


@pytest.mark.parametrize(
    "values",
    [{"note": "\ud800"}, {"note": "a\x00b"}, {"size": 2**63}, {"size": -(2**63) - 1}],
    ids=["half a character", "NUL", "too large", "too small"],
)
def test_what_cannot_be_kept_as_it_is_is_refused(place: Place, values: dict[str, Any]) -> None:
    """It is an error that says so and no trouble of the database; nothing of the batch is written, and the next one is."""
    with pytest.raises(TableError) as caught:
        write(place, INSERT, row(1), row(2, **values))
    assert not isinstance(caught.value, TableUnavailable)
    assert kept(place) == []
    write(place, INSERT, row(1), row(2))
    assert len(kept(place)) == 2


def test_a_batch_is_one_statement(place: Place) -> None:
    """Also on SQLite: a loop over the rows would give up the interpreter's lock and take it again for each of them."""
    seen: list[bool] = []

    def note(_connection: object, _cursor: object, _text: str, _values: object, _context: object, many: bool) -> None:
        seen.append(many)

    sa.event.listen(place.database.engine, "before_cursor_execute", note)
    write(place, INSERT, *[row(number) for number in range(100)])
    sa.event.remove(place.database.engine, "before_cursor_execute", note)
    assert seen[-1:] == [False]
    assert len(kept(place)) == 100
