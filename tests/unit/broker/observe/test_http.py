"""`/livez` and `/readyz` over HTTP."""

import http.client
import json
import socket
from collections.abc import Iterator

import pytest

from broker.errors import InterAppError
from broker.observe.health import Check, Health
from broker.observe.http import HealthServer
from broker.observe.metrics import Metrics


@pytest.fixture
def health() -> Health:
    """The checks of one process."""
    return Health()


@pytest.fixture
def server(health: Health) -> Iterator[HealthServer]:
    """A running server on a free port."""
    server = HealthServer(health, "127.0.0.1", 0)
    server.start()
    yield server
    server.stop()


def ask(server: HealthServer, path: str, method: str = "GET") -> tuple[int, bytes, http.client.HTTPMessage]:
    """Return status, body and headers of the answer."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    try:
        connection.request(method, path)
        response = connection.getresponse()
        return response.status, response.read(), response.headers
    finally:
        connection.close()


def test_each_check_is_named(server: HealthServer, health: Health) -> None:
    """Readiness names every check with what is wrong; it is red as soon as one is."""
    health.add("table", lambda: Check(ok=True))
    assert json.loads(ask(server, "/readyz")[1]) == {"status": "ok", "checks": {"table": {"ok": True, "detail": ""}}}
    health.add("transport", lambda: Check(ok=False, detail="RabbitMQ is away"))
    status, body, headers = ask(server, "/readyz")
    assert status == 503
    assert headers["content-type"] == "application/json"
    assert json.loads(body) == {
        "status": "failing",
        "checks": {"table": {"ok": True, "detail": ""}, "transport": {"ok": False, "detail": "RabbitMQ is away"}},
    }


def test_alive_is_not_ready(server: HealthServer, health: Health) -> None:
    """What will mend itself does not ask for a restart; what will not, does."""
    health.add("table", lambda: Check(ok=False, detail="away"))
    assert ask(server, "/livez")[0] == 200
    health.add("beat", lambda: Check(ok=False, detail="stuck", alive=False))
    assert ask(server, "/livez")[0] == 503


def test_broken_check(server: HealthServer, health: Health) -> None:
    """A check that breaks turns health red, and says how it broke."""

    def broken() -> Check:
        raise KeyError("table")

    health.add("broken", broken)
    status, body, _ = ask(server, "/readyz")
    assert status == 503
    assert b"KeyError" in body


def test_head_and_wrong_requests(server: HealthServer) -> None:
    """HEAD answers like GET without a body; other paths and methods are refused as JSON."""
    status, body, headers = ask(server, "/livez", "HEAD")
    assert (status, body) == (200, b"")
    assert int(headers["content-length"]) > 0
    for path, method, expected in (("/", "GET", 404), ("/livez/", "GET", 404), ("/readyz", "POST", 405)):
        status, body, _ = ask(server, path, method)
        assert status == expected
        assert json.loads(body)["status"]


def test_port_in_use(health: Health) -> None:
    """A port that is taken is one clear error that names the setting."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        server = HealthServer(health, "127.0.0.1", taken.getsockname()[1])
        with pytest.raises(InterAppError, match=r"INTERAPP_HTTP_PORT=\d+: cannot listen on 127\.0\.0\.1"):
            server.start()
        server.stop()


def test_unknown_host(health: Health) -> None:
    """An address that is not this machine's is named."""
    with pytest.raises(InterAppError, match=r"203\.0\.113\.1"):
        HealthServer(health, "203.0.113.1", 0).start()


def test_port_is_free_again(health: Health) -> None:
    """After stop the port can be had at once, and stopping twice is harmless."""
    server = HealthServer(health, "127.0.0.1", 0)
    server.start()
    ask(server, "/livez")
    server.stop()
    server.stop()
    again = HealthServer(health, "127.0.0.1", server.port)
    again.start()
    assert ask(again, "/livez")[0] == 200
    again.stop()


def test_metrics(health: Health) -> None:
    """``/metrics`` has what was noted, as Prometheus reads it, whatever the checks say; it is only read."""
    metrics = Metrics()
    health.add("table", lambda: Check(ok=False, detail="away"))
    server = HealthServer(health, "127.0.0.1", 0, metrics)
    server.start()
    try:
        metrics.handled("m1000-a.clk1", "tcr.poll-now", "succeeded", 0.1)
        status, body, headers = ask(server, "/metrics")
        assert status == 200
        assert headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
        assert body.decode() == metrics.text()
        assert b'kind="tcr.poll-now"' in body
        assert ask(server, "/metrics", "HEAD")[:2] == (200, b"")
        assert ask(server, "/metrics", "POST")[0] == 405
    finally:
        server.stop()
