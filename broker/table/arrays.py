"""PostgreSQL's text form of arrays: what a batch of rows is sent as, one array per column.

The driver writes arrays value by value, and a batch has thousands of values: that took two thirds of the time of a send. Here a
column is of one type, known beforehand, so that one expression writes all of it.
"""

from collections.abc import Callable, Sequence
from typing import Any


def array(kind: str, values: Sequence[Any]) -> str:
    """Return ``values`` (None for NULL) as PostgreSQL reads an array of that type. Raises KeyError for an unknown type."""
    write = _WRITERS[kind]
    return "{" + ",".join(["NULL" if value is None else write(value) for value in values]) + "}"


def _text(value: str) -> str:
    if "\\" in value or '"' in value:
        value = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{value}"'


def _bytes(value: bytes) -> str:
    return f'"\\\\x{value.hex()}"'


def _flag(value: bool) -> str:  # noqa: FBT001 a value, no option
    return "t" if value else "f"


_WRITERS: dict[str, Callable[[Any], str]] = {
    "text": _text,
    "bytea": _bytes,
    "boolean": _flag,
    "bigint": str,
    "integer": str,
    "smallint": str,
}
