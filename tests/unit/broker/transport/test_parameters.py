"""From a URL to pika's parameters."""

from __future__ import annotations

import ssl

import pytest

from broker.errors import SettingError
from broker.transport.rabbitmq.parameters import connection_parameters, named, place_of


def test_what_the_url_does_not_say_has_safe_values() -> None:
    """Heartbeat and every time-out are set; the URL's query wins."""
    parameters = connection_parameters("amqp://u:p@h/v?heartbeat=10")
    assert (parameters.heartbeat, parameters.blocked_connection_timeout) == (10, 300.0)
    assert (parameters.socket_timeout, parameters.stack_timeout) == (5.0, 15.0)


def test_amqps_verifies_the_certificate() -> None:
    """TLS without further ado checks certificate and host name."""
    options = connection_parameters("amqps://u:p@h/").ssl_options
    assert options is not None
    assert options.context.verify_mode is ssl.CERT_REQUIRED
    assert options.context.check_hostname


def test_the_place_has_no_secret() -> None:
    """What goes into logs has neither the password nor the query."""
    url = "amqps://u:sec%40ret@h:5671/plant%2Fnorth?heartbeat=10"
    place = place_of(url, connection_parameters(url))
    assert (place.host, place.user, place.vhost) == ("h:5671", "u", "plant/north")
    assert place.url == "amqps://u:***@h:5671/plant%2Fnorth"


def test_each_connection_has_its_name() -> None:
    """RabbitMQ's listings show product and connection name; properties of the URL stay."""
    parameters = connection_parameters("amqp://u:p@h/?client_properties={'site':'north'}")
    first, second = named(parameters, "m1 publishing"), named(parameters, "m1 consuming")
    assert first.client_properties == {"site": "north", "product": "interapp", "connection_name": "m1 publishing"}
    assert second.client_properties["connection_name"] == "m1 consuming"


@pytest.mark.parametrize(
    ("url", "allowed"),
    [
        ("amqp://user@h/", "a password beside the user"),
        ("amqp://u:secret@h/?heartbeat=often", "heartbeat"),
        ("amqp://u:secret@h/?nonsense=1", "nonsense"),
        ("amqps://u:secret@h/?ssl_options={'ca_certs':'/no/such/file'}", "No such file"),
        ("amqps://u:secret@h/?ssl_options={", "as pika reads it"),
    ],
)
def test_a_url_that_can_never_be_right_is_refused(url: str, allowed: str) -> None:
    """The error names the setting and what is allowed, and never shows the password."""
    with pytest.raises(SettingError, match="INTERAPP_BROKER_URL") as caught:
        connection_parameters(url)
    assert allowed in caught.value.allowed
    assert "secret" not in str(caught.value)
