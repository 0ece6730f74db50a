"""Messages to bytes and back: strict, and with errors that name field and value."""

import json
from contextlib import suppress
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, ClassVar, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import AfterValidator, BaseModel, Field

from broker.errors import ContractError, InvalidMessage, UnsupportedVersion
from broker.messages.codec import SHOWN_VALUE, decode, decode_envelope, encode
from broker.messages.envelope import Envelope
from broker.messages.message import Command


class Mode(StrEnum):
    ON = "on"
    OFF = "off"


class SetOutput(Command[None]):
    kind: ClassVar[str] = "test.set-output"
    version: ClassVar[int] = 2
    output: int = Field(ge=1, le=4)
    mode: Mode = Mode.ON
    length: float = 1.0
    at: datetime | None = None
    names: tuple[str, ...] = ()


class SetOffset(Command[None]):
    kind: ClassVar[str] = "test.set-offset"
    minutes: Annotated[int, AfterValidator(abs)] | Literal["unset"] | None = None


def test_the_branch_of_a_union_is_no_place_in_the_body() -> None:
    """A value that fits no branch of a union is told by the field's name, not by how pydantic calls the branches."""
    with pytest.raises(InvalidMessage) as caught:
        decode(SetOffset, b'{"minutes": "x"}')
    assert [clause.partition(": ")[0] for clause in str(caught.value).split(": ", 1)[1].split("; ")] == ["minutes"] * 2


class Item(BaseModel):
    number: int


class SetItems(Command[None]):
    kind: ClassVar[str] = "test.set-items"
    items: tuple[Item, ...] = Field(min_length=1)


@pytest.mark.parametrize(("items", "short"), [(b'[{"number": "x"}]', False), (b"[]", True)])
def test_a_list_with_a_wrong_item_is_not_too_short(items: bytes, short: bool) -> None:
    """The error of a list names the item that is wrong, and says that there are too few only when there are."""
    with pytest.raises(InvalidMessage) as caught:
        decode(SetItems, b'{"items": ' + items + b"}")
    assert ("at least 1 item" in str(caught.value)) is short
    assert ("items.0.number" in str(caught.value)) is not short


def envelope(body: bytes = b'{"output": 1}', **fields: object) -> Envelope:
    """Return an envelope with a SetOutput."""
    values = {"message_id": "m", "kind": SetOutput.kind, "body": body, "destination": "a", "version": 2}
    return Envelope(**values | fields)  # type: ignore[arg-type]


@given(
    st.builds(
        SetOutput,
        output=st.integers(1, 4),
        mode=st.sampled_from(Mode),
        length=st.floats(allow_nan=False, allow_infinity=False),
        at=st.none() | st.datetimes(timezones=st.just(UTC)),
        names=st.lists(st.text(st.characters(exclude_categories=["Cs"])), max_size=3).map(tuple),
    )
)
def test_what_is_encoded_is_decoded(message: SetOutput) -> None:
    """A message survives the way over the wire unchanged, as JSON in UTF-8."""
    body = encode(message)
    assert decode(SetOutput, body) == message
    assert isinstance(json.loads(body.decode("utf-8")), dict)


@given(st.binary())
def test_no_bytes_raise_anything_but_a_contract_error(body: bytes) -> None:
    """Whatever bytes a foreign producer sends, decoding them ends well or with ContractError."""
    with suppress(ContractError):
        decode_envelope(SetOutput, envelope(body))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.sampled_from(["output", "mode", "at"]), inner),
)


@given(JSON)
def test_no_json_raises_anything_but_a_contract_error(value: object) -> None:
    """Whatever JSON a foreign producer sends, half characters and NaN included, the error is a ContractError."""
    with suppress(ContractError):
        decode(SetOutput, json.dumps(value).encode("utf-8"))


@pytest.mark.parametrize(
    ("body", "field", "value"),
    [
        (b'{"output": "4"}', "output", "'4'"),
        (b'{"output": 5}', "output", "5"),
        (b'{"output": 1.5}', "output", "1.5"),
        (b'{"output": true}', "output", "True"),
        (b'{"output": 1, "mode": "dim"}', "mode", "'dim'"),
        (b'{"output": 1, "names": ["a", 2]}', "names.1", "2"),
        (b'{"output": 1, "colour": "red"}', "colour", "'red'"),
        (b'{"output": 1, "at": "yesterday"}', "at", "'yesterday'"),
    ],
)
def test_an_error_names_field_and_value(body: bytes, field: str, value: str) -> None:
    """A wrong field is named with its path and the value that was sent; types are strict."""
    with pytest.raises(InvalidMessage) as caught:
        decode(SetOutput, body)
    assert str(caught.value).startswith(f"test.set-output: {field}: ")
    assert f"(got {value})" in str(caught.value)
    assert caught.value.__cause__ is not None


def test_a_missing_field_is_named() -> None:
    """A field that is missing is named, without a value that nobody sent."""
    with pytest.raises(InvalidMessage, match=r"^test.set-output: output: Field required$"):
        decode(SetOutput, b"{}")


def test_every_wrong_field_is_named_up_to_five() -> None:
    """One error tells all that is wrong, and how much more there is when it is very much."""
    body = json.dumps({"output": 1} | {f"wrong{n}": n for n in range(8)}).encode()
    with pytest.raises(InvalidMessage, match=r"wrong0: .*wrong4: .*; and 3 more$"):
        decode(SetOutput, body)


def test_a_long_value_is_shortened() -> None:
    """A value that is very long does not fill the table with its error."""
    with pytest.raises(InvalidMessage) as caught:
        decode(SetOutput, json.dumps({"output": "x" * 10_000}).encode())
    assert "…" in str(caught.value)
    assert len(str(caught.value)) < SHOWN_VALUE + 150


@pytest.mark.parametrize("content_type", ["text/plain", "application/xml", "application/octet-stream"])
def test_another_content_type_is_refused(content_type: str) -> None:
    """What says that it is no JSON is not read as JSON; the error names what was sent and what is known."""
    with pytest.raises(InvalidMessage, match=f"content type '{content_type}' is not known, send application/json"):
        decode_envelope(SetOutput, envelope(content_type=content_type))


@pytest.mark.parametrize("content_type", ["application/json", ""])
def test_json_may_go_without_saying(content_type: str) -> None:
    """A producer that gives no content type means JSON."""
    assert decode_envelope(SetOutput, envelope(content_type=content_type)) == SetOutput(output=1)


def test_the_own_version_is_read() -> None:
    """A message of the class's version is read."""
    assert decode_envelope(SetOutput, envelope(version=2)) == SetOutput(output=1)


def test_an_older_version_without_upcaster_is_refused() -> None:
    """Nobody guesses what an older body meant: without an upcaster it is refused, naming what is known."""
    with pytest.raises(UnsupportedVersion, match=r"^test\.set-output: version 1, known is only 2$"):
        decode_envelope(SetOutput, envelope(version=1))


def test_a_newer_version_is_refused() -> None:
    """A message of a newer version is refused, naming both versions, before its body is looked at."""
    with pytest.raises(UnsupportedVersion, match="version 3, known up to 2"):
        decode_envelope(SetOutput, envelope(b"not even JSON", version=3))
