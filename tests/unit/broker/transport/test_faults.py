"""What pika reports, as errors with a way out."""

from __future__ import annotations

import ssl

import pytest
from pika.adapters.utils.connection_workflow import AMQPConnectionWorkflowFailed, AMQPConnectorSocketConnectError
from pika.exceptions import (
    AMQPConnectionError,
    ChannelClosedByBroker,
    ConnectionBlockedTimeout,
    ConnectionClosedByBroker,
    ProbableAccessDeniedError,
    ProbableAuthenticationError,
    StreamLostError,
)

from broker.errors import AccessRefused, Blocked, ConnectionLost, NotConfirmed, TransportError
from broker.transport.rabbitmq.faults import channel_error, connection_error
from broker.transport.rabbitmq.parameters import Place

PLACE = Place("amqp://m1:***@rabbit/plant", "rabbit:5672", "m1", "plant")
REFUSED = "ACCESS_REFUSED - access to queue 'interapp.a' in vhost 'plant' refused for user 'm1'"
INEQUIVALENT = "PRECONDITION_FAILED - inequivalent arg 'x-queue-type' for queue 'interapp.a'"


def socket_error(error: OSError) -> AMQPConnectionError:
    """Wrap an error of the operating system as pika does."""
    return AMQPConnectionError(AMQPConnectionWorkflowFailed([AMQPConnectorSocketConnectError(error)]))


@pytest.mark.parametrize(
    ("cause", "kind", "parts"),
    [
        (
            socket_error(ConnectionRefusedError(111, "Connection refused")),
            ConnectionLost,
            ("rabbit:5672", "connection refused"),
        ),
        (
            AMQPConnectionWorkflowFailed([OSError(-2, "Name or service not known")]),
            ConnectionLost,
            ("name or service",),
        ),
        (AMQPConnectionWorkflowFailed([]), ConnectionLost, ("AMQPConnectionWorkflowFailed",)),
        (StreamLostError("Transport indicated EOF"), ConnectionLost, ("Transport indicated EOF",)),
        (
            ProbableAuthenticationError("ConnectionClosedByBroker: (403) '…'"),
            AccessRefused,
            ("'m1'", "change_password"),
        ),
        (
            ProbableAccessDeniedError("…: (530) 'NOT_ALLOWED - vhost plant not found'"),
            AccessRefused,
            ("add_vhost plant",),
        ),
        (
            ConnectionClosedByBroker(530, "NOT_ALLOWED - access refused"),
            AccessRefused,
            ("set_permissions -p plant m1",),
        ),
        (ConnectionClosedByBroker(320, "CONNECTION_FORCED - bye"), ConnectionLost, ("(bye)", "being rebuilt")),
        (ConnectionBlockedTimeout("expired"), Blocked, ("free memory or disk",)),
        (socket_error(ssl.SSLCertVerificationError("certificate verify failed")), ConnectionLost, ("ca_certs",)),
    ],
)
def test_a_lost_connection_names_the_way_out(
    cause: BaseException, kind: type[TransportError], parts: tuple[str, ...]
) -> None:
    """Each cause becomes the most specific error of ours, in one line, and stays its cause."""
    if isinstance(cause, AMQPConnectionError) and "verify" in repr(cause):
        cause.args[0].exceptions[-1].exception.verify_message = "self-signed certificate"
    error = connection_error(cause, PLACE)
    assert type(error) is kind
    assert error.__cause__ is cause
    assert "\n" not in str(error)
    for part in parts:
        assert part in str(error)


@pytest.mark.parametrize(
    ("cause", "kind", "parts"),
    [
        (ChannelClosedByBroker(403, REFUSED), AccessRefused, ("user 'm1' may not consume it", "'interapp.a'", "grant")),
        (ChannelClosedByBroker(406, INEQUIVALENT), NotConfirmed, ("x-queue-type", "delete it")),
        (ChannelClosedByBroker(406, "PRECONDITION_FAILED - consumer ack timed out"), NotConfirmed, ("ack timed out",)),
        (ChannelClosedByBroker(404, "NOT_FOUND - no queue 'q'"), NotConfirmed, ("404 no queue 'q'",)),
        (StreamLostError("gone"), ConnectionLost, ("gone",)),
    ],
)
def test_a_closed_channel_names_the_way_out(
    cause: BaseException, kind: type[TransportError], parts: tuple[str, ...]
) -> None:
    """A channel closed by RabbitMQ says what could not be done, and why."""
    error = channel_error(cause, PLACE, "consume it")
    assert type(error) is kind
    assert error.__cause__ is cause
    for part in parts:
        assert part in str(error)
