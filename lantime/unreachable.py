"""Translating what httpx and the layers below it raise into the device's own errors."""

import re
import socket
import ssl
from collections.abc import Iterator

import httpx

from broker.observe.printable import without_passwords
from lantime.errors import DeviceError, DeviceUnreachable, Problem, UnexpectedAnswer

_BYTES = re.compile(r"\W*(bytearray\()?\bb['\"].*", re.DOTALL)
"""From where on a message of the HTTP library repeats what the device sent."""


def translated(exc: httpx.HTTPError | UnicodeError, url: str, *, status: int | None, body: bytes) -> DeviceError:
    """Return the device's error for an httpx error, or for the UnicodeError of a host name that cannot be encoded.

    ``status`` and ``body`` are what had arrived by then. Nothing that the device or a proxy said goes into the message: it
    might repeat our login.

    What broke after the status line is an answer that was cut off (UnexpectedAnswer), what broke before it is no
    answer at all (DeviceUnreachable).
    """
    if isinstance(exc, httpx.TimeoutException):
        return DeviceUnreachable(Problem.TIMEOUT, url=url, detail=type(exc).__name__)
    if status is not None:
        return UnexpectedAnswer(
            f"the answer was cut off ({_said(exc)})", url=url, status=status, body=body.decode("utf-8", "replace")
        )
    if isinstance(exc, httpx.ProxyError):
        return DeviceUnreachable(Problem.PROXY, url=url, detail=_status_of(exc))
    if isinstance(exc, httpx.RemoteProtocolError) and "disconnected" not in str(exc):
        return UnexpectedAnswer(f"the answer is not HTTP ({_said(exc)})", url=url)
    for cause in _causes(exc):
        problem = _problem(cause)
        if problem is not None:
            return DeviceUnreachable(problem, url=url, detail=_detail(cause))
    return DeviceUnreachable(Problem.CONNECTION, url=url, detail=_said(exc))


def _said(exc: Exception) -> str:
    """Return the library's own words."""
    return without_passwords(_BYTES.sub("", str(exc))) or type(exc).__name__


def _status_of(exc: httpx.ProxyError) -> str:
    """Return the status that the proxy gave, without its words; else the error's name."""
    status = str(exc).partition(" ")[0]
    return status if status.isdecimal() else type(exc).__name__


def _problem(cause: BaseException) -> Problem | None:
    match cause:
        case ssl.SSLCertVerificationError():
            return Problem.CERTIFICATE
        case ssl.SSLError():
            return Problem.TLS
        case socket.gaierror() | UnicodeError():  # the latter for a label of over 63 characters
            return Problem.NAME
        case ConnectionRefusedError():
            return Problem.REFUSED
        case _:
            return None


def _detail(cause: BaseException) -> str:
    # OpenSSL's errors have the two attributes, those that Python itself raises may not.
    if isinstance(cause, ssl.SSLCertVerificationError):
        return getattr(cause, "verify_message", "") or str(cause)
    if isinstance(cause, ssl.SSLError):
        return getattr(cause, "reason", "") or str(cause)
    return str(cause.strerror or cause) if isinstance(cause, OSError) else str(cause)


def _causes(exc: BaseException) -> Iterator[BaseException]:
    """Yield the error and what it came from: httpx wraps httpcore, which wraps the socket's error."""
    cause: BaseException | None = exc
    while cause is not None:
        yield cause
        cause = cause.__cause__ or cause.__context__
