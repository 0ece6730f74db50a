"""``/livez`` and ``/readyz``: a process's health over HTTP, from a thread of its own."""

import asyncio
import json
import socket
from collections.abc import Awaitable, Callable, MutableMapping
from contextlib import ExitStack
from threading import Thread
from typing import Any

from broker.errors import InterAppError
from broker.observe.health import Health

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Scope]]
Send = Callable[[Scope], Awaitable[None]]

PATHS = ("/livez", "/readyz")


class HealthServer:
    """Answers ``GET /livez`` and ``GET /readyz`` from ``start`` to ``stop``: 200 when all is well, else 503."""

    def __init__(self, health: Health, host: str, port: int) -> None:
        self._health = health
        self._host = host
        self._port = port
        self._running = ExitStack()

    @property
    def port(self) -> int:
        """The port listened on; before ``start`` the one asked for (0 takes a free one)."""
        return self._port

    def start(self) -> None:
        """Listen and answer. Raises InterAppError that names INTERAPP_HTTP_PORT when the port cannot be had."""
        # Only a process with INTERAPP_HTTP_PORT set needs a web server.
        import uvicorn  # noqa: PLC0415

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
            server = uvicorn.Server(config)
            thread = Thread(target=server.run, args=([listener],), name="health", daemon=True)
            undo.callback(thread.join)
            undo.callback(setattr, server, "should_exit", True)
            thread.start()
            self._port = listener.getsockname()[1]
            self._running = undo.pop_all()

    def stop(self) -> None:
        """Finish the answer being given and close. Does nothing when it does not run."""
        self._running.close()

    async def _serve(self, scope: Scope, _receive: Receive, send: Send) -> None:
        """Answer one HTTP request (ASGI)."""
        # In a thread: a check that blocks must not keep the other path from answering.
        status, body = await asyncio.to_thread(answer, self._health, scope["method"], scope["path"])
        content = json.dumps(body).encode() + b"\n"
        headers = [
            (b"content-type", b"application/json"),
            (b"content-length", str(len(content)).encode()),
            (b"cache-control", b"no-store"),
        ]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": content})


def answer(health: Health, method: str, path: str) -> tuple[int, dict[str, object]]:
    """Return the status code and the JSON body for one request."""
    if path not in PATHS:
        return 404, {"status": "not found", "detail": f"ask for {' or '.join(PATHS)}"}
    if method not in ("GET", "HEAD"):
        return 405, {"status": "method not allowed", "detail": "use GET"}
    try:
        alive = path == "/livez"
        well, said = health.alive() if alive else health.ready()
    except Exception as exc:  # noqa: BLE001 a check that breaks must turn health red, not silent
        broken = {"ok": False, "detail": f"a check broke: {type(exc).__name__}: {exc}"}
        return 503, {"status": "failing", "checks": {"health": broken}}
    checks = {name: {"ok": check.alive if alive else check.ok, "detail": check.detail} for name, check in said.items()}
    return (200 if well else 503), {"status": "ok" if well else "failing", "checks": checks}


def _listener(host: str, port: int) -> socket.socket:
    try:
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
    except OSError as exc:
        raise InterAppError(
            f"INTERAPP_HTTP_PORT={port}: cannot listen on {host} (INTERAPP_HTTP_HOST): {exc.strerror or exc};"
            " stop what uses it, or set another port"
        ) from exc
    return listener
