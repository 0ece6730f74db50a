"""PostgreSQL's binary form of arrays, which a batch of rows is sent as, one per column that differs from row to row, and of JSON.

The driver writes arrays value by value, and a batch has thousands of values: that took two thirds of the time of a send. Here a
column is of one type, known beforehand, so that one expression writes all of it, and the server has no text to parse.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from struct import Struct, pack
from typing import Any

_HEADER = Struct(">iiIii")
"""Dimensions, whether there are NULLs, the elements' type, how many there are, the first one's index."""

_NULL = pack(">i", -1)

_JSONB = 3802


@dataclass(frozen=True, slots=True)
class Encoded:
    """A value as the server takes it."""

    oid: int
    """PostgreSQL's number of its type."""
    data: bytes


def array(kind: str, values: Sequence[Any]) -> Encoded:
    """Return ``values`` (None for NULL) as an array of that type. Raises KeyError for an unknown type."""
    write, element_oid, oid = _TYPES[kind]
    elements = b"".join([_NULL if value is None else write(value) for value in values])
    return Encoded(oid, _HEADER.pack(1, 1, element_oid, len(values), 1) + elements)


def jsonb(value: Any) -> Encoded:
    """Return what ``json`` can write as a document that the server looks things up in."""
    return Encoded(_JSONB, b"\x01" + json.dumps(value).encode())


def _text(value: str) -> bytes:
    encoded = value.encode()
    return pack(">i", len(encoded)) + encoded


def _bytes(value: bytes) -> bytes:
    return pack(">i", len(value)) + value


def _flag(value: bool) -> bytes:  # noqa: FBT001 a value, no option
    return b"\x00\x00\x00\x01\x01" if value else b"\x00\x00\x00\x01\x00"


def _number(form: str) -> Callable[[int], bytes]:
    whole = Struct(form)
    size = whole.size - 4
    return lambda value: whole.pack(size, value)


_TYPES: dict[str, tuple[Callable[[Any], bytes], int, int]] = {
    "text": (_text, 25, 1009),
    "bytea": (_bytes, 17, 1001),
    "boolean": (_flag, 16, 1000),
    "bigint": (_number(">iq"), 20, 1016),
    "integer": (_number(">ii"), 23, 1007),
    "smallint": (_number(">ih"), 21, 1005),
}
"""From a type's name to how a value is written, and PostgreSQL's numbers of the type and of its arrays, which never change."""
