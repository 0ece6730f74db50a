"""SQLite's form of a batch: one JSON document, and beside it the bytes of each column of bytes, one value behind the other.

A loop in its driver would bind each value of each row by itself, and give up and take the interpreter's lock for each row: while
another thread computes, that is a wait of milliseconds for each.
"""

import json
from collections.abc import Collection, Mapping, Sequence
from itertools import accumulate
from typing import Any

IN_ORDER = ""
"""They come in the order of the document."""

_DOCUMENT = "batch"

_NUMBERS = ("bigint", "integer", "smallint")


def parameters(kinds: Mapping[str, str], values: Mapping[str, Sequence[Any]]) -> dict[str, Any]:
    """Return what goes to the driver for the columns that differ. Raises OverflowError for a number, UnicodeError for a text."""
    found: dict[str, Any] = {}
    fields: list[Sequence[Any]] = []
    for name, column in values.items():
        if kinds[name] == "bytea":
            found[name] = b"".join(column)
            sizes = [len(value) for value in column]
            fields += [_starts(sizes), sizes]
        else:
            if kinds[name] in _NUMBERS:
                _check_numbers(column)
            fields.append(column)
    rows = fields[0] if len(fields) == 1 else list(zip(*fields, strict=True))
    # Not escaped: half of a character is then refused by the driver.
    document = json.dumps(rows, ensure_ascii=False, separators=(",", ":"))
    if "\\u0000" in document:
        _check_texts(values)
    return found | {_DOCUMENT: document}


def source(_kinds: Mapping[str, str], differing: Collection[str]) -> str:
    """Return the rows of a batch in which these columns differ."""
    return f"json_each(:{_DOCUMENT}) AS batch" if differing else "(SELECT 1) AS batch"


def places(kinds: Mapping[str, str], differing: Collection[str]) -> dict[str, str]:
    """Return how a statement finds the value of each column."""
    found = {name: f":{name}" for name in kinds}
    width = sum(2 if kinds[name] == "bytea" else 1 for name in differing)
    position = 0
    for name in differing:
        field = _field(position, width)
        position += 1
        if kinds[name] == "bytea":
            field = f"substr(:{name}, {field}, {_field(position, width)})"
            position += 1
        found[name] = field
    return found


def _field(position: int, width: int) -> str:
    return "batch.value" if width == 1 else f"json_extract(batch.value, '$[{position}]')"


def _starts(sizes: Sequence[int]) -> list[int]:
    """Return where each value begins, from 1."""
    return list(accumulate(sizes, initial=1))[:-1]


def _check_numbers(values: Sequence[int | None]) -> None:
    # SQLite would make an inexact number of it.
    for value in values:
        if value is not None and not -(2**63) <= value < 2**63:
            raise OverflowError(f"{value} is beyond 64 bits")


def _check_texts(values: Mapping[str, Sequence[Any]]) -> None:
    # SQLite would end the text there.
    for name, column in values.items():
        if any(isinstance(value, str) and "\x00" in value for value in column):
            raise UnicodeError(f"{name} has a NUL character")
