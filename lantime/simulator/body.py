"""The JSON of a request's body."""

import json
from typing import Any

_DEEPEST = 200
"""How deep objects and lists may be nested: what goes deeper could be read, but not shown or answered any more."""


def read_body(body: bytes) -> Any:
    """Return the JSON; no body is an empty object. Raises ValueError for anything else, and for what is nested too deep."""
    if not body.strip():
        return {}
    try:
        found = json.loads(body)
    except RecursionError as exc:
        raise ValueError(f"nested deeper than {_DEEPEST}") from exc
    level = [found]
    for _ in range(_DEEPEST):
        level = [inner for each in level for inner in _inside(each)]
        if not level:
            return found
    raise ValueError(f"nested deeper than {_DEEPEST}")


def _inside(value: object) -> list[Any]:
    if isinstance(value, dict):
        return list(value.values())
    return value if isinstance(value, list) else []
