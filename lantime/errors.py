"""What can go wrong with a device, drawn on top of the framework's tree.

::

    InterAppError
    └ DeviceError           (url, without credentials)
      ├ DeviceUnreachable   refused, name, certificate, tls, timeout, connection, proxy
      ├ ApiDisabled         the web server answers, the REST API does not
      ├ LoginRefused        no login, wrong login, level too low
      ├ UnexpectedAnswer    an answer that is not what this API gives
      ├ SlotNotFound        the device knows no such slot
      ├ RequestGivenUp      whoever asked was told to stop meanwhile
      ├ WriteRefused        the device did not take a change: level, path, conflict, value
      ├ PendingChanges      changes that are not ours wait to be put in force
      └ WriteFailed         a change broke off: says what is on the device now
        └ WriteDisturbed    because somebody else changed the device at the same time

Every message names the URL and the way out. An error that translates another keeps it as its cause.
"""

import json
from collections.abc import Mapping
from enum import StrEnum
from urllib.parse import urlsplit, urlunsplit

from broker.errors import InterAppError

BODY_CHARACTERS = 500
"""How much of an answer's body an error keeps: enough to recognise a page, too little to fill a log."""


def without_credentials(url: str) -> str:
    """Return ``url`` with any ``user:password@`` removed; what cannot be read as a URL becomes ``<url>``."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return "<url>"
    host = parts.netloc.rpartition("@")[2]
    return urlunsplit((parts.scheme, host, parts.path, parts.query, parts.fragment))


class DeviceError(InterAppError):
    """A LANTIME did not do its part. ``url`` never holds credentials."""

    def __init__(self, message: str, *, url: str = "") -> None:
        self.url = without_credentials(url)
        super().__init__(f"{self.url}: {message}" if self.url else message)


class Problem(StrEnum):
    """Why a device could not be reached."""

    REFUSED = "refused"
    NAME = "name"
    CERTIFICATE = "certificate"
    TLS = "tls"
    TIMEOUT = "timeout"
    PROXY = "proxy"
    CONNECTION = "connection"


_WAY_OUT = {
    Problem.REFUSED: "the connection was refused; is the device on, and host and port of LANTIME_URL right?",
    Problem.NAME: "the host name cannot be resolved; check LANTIME_URL",
    Problem.CERTIFICATE: (
        "its certificate is not trusted; give its certificate or authority in LANTIME_CA_FILE, "
        "or set LANTIME_VERIFY_TLS=false"
    ),
    Problem.TLS: "TLS failed; does this port speak https, or should LANTIME_URL begin with http://?",
    Problem.TIMEOUT: "no answer in time; is the device reachable, or LANTIME_TIMEOUT_SECONDS too short?",
    Problem.PROXY: "the proxy failed; LANTIME_BYPASS_PROXY=true goes to the device directly",
    Problem.CONNECTION: "the connection broke before an answer came; it is tried again with the next request",
}


class DeviceUnreachable(DeviceError):
    """No answer came from the device at all; ``problem`` says why. May come right by itself."""

    def __init__(self, problem: Problem, *, url: str, detail: str = "") -> None:
        self.problem = problem
        detail = f" ({detail})" if detail else ""
        super().__init__(f"{_WAY_OUT[problem]}{detail}", url=url)


class RequestGivenUp(DeviceError):
    """The device was not asked, or its answer not read to the end: whoever asked was told to stop meanwhile."""

    def __init__(self, *, url: str) -> None:
        super().__init__("given up: whoever asked was told to stop", url=url)


class _AnswerError(DeviceError):
    """An answer came. Keeps its HTTP ``status`` and the first 500 characters of its ``body``."""

    def __init__(self, message: str, *, url: str, status: int | None = None, body: str = "") -> None:
        self.status = status
        self.body = body[:BODY_CHARACTERS]
        super().__init__(message, url=url)


class ApiDisabled(_AnswerError):
    """A web server answers, but not the REST API; ``seen`` says by what this was concluded."""

    def __init__(self, seen: str, *, url: str, status: int | None = None, body: str = "") -> None:
        super().__init__(
            f"{seen}; the REST API is probably not enabled: "
            "switch it on in the device's web interface, System page, 'Enable REST API'",
            url=url,
            status=status,
            body=body,
        )


class LoginRefused(_AnswerError):
    """The device does not accept the login, or its level is too low, or no login was given."""


class UnexpectedAnswer(_AnswerError):
    """The answer is not what this API gives: not JSON, cut off, of another shape, or a server error."""


class Refusal(StrEnum):
    """Why a device did not take a change, by the status of its answer (which status means what is inferred)."""

    LEVEL = "level"
    """403: the login's level does not allow it."""
    PATH = "path"
    """404, 405, 501: this device has no such path, or not with this verb."""
    CONFLICT = "conflict"
    """409: somebody else is editing the same."""
    VALUE = "value"
    """400, 422 or any other of 400 to 499: the device does not like what it was sent."""


_REFUSED = {
    Refusal.LEVEL: "the login's level is too low for this: writing needs a LANTIME_USERNAME of level 'admin'",
    Refusal.PATH: "the device has no such path, or the slot is empty; another way of writing is set by LANTIME_WRITE_PROFILE",
    Refusal.CONFLICT: "somebody else is editing the same; commit or roll back their changes on the device first",
    Refusal.VALUE: "the device does not take the value",
}


class WriteRefused(_AnswerError):
    """The device did not take a change and says so: it did not change by this. ``reason`` says why."""

    def __init__(self, reason: Refusal, *, url: str, verb: str, status: int | None = None, body: str = "") -> None:
        self.reason = reason
        # On one line: an answer may be a page.
        words = " ".join(body[:BODY_CHARACTERS].split())
        said = f": {words}" if words else ""
        super().__init__(f"{verb} refused, {_REFUSED[reason]} ({status}{said})", url=url, status=status, body=body)


class SlotNotFound(_AnswerError):
    """The device answers 404 for this slot.

    Sub-paths of ``/api/status`` are inferred, not captured: a firmware that serves none of them answers so
    for every slot. Look at the whole status before you conclude that a slot is gone.
    """

    def __init__(self, slot_id: str, *, url: str, body: str = "") -> None:
        self.slot_id = slot_id
        super().__init__(f"the device knows no slot {slot_id!r}", url=url, status=404, body=body)


class PendingChanges(DeviceError):
    """Changes are staged on the device that are not ours; ``count`` is None when it does not say how many are."""

    def __init__(self, count: int | None, *, url: str) -> None:
        self.count = count
        seen = (
            "the device does not say how many changes are pending"
            if count is None
            else f"pending-changes={count}, somebody else may be editing"
        )
        super().__init__(
            f"{seen}: nothing was written; commit or roll back what is pending (tcr.rollback-configuration), "
            "or send the command with force",
            url=url,
        )


class RolledBack(StrEnum):
    """Whether what was staged of a change was taken back."""

    TRUE = "true"
    FALSE = "false"
    UNKNOWN = "unknown"


class WriteFailed(DeviceError):
    """A change broke off after something of it had reached the device.

    ``step`` is where, ``before`` and ``wanted`` the fields of the change, ``now`` what the device reports of them at the end
    (None: it could not be read), ``pending`` how many changes are staged then. The first cause is its ``__cause__``.
    """

    def __init__(
        self,
        step: str,
        why: str,
        *,
        url: str,
        before: Mapping[str, object],
        wanted: Mapping[str, object],
        now: Mapping[str, object] | None,
        rolled_back: RolledBack,
        pending: int | None = None,
    ) -> None:
        self.step = step
        self.before = dict(before)
        self.wanted = dict(wanted)
        self.now = None if now is None else dict(now)
        self.rolled_back = rolled_back
        self.pending = pending
        reported = "could not be read" if now is None else _fields(now)
        count = "" if pending is None else f", {pending} change{'' if pending == 1 else 's'} pending"
        super().__init__(
            f"step '{step}' failed: {why}; before: {_fields(before)}; wanted: {_fields(wanted)}; "
            f"rolled back: {rolled_back}; on the device now: {reported}{count}",
            url=url,
        )


class WriteDisturbed(WriteFailed):
    """A change broke off because somebody else changed the device at the same time; another attempt may succeed."""


def _fields(values: Mapping[str, object]) -> str:
    return ", ".join(f"{name}={json.dumps(value)}" for name, value in values.items()) or "nothing"
