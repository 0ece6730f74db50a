"""Any message of a kind: a Hypothesis strategy that follows the kind's own JSON Schema."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from hypothesis import strategies as st

from broker.errors import InvalidMessage
from broker.messages.codec import decode
from broker.messages.message import Message
from broker.messages.schemas import Schema, json_schema

SAFE = 2**53
"""Integers up to this are the same in every language's JSON."""

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
floats = st.floats(allow_nan=False, allow_infinity=False)
anything = st.recursive(
    st.none() | st.booleans() | st.integers(-SAFE, SAFE) | floats | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=5,
)
times = st.datetimes(datetime(1970, 1, 1), datetime(9999, 1, 1), timezones=st.just(UTC)).map(datetime.isoformat)  # noqa: DTZ001 the strategy wants them bare


def any_message(message_class: type[Message]) -> st.SearchStrategy[Message]:
    """Return a strategy for messages of a class: whatever its schema allows and its validators take."""
    schema = json_schema(message_class)

    def made(value: Any) -> Message | None:
        try:
            return decode(message_class, json.dumps(value).encode())
        except InvalidMessage:
            # A validator of the class's own, which no schema tells.
            return None

    return _values(schema, schema.get("$defs", {})).map(made).filter(lambda message: message is not None)  # type: ignore[return-value]


def _values(schema: Any, definitions: Schema) -> st.SearchStrategy[Any]:
    if not isinstance(schema, dict):
        return anything
    if "$ref" in schema:
        name = schema["$ref"].removeprefix("#/$defs/")
        return st.deferred(lambda: _values(definitions[name], definitions))
    for keyword in ("anyOf", "oneOf"):
        if keyword in schema:
            return st.one_of([_values(branch, definitions) for branch in schema[keyword]])
    if "const" in schema or "enum" in schema:
        return st.sampled_from(schema.get("enum") or [schema["const"]])
    of_type = {
        "object": _objects,
        "array": _arrays,
        "string": _strings,
        "integer": _integers,
        "number": _numbers,
        "boolean": lambda _plain, _: st.booleans(),
        "null": lambda _plain, _: st.none(),
    }.get(schema.get("type", ""))
    return anything if of_type is None else of_type(schema, definitions)


def _integers(schema: Schema, _definitions: Schema) -> st.SearchStrategy[int]:
    step = schema.get("multipleOf", 1)
    lowest, highest = schema.get("minimum", -SAFE), schema.get("maximum", SAFE)
    return st.integers(-(-lowest // step), highest // step).map(lambda steps: steps * step)


def _numbers(schema: Schema, _definitions: Schema) -> st.SearchStrategy[float]:
    return st.floats(schema.get("minimum"), schema.get("maximum"), allow_nan=False, allow_infinity=False)


def _strings(schema: Schema, _definitions: Schema) -> st.SearchStrategy[str]:
    if "pattern" in schema:
        return st.from_regex(schema["pattern"], fullmatch=True)
    if schema.get("format") == "date-time":
        return times
    return st.text(
        st.characters(exclude_categories=["Cs"]),
        min_size=schema.get("minLength", 0),
        max_size=schema.get("maxLength", schema.get("minLength", 0) + 20),
    )


def _arrays(schema: Schema, definitions: Schema) -> st.SearchStrategy[Any]:
    if "prefixItems" in schema:
        return st.tuples(*(_values(item, definitions) for item in schema["prefixItems"]))
    return st.lists(
        _values(schema.get("items", True), definitions),
        min_size=schema.get("minItems", 0),
        max_size=schema.get("maxItems", schema.get("minItems", 0) + 3),
    )


def _objects(schema: Schema, definitions: Schema) -> st.SearchStrategy[Any]:
    fields = {name: _values(field, definitions) for name, field in schema.get("properties", {}).items()}
    required = {name: field for name, field in fields.items() if name in schema.get("required", ())}
    optional = {name: field for name, field in fields.items() if name not in required}
    known = st.fixed_dictionaries(required, optional=optional)
    others = schema.get("additionalProperties", False)
    if others is False:
        return known
    return st.tuples(st.dictionaries(texts, _values(others, definitions), max_size=3), known).map(
        lambda both: both[0] | both[1]
    )
