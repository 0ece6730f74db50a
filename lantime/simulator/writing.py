"""What a PUT does: stage a change of the configuration, commit, roll back, save, compare, load.

Paths, verbs and answers are invented but for ``PUT /api/write`` and its parameters (vendor document).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lantime.simulator.accounts import Account, Level
from lantime.simulator.answers import config_tree, listed, resolve
from lantime.simulator.body import read_body
from lantime.simulator.configuration import NoSuchPart, unwrapped
from lantime.simulator.controls import Controls
from lantime.simulator.limits import InvalidSetting
from lantime.simulator.staging import EditConflict

_COMMANDS = ("commit", "rollback", "write", "diff", "read")
_PARAMETERS: Mapping[str, Mapping[str, str]] = {
    "write": {"package": "all", "configset": "startup"},
    "diff": {"package": "all", "configset": "startup"},
    "read": {"package": "all", "configset": "startup"},
}
"""The parameters that a command takes and the one value that is simulated."""

_EDITING = frozenset({"PUT", "PATCH"})
_MODULE_DEPTH = 5
"""Parts of the path of a module: config, chassis0, slots, clk1, module."""


@dataclass(frozen=True)
class Written:
    """It was done; ``data`` is what the answer holds."""

    data: object


@dataclass(frozen=True)
class Refused:
    """It was not done, and nothing changed; ``allow`` are the methods that the path has."""

    status: int
    message: str
    allow: str = ""


def is_command(path: list[str]) -> bool:
    """Tell whether a path (without ``api``) is something to do rather than something to read."""
    return len(path) == 1 and path[0] in _COMMANDS


def write(controls: Controls, account: Account, method: str, path: list[str], body: bytes) -> Written | Refused:
    """Do what a request other than GET asks for, or say why not. ``path`` is without ``api``."""
    shown = "/".join(["/api", *path])
    if is_command(path):
        allowed = "PUT"
    elif path[:1] == ["config"]:
        allowed = "GET, PUT, PATCH" if len(path) >= _MODULE_DEPTH else "GET"
    else:
        allowed = "GET"
    if method not in allowed.split(", "):
        return Refused(405, f"{method} is not allowed here", allowed)
    if account.level < Level.ADMIN:
        return Refused(403, f"{account.username} may read only: writing needs the level admin or super-user")
    try:
        content = read_body(body)
    except ValueError as exc:
        return Refused(400, f"the body is not JSON ({exc})")
    if method in _EDITING and path[0] == "config":
        return _stage(controls, account, path, content, shown)
    return _command(controls, path[0], content)


def _stage(controls: Controls, account: Account, path: list[str], content: object, shown: str) -> Written | Refused:
    device = controls.device
    # A slot without a TCR has no configuration in the tree.
    if path[4] != "module" or not resolve({"config": config_tree(device)}, path[:_MODULE_DEPTH])[0]:
        return Refused(404, f"no such path: {shown}")
    try:
        device.configuration.stage(path[3], path[_MODULE_DEPTH:], unwrapped(content), account.username)
    except NoSuchPart as exc:
        return Refused(404, f"no such path: {shown} (there is no {exc})")
    except InvalidSetting as exc:
        return Refused(422, str(exc))
    except EditConflict as exc:
        return Refused(409, str(exc))
    _, data = resolve({"config": config_tree(device)}, path)
    return Written(data)


def _command(controls: Controls, command: str, content: object) -> Written | Refused:
    device = controls.device
    parameters = unwrapped(content)
    problem = _misfit(command, parameters)
    if problem:
        return Refused(422, problem)
    data: dict[str, Any] = {"object-id": command}
    match command:
        case "commit":
            data["applied-changes"] = device.commit()
        case "rollback":
            data["dropped-changes"] = device.configuration.rollback()
        case "write":
            data["stored-changes"] = len(device.configuration.unsaved())
            try:
                controls.save_configuration()
            except OSError as exc:
                return Refused(500, f"the configuration cannot be stored: {exc}")
        case "diff":
            data["differences"] = listed(device.configuration.unsaved(), "startup", "system")
        case _:
            data["applied-changes"] = device.load_startup()
    return Written(data)


def _misfit(command: str, parameters: object) -> str | None:
    if not isinstance(parameters, dict):
        return f"parameters={parameters!r} is not allowed: a JSON object"
    known = _PARAMETERS.get(command, {})
    for name, value in parameters.items():
        if name not in known:
            return f"{name}={value!r} is not allowed: {command} takes {', '.join(known) or 'no parameters'}"
        if value != known[name]:
            return f"{name}={value!r} is not allowed: {known[name]!r} is all that is simulated"
    return None
