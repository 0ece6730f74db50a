"""Versions: what a class understands, and how older bodies are lifted."""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime
from typing import Any, ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.errors import ContractError, InvalidMessage, UnsupportedVersion
from broker.messages.codec import MAX_DEPTH, decode_envelope, decode_reply
from broker.messages.envelope import Envelope
from broker.messages.message import Command, Event, Reply
from broker.messages.versions import Body


def seconds_to_ms(body: Body) -> Body:
    """Lift version 1, which gave the pulse's length in seconds."""
    body["length_ms"] = round(float(body.pop("length")) * 1000)  # type: ignore[arg-type]
    return body


def named_output(body: Body) -> Body:
    """Lift version 2, whose output was a number."""
    return body | {"output": f"out{body['output']}"}


class SetPulse(Command[None]):
    kind: ClassVar[str] = "test.set-pulse"
    version: ClassVar[int] = 3
    upcasters: ClassVar = {1: seconds_to_ms, 2: named_output}
    output: str
    length_ms: int = 200
    at: datetime | None = None


def envelope(body: bytes, version: int) -> Envelope:
    """Return an envelope with a SetPulse of that version."""
    return Envelope(message_id="m", kind=SetPulse.kind, body=body, destination="a", version=version)


def message_class(version: object, upcasters: object, base: type[Any] = Event) -> type[Any]:
    """Return a class that is made now."""
    annotations = {"kind": ClassVar[str], "version": ClassVar[int], "upcasters": ClassVar[dict[int, Any]]}
    values = {"kind": "test.made", "version": version, "upcasters": upcasters, "__qualname__": "Made"}
    return type("Made", (base,), values | {"__annotations__": annotations, "__module__": __name__})


@pytest.mark.parametrize(
    ("version", "body"),
    [
        (1, b'{"output": 2, "length": 0.5, "at": "2026-01-02T03:04:05Z"}'),
        (2, b'{"output": 2, "length_ms": 500, "at": "2026-01-02T03:04:05Z"}'),
        (3, b'{"output": "out2", "length_ms": 500, "at": "2026-01-02T03:04:05Z"}'),
    ],
)
def test_every_known_version_becomes_the_same_message(version: int, body: bytes) -> None:
    """An older body is lifted version by version until it is the newest; the newest is taken as it is."""
    at = datetime.fromisoformat("2026-01-02T03:04:05+00:00")
    assert decode_envelope(SetPulse, envelope(body, version)) == SetPulse(output="out2", length_ms=500, at=at)


def test_what_is_lifted_is_checked_as_strictly() -> None:
    """A lifted body must fit the class like any other: types are strict, and the error names field and value."""
    with pytest.raises(InvalidMessage, match=r"test\.set-pulse: length_ms: .*\(got '7'\)"):
        decode_envelope(SetPulse, envelope(b'{"output": 2, "length_ms": "7"}', 2))
    with pytest.raises(InvalidMessage, match=r"colour: Extra inputs"):
        decode_envelope(SetPulse, envelope(b'{"output": 2, "colour": "red"}', 2))


def test_an_unknown_version_names_what_is_known() -> None:
    """A version that nobody can read is refused before its body is looked at, naming what is known."""
    with pytest.raises(UnsupportedVersion, match=r"^test\.set-pulse: version 4, known up to 3$"):
        decode_envelope(SetPulse, envelope(b"no JSON", 4))
    later = message_class(3, {2: named_output})
    assert later.oldest_version() == 2
    with pytest.raises(UnsupportedVersion, match=r"version 1, known from 2 to 3$"):
        decode_envelope(later, envelope(b"no JSON", 1))


@pytest.mark.parametrize(
    ("body", "error"),
    [
        (b'{"output": 2}', r"upcaster seconds_to_ms of version 1 failed: KeyError: 'length'"),
        (b'{"output": 2, "length": "long"}', r"upcaster seconds_to_ms of version 1 failed: ValueError"),
        (b"[1, 2]", r"the body of version 1 is no object but a list"),
        (b"null", r"the body of version 1 is no object but a NoneType"),
        (b"{", r"the body cannot be read as JSON: EOF"),
        (b"\xff", r"the body cannot be read as JSON"),
        (b"", r"the body cannot be read as JSON"),
    ],
)
def test_a_body_that_cannot_be_lifted_names_the_upcaster(body: bytes, error: str) -> None:
    """An upcaster that fails on a body makes the message invalid, by name; what is no object does not reach it."""
    with pytest.raises(InvalidMessage, match=error) as caught:
        decode_envelope(SetPulse, envelope(body, 1))
    assert caught.value.__cause__ is not None or "no object" in error


@pytest.mark.parametrize("returned", [None, "text", [], object()])
def test_an_upcaster_that_returns_no_object_is_named(returned: object) -> None:
    """An upcaster that returns something else than an object makes the message invalid, by name."""

    def forgets(_body: Body) -> Any:
        return returned

    made = message_class(2, {1: forgets})
    with pytest.raises(InvalidMessage, match=r"forgets of version 1 returned no object but a"):
        decode_envelope(made, envelope(b"{}", 1))


def test_an_upcaster_cannot_smuggle_in_what_json_cannot_say() -> None:
    """What an upcaster makes must be JSON; whatever else is the message's failure, not the worker's."""

    def odd(_body: Body) -> Any:
        return {"output": object()}

    def endless(body: Body) -> Any:
        body["self"] = body
        return body

    for upcaster in (odd, endless):
        with pytest.raises(InvalidMessage, match=rf"what JSON cannot say, or is nested deeper than {MAX_DEPTH}"):
            decode_envelope(message_class(2, {1: upcaster}), envelope(b"{}", 1))


@given(st.binary(), st.integers(1, 3))
def test_no_bytes_of_any_version_raise_anything_but_a_contract_error(body: bytes, version: int) -> None:
    """Whatever bytes come as an older version, decoding them ends well or with ContractError."""
    with suppress(ContractError):
        decode_envelope(SetPulse, envelope(body, version))


@pytest.mark.parametrize(
    ("version", "upcasters", "error"),
    [
        (0, {}, r"Made\.version = 0: a version is a whole number from 1"),
        (True, {}, r"Made\.version = True"),
        ("2", {}, r"Made\.version = '2'"),
        (2**31, {}, r"Made\.version = 2147483648"),
        (2, [seconds_to_ms], r"Made\.upcasters is a list: it must map a version to a function"),
        (2, {2: seconds_to_ms}, r"Made\.upcasters\[2\] lifts no older version: .* from 1 to 1"),
        (2, {0: seconds_to_ms}, r"Made\.upcasters\[0\] lifts no older version"),
        (2, {"1": seconds_to_ms}, r"Made\.upcasters\['1'\] lifts no older version"),
        (2, {1: "lift"}, r"Made\.upcasters\[1\] is no function but a str"),
        (4, {1: seconds_to_ms, 3: seconds_to_ms}, r"Made\.upcasters has none for version 2"),
        (3, {1: seconds_to_ms}, r"Made\.upcasters has none for version 2"),
    ],
)
def test_upcasters_that_cannot_be_right_are_refused(version: object, upcasters: object, error: str) -> None:
    """A gap, a version that is none, or what is no function is refused when the class is made, naming it."""
    with pytest.raises(TypeError, match=error):
        message_class(version, upcasters)


def test_a_subclass_keeps_versions_and_upcasters_together() -> None:
    """A subclass that changes the version without its upcasters is refused: its older bodies would get stuck."""
    with pytest.raises(TypeError, match=r"Made\.upcasters has none for version 3"):
        message_class(4, SetPulse.upcasters, SetPulse)
    assert message_class(4, {3: named_output}, SetPulse).oldest_version() == 3


def test_a_reply_is_lifted_like_any_message() -> None:
    """A reply that an older handler gave is lifted for whoever asked; a newer one is refused."""

    class PulseSet(Reply):
        kind: ClassVar[str] = "test.pulse-set"
        version: ClassVar[int] = 2
        upcasters: ClassVar = {1: seconds_to_ms}
        length_ms: int

    assert decode_reply(PulseSet, b'{"length": 1}', 1) == PulseSet(length_ms=1000)
    assert decode_reply(PulseSet, b'{"length_ms": 5}', 2) == PulseSet(length_ms=5)
    with pytest.raises(UnsupportedVersion, match="version 3, known up to 2"):
        decode_reply(PulseSet, b"{}", 3)
