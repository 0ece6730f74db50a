"""``/livez``, ``/readyz`` and ``/metrics``: a process's health and numbers over HTTP, from a thread of its own."""

import asyncio
import json

from broker.errors import InterAppError
from broker.observe.health import Health
from broker.observe.metrics import CONTENT_TYPE, Metrics
from broker.observe.serving import Receive, Scope, Send, WebServer

READING = ("GET", "HEAD")
PATHS = ("/livez", "/readyz", "/metrics")


class HealthServer:
    """Answers from ``start`` to ``stop``: ``GET /livez`` and ``GET /readyz`` with 200 when all is well, else 503.

    ``GET /metrics`` has the metrics as Prometheus reads them.
    """

    def __init__(self, health: Health, host: str, port: int, metrics: Metrics | None = None) -> None:
        self._health = health
        self._metrics = metrics or Metrics()
        self._host = host
        self._server = WebServer(self._serve, host, port, name="health")

    @property
    def port(self) -> int:
        """The port listened on; before ``start`` the one asked for (0 takes a free one)."""
        return self._server.port

    def start(self) -> None:
        """Listen and answer. Raises InterAppError that names INTERAPP_HTTP_PORT when the port cannot be had."""
        try:
            self._server.start()
        except OSError as exc:
            raise InterAppError(
                f"INTERAPP_HTTP_PORT={self.port}: cannot listen on {self._host} (INTERAPP_HTTP_HOST):"
                f" {exc.strerror or exc}; stop what uses it, or set another port"
            ) from exc

    def stop(self) -> None:
        """Finish the answer being given and close. Does nothing when it does not run."""
        self._server.stop()

    async def _serve(self, scope: Scope, _receive: Receive, send: Send) -> None:
        """Answer one HTTP request (ASGI)."""
        if scope["path"] == "/metrics" and scope["method"] in READING:
            status, content, content_type = 200, self._metrics.text().encode(), CONTENT_TYPE
        else:
            # In a thread: a check that blocks must not keep the other path from answering.
            status, body = await asyncio.to_thread(answer, self._health, scope["method"], scope["path"])
            content, content_type = json.dumps(body).encode() + b"\n", "application/json"
        headers = [
            (b"content-type", content_type.encode()),
            (b"content-length", str(len(content)).encode()),
            (b"cache-control", b"no-store"),
        ]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": content})


def answer(health: Health, method: str, path: str) -> tuple[int, dict[str, object]]:
    """Return the status code and the JSON body for one request that is not answered with metrics."""
    if path not in PATHS:
        return 404, {"status": "not found", "detail": f"ask for {', '.join(PATHS)}"}
    if method not in READING:
        return 405, {"status": "method not allowed", "detail": "use GET"}
    try:
        alive = path == "/livez"
        well, said = health.alive() if alive else health.ready()
    except Exception as exc:  # noqa: BLE001 a check that breaks must turn health red, not silent
        broken = {"ok": False, "detail": f"a check broke: {type(exc).__name__}: {exc}"}
        return 503, {"status": "failing", "checks": {"health": broken}}
    checks = {name: {"ok": check.alive if alive else check.ok, "detail": check.detail} for name, check in said.items()}
    return (200 if well else 503), {"status": "ok" if well else "failing", "checks": checks}
