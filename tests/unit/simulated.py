"""Asking the simulated device without a server."""

import base64
import json
from typing import Any

from lantime.simulator.api import SimulatedRequest, SimulatedResponse, respond
from lantime.simulator.controls import Controls

MODULE = "/api/config/chassis0/slots/clk1/module"


def login(username: str) -> str:
    """Return the Basic header of a user whose password is the name."""
    return "Basic " + base64.b64encode(f"{username}:{username}".encode()).decode()


def ask(
    controls: Controls, path: str, method: str = "GET", user: str = "info", body: object = None, **parts: Any
) -> SimulatedResponse:
    """Send one request; a body that is no bytes is sent as JSON."""
    content = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
    request = SimulatedRequest(method=method, path=path, authorization=login(user), body=content, **parts)
    return respond(controls, request)


def put(controls: Controls, path: str, body: object = None, user: str = "admin") -> SimulatedResponse:
    """PUT below /api, as an admin."""
    return ask(controls, path, "PUT", user, body)


def data(response: SimulatedResponse) -> Any:
    """Return what a successful answer holds."""
    assert response.status == 200, response.body
    return response.body["data"]


def pending(controls: Controls) -> Any:
    """Return how many changes are pending, as any answer says."""
    return dict(ask(controls, "/api/status/rest-api").body["changes"])["pending-changes"]  # type: ignore[call-overload]


def control(controls: Controls, action: str, **arguments: object) -> SimulatedResponse:
    """Do a control as an admin on the same machine."""
    return ask(controls, f"/simulator/{action}", "POST", "admin", arguments, from_this_machine=True)


def module(controls: Controls, slot: str = "clk1") -> Any:
    """Return the module object of a slot's status."""
    return data(ask(controls, f"/api/status/chassis0/slots/{slot}/module"))


def triggered(controls: Controls) -> set[str]:
    """Return the ids of the events that are triggered."""
    events = data(ask(controls, "/api/status/notification/events"))
    return {each["object-id"] for each in events if each["triggered"]}
