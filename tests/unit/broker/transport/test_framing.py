"""The frames that publish a message."""

from __future__ import annotations

from dataclasses import fields, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pika.frame import Body, Header, Method
from pika.spec import Basic
from unit.any_envelope import envelopes

from broker.messages.envelope import Envelope
from broker.transport.rabbitmq.framing import Framing
from broker.transport.rabbitmq.wire import to_properties


def by_pika(envelope: Envelope, channel: int, largest_body: int) -> bytes:
    """Return the frames that pika makes to publish an envelope."""
    body = envelope.body
    frames = [
        Method(channel, Basic.Publish(exchange="interapp", routing_key=envelope.destination, mandatory=True)),
        Header(channel, len(body), to_properties(envelope, "m1000-a")),
        *(Body(channel, body[start : start + largest_body]) for start in range(0, len(body), largest_body)),
    ]
    return b"".join(frame.marshal() for frame in frames)


def framing(user: str = "m1000-a", channel: int = 1, largest_body: int = 100) -> Framing:
    """Return what writes frames for a channel."""
    return Framing(user, exchange="interapp", channel=channel, largest_body=largest_body)


@given(envelopes, st.integers(1, 2**16 - 1), st.integers(1, 300))
def test_frames_are_those_of_pika(envelope: Envelope, channel: int, largest_body: int) -> None:
    """Whatever an envelope holds, in however many frames its body goes: every byte is the one that pika writes."""
    written = framing(channel=channel, largest_body=largest_body).publishing(envelope)
    assert written == by_pika(envelope, channel, largest_body)


@given(envelopes, envelopes, st.sampled_from([field.name for field in fields(Envelope)]))
def test_what_came_before_leaves_nothing(first: Envelope, other: Envelope, field: str) -> None:
    """A message that differs from the one before in a single field, and the first once more, are written as if they came alone."""
    second = replace(first, **{field: getattr(other, field)})
    one = framing()
    assert [one.publishing(each) for each in (first, second, first)] == [
        by_pika(each, 1, 100) for each in (first, second, first)
    ]


@pytest.mark.parametrize("number", [0, 2**31 - 1, 2**31, -(2**31) - 1, 2**63 - 1, -(2**63)])
def test_numbers_are_those_of_pika(number: int) -> None:
    """Small and large numbers take the widths that pika gives them."""
    envelope = Envelope(message_id="i", kind="k", body=b"", destination="app", deadline_ms=number, version=number)
    assert framing().publishing(envelope) == by_pika(envelope, 1, 100)


def test_what_does_not_fit_is_refused_by_name() -> None:
    """A message that cannot be sent, or not by this user, is refused as its properties are."""
    envelope = Envelope(message_id="i", kind="k", body=b"", destination="app")
    one = framing("me")
    for wrong, named in (
        (replace(envelope, call_id="c" * 300), "call_id"),
        (replace(envelope, kind="a\x00"), "kind"),
        (replace(envelope, user="them"), "'them'.*'me'"),
        (replace(envelope, message_id="\ud800"), "surrogates"),
        (replace(envelope, message_id="i" * 300), "message_id"),
        (replace(envelope, sent_us=-1), "sent_us"),
        (replace(envelope, kind="other", destination="\ud800"), "surrogates"),
    ):
        for _ in range(2):
            with pytest.raises(ValueError, match=named):
                one.publishing(wrong)
        assert one.publishing(envelope) == by_pika(envelope, 1, 100)
