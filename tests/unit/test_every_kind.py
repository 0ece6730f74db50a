"""Every kind of message that the installed packages know."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pika import BasicProperties
from unit.any_message import any_message

from broker.lifecycle.ids import new_id
from broker.messages.codec import decode_envelope, encode
from broker.messages.envelope import Envelope
from broker.runtime.registries import catalogue_of, load_registries
from broker.transport.rabbitmq.wire import to_envelope, to_properties

KINDS = {message_class.kind: message_class for message_class in catalogue_of(load_registries("")[0])}


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_any_message_survives_amqp(kind: str, data: st.DataObject) -> None:
    """Any message of any kind is the same after it was encoded, put into AMQP properties and a body, and read again."""
    message = data.draw(any_message(KINDS[kind]))
    sent = Envelope(
        message_id=new_id(),
        kind=message.kind,
        body=encode(message),
        destination="m1000-a.clk1",
        content_type=message.content_type,
        version=message.version,
    )
    properties = BasicProperties()
    properties.decode(b"".join(to_properties(sent, "someone").encode()))
    received = to_envelope(properties, sent.body, sent.destination)
    assert received == sent
    assert decode_envelope(KINDS[received.kind], received) == message


def test_there_are_kinds() -> None:
    """The promise above is tried on something."""
    assert {"tcr.module-status", "tcr.slot-status", "chassis.inventory"} <= KINDS.keys()
