"""What is configured on a simulated device and what was asked of it, and somebody else who configures it too."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Self

from lantime.client import LantimeClient
from lantime.exchange import Exchange
from lantime.simulator.answers import resolve
from lantime.simulator.server import Simulator

MODULE = "/api/config/chassis0/slots/clk1/module"
OUTPUT2 = "programmable-outputs/output2/settings"


def running(device: Simulator, path: str, slot: str = "clk1") -> Any:
    """Return what is in force below a module: an object, or the value of a single setting."""
    with device.lock:
        names = path.split("/")
        found, data = resolve(device.device.configuration.running(slot), names)
        assert found, path
        return data[names[-1]] if isinstance(data, dict) and data.keys() == {names[-1]} else data


def pending(device: Simulator) -> int:
    """Return how many changes are staged, whoever's."""
    with device.lock:
        return len(device.device.configuration.pending())


def unsaved(device: Simulator) -> int:
    """Return how many settings in force a restart would lose."""
    with device.lock:
        return len(device.device.configuration.unsaved())


def requests(device: Simulator, login: str = "admin") -> list[tuple[str, str]]:
    """Return verb and path of each write that this user sent, below the module of clk1 or from /api on."""
    return [
        (each.method, each.path.removeprefix(f"{MODULE}/"))
        for each in device.request_log
        if each.method != "GET" and each.login == login and each.path != "/api/get-token"
    ]


class OtherUser:
    """Logs in as `super`; acts when told, or right after a request of ours was answered (our `on_exchange`)."""

    def __init__(self, device: Simulator) -> None:
        self._client = LantimeClient(device.url, "super", "super")
        self._after: list[tuple[str, str, Callable[[], object]]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self._client.close()

    def stage(self, part: str = "time-code-output", slot: str = "clk2", **settings: object) -> None:
        """Stage a change, of clk2's time code output unless another is named."""
        body: Any = {name.replace("_", "-"): value for name, value in settings.items()} or {"local-time": True}
        self._client.write("PUT", f"/api/config/chassis0/slots/{slot}/module/{part}", body)

    def commit(self) -> None:
        """Put in force what anybody staged."""
        self._client.write("PUT", "/api/commit")

    def roll_back(self) -> None:
        """Drop what anybody staged."""
        self._client.write("PUT", "/api/rollback")

    def after_next(self, method: str, path_prefix: str, action: Callable[[], object]) -> None:
        """Do something right after our next such request."""
        self._after.append((method, path_prefix, action))

    def told(self, exchange: Exchange) -> None:
        """Hear of a request of ours."""
        for each in self._after:
            method, path_prefix, action = each
            if exchange.method == method and exchange.path.startswith(path_prefix):
                self._after.remove(each)
                action()
                return
