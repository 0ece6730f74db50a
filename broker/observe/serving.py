"""A web server in a thread of its own, for whatever answers over HTTP(S) beside its work."""

import socket
from collections.abc import Awaitable, Callable, MutableMapping
from contextlib import ExitStack
from threading import Event, Thread
from typing import Any

import uvicorn

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Scope]]
Send = Callable[[Scope], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]
"""What ASGI calls an application, for HTTP only."""

START_SECONDS = 30.0


class WebServer:
    """Serves an application from ``start`` to ``stop``; port 0 takes a free one."""

    def __init__(self, application: Application, host: str, port: int, *, name: str) -> None:
        self._application = application
        self._host = host
        self._name = name
        self._running = ExitStack()
        self.port = port
        """The port listened on; before ``start`` the one asked for."""

    def start(self, configure: Callable[[uvicorn.Config, ExitStack], None] | None = None) -> None:
        """Listen and answer. Raises OSError when host and port cannot be had.

        ``configure`` may change the configuration once the port is had, and leave behind what is to be undone in the end.
        """
        with ExitStack() as undo:
            listener = undo.enter_context(_listener(self._host, self.port))
            config = uvicorn.Config(
                self._application,
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
            if configure is not None:
                configure(config, undo)
            server = _Server(config)
            thread = Thread(target=server.run_until_stopped, args=(listener,), name=self._name, daemon=True)
            undo.callback(thread.join)
            undo.callback(server.stop)
            thread.start()
            if not server.decided.wait(START_SECONDS) or not server.started:
                raise OSError("the web server did not start")
            self.port = listener.getsockname()[1]
            self._running = undo.pop_all()

    def stop(self) -> None:
        """Finish the request being answered and close every connection. Does nothing when it does not run."""
        self._running.close()


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
        # A port that a stopped process had is free again at once.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(128)
    except OSError:
        listener.close()
        raise
    return listener
