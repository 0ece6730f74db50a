"""The HTTP(S) server of the simulator, in a thread of its own."""

import ipaddress
import json
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import Self

from starlette.requests import Request
from starlette.responses import Response
from uvicorn import Config

from broker.lifecycle.clock import Clock
from broker.observe.serving import Receive, Scope, Send, WebServer
from lantime.simulator.api import SimulatedRequest, respond
from lantime.simulator.certificate import write_certificate
from lantime.simulator.controls import Controls

_LARGEST_BODY = 64 * 1024


class Simulator(Controls):
    """A running LANTIME: ``with Simulator(model="M1000", api=20, tls=False) as sim: sim.url``.

    Takes requests from ``start`` (or ``with``) to ``stop``; port 0 takes a free one. The controls of the base class
    work from any thread. ``certificate_file`` is what a client may trust (None without TLS).
    """

    def __init__(
        self,
        *,
        model: str = "M1000",
        api: int = 20,
        tls: bool = False,
        host: str = "127.0.0.1",
        port: int = 0,
        clock: Clock | None = None,
    ) -> None:
        super().__init__(model=model, api=api, clock=clock)
        self.certificate_file: Path | None = None
        self._host = host
        self._tls = tls
        self._server = WebServer(self._serve, host, port, name="lantime-simulator")

    def __enter__(self) -> Self:
        """Start and return the simulator."""
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop the simulator."""
        self.stop()

    @property
    def port(self) -> int:
        """The port listened on (0 before ``start`` when a free one was asked for)."""
        return self._server.port

    @property
    def url(self) -> str:
        """The address for a client on this machine, as ``LANTIME_URL`` takes it."""
        host = self._host
        if _is_wildcard(host):
            host = "::1" if ":" in host else "127.0.0.1"
        return f"{'https' if self._tls else 'http'}://{f'[{host}]' if ':' in host else host}:{self.port}"

    def start(self) -> None:
        """Listen. Raises OSError when host and port cannot be had."""
        self._server.start(self._with_tls if self._tls else None)

    def stop(self) -> None:
        """Finish the request being answered and close every connection. Does nothing when it does not run."""
        self._server.stop()

    def _with_tls(self, config: Config, undo: ExitStack) -> None:
        folder = Path(undo.enter_context(TemporaryDirectory(prefix="interapp-simulator-")))
        self.certificate_file, key_file = write_certificate(folder, self._host, self.clock)
        config.ssl_certfile, config.ssl_keyfile = str(self.certificate_file), str(key_file)
        config.load()
        # Loaded: no need to let the key lie in a folder any longer.
        key_file.unlink()

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one HTTP request (ASGI)."""
        request = Request(scope, receive)
        body = bytearray()
        async for chunk in request.stream():
            body += chunk
            if len(body) > _LARGEST_BODY:
                await Response(status_code=413, headers={"Connection": "close"})(scope, receive, send)
                return
        simulated = respond(
            self,
            SimulatedRequest(
                method=request.method,
                path=request.url.path,
                scheme=request.url.scheme,
                authorization=request.headers.get("authorization"),
                body=bytes(body),
                from_this_machine=request.client is not None and _is_loopback(request.client.host),
            ),
        )
        # Devices are known to send blank lines around the JSON (vendor document), so this one always does.
        content = f"\n\n{json.dumps(simulated.body)}\n"
        response = Response(content, simulated.status, dict(simulated.headers), "application/json")
        await response(scope, receive, send)


def _is_wildcard(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_unspecified
    except ValueError:
        return False


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
