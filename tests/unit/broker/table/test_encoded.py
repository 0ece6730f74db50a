"""A batch's columns as PostgreSQL's arrays; that PostgreSQL reads them back is proved in the integration tests."""

import struct
from struct import unpack_from

import pytest

from broker.table.encoded import array


def _elements(data: bytes) -> list[bytes | None]:
    """Return the elements of an array in PostgreSQL's binary form; None for NULL."""
    (count,) = unpack_from(">i", data, 12)
    place, found = 20, list[bytes | None]()
    for _ in range(count):
        (size,) = unpack_from(">i", data, place)
        found.append(None if size < 0 else data[place + 4 : place + 4 + size])
        place += 4 + max(0, size)
    assert place == len(data)
    return found


@pytest.mark.parametrize(
    ("kind", "values", "expected"),
    [
        ("text", ["a", "", "NULL", None, "zwölf", "{a,b}"], [b"a", b"", b"NULL", None, "zwölf".encode(), b"{a,b}"]),
        ("bytea", [b"\x00\xff", b"", None], [b"\x00\xff", b"", None]),
        ("bigint", [-1, 2**63 - 1, None], [b"\xff" * 8, b"\x7f" + b"\xff" * 7, None]),
        ("integer", [-1, 2], [b"\xff" * 4, b"\x00\x00\x00\x02"]),
        ("smallint", [9], [b"\x00\x09"]),
        ("boolean", [True, False, None], [b"\x01", b"\x00", None]),
    ],
)
def test_a_column_is_written_as_postgresql_reads_it(kind: str, values: list[object], expected: list[object]) -> None:
    """Every element has its length before it, so that none is taken for NULL, a bound or a separator."""
    assert _elements(array(kind, values).data) == expected


def test_an_unknown_type_is_refused() -> None:
    """A statement with a type that nobody can write fails when it is first run, and writes nothing."""
    with pytest.raises(KeyError, match="uuid"):
        array("uuid", ["a"])


def test_a_number_that_its_column_cannot_hold_is_refused() -> None:
    """What does not fit is an error here, not another number there."""
    with pytest.raises(struct.error):
        array("integer", [2**31])
