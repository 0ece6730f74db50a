"""Reading an HTTP answer of a device: its JSON, or the error that says what it is instead. No I/O."""

import json
from collections.abc import Container, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from lantime.errors import ApiDisabled, DeviceError, LoginRefused, Refusal, SlotNotFound, UnexpectedAnswer, WriteRefused
from lantime.status.api_version import ApiVersion, read_api_version
from lantime.status.chassis import ChassisStatus, parse_status
from lantime.status.memory import Memory
from lantime.status.notification import Notification, read_notifications
from lantime.status.reported import Reported, reported_module, reported_modules
from lantime.status.slot import Slot
from lantime.status.system import SystemStatus, parse_system
from lantime.status.values import integer, mapping, pick, text

_REDIRECTS = range(300, 400)
_BLANKS = b" \t\r\n\x00\xef\xbb\xbf"
"""Around the JSON: blank lines (vendor document); a byte order mark and NULs do no harm either."""


@dataclass(frozen=True, kw_only=True)
class RawAnswer:
    """An HTTP answer as it came: ``url`` without credentials, ``location`` of a redirect, at most 16 MiB of body."""

    url: str
    status: int
    content_type: str = ""
    location: str = ""
    body: bytes = b""

    @property
    def succeeded(self) -> bool:
        """Whether the status is one of 200 to 299."""
        return self.status in range(200, 300)

    @property
    def login_refused(self) -> bool:
        """Whether the status is 401: no or no right login."""
        return self.status == HTTPStatus.UNAUTHORIZED

    @property
    def excerpt(self) -> str:
        """The body as text, for an error to keep."""
        return self.body[:4096].decode("utf-8", "replace")


@dataclass(frozen=True, kw_only=True)
class DeviceAnswer:
    """A JSON answer of the device: its ``body`` (one object) and the API version it names.

    Who reads one answer after the other gives a ``memory`` of each sort: parts that say the same as before are not read again.
    """

    url: str
    body: Mapping[str, object]

    @property
    def api(self) -> ApiVersion:
        """The version of the REST API that this answer comes from."""
        return read_api_version(self.body)

    @property
    def pending_changes(self) -> int | None:
        """How many changes are staged (``changes.pending-changes``, captured as 0); None when that cannot be read."""
        found = pick(mapping(pick(self.body, "changes")), "pending-changes", "pending")
        count = len(found) if isinstance(found, list) else integer(found)
        return count if count is not None and count >= 0 else None

    def chassis(self, *, memory: Memory[Slot] | None = None) -> list[ChassisStatus]:
        """Return every chassis in a status answer. Raises UnexpectedAnswer when this is no status."""
        return parse_status(self.body, url=self.url, memory=memory)

    def module(self, slot_id: str, *, chassis: str = "chassis0") -> Reported | None:
        """Return a module of a status answer as the device reported it (see ``reported_module``), or None."""
        return reported_module(self.body, slot_id, chassis=chassis)

    def modules(self, slot_ids: Container[str], *, chassis: str = "chassis0") -> dict[str, Reported]:
        """Return the modules of these slots of a chassis by slot id, each as ``module`` returns it."""
        return reported_modules(self.body, slot_ids, chassis=chassis)

    def system(self) -> SystemStatus:
        """Return what a status answer says of the device as a system."""
        return parse_system(self.body)

    def notifications(
        self, *, memory: Memory[tuple[Notification, ...]] | None = None
    ) -> tuple[Notification, ...] | None:
        """Return the notifications in a status answer; None when it lists none at all."""
        return read_notifications(self.body, memory=memory)


def read_answer(raw: RawAnswer) -> DeviceAnswer:
    """Return the answer's JSON object.

    Raises what ``refusal`` says for a status outside 200..299, ApiDisabled for a web page, UnexpectedAnswer for
    anything else that is not one JSON object.
    """
    if not raw.succeeded:
        raise refusal(raw)
    body = raw.body.strip(_BLANKS)
    if not body:
        raise _unexpected("the answer is empty", raw)
    try:
        # NaN and Infinity are no JSON, and no database takes them.
        found = json.loads(body.decode("utf-8", "replace"), parse_constant=lambda _: None)
    except (ValueError, RecursionError) as exc:
        if "html" in raw.content_type.lower() or body.startswith(b"<"):
            raise _disabled("a web page answers instead of JSON", raw) from exc
        raise _unexpected(f"the answer is not JSON, or cut off ({exc})", raw) from exc
    if not isinstance(found, dict):
        raise _unexpected(f"the answer is JSON, but not an object ({type(found).__name__})", raw)
    return DeviceAnswer(url=raw.url, body=_storable(found) if b"\\u" in body else found)


def _storable(value: Any) -> Any:
    """Return the JSON without half characters: JSON can escape them, but nothing can keep or send them."""
    if isinstance(value, dict):
        return {_storable(key): _storable(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_storable(item) for item in value]
    return value.encode("utf-8", "replace").decode("utf-8") if isinstance(value, str) else value


def refusal(raw: RawAnswer) -> DeviceError:
    """Return the error for a status outside 200..299. No list of a device's error codes is known.

    Decided on the status, and for 403 on whether the body looks like the API's own: the body is for the log.
    """
    if raw.login_refused:
        return _login("the login was refused; check LANTIME_USERNAME and LANTIME_PASSWORD", raw)
    if raw.status == HTTPStatus.FORBIDDEN:
        body = raw.body.strip(_BLANKS)
        if not body or body.startswith(b"<"):
            return _disabled("403 without an answer of the API", raw)
        return _login("the user's level is too low for this; reading needs 'info', writing 'admin'", raw)
    if raw.status == HTTPStatus.NOT_FOUND:
        return _disabled("404 for the API's own path", raw)
    if raw.status == HTTPStatus.SERVICE_UNAVAILABLE:
        return _disabled("503, service unavailable (the device may also be starting)", raw)
    if raw.status in _REDIRECTS:
        return _redirect(raw)
    return _unexpected(f"HTTP status {raw.status}", raw)


def slot_refusal(raw: RawAnswer, slot_id: str) -> DeviceError:
    """Return the error for a status outside 200..299 on the path of a slot: 404 means this slot, not the API."""
    if raw.status == HTTPStatus.NOT_FOUND:
        return SlotNotFound(slot_id, url=raw.url, body=raw.excerpt)
    return refusal(raw)


def read_written(raw: RawAnswer) -> DeviceAnswer:
    """Return the answer to a write that succeeded; an empty one is as good as any, since nothing is known of them.

    Raises what ``read_answer`` raises.
    """
    if raw.succeeded and not raw.body.strip(_BLANKS):
        return DeviceAnswer(url=raw.url, body={})
    return read_answer(raw)


_REFUSALS = {
    HTTPStatus.FORBIDDEN: Refusal.LEVEL,
    HTTPStatus.NOT_FOUND: Refusal.PATH,
    HTTPStatus.METHOD_NOT_ALLOWED: Refusal.PATH,
    HTTPStatus.NOT_IMPLEMENTED: Refusal.PATH,
    HTTPStatus.CONFLICT: Refusal.CONFLICT,
}
_CLIENT_ERRORS = range(400, 500)


def write_refusal(raw: RawAnswer, verb: str) -> DeviceError:
    """Return the error for a write's status outside 200..299: WriteRefused where the status says that nothing changed."""
    status = HTTPStatus(raw.status) if raw.status in set(HTTPStatus) else None
    reason = _REFUSALS.get(status) if status else None
    if (
        reason is None
        and raw.status in _CLIENT_ERRORS
        and not raw.login_refused
        and raw.status != HTTPStatus.REQUEST_TIMEOUT
    ):
        reason = Refusal.VALUE
    if reason is None:
        return refusal(raw)
    return WriteRefused(reason, url=raw.url, verb=verb, status=raw.status, body=raw.excerpt)


def find_slot(data: object, slot_id: str) -> Mapping[str, object] | None:
    """Return the slot object in a sub-path's ``data``, or None.

    Whether ``data`` is the slot itself or wraps it in its parents' names is not known, so it is looked for level by
    level: an object that says it is this slot, else one that is filed under its name.
    """
    level: list[tuple[str, object]] = [(slot_id, data)]
    while level:
        for name, found in level:
            if isinstance(found, Mapping) and _is_slot(name, found, slot_id):
                return found
        level = [child for _, found in level for child in _children(found)]
    return None


def _is_slot(name: str, found: Mapping[str, object], slot_id: str) -> bool:
    if not {"slot-id", "slot-type", "module"} & found.keys():
        return False
    said = [text(found.get(key)) for key in ("slot-id", "object-id")]
    return slot_id in ([each.lower() for each in said if each] or [name.lower()])


def _children(found: object) -> list[tuple[str, object]]:
    if isinstance(found, Mapping):
        return [(str(name), child) for name, child in found.items()]
    return [("", child) for child in found] if isinstance(found, list) else []


def _redirect(raw: RawAnswer) -> DeviceError:
    # A redirect is never followed: the login would go wherever the answer says.
    if raw.url.startswith("http://") and raw.location.startswith("https://"):
        return _unexpected("the device redirects to https; let LANTIME_URL begin with https://", raw)
    return _disabled(f"a redirect ({raw.status}) instead of an answer of the API", raw)


def _login(message: str, raw: RawAnswer) -> LoginRefused:
    return LoginRefused(message, url=raw.url, status=raw.status, body=raw.excerpt)


def _disabled(seen: str, raw: RawAnswer) -> ApiDisabled:
    return ApiDisabled(seen, url=raw.url, status=raw.status, body=raw.excerpt)


def _unexpected(message: str, raw: RawAnswer) -> UnexpectedAnswer:
    return UnexpectedAnswer(message, url=raw.url, status=raw.status, body=raw.excerpt)
