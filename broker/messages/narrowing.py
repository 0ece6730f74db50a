"""Compares two JSON Schemas of one kind: what was taken before and is refused now. Pure.

Knows what pydantic writes. Where two schemas differ in a way that it does not know, it says so rather than let it pass.
"""

import json
from collections.abc import Iterator
from fractions import Fraction
from typing import Any

from broker.messages.schemas import Schema

NOT_CHECKED = frozenset({
    "$comment", "$defs", "$id", "$schema", "contentEncoding", "contentMediaType", "default", "deprecated", "description",
    "discriminator", "examples", "readOnly", "title", "writeOnly",
})  # fmt: skip
"""Says something to people, or is followed elsewhere."""

CHECKED = frozenset({
    "additionalProperties", "const", "enum", "exclusiveMaximum", "exclusiveMinimum", "format", "items", "maximum",
    "maxItems", "maxLength", "maxProperties", "minimum", "minItems", "minLength", "minProperties", "multipleOf", "pattern",
    "prefixItems", "properties", "propertyNames", "required", "type", "uniqueItems",
})  # fmt: skip
BRANCHES = ("anyOf", "oneOf")
TYPES = {
    str: "string", bool: "boolean", int: "integer", float: "number", type(None): "null", list: "array", dict: "object",
}  # fmt: skip
LEAST = ("minLength", "minItems", "minProperties")
MOST = ("maxLength", "maxItems", "maxProperties")


def narrowed(old: Schema, new: Schema) -> list[str]:
    """Return what the new schema refuses of what the old one took: ``field: what``, in the order of the fields.

    Raises ValueError when a schema refers to what is not in it.
    """
    return list(dict.fromkeys(_Comparison(old.get("$defs", {}), new.get("$defs", {})).compare(old, new, "")))


class _Comparison:
    def __init__(self, old_definitions: Schema, new_definitions: Schema) -> None:
        self._old_definitions = old_definitions
        self._new_definitions = new_definitions
        self._open: set[tuple[str, str]] = set()
        """Pairs that are being compared: a schema that contains itself is as narrow as its other parts."""

    def compare(self, old: Any, new: Any, where: str) -> list[str]:
        if new is False and old is not False:
            return [_at(where, "refused now")]
        if old is False or new is True:
            return []
        old, new = ({} if old is True else old), ({} if new is True else new)
        pair = (str(old.get("$ref", "")), str(new.get("$ref", "")))
        if all(pair):
            if pair in self._open:
                return []
            self._open.add(pair)
        try:
            return self._compare_branches(
                list(_branches(old, self._old_definitions)), list(_branches(new, self._new_definitions)), where
            )
        finally:
            if all(pair):
                self._open.discard(pair)

    def _compare_branches(self, old: list[Schema], new: list[Schema], where: str) -> list[str]:
        if len(old) == len(new) == 1:
            return self._compare_one(old[0], new[0], where)
        found: list[str] = []
        for branch in (single for each in old for single in _single_values(each)):
            refused = [self._compare_one(branch, other, where) for other in new]
            if all(refused):
                alike = [each for each, other in zip(refused, new, strict=True) if _sort(branch) == _sort(other)]
                found += alike[0] if len(alike) == 1 else [_at(where, f"no longer takes {_shown(branch)}")]
        return found

    def _compare_one(self, old: Schema, new: Schema, where: str) -> list[str]:
        old_values, new_values = _values(old), _values(new)
        if new_values is not None:
            if old_values is None:
                return [_at(where, f"only takes {', '.join(new_values)} now")]
            return [_at(where, f"no longer takes {value}") for value in old_values if value not in new_values]
        old_type, new_type = old.get("type") or _type_of(old_values), new.get("type")
        if new_type not in (None, old_type) and (old_type, new_type) != ("integer", "number"):
            before = f" instead of {old_type}" if old_type else ""
            return [_at(where, f"takes {new_type}{before} now" if before else f"only takes {new_type} now")]
        return [
            *(_at(where, what) for what in _bounds(old, new)),
            *(_at(where, what) for what in _forms(old, new)),
            *self._compare_items(old, new, where),
            *self._compare_fields(old, new, where),
            *(
                _at(where, f"{keyword} {'changed' if keyword in old else 'added'}")
                for keyword in sorted(new.keys() - CHECKED - NOT_CHECKED)
                if not keyword.startswith("x-") and old.get(keyword) != new[keyword]
            ),
        ]

    def _compare_items(self, old: Schema, new: Schema, where: str) -> Iterator[str]:
        old_first, new_first = old.get("prefixItems", []), new.get("prefixItems", [])
        old_rest, new_rest = old.get("items", True), new.get("items", True)
        first = max(len(old_first), len(new_first))
        most = old.get("maxItems", first + 1)
        for place in range(min(first, most)):
            yield from self.compare(
                old_first[place] if place < len(old_first) else old_rest,
                new_first[place] if place < len(new_first) else new_rest,
                f"{where}[{place}]",
            )
        if most > first:
            yield from self.compare(old_rest, new_rest, f"{where}[]")

    def _compare_fields(self, old: Schema, new: Schema, where: str) -> Iterator[str]:
        old_fields, new_fields = old.get("properties", {}), new.get("properties", {})
        old_required, new_required = set(old.get("required", ())), set(new.get("required", ()))
        for name, field in old_fields.items():
            path = f"{where}.{name}" if where else name
            if name not in new_fields:
                if "properties" in new:
                    yield _at(path, "field removed")
                else:
                    yield from self.compare(field, new.get("additionalProperties", True), path)
                continue
            if name in new_required - old_required:
                yield _at(path, "made required")
            yield from self.compare(field, new_fields[name], path)
        for name in sorted(new_required - old_fields.keys()):
            yield _at(f"{where}.{name}" if where else name, "added as a required field")
        old_others, new_others = old.get("additionalProperties", True), new.get("additionalProperties", True)
        if new_others is False and old_others is not False:
            yield _at(where, "fields that it does not know are refused now")
        else:
            yield from self.compare(old_others, new_others, f"{where}.*" if where else "*")
        yield from self.compare(old.get("propertyNames", True), new.get("propertyNames", True), f"{where} (its keys)")


def _branches(schema: Schema, definitions: Schema) -> Iterator[Schema]:
    """Yield what a schema takes, as schemas without references and alternatives."""
    followed: set[str] = set()
    while (reference := schema.get("$ref")) is not None:
        name = str(reference).removeprefix("#/$defs/")
        if name not in definitions or name in followed:
            raise ValueError(f"$ref {reference!r} leads nowhere")
        followed.add(name)
        schema = definitions[name] | {key: value for key, value in schema.items() if key != "$ref"}
    keyword = next((each for each in BRANCHES if each in schema), None)
    if keyword is None:
        types = schema.get("type")
        for each in types if isinstance(types, list) else [types]:
            yield schema if each is None else schema | {"type": each}
        return
    beside = {key: value for key, value in schema.items() if key != keyword and key not in NOT_CHECKED}
    for branch in schema[keyword]:
        yield from _branches({**beside, **branch}, definitions)


def _single_values(branch: Schema) -> Iterator[Schema]:
    """Yield a branch as one schema a value, if it lists its values: they may be spread over several branches elsewhere."""
    if "enum" not in branch:
        yield branch
        return
    others = {key: value for key, value in branch.items() if key != "enum"}
    yield from (others | {"const": value} for value in branch["enum"])


def _values(schema: Schema) -> list[str] | None:
    """Return the values that a schema lists, as JSON; None when it lists none."""
    if "const" in schema:
        return [json.dumps(schema["const"], sort_keys=True)]
    return [json.dumps(value, sort_keys=True) for value in schema["enum"]] if "enum" in schema else None


def _type_of(values: list[str] | None) -> str | None:
    """Return the type of listed values, when they have one in common."""
    types = {TYPES[type(json.loads(value))] for value in values or ()}
    return types.pop() if len(types) == 1 else None


def _bounds(old: Schema, new: Schema) -> Iterator[str]:
    for name, sign in (("minimum", 1), ("maximum", -1)):
        before, now = _bound(old, name, sign), _bound(new, name, sign)
        if now is not None and (before is None or now > before):
            shown = _number(now, sign)
            yield f"{name} {shown} added" if before is None else f"{name} was {_number(before, sign)}, is {shown}"
    for name in (*LEAST, *MOST):
        sign = 1 if name in LEAST else -1
        was, becomes = old.get(name, 0 if name in LEAST else None), new.get(name)
        if becomes is not None and (was is None or becomes * sign > was * sign):
            yield f"{name} was {was}, is {becomes}" if name in old else f"{name} {becomes} added"
    was, becomes = old.get("multipleOf"), new.get("multipleOf")
    if becomes is not None and (was is None or Fraction(str(was)) % Fraction(str(becomes))):
        yield f"multipleOf {becomes} added" if was is None else f"multipleOf was {was}, is {becomes}"


def _bound(schema: Schema, name: str, sign: int) -> tuple[float, bool] | None:
    """Return the bound as (number times sign, whether the number itself is refused): the greater, the narrower."""
    found = [
        (schema[keyword] * sign, exclusive)
        for keyword, exclusive in ((name, False), (f"exclusive{name.capitalize()}", True))
        if keyword in schema
    ]
    return max(found, default=None)


def _number(bound: tuple[float, bool], sign: int) -> str:
    number, exclusive = bound
    return f"{number * sign} (itself refused)" if exclusive else f"{number * sign}"


def _forms(old: Schema, new: Schema) -> Iterator[str]:
    for name in ("pattern", "format"):
        if name in new and new[name] != old.get(name):
            yield f"{name} was {old[name]!r}, is {new[name]!r}" if name in old else f"{name} {new[name]!r} added"
    if new.get("uniqueItems") and not old.get("uniqueItems"):
        yield "its items must differ now"


def _sort(schema: Schema) -> object:
    """Return what tells alternatives apart."""
    return schema.get("type"), "properties" in schema, "prefixItems" in schema


def _shown(schema: Schema) -> str:
    values = _values(schema)
    return ", ".join(values) if values else str(schema.get("title") or schema.get("type") or "anything")


def _at(where: str, what: str) -> str:
    return f"{where.lstrip('.')}: {what}" if where else what
