"""What pika and RabbitMQ report, as errors of ours that name the thing and the way out."""

import re
import ssl
from collections.abc import Iterator

from pika.adapters.utils.connection_workflow import AMQPConnectionWorkflowFailed, AMQPConnectorPhaseErrorBase
from pika.exceptions import (
    AMQPConnectionError,
    ChannelClosedByBroker,
    ConnectionBlockedTimeout,
    ConnectionClosedByBroker,
    ProbableAccessDeniedError,
    ProbableAuthenticationError,
)

from broker.errors import AccessRefused, Blocked, ConnectionLost, NotConfirmed, TransportError
from broker.transport.rabbitmq.parameters import SETTING, Place

ACCESS_REFUSED = 403
NOT_FOUND = 404
PRECONDITION_FAILED = 406
NOT_ALLOWED = 530


def connection_error(cause: BaseException, place: Place) -> TransportError:
    """Translate why a connection could not be opened, or was lost."""
    error = _connection_error(cause, place)
    error.__cause__ = cause
    return error


def channel_error(cause: BaseException, place: Place, doing: str) -> TransportError:
    """Translate why a channel was closed while ``doing`` something."""
    error = (
        _channel_error(cause, place, doing)
        if isinstance(cause, ChannelClosedByBroker)
        else _connection_error(cause, place)
    )
    error.__cause__ = cause
    return error


def reply_code(cause: BaseException | None) -> int:
    """Return the code with which RabbitMQ closed a channel or connection, 0 when it did not."""
    return cause.reply_code if isinstance(cause, ChannelClosedByBroker | ConnectionClosedByBroker) else 0


def is_missing(error: BaseException) -> bool:
    """Tell whether a channel was closed because an exchange or queue is gone that was there before."""
    return reply_code(error.__cause__) == NOT_FOUND


def _connection_error(cause: BaseException, place: Place) -> TransportError:
    text = _reply_text(cause)
    if isinstance(cause, ProbableAuthenticationError):
        return AccessRefused(
            f"RabbitMQ at {place.host} refuses the login of user {place.user!r}: correct {SETTING}, "
            f"or set the password with rabbitmqctl change_password {place.user}"
        )
    if isinstance(cause, ProbableAccessDeniedError) or reply_code(cause) == NOT_ALLOWED:
        if "not found" in text:
            return AccessRefused(
                f"RabbitMQ at {place.host} has no virtual host {place.vhost!r}: correct {SETTING}, "
                f"or create it with rabbitmqctl add_vhost {place.vhost}"
            )
        return AccessRefused(
            f"RabbitMQ at {place.host} does not let user {place.user!r} into virtual host {place.vhost!r} ({text}): "
            + _grant(place)
        )
    if isinstance(cause, ConnectionBlockedTimeout):
        return Blocked(f"RabbitMQ at {place.host} has blocked publishing for too long: free memory or disk on it")
    if isinstance(cause, ConnectionClosedByBroker):
        return ConnectionLost(f"RabbitMQ at {place.host} closed the connection ({text}); it is being rebuilt")
    root = _root(cause)
    if isinstance(root, ssl.SSLCertVerificationError):
        return ConnectionLost(
            f"the certificate of RabbitMQ at {place.host} cannot be verified ({root.verify_message}): "
            f"name its authority in {SETTING}, ?ssl_options={{'ca_certs':'/path/ca.pem'}}"
        )
    return ConnectionLost(f"RabbitMQ at {place.host} cannot be reached ({_short(root)}); trying again")


def _channel_error(cause: ChannelClosedByBroker, place: Place, doing: str) -> TransportError:
    text = _reply_text(cause)
    if cause.reply_code == ACCESS_REFUSED:
        where = f"virtual host {place.vhost!r}"
        return AccessRefused(f"user {place.user!r} may not {doing} in {where} ({text}): {_grant(place)}")
    if cause.reply_code == PRECONDITION_FAILED and "inequivalent arg" in text:
        way_out = "move its messages elsewhere and delete it, then it is made again"
        return NotConfirmed(f"cannot {doing}: it exists with other properties ({text}): {way_out}")
    return NotConfirmed(f"cannot {doing}: RabbitMQ closed the channel ({cause.reply_code} {text}); trying again")


def _grant(place: Place) -> str:
    return f"grant it with rabbitmqctl set_permissions -p {place.vhost} {place.user} CONFIGURE WRITE READ"


def _reply_text(cause: BaseException) -> str:
    """Return RabbitMQ's own words without their shouted code, which pika keeps in the repr only."""
    text = str(getattr(cause, "reply_text", "") or (cause.args[0] if cause.args else ""))
    if quoted := re.search(r"\(\d+\) ['\"](.*)['\"]$", text):
        text = quoted[1]
    return re.sub(r"^[A-Z_]+ - ", "", text)


def _root(cause: BaseException) -> BaseException:
    *_, last = _chain(cause)
    return last


def _chain(cause: BaseException) -> Iterator[BaseException]:
    """Go down to the error of the operating system that pika has wrapped."""
    yield cause
    if isinstance(cause, AMQPConnectionWorkflowFailed):
        below = cause.exceptions[-1] if cause.exceptions else None
    elif isinstance(cause, AMQPConnectorPhaseErrorBase):
        below = cause.exception
    else:
        below = cause.args[0] if isinstance(cause, AMQPConnectionError) and cause.args else None
    if isinstance(below, BaseException):
        yield from _chain(below)


def _short(cause: BaseException) -> str:
    """Return one clause about an error: what the operating system says, else its name and text."""
    if isinstance(cause, OSError) and cause.strerror:
        return cause.strerror.lower()
    text = " ".join(str(cause).split())
    return f"{type(cause).__name__}: {text}" if text else type(cause).__name__
