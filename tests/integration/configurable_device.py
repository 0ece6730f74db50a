"""A device that can be configured, over real HTTP: what tests of writing need until they run against the simulator.

Everything about its configuration API is invented, as the write profile's defaults are.
"""

from __future__ import annotations

import base64
import copy
import json
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

MODULE = "/api/config/chassis0/slots/"
LOGINS = {"info": False, "admin": True}
"""Who may log in (the password is the name), and whether that login may write."""

OUTPUT_MODES = (
    *("idle", "timer", "single-shot", "cyclic-pulse", "pulse-per-second", "pulse-per-min", "pulse-per-hour"),
    *("dcf77-marks", "time-sync", "all-sync", "dcls-time-code", "serial-time-string", "10mhz-frequency"),
    *("dcf77-like-m59", "synthesizer-frequency", "time-slots-per-minute", "ptti-1pps"),
)
CODES = ("b122-b123", "a132-a133", "b002-b003-dcls", "ieee1344", "g142", "c37.118", "g146", "g006-dcls")
GROUPS = ("b1xx", "a1xx", "b0xx", "a0xx", "g14x", "g00x")


def output(number: int, mode: str, length: float, **more: object) -> dict[str, Any]:
    """Return a programmable output in the invented layout."""
    settings = {"mode": mode, "pulse-length": length, "mode-param": 0, "timeout": 0, "inverted": False}
    rest = {"if-sync-only": True, "timebase-utc": False, "pulse-shift": 0}
    return {"object-id": f"output{number}", "settings": settings | rest | more}


def source(priority: int, kind: str, precision: float) -> dict[str, Any]:
    """Return an entry of the MRS list."""
    settings = {"bias": 0.0, "precision": precision, "id": {"type": kind, "instance": 0}}
    return {"object-id": f"priority{priority}", "info": {"settings": settings}}


def module(slot: str) -> dict[str, Any]:
    """Return the configuration of a TCR180 as it is at first."""
    return {
        "object-id": slot,
        "receiver": {
            "icode": "b122-b123",
            "ignore-tfom": False,
            "ref-offs": 0,
            "ref-offs-configured": True,
            "supported-codes": [{"object-id": code, "description": code} for code in CODES],
            "delay-compensation": [{"object-id": group, "value": 0.0} for group in GROUPS],
        },
        "mrs": [source(0, "irig", 1e-5), source(1, "ptp-ieee1588", 1e-7), source(2, "ntp", 1e-4)],
        "programmable-outputs": [
            output(1, "pulse-per-second", 0.2),
            output(2, "pulse-per-min", 0.2),
            output(3, "dcls-time-code", 0),
            output(4, "idle", 0, **{"if-sync-only": False}),
        ],
        "supported-output-modes": [{"object-id": mode} for mode in OUTPUT_MODES],
        "time-code-output": {"icode": "b006-b126", "local-time": False, "disable-tfom": False},
        "synthesizer": {"frequency": 0.0, "phase": 0.0, "state": "disabled"},
        "enable-flags": dict.fromkeys(("serial", "pulses", "synth"), "if-sync-only"),
        "serial-ports": [
            {
                "object-id": f"com{port}",
                "baudrate": 19200,
                "framing": "8n1",
                "string-type": "meinberg-standard",
                "mode": "per-second",
            }
            for port in range(4)
        ],
    }


def status() -> dict[str, Any]:
    """Return a status with two TCR180."""
    slots = [
        {"slot-id": slot, "slot-type": "clk", "module": {"info": {"model": "tcr180", "serial-number": serial}}}
        for slot, serial in (("clk1", "068111020467"), ("clk2", "068111020512"))
    ]
    chassis = {"model": "M3000", "slots": slots}
    data = {"object-id": "status", "rest-api": {"api-version": "20.05.013"}, "chassis0": chassis}
    return {"system-information": {}, "data": data, "changes": {"pending-changes": 0}}


@dataclass
class Fault:
    """What becomes of the next requests of a sort: ``status``, or with 0 an answer that is lost after the effect."""

    method: str
    path_prefix: str
    status: int
    count: int


@dataclass
class Tree:
    """The device's configuration: what is in force, what is staged, and what was saved."""

    running: dict[str, Any]
    candidate: dict[str, Any] = field(init=False)
    saved: dict[str, Any] | None = None

    def __post_init__(self) -> None:
        """Begin with nothing staged."""
        self.candidate = copy.deepcopy(self.running)

    @property
    def pending(self) -> int:
        """How many staged settings differ from what is in force."""
        before, after = leaves(self.running), leaves(self.candidate)
        return sum(before.get(key) != after.get(key) for key in before.keys() | after.keys())


class ConfigurableDevice:
    """Serves the configuration of the slots clk1 and clk2 until the ``with`` block ends."""

    def __init__(self) -> None:
        self.tree = Tree({slot: module(slot) for slot in ("clk1", "clk2")})
        self.writes: list[tuple[str, str, Any]] = []
        self.saves = 0
        self.lock = threading.RLock()
        self.faults: list[Fault] = []
        self.after_next: list[tuple[str, str, Any]] = []
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), type("Bound", (_Handler,), {"device": self}))
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)

    def __enter__(self) -> Self:
        """Begin to listen."""
        self._thread.start()
        return self

    def __exit__(self, *_exc: object) -> None:
        """Listen no more."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def running(self, path: str, slot: str = "clk1") -> Any:
        """Return what is in force below a module: ``programmable-outputs/output2/settings``."""
        with self.lock:
            return copy.deepcopy(find(self.tree.running[slot], path.split("/")))

    @property
    def pending(self) -> int:
        """How many changes are staged."""
        with self.lock:
            return self.tree.pending

    def stage_as_other_user(self, slot: str = "clk2") -> None:
        """Stage a change of another user, of which the device counts one."""
        with self.lock:
            self.tree.candidate[slot]["time-code-output"]["local-time"] = True

    def fail_next(self, method: str, path_prefix: str, status: int, count: int = 1) -> None:
        """Answer the next requests with a status and without effect; with 0 they have it, but their answer is lost."""
        with self.lock:
            self.faults.append(Fault(method, path_prefix, status, count))

    def after_next_do(self, method: str, path_prefix: str, action: Any) -> None:
        """Do something right after the next such request was answered in full: another user who comes in between."""
        with self.lock:
            self.after_next.append((method, path_prefix, action))

    def respond(self, method: str, path: str, login: str | None, body: Any) -> tuple[int, dict[str, Any]]:
        """Answer one request; status 0 loses the answer."""
        with self.lock:
            if path == "/api/get-token":
                return 404, refused(404, "no such path")
            fault = self._fault(method, path)
            if fault is not None and fault.status:
                return fault.status, refused(fault.status, "asked to fail")
            answer = self._respond(method, path, login, body)
            for each in [each for each in self.after_next if each[0] == method and path.startswith(each[1])][:1]:
                self.after_next.remove(each)
                each[2]()
            return answer if fault is None else (0, {})

    def _respond(self, method: str, path: str, login: str | None, body: Any) -> tuple[int, dict[str, Any]]:
        if login not in LOGINS:
            return 401, refused(401, "login needed")
        if method == "GET" and path == "/api/status":
            return 200, status()
        if method == "GET" and path.startswith(MODULE):
            return self._read(path)
        if not LOGINS[login]:
            return 403, refused(403, f"{login} may read only")
        self.writes.append((method, path, body))
        if path == "/api/commit":
            self.tree.running = copy.deepcopy(self.tree.candidate)
        elif path == "/api/rollback":
            self.tree.candidate = copy.deepcopy(self.tree.running)
        elif path == "/api/write":
            self.saves += 1
            self.tree.saved = copy.deepcopy(self.tree.running)
        elif path.startswith(MODULE):
            return self._stage(path, body)
        else:
            return 404, refused(404, f"no such path: {path}")
        return 200, self._envelope({})

    def _fault(self, method: str, path: str) -> Fault | None:
        for fault in self.faults:
            if fault.method == method and path.startswith(fault.path_prefix) and fault.count:
                fault.count -= 1
                return fault
        return None

    def _read(self, path: str) -> tuple[int, dict[str, Any]]:
        found = self._found(path)
        return (404, refused(404, f"no such path: {path}")) if found is None else (200, self._envelope(found))

    def _stage(self, path: str, body: Any) -> tuple[int, dict[str, Any]]:
        found = self._found(path)
        if found is None:
            return 404, refused(404, f"no such path: {path}")
        if isinstance(body, dict) and body.get("pulse-length", 0) == 6.66:
            return 422, refused(422, "pulse-length: the number of the beast")
        if isinstance(found, list):
            found[:] = copy.deepcopy(body)
        else:
            found.update(copy.deepcopy(body))
        return 200, self._envelope(found)

    def _found(self, path: str) -> Any:
        slot, _, rest = path.removeprefix(MODULE).partition("/module")
        parts = [part for part in rest.split("/") if part]
        return find(self.tree.candidate.get(slot), parts)

    def _envelope(self, data: Any) -> dict[str, Any]:
        return {"system-information": {}, "data": data, "changes": {"pending-changes": self.tree.pending}}


def find(tree: Any, path: list[str]) -> Any:
    """Follow a path; members of a list are addressed by their object id. None when it leads nowhere."""
    for name in path:
        if isinstance(tree, list):
            tree = next((each for each in tree if each.get("object-id") == name), None)
        else:
            tree = tree.get(name) if isinstance(tree, dict) else None
    return tree


def leaves(tree: Any, path: tuple[str, ...] = ()) -> dict[tuple[str, ...], Any]:
    """Return every leaf of a tree by its path."""
    if isinstance(tree, dict):
        pairs = list(tree.items())
    elif isinstance(tree, list):
        pairs = [(str(number), each) for number, each in enumerate(tree)]
    else:
        return {path: tree}
    found: dict[tuple[str, ...], Any] = {}
    for name, each in pairs:
        found |= leaves(each, (*path, name))
    return found


def refused(code: int, message: str) -> dict[str, Any]:
    """Return the invented body of an error."""
    return {"system-information": {}, "error": {"code": code, "message": message}}


class _Handler(BaseHTTPRequestHandler):
    """Hands a request to the device."""

    device: ConfigurableDevice
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self._answer()

    def do_PUT(self) -> None:
        self._answer()

    def do_PATCH(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self._answer()

    def _answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        kind, _, encoded = (self.headers.get("Authorization") or "").partition(" ")
        login = None
        if kind == "Basic":
            name, _, password = base64.b64decode(encoded).decode().partition(":")
            login = name if name == password else None
        status, answer = self.device.respond(self.command, self.path, login, json.loads(body) if body else None)
        if status == 0:
            self.close_connection = True
            return
        payload = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(payload)))
        self.end_headers()
        self.wfile.write(payload)

    def log_message(self, *_args: object) -> None:
        """Say nothing."""
