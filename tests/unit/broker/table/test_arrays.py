"""A batch's columns as PostgreSQL's arrays; that PostgreSQL reads them back is proved in the integration tests."""

import pytest

from broker.table.arrays import array


@pytest.mark.parametrize(
    ("kind", "values", "expected"),
    [
        ("text", ["a", "", "NULL", None], '{"a","","NULL",NULL}'),
        (
            "text",
            ['say "hi"', "back\\slash", "{a,b}", "line\nbreak"],
            '{"say \\"hi\\"","back\\\\slash","{a,b}","line\nbreak"}',
        ),
        ("bytea", [b"\x00\xff", b"", None], '{"\\\\x00ff","\\\\x",NULL}'),
        ("bigint", [-1, 2**63 - 1, None], "{-1,9223372036854775807,NULL}"),
        ("boolean", [True, False, None], "{t,f,NULL}"),
        ("smallint", [], "{}"),
    ],
)
def test_a_column_is_written_as_postgresql_reads_it(kind: str, values: list[object], expected: str) -> None:
    """Texts and bytes are quoted and escaped, so that none is taken for NULL, a bound or a separator."""
    assert array(kind, values) == expected


def test_an_unknown_type_is_refused() -> None:
    """A statement with a type that nobody can write fails when it is first run, and writes nothing."""
    with pytest.raises(KeyError, match="uuid"):
        array("uuid", ["a"])
