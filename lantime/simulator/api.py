"""From a request to a response, without a server: what the device answers, and to whom.

Status codes other than 200 and 401 are invented (no error was ever captured); see ``answers.error`` for the body.

Controls over HTTP (invented, for when the simulator is a process of its own), from this machine only and with an
admin's login: ``POST /simulator/pull {"slot": "clk1"}``, ``POST /simulator/plug {"slot": "clk1", "serial": "…"}``,
``move {"slot": "clk1", "to": "clk2"}``, ``swap-chassis {"serial": "…"}``,
``lose-signal``, ``restore-signal``, ``set-scenario {"slot": …, "scenario": "jitter"}``,
``fail-requests {"count": 3, "status": 503, "path-prefix": "/api/status"}``, ``disable-api``, ``enable-api``,
``change-login {"username": …, "password": …, "level": "info"}``, ``revoke-tokens``; and
``GET /simulator/request-log``.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field

from lantime.simulator.accounts import Account, Level
from lantime.simulator.answers import envelope, error, resolve, status_tree
from lantime.simulator.controls import Controls, RequestRecord, UnknownAction
from lantime.simulator.device import ControlError

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
    """A response: its status, its JSON and what headers it adds."""

    status: int
    body: Mapping[str, object]
    headers: Mapping[str, str] = field(default_factory=dict)


def respond(controls: Controls, request: SimulatedRequest) -> SimulatedResponse:
    """Answer one request and write it to the request log."""
    with controls.lock:
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
    fault = controls.next_fault(request.path)
    if fault is not None:
        return _error(fault, "this request was asked to fail")
    if account is None:
        return _unauthorized()
    if parts == ["api", "get-token"]:
        return _token(controls, request)
    if request.method != "GET":
        return _error(405, f"{request.method} is not allowed here", {"Allow": "GET"})
    return _read(controls, request, parts[1:])


def _read(controls: Controls, request: SimulatedRequest, path: list[str]) -> SimulatedResponse:
    # The whole tree files the status under its name (seen in a third party's code); /api/status itself is the
    # status object (captured).
    found, data = resolve({"status": status_tree(controls.device)}, path)
    if not found:
        return _error(404, f"no such path: {request.path}")
    return SimulatedResponse(status=200, body=envelope(controls.device, data, request.path, request.scheme))


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
        controls.perform("/".join(path), json.loads(request.body or b"{}"))
    except UnknownAction as exc:
        return _error(404, str(exc))
    except ControlError as exc:
        return _error(422, str(exc))
    except (ValueError, RecursionError) as exc:
        return _error(400, f"the body is not JSON ({exc})")
    return SimulatedResponse(status=200, body={"done": path[0]})


def _unauthorized() -> SimulatedResponse:
    return _error(401, "login needed", {"WWW-Authenticate": 'Basic realm="api"'})


def _error(code: int, message: str, headers: Mapping[str, str] | None = None) -> SimulatedResponse:
    return SimulatedResponse(status=code, body=error(code, message), headers=headers or {})
