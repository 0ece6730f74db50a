"""The lock of schemas: what breaks it, and what an upcaster makes good."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, ClassVar

import pytest
from pydantic import Field

from broker.errors import ContractError
from broker.messages.catalogue import Catalogue
from broker.messages.message import Command, Event, Message, Reply
from broker.messages.schema_lock import Lock, breaking_changes, lock_of, read_lock
from broker.messages.versions import Body


def keep(body: Body) -> Body:
    """Lift a body that stayed as it was."""
    return body


class Done(Reply):
    kind: ClassVar[str] = "t.done"


class Set(Command[Done]):
    kind: ClassVar[str] = "t.set"
    version: ClassVar[int] = 2
    upcasters: ClassVar = {1: keep}
    output: int = Field(ge=1, le=4)
    mode: str = "on"


class Rang(Event):
    kind: ClassVar[str] = "t.rang"


LOCKED = lock_of(Catalogue([Set, Done, Rang]))


def broken(*classes: type[Message]) -> list[str]:
    """Return what breaks the lock when these are the classes now; the others stay."""
    made = {each.kind: each for each in (Set, Done, Rang)} | {each.kind: each for each in classes}
    return breaking_changes(LOCKED, lock_of(Catalogue(made.values())))


def changed(version: int, upcasters: dict[int, Any], fields: dict[str, Any] | None = None) -> type[Any]:
    """Return another class of Set's kind."""
    given = fields if fields is not None else {"output": int}
    annotations = {"kind": ClassVar[str], "version": ClassVar[int], "upcasters": ClassVar[dict[int, Any]], **given}
    values = {"kind": "t.set", "version": version, "upcasters": upcasters, "__annotations__": annotations}
    return type("Changed", (Command[Done],), values | {"__module__": __name__})


def test_what_did_not_change_breaks_nothing() -> None:
    """The same classes, and new kinds beside them, break nothing."""

    class New(Event):
        kind: ClassVar[str] = "t.new"

    assert broken() == []
    assert broken(New) == []


def test_a_change_at_the_same_version_is_named() -> None:
    """Removed, narrowed and required fields are each named, with their kind and field."""
    fields = {"output": str, "colour": int}
    assert broken(changed(2, {1: keep}, fields)) == [
        "t.set: output: takes string instead of integer now",
        "t.set: mode: field removed",
        "t.set: colour: added as a required field",
    ]


def test_a_raised_version_with_its_upcaster_breaks_nothing() -> None:
    """Whatever changed: a raised version that lifts the locked one, and the ones before it, is an agreed change."""
    assert broken(changed(3, {1: keep, 2: keep}, {"all": str, "new": int})) == []


def test_a_raised_version_without_upcaster_breaks() -> None:
    """A raised version that leaves bodies of the locked one behind is named, even if no field changed."""
    assert broken(changed(3, {})) == ["t.set: version raised to 3 without an upcaster for version 2"]


def test_an_upcaster_that_is_gone_breaks() -> None:
    """Older versions that the locked classes understood and the new ones do not are named."""
    assert broken(changed(3, {2: keep})) == ["t.set: version 1 is not understood any more, only from 2 on"]
    assert "t.set: version 1 is not understood any more, only from 2 on" in broken(changed(2, {}))


def test_a_lowered_version_breaks() -> None:
    """A version that went back is named."""
    assert broken(changed(1, {})) == ["t.set: version lowered from 2 to 1"]


def test_a_removed_kind_breaks() -> None:
    """A kind that no package has any more is named."""
    assert breaking_changes(LOCKED, lock_of(Catalogue([Set, Done]))) == ["t.rang: kind removed"]


def test_another_sort_or_reply_breaks() -> None:
    """A command that became an event, or is answered by something else, is named."""

    class NowCommand(Command[None]):
        kind: ClassVar[str] = "t.rang"

    class Quiet(Command[None]):
        kind: ClassVar[str] = "t.set"
        version: ClassVar[int] = 3
        upcasters: ClassVar = {1: keep, 2: keep}

    assert broken(NowCommand) == ["t.rang: was of sort event, is of sort command"]
    assert broken(Quiet) == ["t.set: was answered by t.done, is answered by nothing"]


def test_a_lock_survives_its_file() -> None:
    """What is written is read as the same lock, sorted by kind, so that a diff shows what changed."""
    text = LOCKED.as_file()
    assert read_lock(text.encode()) == LOCKED
    assert list(json.loads(text)["kinds"]) == ["t.done", "t.rang", "t.set"]


@pytest.mark.parametrize(
    ("text", "error"),
    [
        (b"", "Invalid JSON"),
        (b"[]", "object"),
        (b"{}", "kinds: Field required"),
        (b'{"interapp_schemas": 2, "kinds": {}}', "interapp_schemas: .*got 2"),
        (b'{"kinds": {"t.a": {"sort": "event", "version": "1"}}}', r"kinds.t.a.version: .*got '1'"),
        (b'{"kinds": ' + b"[" * 100_000, "Invalid JSON: recursion"),
    ],
)
def test_what_is_no_lock_is_refused(text: bytes, error: str) -> None:
    """A file that is no lock is refused with what is wrong in it."""
    with pytest.raises(ContractError, match=error):
        read_lock(text)


@pytest.mark.parametrize(
    "body",
    [
        {"type": "object", "properties": {"output": {"$ref": "#/$defs/Gone"}}},
        {"type": "object", "properties": []},
        {"type": "object", "properties": {"output": 5}},
        {"type": "object", "properties": {"output": {"type": "integer", "minimum": "x"}}},
        {"$defs": {"A": {"anyOf": [{"$ref": "#/$defs/A"}]}}, "$ref": "#/$defs/A"},
    ],
)
def test_a_locked_schema_that_cannot_be_read_is_named(body: dict[str, Any]) -> None:
    """A lock that somebody edited until it is no schema is an error that names the kind."""
    edited = LOCKED.kinds["t.set"].model_copy(update={"body": body})
    lock = Lock(kinds={"t.set": edited})
    with pytest.raises(ContractError, match=r"the locked schema of t\.set cannot be read"):
        breaking_changes(lock, LOCKED)


def test_a_class_that_json_cannot_say_is_named() -> None:
    """A field that has no JSON Schema is named with its kind and class."""

    class Odd(Event):
        kind: ClassVar[str] = "t.odd"
        call: Callable[[], int]

    with pytest.raises(ContractError, match=r"t\.odd \(.*Odd\) has a field that JSON Schema cannot say"):
        lock_of(Catalogue([Odd]))
