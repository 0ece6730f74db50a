"""Envelopes on the wire."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pika import BasicProperties
from unit.any_envelope import envelopes

from broker.messages.due import EARLIEST_MS, LATEST_MS, UNUSABLE_AT
from broker.messages.envelope import Envelope
from broker.transport.rabbitmq.wire import (
    MAX_SECONDS,
    MAX_VERSION,
    UNKNOWN_CONTENT,
    UNUSABLE,
    to_envelope,
    to_properties,
)

values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.binary(max_size=8) | st.text(max_size=300) | st.floats(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
PROPERTIES = (
    "content_type",
    "correlation_id",
    "reply_to",
    "message_id",
    "timestamp",
    "type",
    "user_id",
    "app_id",
    "priority",
)
HEADERS = ("x-version", "x-deadline", "x-at", "x-call-id", "traceparent")


def over_the_wire(properties: BasicProperties) -> BasicProperties:
    """Encode and decode as pika does."""
    received = BasicProperties()
    received.decode(b"".join(properties.encode()))
    return received


@given(envelopes)
def test_any_envelope_survives(envelope: Envelope) -> None:
    """Whatever is sent arrives, through pika's own encoding: every field, any text, the time in whole seconds."""
    properties = over_the_wire(to_properties(envelope, "m1000-a"))
    assert to_envelope(properties, envelope.body, envelope.destination) == envelope


@given(
    st.fixed_dictionaries({}, optional=dict.fromkeys(PROPERTIES, values)),
    values | st.dictionaries(st.sampled_from(HEADERS), values),
)
def test_nothing_that_arrives_raises(properties: dict[str, Any], headers: Any) -> None:
    """Whatever value a property or header has, an envelope comes out, of the right types and storable anywhere."""
    received = BasicProperties(headers=headers if isinstance(headers, dict) else None, **properties)
    envelope = to_envelope(received, b"", "app")
    for field in (
        "message_id",
        "kind",
        "source",
        "call_id",
        "correlation_id",
        "reply_to",
        "content_type",
        "traceparent",
        "user",
    ):
        text = getattr(envelope, field)
        assert isinstance(text, str)
        assert "\x00" not in text
    assert envelope.message_id
    assert -1 <= envelope.version <= MAX_VERSION
    assert envelope.version != 0
    assert envelope.at_ms in (None, UNUSABLE_AT) or EARLIEST_MS <= envelope.at_ms <= LATEST_MS
    assert 0 <= envelope.priority <= 9
    assert 0 <= envelope.sent_us <= MAX_SECONDS * 1_000_000


def test_a_bare_publish_has_defaults() -> None:
    """Kind and body are enough: the rest is empty, and an id is made."""
    envelope = to_envelope(BasicProperties(type="tcr.set-output"), b"{}", "app")
    assert envelope == Envelope(message_id=envelope.message_id, kind="tcr.set-output", body=b"{}", destination="app")
    assert len(envelope.message_id) == 36
    assert to_envelope(BasicProperties(), b"", "app").message_id != envelope.message_id


@pytest.mark.parametrize("value", [None, True, 0, -3, 2**31, "1", "abc", b"\xff", [1], {}, 1.5])
def test_a_version_that_cannot_be_used_shows(value: object) -> None:
    """A version that is there and no whole number from 1 is not taken for absent."""
    assert to_envelope(BasicProperties(headers={"x-version": value}), b"", "app").version == UNUSABLE


@pytest.mark.parametrize("value", [None, True, -1, 2**60, "tomorrow", b"\xff", [1], {}])
def test_a_deadline_that_cannot_be_used_shows(value: object) -> None:
    """A deadline that is there and no time is not taken for absent."""
    assert to_envelope(BasicProperties(headers={"x-deadline": value}), b"", "app").deadline_ms == UNUSABLE


@pytest.mark.parametrize("value", [None, True, -1, 0, 1_800_000_000, 2**60, "tomorrow", b"\xff", [1], {}, 1.8e12])
def test_a_due_time_that_cannot_be_used_shows(value: object) -> None:
    """A due time that is there and no time in milliseconds is not taken for absent, nor seconds for long ago."""
    assert to_envelope(BasicProperties(headers={"x-at": value}), b"", "app").at_ms == UNUSABLE_AT


@pytest.mark.parametrize(("value", "priority"), [(None, 0), (0, 0), (9, 9), (10, 9), (255, 9)])
def test_a_priority_beyond_the_range_is_the_highest(value: int | None, priority: int) -> None:
    """AMQP lets a priority be 0 to 255; above 9 it counts as 9."""
    properties = over_the_wire(BasicProperties(priority=value))
    assert to_envelope(properties, b"", "app").priority == priority


@pytest.mark.parametrize("value", [b"\xff", "", "a\x00b"])
def test_a_content_type_that_cannot_be_used_is_not_taken_for_json(value: object) -> None:
    """A content type that is there and unusable means bytes of an unknown kind."""
    assert to_envelope(BasicProperties(content_type=value), b"", "app").content_type == UNKNOWN_CONTENT


def test_an_id_that_cannot_be_used_becomes_always_the_same() -> None:
    """An id that is no text gives one identity however often it is delivered, and another id another one."""
    ids = [
        to_envelope(BasicProperties(message_id=raw), b"", "app").message_id
        for raw in (b"\xff", b"\xff", b"\xfe", "a\x00")
    ]
    assert ids[0] == ids[1]
    assert len(set(ids)) == 3


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"message_id": "i" * 256}, "message_id"),
        ({"kind": "é" * 128}, "kind"),
        ({"call_id": "c" * 300}, "call_id"),
        ({"traceparent": "t" * 5000}, "traceparent"),
        ({"reply_to": "a\x00b"}, "reply_to"),
        ({"deadline_ms": 2**63}, "deadline_ms"),
        ({"version": -(2**63) - 1}, "version"),
        ({"at_ms": 2**63}, "at_ms"),
        ({"priority": 10}, "priority"),
        ({"sent_us": -1}, "sent_us"),
    ],
)
def test_what_does_not_fit_is_refused_by_name(changes: dict[str, Any], field: str) -> None:
    """What AMQP cannot carry is refused before anything is sent, naming the field."""
    envelope = replace(Envelope(message_id="i", kind="k", body=b"", destination="app"), **changes)
    with pytest.raises(ValueError, match=field):
        to_properties(envelope, "me")


def test_a_lone_surrogate_is_refused() -> None:
    """A text that is no Unicode cannot be encoded: pika raises a ValueError for it, which the publisher reports."""
    envelope = Envelope(message_id="\ud800", kind="k", body=b"", destination="app")
    with pytest.raises(ValueError, match="surrogates"):
        to_properties(envelope, "me").encode()


def test_an_envelope_of_another_user_is_refused() -> None:
    """RabbitMQ verifies the user: the error names both."""
    envelope = Envelope(message_id="i", kind="k", body=b"", destination="app", user="them")
    with pytest.raises(ValueError, match=r"'them'.*'me'"):
        to_properties(envelope, "me")


def test_empty_fields_are_left_out() -> None:
    """What is empty does not travel, so that a foreign reader sees only what was said."""
    properties = to_properties(Envelope(message_id="i", kind="k", body=b"", destination="app"), "me")
    said = {name: value for name, value in vars(properties).items() if value is not None}
    assert said == {"message_id": "i", "type": "k", "content_type": "application/json", "delivery_mode": 2}
