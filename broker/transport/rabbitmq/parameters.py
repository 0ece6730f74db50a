"""From a URL to pika's parameters."""

import copy
import re
from dataclasses import dataclass
from urllib.parse import parse_qs, urlsplit

from pika import URLParameters

from broker.errors import SettingError
from broker.settings import redacted

SETTING = "INTERAPP_BROKER_URL"

HEARTBEAT_SECONDS = 30
"""A silent peer is given up after two of them; shorter ones fail on a busy machine."""

DEFAULTS = {
    "heartbeat": HEARTBEAT_SECONDS,
    # an alarm may last for hours and is told to whoever publishes; this is for one that never ends
    "blocked_connection_timeout": 300.0,
    "socket_timeout": 5.0,
    "stack_timeout": 15.0,
}
"""What holds unless the URL's query says otherwise."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where we connect and as whom, for errors and logs: no password."""

    url: str
    host: str
    user: str
    vhost: str


def connection_parameters(url: str) -> URLParameters:
    """Return pika's parameters for ``amqp://`` or ``amqps://``, which verifies the server's certificate.

    The query takes what pika's URLParameters takes, among it ``ssl_options`` (``{'ca_certs': '/file.pem'}``).
    Raises SettingError when pika refuses a part of it.
    """
    try:
        parameters = URLParameters(url)
    except (ValueError, TypeError, SyntaxError, OSError) as exc:
        reason = "a password beside the user" if _lacks_password(url) else f"a URL as pika reads it ({exc})"
        raise SettingError(SETTING, redacted(url), reason) from exc
    given = parse_qs(urlsplit(url).query)
    for name, value in DEFAULTS.items():
        if name not in given:
            setattr(parameters, name, value)
    return parameters


def named(parameters: URLParameters, connection_name: str) -> URLParameters:
    """Return the parameters for one connection with a name that RabbitMQ's listings show."""
    own = copy.copy(parameters)
    own.client_properties = {
        **(parameters.client_properties or {}),
        "product": "interapp",
        "connection_name": connection_name,
    }
    return own


def place_of(url: str, parameters: URLParameters) -> Place:
    """Return where the parameters lead."""
    shown = re.sub(r"\?.*", "", redacted(url))  # the query may hold the password of a key file
    user = str(getattr(parameters.credentials, "username", ""))
    return Place(shown, f"{parameters.host}:{parameters.port}", user, parameters.virtual_host)


def _lacks_password(url: str) -> bool:
    parts = urlsplit(url)
    return parts.username is not None and parts.password is None
