"""The HTTP(S) server of the simulator, in a thread of its own."""

import ipaddress
import json
import socket
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Event, Thread
from types import TracebackType
from typing import Self

import uvicorn
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from broker.lifecycle.clock import Clock
from lantime.simulator.api import SimulatedRequest, respond
from lantime.simulator.certificate import write_certificate
from lantime.simulator.controls import Controls

_LARGEST_BODY = 64 * 1024
_START_SECONDS = 30.0


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
        self._port = port
        self._tls = tls
        self._running = ExitStack()

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
        return self._port

    @property
    def url(self) -> str:
        """The address for a client on this machine, as ``LANTIME_URL`` takes it."""
        host = self._host
        if _is_wildcard(host):
            host = "::1" if ":" in host else "127.0.0.1"
        return f"{'https' if self._tls else 'http'}://{f'[{host}]' if ':' in host else host}:{self._port}"

    def start(self) -> None:
        """Listen. Raises OSError when host and port cannot be had."""
        with ExitStack() as undo:
            listener = undo.enter_context(_listener(self._host, self._port))
            config = uvicorn.Config(
                self._serve,
                interface="asgi3",
                http="h11",
                ws="none",
                lifespan="off",
                log_config=None,
                access_log=False,
                server_header=False,
                proxy_headers=False,
                timeout_graceful_shutdown=1,
            )
            if self._tls:
                folder = Path(undo.enter_context(TemporaryDirectory(prefix="interapp-simulator-")))
                self.certificate_file, key_file = write_certificate(folder, self._host, self.clock)
                config.ssl_certfile, config.ssl_keyfile = str(self.certificate_file), str(key_file)
                config.load()
                # Loaded: no need to let the key lie in a folder any longer.
                key_file.unlink()
            server = _Server(config)
            thread = Thread(target=server.run_until_stopped, args=(listener,), name="lantime-simulator", daemon=True)
            undo.callback(thread.join)
            undo.callback(server.stop)
            thread.start()
            if not server.decided.wait(_START_SECONDS) or not server.started:
                raise OSError("the web server did not start")
            self._port = listener.getsockname()[1]
            self._running = undo.pop_all()

    def stop(self) -> None:
        """Finish the request being answered and close every connection. Does nothing when it does not run."""
        self._running.close()

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


class _Server(uvicorn.Server):
    """A server that tells when it is decided whether it started."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.decided = Event()

    def run_until_stopped(self, listener: socket.socket) -> None:
        try:
            self.run([listener])
        finally:
            self.decided.set()

    def stop(self) -> None:
        self.should_exit = True

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.decided.set()


def _listener(host: str, port: int) -> socket.socket:
    family, kind, protocol, _, address = socket.getaddrinfo(
        host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )[0]
    listener = socket.socket(family, kind, protocol)
    try:
        # A port that a stopped simulator had is free again at once.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(128)
    except OSError:
        listener.close()
        raise
    return listener


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
