"""From a request to a response, without a server: what the device answers, and to whom.

Status codes other than 200 and 401 are invented (no error was ever captured); see ``answers.error`` for the body.
``docs/simulator.md`` lists the paths and the controls.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace

from lantime.simulator.accounts import Account, Level
from lantime.simulator.answers import config_tree, envelope, error, resolve, status_tree
from lantime.simulator.body import read_body
from lantime.simulator.controls import Controls, RequestRecord, UnknownAction
from lantime.simulator.device import ControlError
from lantime.simulator.faults import REASONS, Delivery, Fault, Kind
from lantime.simulator.writing import Refused, Written, is_command, write

_UNAUTHORIZED = 401
_FIRST_API_WITH_TOKEN = 16
"""LTOS 7.08, the first with a bearer token (vendor document), has API 16."""


@dataclass(frozen=True, kw_only=True)
class SimulatedRequest:
    """A request as far as the device looks at it; ``scheme`` is http or https."""

    method: str
    path: str
    scheme: str = "http"
    authorization: str | None = None
    body: bytes = b""
    from_this_machine: bool = False


@dataclass(frozen=True, kw_only=True)
class SimulatedResponse:
    """A response: its status, its JSON, what headers it adds and how it goes over the line."""

    status: int
    body: Mapping[str, object]
    headers: Mapping[str, str] = field(default_factory=dict)
    delivery: Delivery = field(default_factory=Delivery)


def respond(controls: Controls, request: SimulatedRequest) -> SimulatedResponse:
    """Answer one request and write it to the request log."""
    with controls.lock:
        controls.play_due()
        account = controls.accounts.by_any(request.authorization)
        response = _respond(controls, request, account)
        controls.record(
            RequestRecord(
                method=request.method,
                path=request.path,
                status=response.status,
                login=account.username if account else "",
                at_us=controls.clock.now_us(),
            )
        )
        return response


def _respond(controls: Controls, request: SimulatedRequest, account: Account | None) -> SimulatedResponse:
    parts = [part for part in request.path.split("/") if part]
    if parts[:1] == ["simulator"]:
        return _control(controls, request, account, parts[1:])
    if parts[:1] != ["api"]:
        return _error(404, f"no such path: {request.path}")
    if not controls.api_enabled:
        return _error(503, "the REST API is disabled")
    fault = controls.faults.next(request.path, request.method)
    if fault is None:
        return _answer(controls, request, account, parts[1:])
    if fault.spares_the_effect:
        return _gone_wrong(fault, _answer(controls, request, account, parts[1:]))
    return _gone_wrong(fault, _error(fault.status, ""))


def _gone_wrong(fault: Fault, answer: SimulatedResponse) -> SimulatedResponse:
    if fault.kind is Kind.STATUS:
        if fault.status == _UNAUTHORIZED:
            return _unauthorized()
        reason = REASONS.get(fault.status, "it failed")
        return _error(fault.status, f"this request was asked to fail: {reason}")
    status = answer.status if fault.kind in {Kind.TRUNCATED, Kind.SLOW, Kind.TRICKLE} else 200
    return replace(answer, status=status, delivery=Delivery(kind=fault.kind, delay_seconds=fault.delay_seconds))


def _answer(
    controls: Controls, request: SimulatedRequest, account: Account | None, path: list[str]
) -> SimulatedResponse:
    if account is None and not controls.anonymous_read:
        return _unauthorized()
    if path == ["get-token"]:
        return _token(controls, request)
    if request.method == "GET" and not is_command(path):
        return _read(controls, request, path)
    if account is None:
        return _unauthorized()
    written = write(controls, account, request.method, path, request.body)
    if isinstance(written, Refused):
        return _error(written.status, written.message, {"Allow": written.allow} if written.allow else None)
    return _enveloped(controls, request, written)


def _read(controls: Controls, request: SimulatedRequest, path: list[str]) -> SimulatedResponse:
    # The whole tree files the status under its name (seen in a third party's code); /api/status itself is the
    # status object (captured).
    tree = {"status": status_tree(controls.device), "config": config_tree(controls.device)}
    found, data = resolve(tree, path)
    if not found:
        return _error(404, f"no such path: {request.path}")
    return _enveloped(controls, request, Written(data))


def _enveloped(controls: Controls, request: SimulatedRequest, written: Written) -> SimulatedResponse:
    body = envelope(controls.device, written.data, request.path, request.scheme)
    return SimulatedResponse(status=200, body=body)


def _token(controls: Controls, request: SimulatedRequest) -> SimulatedResponse:
    if controls.device.api < _FIRST_API_WITH_TOKEN:
        return _error(404, f"no such path: {request.path}")
    if request.method != "PUT":
        return _error(405, f"{request.method} is not allowed here", {"Allow": "PUT"})
    account = controls.accounts.by_basic(request.authorization)
    if account is None:
        return _unauthorized()
    return SimulatedResponse(status=200, body={"token": controls.accounts.new_token(account)})


def _control(
    controls: Controls, request: SimulatedRequest, account: Account | None, path: list[str]
) -> SimulatedResponse:
    if not request.from_this_machine:
        return _error(403, "the simulator is controlled from its own machine only")
    if account is None:
        return _unauthorized()
    if account.level < Level.ADMIN:
        return _error(403, f"{account.username} may read only")
    if path == ["request-log"] and request.method == "GET":
        return SimulatedResponse(status=200, body={"requests": [asdict(each) for each in controls.request_log]})
    if request.method != "POST":
        return _error(405, f"{request.method} is not allowed here", {"Allow": "POST"})
    try:
        controls.perform("/".join(path), read_body(request.body))
    except UnknownAction as exc:
        return _error(404, str(exc))
    except ControlError as exc:
        return _error(422, str(exc))
    except ValueError as exc:
        return _error(400, f"the body is not JSON ({exc})")
    return SimulatedResponse(status=200, body={"done": path[0]})


def _unauthorized() -> SimulatedResponse:
    return _error(401, "login needed", {"WWW-Authenticate": 'Basic realm="api"'})


def _error(code: int, message: str, headers: Mapping[str, str] | None = None) -> SimulatedResponse:
    return SimulatedResponse(status=code, body=error(code, message), headers=headers or {})
