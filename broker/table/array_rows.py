"""PostgreSQL's form of a batch: an array for each column that differs from row to row."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from broker.table.encoded import array

IN_ORDER = "ORDER BY position"


def parameters(kinds: Mapping[str, str], values: Mapping[str, Sequence[Any]]) -> dict[str, Any]:
    """Return what goes to the driver for the columns that differ. Raises struct.error for a number, UnicodeError for a text."""
    return {name: array(kinds[name], column) for name, column in values.items()}


def source(kinds: Mapping[str, str], differing: Collection[str]) -> str:
    """Return the rows of a batch in which these columns differ."""
    arrays = ", ".join(f"CAST(%({name})s AS {kinds[name]}[])" for name in differing)
    rows = f"unnest({arrays}) WITH ORDINALITY" if differing else "(SELECT 1)"
    return f"{rows} AS batch({', '.join((*differing, 'position'))})"


def places(kinds: Mapping[str, str], differing: Collection[str]) -> dict[str, str]:
    """Return how a statement finds the value of each column."""
    return {
        name: f"batch.{name}" if name in differing else f"CAST(%({name})s AS {kind})" for name, kind in kinds.items()
    }
