"""What counts as narrower: checked case by case, and against what pydantic itself takes and refuses."""

from __future__ import annotations

import json
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, ConfigDict, Field, JsonValue, TypeAdapter, ValidationError, create_model

from broker.messages.narrowing import narrowed


class Colour(StrEnum):
    RED = "red"
    BLUE = "blue"


class OnlyRed(StrEnum):
    RED = "red"


class Closed(BaseModel):
    model_config = ConfigDict(extra="forbid")
    n: int
    note: str = ""


class ClosedMore(BaseModel):
    model_config = ConfigDict(extra="forbid")
    n: int
    note: str = ""
    more: int = 0


class ClosedNeedsMore(BaseModel):
    model_config = ConfigDict(extra="forbid")
    n: int
    note: str
    more: int


class Open(BaseModel):
    n: int


class Tree(BaseModel):
    model_config = ConfigDict(extra="forbid")
    branches: tuple[Tree, ...] = ()


class Bush(BaseModel):
    model_config = ConfigDict(extra="forbid")
    branches: tuple[Bush, ...] = Field(default=(), max_length=1)


FIELDS: dict[str, Any] = {
    "any": JsonValue,
    "int": int,
    "int from 0": Annotated[int, Field(ge=0)],
    "int above 0": Annotated[int, Field(gt=0)],
    "int to 4": Annotated[int, Field(ge=0, le=4)],
    "int below 4": Annotated[int, Field(ge=0, lt=4)],
    "int from -5": Annotated[int, Field(ge=-5)],
    "even": Annotated[int, Field(multiple_of=2)],
    "by four": Annotated[int, Field(multiple_of=4)],
    "float": float,
    "float to 1": Annotated[float, Field(le=1)],
    "bool": bool,
    "str": str,
    "short str": Annotated[str, Field(max_length=3)],
    "filled str": Annotated[str, Field(min_length=1)],
    "pattern": Annotated[str, Field(pattern=r"^r")],
    "other pattern": Annotated[str, Field(pattern=r"^b")],
    "time": datetime,
    "colour": Colour,
    "only red": OnlyRed,
    "literal red": Literal["red"],
    "literals": Literal["red", "blue", 5],
    "null": None,
    "int or none": int | None,
    "int or str": int | str,
    "str or none": str | None,
    "colour or none": Colour | None,
    "ints": tuple[int, ...],
    "strs": list[str],
    "few ints": Annotated[list[int], Field(max_length=1)],
    "some ints": Annotated[list[int], Field(min_length=1)],
    "different ints": set[int],
    "pair": tuple[int, str],
    "pair of ints": tuple[int, int],
    "by name": dict[str, int],
    "anything by name": dict[str, JsonValue],
    "by short name": dict[Annotated[str, Field(max_length=3)], int],
    "few by name": Annotated[dict[str, int], Field(max_length=1)],
    "closed": Closed,
    "closed with more": ClosedMore,
    "closed needs more": ClosedNeedsMore,
    "open": Open,
    "closed or none": Closed | None,
    "tree": Tree,
    "bush": Bush,
    "colours by name": dict[str, Colour],
    "list of closed": list[Closed],
    "list of more": list[ClosedMore],
}

VALUES: list[Any] = [
    *(None, True, False, 0, 1, 2, 3, 4, 5, -1, -5, -6, 1.5, 0.5, 10**6),
    *("", "r", "red", "blue", "green", "2026-01-02T03:04:05Z", "1.5"),
    *([], [1], [1, 2], [1, 1], [1, "a"], ["a"], [1, 2, 3], [None], [{"n": 1}], [{"n": 1, "more": 1}]),
    *({}, {"n": 1}, {"n": 1, "note": "x"}, {"n": 1, "more": 2}, {"n": 1, "note": "x", "more": 2}, {"n": "x"}),
    *({"n": 1, "other": 2}, {"longer": 1}, {"a": "red"}, {"a": "green"}, {"a": 1, "b": 2}),
    *({"branches": []}, {"branches": [{}]}, {"branches": [{}, {}]}, {"branches": [{"branches": [{}, {}]}]}),
]


def takes(field: Any, value: Any) -> bool:
    """Tell whether a field of that type takes the value, as strictly as messages are read."""
    try:
        TypeAdapter(field).validate_json(json.dumps(value), strict=True)
    except ValidationError:
        return False
    return True


def schema(field: Any) -> dict[str, Any]:
    """Return the schema of an object with such a field."""
    return create_model("Body", __config__=ConfigDict(extra="forbid"), x=(field, ...)).model_json_schema()


TAKEN = {name: {n for n, value in enumerate(VALUES) if takes(field, value)} for name, field in FIELDS.items()}
SCHEMAS = {name: schema(field) for name, field in FIELDS.items()}


@pytest.mark.parametrize("old", FIELDS)
def test_no_narrowing_goes_unseen(old: str) -> None:
    """Whenever one field takes a value that another refuses, going from the one to the other is named."""
    unseen = [
        (new, VALUES[min(TAKEN[old] - TAKEN[new])])
        for new in FIELDS
        if TAKEN[old] - TAKEN[new] and not narrowed(SCHEMAS[old], SCHEMAS[new])
    ]
    assert unseen == []


@pytest.mark.parametrize("name", FIELDS)
def test_what_stays_the_same_is_no_narrowing(name: str) -> None:
    """A field that did not change breaks nothing, nor does one that may be left out or be null now, or is anything."""
    assert narrowed(SCHEMAS[name], SCHEMAS[name]) == []
    assert narrowed(SCHEMAS[name], SCHEMAS["any"]) == []
    assert narrowed(SCHEMAS[name], schema(FIELDS[name] | None if FIELDS[name] is not None else None)) == []
    optional = create_model("Body", __config__=ConfigDict(extra="forbid"), x=(FIELDS[name], None))
    assert narrowed(SCHEMAS[name], optional.model_json_schema()) == []


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("int from 0", "int"),
        ("int from 0", "int from -5"),
        ("int", "float"),
        ("int above 0", "int from 0"),
        ("int below 4", "int to 4"),
        ("by four", "even"),
        ("only red", "colour"),
        ("literal red", "colour"),
        ("colour", "str"),
        ("colour", "literals"),
        ("short str", "str"),
        ("pattern", "str"),
        ("time", "str"),
        ("int", "int or str"),
        ("closed", "closed with more"),
        ("closed needs more", "closed with more"),
        ("list of closed", "list of more"),
        ("bush", "tree"),
        ("by name", "anything by name"),
        ("few by name", "by name"),
        ("few ints", "ints"),
    ],
)
def test_what_is_wider_is_no_narrowing(old: str, new: str) -> None:
    """A field that takes more than before breaks nothing."""
    assert narrowed(SCHEMAS[old], SCHEMAS[new]) == []
    assert TAKEN[old] <= TAKEN[new]


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("int", "str", ["x: takes string instead of integer now"]),
        ("any", "int", ["x: only takes integer now"]),
        ("float", "int", ["x: takes integer instead of number now"]),
        ("int", "int from 0", ["x: minimum 0 added"]),
        ("int from 0", "int above 0", ["x: minimum was 0, is 0 (itself refused)"]),
        ("int from -5", "int from 0", ["x: minimum was -5, is 0"]),
        ("int to 4", "int below 4", ["x: maximum was 4, is 4 (itself refused)"]),
        ("even", "by four", ["x: multipleOf was 2, is 4"]),
        ("str", "short str", ["x: maxLength 3 added"]),
        ("str", "filled str", ["x: minLength 1 added"]),
        ("str", "pattern", ["x: pattern '^r' added"]),
        ("pattern", "other pattern", ["x: pattern was '^r', is '^b'"]),
        ("str", "time", ["x: format 'date-time' added"]),
        ("str", "colour", ['x: only takes "red", "blue" now']),
        ("colour", "only red", ['x: no longer takes "blue"']),
        ("int or none", "int", ["x: no longer takes null"]),
        ("colour or none", "colour", ["x: no longer takes null"]),
        ("int or str", "str or none", ["x: no longer takes integer"]),
        ("ints", "few ints", ["x: maxItems 1 added"]),
        ("ints", "different ints", ["x: its items must differ now"]),
        ("ints", "strs", ["x[]: takes string instead of integer now"]),
        ("pair", "pair of ints", ["x[1]: takes integer instead of string now"]),
        ("closed with more", "closed", ["x.more: field removed"]),
        ("closed with more", "closed needs more", ["x.note: made required", "x.more: made required"]),
        ("closed", "closed needs more", ["x.note: made required", "x.more: added as a required field"]),
        ("open", "closed", ["x: fields that it does not know are refused now"]),
        ("closed or none", "closed", ["x: no longer takes null"]),
        ("list of more", "list of closed", ["x[].more: field removed"]),
        ("tree", "bush", ["x.branches: maxItems 1 added"]),
        ("by name", "colours by name", ['x.*: only takes "red", "blue" now']),
        ("by name", "by short name", ["x (its keys): maxLength 3 added"]),
        ("by name", "few by name", ["x: maxProperties 1 added"]),
    ],
)
def test_a_narrowing_is_named(old: str, new: str, said: list[str]) -> None:
    """Each narrowing is named with the field it is in and what it was and is."""
    assert narrowed(SCHEMAS[old], SCHEMAS[new]) == said


def test_a_keyword_that_nobody_knows_is_named() -> None:
    """A schema may say what this comparison does not know: then a change is named rather than let pass."""
    plain = {"type": "object", "properties": {"x": {"type": "string"}}}
    odd = {"type": "object", "properties": {"x": {"type": "string", "not": {"const": "no"}}}}
    assert narrowed(plain, odd) == ["x: not added"]
    assert narrowed(odd, odd) == []
    assert narrowed(odd, plain) == []


def test_notes_to_people_are_no_change() -> None:
    """Titles, descriptions, defaults and examples may change freely."""
    old = {"properties": {"x": {"type": "string", "title": "X", "default": "a"}}, "description": "Old."}
    new = {"properties": {"x": {"type": "string", "title": "Y", "default": "b", "examples": ["c"]}}, "title": "N"}
    assert narrowed(old, new) == []


def test_a_reference_to_nothing_is_named() -> None:
    """A schema that is broken is an error that names the reference, not a guess."""
    for reference in ("#/$defs/Gone", "#/$defs/Self"):
        broken = {"properties": {"x": {"$ref": reference}}, "$defs": {"Self": {"$ref": "#/$defs/Self"}}}
        with pytest.raises(ValueError, match=r"leads nowhere"):
            narrowed(broken, {"properties": {"x": {}}})
