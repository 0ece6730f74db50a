"""The HTTP(S) server of the simulator, in a thread of its own."""

import asyncio
import ipaddress
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
from lantime.simulator.certificate import kept_certificate, write_certificate
from lantime.simulator.controls import Controls, Played, silent
from lantime.simulator.scenario import Scenario
from lantime.simulator.sending import Connections, deliver, protocol_of
from lantime.simulator.timeline import Timeline

_LARGEST_BODY = 64 * 1024


class Simulator(Controls):
    """A running LANTIME: ``with Simulator(model="M1000", api=20, tls=False) as sim: sim.url``.

    Takes requests from ``start`` (or ``with``) to ``stop``; port 0 takes a free one. The controls of the base class
    work from any thread. ``certificate_file`` is what a client may trust (None without TLS): where it is asked to be,
    with its key beside it, it is kept for the next time; else it goes with the simulator.
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
        certificate_file: Path | None = None,
        scenario: Scenario | Timeline | None = None,
        state: Path | None = None,
        syncmon_nodes: int = 0,
        anonymous_read: bool = False,
        on_step: Played = silent,
    ) -> None:
        super().__init__(
            model=model,
            api=api,
            clock=clock,
            scenario=scenario,
            state=state,
            syncmon_nodes=syncmon_nodes,
            anonymous_read=anonymous_read,
            on_step=on_step,
        )
        self.certificate_file: Path | None = None
        self._kept_certificate = certificate_file
        self._host = host
        self._tls = tls
        self._connections: Connections = {}
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopping = asyncio.Event()
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
        """Listen. Raises OSError when host and port cannot be had, SettingError when the certificate cannot."""
        self._stopping = asyncio.Event()
        self._server.start(self._configure)

    def stop(self) -> None:
        """Finish the request being answered and close every connection. Does nothing when it does not run.

        An answer that is made to wait waits no longer.
        """
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._stopping.set)
        self._loop = None
        self._server.stop()

    def _configure(self, config: Config, undo: ExitStack) -> None:
        config.http = protocol_of(self._connections)
        if not self._tls:
            return
        if self._kept_certificate is not None:
            self.certificate_file, key_file = kept_certificate(self._kept_certificate, self._host, self.clock)
        else:
            folder = Path(undo.enter_context(TemporaryDirectory(prefix="interapp-simulator-")))
            self.certificate_file, key_file = write_certificate(folder, self._host, self.clock)
        config.ssl_certfile, config.ssl_keyfile = str(self.certificate_file), str(key_file)
        config.load()
        if self._kept_certificate is None:
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
        self._loop = asyncio.get_running_loop()
        await deliver(simulated, scope, receive, send, connections=self._connections, stopping=self._stopping)


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
