"""Codecs: other content types than JSON, with the same checks."""

from __future__ import annotations

import json
from typing import Any, ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import JsonValue

from broker.errors import InvalidMessage
from broker.messages.codec import MAX_DEPTH, decode_envelope, encode, encode_as_said
from broker.messages.codecs import JSON_ONLY, Codecs
from broker.messages.envelope import Envelope
from broker.messages.message import Command, Message, Reply
from broker.messages.versions import Body


class Reversed:
    """JSON backwards: as small as a codec can be."""

    content_type = "application/x-reversed"

    def encode(self, message: Message) -> bytes:
        return json.dumps(message.model_dump(mode="json")).encode()[::-1]

    def decode(self, message_class: type[Message], body: bytes) -> object:
        return json.loads(body[::-1])


class Says:
    """A codec that decodes everything to the same."""

    def __init__(self, values: object, content_type: Any = "application/x-says") -> None:
        self.content_type = content_type
        self.values = values

    def encode(self, message: Message) -> bytes:
        if isinstance(self.values, Exception):
            raise self.values
        return b"said"

    def decode(self, message_class: type[Message], body: bytes) -> object:
        if isinstance(self.values, Exception):
            raise self.values
        return self.values


def counted(body: Body) -> Body:
    """Lift version 1, which called the count something else."""
    return {"count": body["number"]}


class Report(Command[None]):
    kind: ClassVar[str] = "test.report"
    version: ClassVar[int] = 2
    upcasters: ClassVar = {1: counted}
    content_type: ClassVar[str] = Reversed.content_type
    count: int
    more: JsonValue = None


def envelope(body: bytes, content_type: str, version: int = 2) -> Envelope:
    """Return an envelope with a Report."""
    return Envelope(
        message_id="m", kind=Report.kind, body=body, destination="a", content_type=content_type, version=version
    )


def nested(levels: int) -> Any:
    """Return lists in lists."""
    value: Any = 1
    for _ in range(levels):
        value = [value]
    return value


@given(st.integers(), st.text(st.characters(exclude_categories=["Cs"])))
def test_what_is_encoded_is_decoded(count: int, text: str) -> None:
    """A message survives the way through its codec, and is not JSON on it."""
    message = Report(count=count, more=text)
    codecs = Codecs([Reversed()])
    body = encode_as_said(message, codecs)
    assert body == json.dumps(message.model_dump(mode="json")).encode()[::-1]
    assert decode_envelope(Report, envelope(body, Reversed.content_type), codecs) == message


def test_the_content_type_that_came_decides() -> None:
    """A kind that is sent by a codec is read as JSON too, and the other way round: what came says what it is."""
    codecs = Codecs([Reversed()])
    assert decode_envelope(Report, envelope(b'{"count": 1}', "application/json"), codecs) == Report(count=1)
    assert decode_envelope(Report, envelope(b'}1 :"tnuoc"{', Reversed.content_type), codecs) == Report(count=1)


def test_an_unknown_content_type_names_those_known() -> None:
    """A content type without codec is refused, with the list of those that would do."""
    codecs = Codecs([Says({}), Reversed()])
    with pytest.raises(
        InvalidMessage,
        match=r"content type 'text/odd' is not known, send application/json, application/x-reversed, application/x-says$",
    ):
        decode_envelope(Report, envelope(b"", "text/odd"), codecs)


def test_a_message_whose_codec_is_missing_is_not_sent() -> None:
    """Sending what has no codec here says what is missing and where to put it, instead of sending something else."""
    with pytest.raises(InvalidMessage, match=r"test\.report: it is sent as application/x-reversed, .* codecs=\["):
        encode_as_said(Report(count=1), JSON_ONLY)


def test_what_a_codec_returns_is_checked_as_strictly_as_json() -> None:
    """A codec need not check: wrong types, unknown and missing fields are named as for JSON."""
    for values, error in (
        ({"count": "1"}, r"count: .*\(got '1'\)"),
        ({"count": 1, "colour": "red"}, r"colour: Extra inputs"),
        ({}, r"count: Field required"),
        ([1], r"should be an object"),
        (None, r"should be an object"),
        ({"count": object()}, r"what JSON cannot say"),
        ({"count": 1, "more": b"\xff"}, r"what JSON cannot say"),
    ):
        with pytest.raises(InvalidMessage, match=error):
            decode_envelope(Report, envelope(b"", "application/x-says"), Codecs([Says(values)]))


@pytest.mark.parametrize("error", [ValueError("no"), KeyError("x"), RecursionError("deep"), MemoryError("much")])
def test_whatever_a_codec_raises_makes_the_message_invalid(error: Exception) -> None:
    """A codec that breaks on a body harms that message alone, and is named by its content type, in both directions."""
    codecs = Codecs([Says(error)])
    with pytest.raises(InvalidMessage, match="the body cannot be read as application/x-says") as caught:
        decode_envelope(Report, envelope(b"", "application/x-says"), codecs)
    assert caught.value.__cause__ is error

    class Other(Command[None]):
        kind: ClassVar[str] = "test.other"
        content_type: ClassVar[str] = "application/x-says"

    with pytest.raises(InvalidMessage, match=r"test\.other: cannot be sent as application/x-says"):
        encode_as_said(Other(), codecs)


def test_an_older_version_is_lifted_whatever_it_came_as() -> None:
    """Upcasters work on values, so they serve every content type."""
    codecs = Codecs([Reversed()])
    old = json.dumps({"number": 7}).encode()
    assert decode_envelope(Report, envelope(old[::-1], Reversed.content_type, 1), codecs) == Report(count=7)
    assert decode_envelope(Report, envelope(old, "application/json", 1), codecs) == Report(count=7)


def test_one_limit_of_depth_holds_for_everything() -> None:
    """JSON, what a codec made and what is lifted may be nested equally deep, and no deeper, however deep it is."""
    fits = {"count": 1, "more": nested(MAX_DEPTH - 1)}
    assert decode_envelope(Report, envelope(json.dumps(fits).encode(), "")).count == 1
    assert decode_envelope(Report, envelope(b"", "application/x-says"), Codecs([Says(fits)])).count == 1
    for levels in (MAX_DEPTH, 300):
        deep = {"count": 1, "more": nested(levels)}
        with pytest.raises(InvalidMessage, match=r"recursion limit|nested deeper than 200"):
            decode_envelope(Report, envelope(b"", "application/x-says"), Codecs([Says(deep)]))
        with pytest.raises(InvalidMessage, match="recursion limit"):
            decode_envelope(Report, envelope(json.dumps(deep).encode(), ""))
    for version in (1, 2):
        hostile = b'{"number": ' + b"[" * 500_000
        with pytest.raises(InvalidMessage, match="recursion limit"):
            decode_envelope(Report, envelope(hostile, "", version))


@pytest.mark.parametrize(
    ("content_type", "error"),
    [
        ("application/json", "JSON is built in"),
        ("", "two lower-case words"),
        ("text", "two lower-case words"),
        ("Text/CSV", "two lower-case words"),
        ("text/csv; charset=utf-8", "two lower-case words"),
        (None, "two lower-case words"),
        ("text/" + "x" * 200, "at most 120"),
        ("application/x-python-serialize", "run any code"),
        ("application/python-pickle", "run any code"),
    ],
)
def test_a_codec_that_cannot_be_one_is_refused(content_type: Any, error: str) -> None:
    """A content type that cannot be on the wire, would replace JSON or means pickle is refused when it is given."""
    with pytest.raises(TypeError, match=error):
        Codecs([Says({}, content_type)])


def test_two_codecs_of_one_content_type_are_refused() -> None:
    """Two packages that differ about a content type are told apart by name; two of one class are one."""
    with pytest.raises(TypeError, match=r"'application/x-reversed' has two codecs: .*\.Reversed and .*\.Says"):
        Codecs([Reversed()]) | Codecs([Says({}, Reversed.content_type)])
    both = Codecs([Reversed()]) | Codecs([Reversed(), Says({})])
    assert both.known() == "application/json, application/x-reversed, application/x-says"


def test_a_reply_is_json() -> None:
    """A reply is kept as JSON in the table, so another content type is refused when the class is made."""
    with pytest.raises(TypeError, match=r"Odd\.content_type = 'text/csv': a Reply is kept as JSON"):

        class Odd(Reply):
            kind: ClassVar[str] = "test.odd"
            content_type: ClassVar[str] = "text/csv"


def test_json_needs_no_codec() -> None:
    """A message that says nothing of its content type is sent as JSON, without any codec being asked."""

    class Plain(Command[None]):
        kind: ClassVar[str] = "test.plain"

    assert encode_as_said(Plain(), JSON_ONLY) == encode(Plain()) == b"{}"
