"""The frames that publish a message."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pika.frame import Body, Header, Method
from pika.spec import Basic
from unit.any_envelope import envelopes

from broker.messages.envelope import Envelope
from broker.transport.rabbitmq.framing import publishing
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


@given(envelopes, st.integers(1, 2**16 - 1), st.integers(1, 300))
def test_frames_are_those_of_pika(envelope: Envelope, channel: int, largest_body: int) -> None:
    """Whatever an envelope holds, in however many frames its body goes: every byte is the one that pika writes."""
    written = publishing(envelope, "m1000-a", exchange="interapp", channel=channel, largest_body=largest_body)
    assert written == by_pika(envelope, channel, largest_body)


@pytest.mark.parametrize("number", [0, 2**31 - 1, 2**31, -(2**31) - 1, 2**63 - 1, -(2**63)])
def test_numbers_are_those_of_pika(number: int) -> None:
    """Small and large numbers take the widths that pika gives them."""
    envelope = Envelope(message_id="i", kind="k", body=b"", destination="app", deadline_ms=number, version=number)
    assert publishing(envelope, "me", exchange="interapp", channel=1, largest_body=100) == by_pika(envelope, 1, 100)


def test_what_does_not_fit_is_refused_by_name() -> None:
    """A message that cannot be sent, or not by this user, is refused as its properties are."""
    envelope = Envelope(message_id="i", kind="k", body=b"", destination="app")
    for wrong, named in (
        (replace(envelope, call_id="c" * 300), "call_id"),
        (replace(envelope, kind="a\x00"), "kind"),
        (replace(envelope, user="them"), "'them'.*'me'"),
        (replace(envelope, message_id="\ud800"), "surrogates"),
    ):
        with pytest.raises(ValueError, match=named):
            publishing(wrong, "me", exchange="interapp", channel=1, largest_body=100)
