"""Servers and devices that are away or refuse us, and settings that are wrong: told clearly, survived, mended."""

from __future__ import annotations

import secrets
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest
from acceptance.fleet import CHASSIS, Fleet, Service, publish_foreign
from psycopg import sql

from servers.management import Permissions
from servers.postgresql import PostgreSQLServer
from servers.processes import run_interapp
from servers.rabbitmq import RabbitMQAddress, RabbitMQServer

CLK1 = f"{CHASSIS}.clk1"
NEW_PASSWORD = "rain-and-shine"

Refusal = tuple[str, str, Callable[[], None]]
"""A broker URL that is refused, words of the reason, and what mends it."""


@pytest.fixture
def fleet(tmp_path: Path, amqp_url: str, postgres_url: str) -> Iterator[Fleet]:
    """An installation without any process yet."""
    with Fleet(tmp_path, amqp_url, postgres_url) as fleet:
        yield fleet


def warnings(service: Service) -> list[str]:
    """Return what a service complained about."""
    return [line for line in service.lines if "[warning" in line or "[error" in line]


def assert_handles(fleet: Fleet, broker_url: str) -> None:
    """The child of clk1 handles what arrives."""
    publish_foreign(broker_url, CLK1, [(b"{}", {"type": "tcr.get-status", "message_id": "fair"})])
    fleet.wait_handlers(id="fair", state="succeeded")


def test_rabbitmq_is_absent_at_the_start(private_rabbitmq: RabbitMQServer, postgres_url: str, tmp_path: Path) -> None:
    """Without RabbitMQ a service says so once, lives, is not ready, keeps trying, and works as soon as it is there."""
    private_rabbitmq.stop()
    with Fleet(tmp_path, private_rabbitmq.url, postgres_url) as fleet:
        child = fleet.child("clk1")
        child.wait_red("cannot be reached")
        fleet.run("send", CLK1, "tcr.get-status")
        private_rabbitmq.start()
        child.wait_ready()
        fleet.wait_handlers(destination=CLK1, kind="tcr.get-status", state="succeeded")
        [trouble] = warnings(child)
        assert "cannot be reached" in trouble
        assert "trying again" in trouble
        assert private_rabbitmq.address.password not in child.output()
        assert len(child.lines_with("trouble over")) == 1
        assert child.terminate() == 0


def _wrong_password(rabbitmq: RabbitMQAddress, vhost: str, user: str) -> Refusal:
    rabbitmq.management.create_user(user, "another one", {vhost: Permissions()})
    return (
        rabbitmq.url_of(vhost, user, NEW_PASSWORD),
        f"refuses the login of user '{user}'",
        lambda: rabbitmq.management.create_user(user, NEW_PASSWORD),
    )


def _missing_vhost(rabbitmq: RabbitMQAddress, vhost: str, user: str) -> Refusal:
    rabbitmq.management.create_user(user, NEW_PASSWORD)

    def mend() -> None:
        rabbitmq.management.create_vhost(user)
        rabbitmq.management.set_permissions(user, user, Permissions())

    return rabbitmq.url_of(user, user, NEW_PASSWORD), f"no virtual host '{user}'", mend


def _no_access(rabbitmq: RabbitMQAddress, vhost: str, user: str) -> Refusal:
    rabbitmq.management.create_user(user, NEW_PASSWORD)
    return (
        rabbitmq.url_of(vhost, user, NEW_PASSWORD),
        f"does not let user '{user}' into virtual host '{vhost}'",
        lambda: rabbitmq.management.set_permissions(vhost, user, Permissions()),
    )


def _no_rights(rabbitmq: RabbitMQAddress, vhost: str, user: str) -> Refusal:
    rabbitmq.management.create_user(user, NEW_PASSWORD, {vhost: Permissions("^$", "^$", "^$")})
    return (
        rabbitmq.url_of(vhost, user, NEW_PASSWORD),
        f"virtual host '{vhost}'",
        lambda: rabbitmq.management.set_permissions(vhost, user, Permissions()),
    )


@pytest.mark.parametrize("weather", [_wrong_password, _missing_vhost, _no_access, _no_rights])
def test_rabbitmq_refuses(
    fleet: Fleet,
    rabbitmq: RabbitMQAddress,
    amqp_url: str,
    weather: Callable[[RabbitMQAddress, str, str], Refusal],
) -> None:
    """A refused login, a missing virtual host and missing rights are one clear line each, and end when mended."""
    user = f"weather-{secrets.token_hex(4)}"
    try:
        url, words, mend = weather(rabbitmq, urlsplit(amqp_url).path[1:], user)
        child = fleet.child("clk1", INTERAPP_BROKER_URL=url)
        reasons = child.wait_red(words)
        assert "rabbitmqctl" in reasons or "grant" in reasons, "the way out"
        mend()
        child.wait_ready()
        assert_handles(fleet, url)
        # where the login is accepted, each thing that a missing right stops has its line, all for the same reason
        troubles = warnings(child)
        assert len({line.partition("detail=")[2] for line in troubles}) == 1, troubles
        assert words in troubles[0]
        assert NEW_PASSWORD not in child.output()
        assert len(child.lines_with("trouble over")) == len(troubles)
    finally:
        rabbitmq.management.delete_user(user)
        if user in rabbitmq.management.list_vhosts():
            rabbitmq.management.delete_vhost(user)


def test_postgresql_is_absent_at_the_start(private_postgresql: PostgreSQLServer, amqp_url: str, tmp_path: Path) -> None:
    """Without PostgreSQL a service says so once, lives, is not ready, keeps trying, and works as soon as it is there."""
    private_postgresql.stop()
    with Fleet(tmp_path, amqp_url, private_postgresql.url) as fleet:
        child = fleet.child("clk1")
        child.wait_red("waiting for the table")
        private_postgresql.start()
        child.wait_ready()
        assert_handles(fleet, amqp_url)
        [trouble] = warnings(child)
        assert "refused" in trouble.lower()
        assert (urlsplit(private_postgresql.url).password or "?") not in child.output()
        assert len(child.lines_with("the table")) >= 1
        assert child.terminate() == 0


@pytest.mark.parametrize("weather", ["wrong password", "missing database"])
def test_postgresql_refuses(private_postgresql: PostgreSQLServer, amqp_url: str, tmp_path: Path, weather: str) -> None:
    """A wrong password and a missing database are one clear line each, and end when mended."""
    role, password = sql.Identifier("weather"), sql.Literal(NEW_PASSWORD)
    make_database = sql.SQL("CREATE DATABASE weather OWNER {}").format(role)
    with psycopg.connect(private_postgresql.url, autocommit=True) as server:
        parts = urlsplit(private_postgresql.url)
        url = parts._replace(netloc=f"weather:{NEW_PASSWORD}@127.0.0.1:{parts.port}", path="/weather").geturl()
        if weather == "wrong password":
            server.execute(sql.SQL("CREATE ROLE {} LOGIN PASSWORD 'another one'").format(role))
            server.execute(make_database)
            words, mend = "password authentication failed", sql.SQL("ALTER ROLE {} PASSWORD {}").format(role, password)
        else:
            server.execute(sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}").format(role, password))
            words, mend = 'database "weather" does not exist', make_database
        with Fleet(tmp_path, amqp_url, url) as fleet:
            child = fleet.child("clk1")
            child.wait_for_line(words)
            child.wait_red("waiting for the table")
            server.execute(mend)
            child.wait_ready()
            assert_handles(fleet, amqp_url)
            [trouble] = warnings(child)
            assert words in trouble
            assert NEW_PASSWORD not in child.output()
            assert child.terminate() == 0


class _Page(BaseHTTPRequestHandler):
    """The web page that some other server shows."""

    def do_GET(self) -> None:
        body = b"<!DOCTYPE html><html><body>Welcome to nginx!</body></html>"
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_PUT = do_GET  # noqa: N815  the base class calls it by this name

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  the base class's name
        """Stay silent."""


@contextmanager
def web_page(port: int) -> Iterator[None]:
    """Serve an HTML page on every path."""
    with HTTPServer(("127.0.0.1", port), _Page) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield
        finally:
            server.shutdown()
            thread.join()


def test_the_device_is_away_or_refuses(fleet: Fleet) -> None:
    """An unreachable, refusing or wrong device is one clear line each; the last known inventory stays listed."""
    parent = fleet.parent()
    parent.wait_red("connection was refused")
    assert fleet.slots() == {}
    simulator = fleet.simulator()
    parent.wait_ready()
    known = {slot: (line["model"], line["serial"], line["present"]) for slot, line in fleet.slots().items()}
    assert known["clk1"] == ("tcr180", "068111020467", True)

    def assert_known() -> None:
        now = {slot: (line["model"], line["serial"], line["present"]) for slot, line in fleet.slots().items()}
        assert now == known

    simulator.control("disable-api")
    parent.wait_red("Enable REST API")
    assert_known()
    simulator.control("enable-api")
    parent.wait_ready()

    simulator.control("change-login", username="info", password="another-one")
    simulator.control("revoke-tokens")
    parent.wait_red("LANTIME_PASSWORD")
    simulator.control("change-login", username="info", password="info")
    parent.wait_ready()

    assert simulator.terminate() == 0
    parent.wait_red("connection was refused")
    with web_page(simulator.port):
        parent.wait_red("REST API is probably not enabled")
        assert_known()
    fleet.simulator()
    parent.wait_ready()

    troubles = warnings(parent)
    assert all("its last inventory stays" in line for line in troubles), troubles
    assert len(parent.lines_with("the device gives its status")) == 4
    assert parent.terminate() == 0


def test_a_child_without_a_slot_stays_up_and_handles_nothing(fleet: Fleet) -> None:
    """Without TCR_SLOT_ID a child lives, says what is missing, is not ready and takes no message."""
    child = fleet.service("child")
    assert "TCR_SLOT_ID" in child.wait_red("TCR_SLOT_ID is not set")
    fleet.run("send", CLK1, "tcr.get-status")
    [complaint] = warnings(child)
    assert "TCR_SLOT_ID" in complaint
    assert fleet.listing("workers") == []
    assert [line["state"] for line in fleet.handlers()] == ["waiting"]
    assert child.terminate() == 0


@pytest.mark.parametrize(
    "missing", [("LANTIME_URL",), ("LANTIME_USERNAME", "LANTIME_PASSWORD")], ids=["no address", "no login"]
)
def test_a_child_without_a_login_works_but_does_not_ask_the_device(fleet: Fleet, missing: tuple[str, ...]) -> None:
    """A child that cannot talk to the device says so and does the rest; tcr.poll-now is rejected with what to set."""
    child = fleet.service("child", env={"TCR_SLOT_ID": "clk1"}, without=missing).wait_ready()
    assert [name for line in warnings(child) for name in missing if name in line] == list(missing)
    publish_foreign(fleet.broker_url, CLK1, [(b"{}", {"type": kind}) for kind in ("tcr.get-status", "tcr.poll-now")])
    [asked] = fleet.wait_handlers(kind="tcr.get-status", state="succeeded")
    assert asked["reply"]["assigned"] is False
    [polled] = fleet.wait_handlers(kind="tcr.poll-now", state="failed")
    assert polled["reason"] == "rejected"
    assert all(name in polled["error"] for name in missing)


AMQP = "amqp://interapp:secret-word@127.0.0.1/interapp"


@pytest.mark.parametrize(
    ("args", "env", "words"),
    [
        (
            ["parent"],
            {"INTERAPP_BROKER_URL": "redis://localhost"},
            ["INTERAPP_BROKER_URL", "redis://localhost", "amqp://"],
        ),
        (
            ["parent"],
            {"INTERAPP_BROKER_URL": "memory://"},
            ["INTERAPP_BROKER_URL", "memory://", "amqp://", "interapp up"],
        ),
        (["child"], {"INTERAPP_BROKER_URL": "amqp://rabbit:99999/x"}, ["INTERAPP_BROKER_URL", "99999", "1 to 65535"]),
        (
            ["child"],
            {"INTERAPP_DATABASE_URL": "mysql://localhost/x"},
            ["INTERAPP_DATABASE_URL", "mysql://", "postgresql://"],
        ),
        (["child"], {"INTERAPP_HTTP_PORT": "99999"}, ["INTERAPP_HTTP_PORT", "99999", "65535"]),
        (["child"], {"TCR_SLOT_ID": "../x"}, ["TCR_SLOT_ID", "../x", "clk1"]),
        (["parent"], {"LANTIME_URL": "ftp://clock"}, ["LANTIME_URL", "ftp://clock", "https://"]),
        (["parent"], {"LANTIME_NAME": "M1000 A"}, ["LANTIME_NAME", "M1000 A", "lower-case"]),
        (["parent"], {"LANTIME_POLL_SECONDS": "0"}, ["LANTIME_POLL_SECONDS", "'0'", "1"]),
        (["up"], {"INTERAPP_LOG_LEVEL": "loud"}, ["INTERAPP_LOG_LEVEL", "loud", "warning"]),
        (["simulator", "--port", "99999"], {}, ["--port", "99999", "65535"]),
        (["--config", "bad.toml", "parent"], {}, ["--config", "bad.toml", "TOML"]),
        (["--config", "odd.toml", "parent"], {}, ["LANTIME_COLOUR", "blue", "LANTIME_URL"]),
        (["--config", "absent.toml", "parent"], {}, ["--config", "absent.toml", "not exist"]),
    ],
)
def test_wrong_settings_end_the_process(args: list[str], env: dict[str, str], words: list[str], tmp_path: Path) -> None:
    """A setting that can never be right is exit code 2 and names the setting, its value and what is allowed."""
    (tmp_path / "bad.toml").write_text("[lantime\nurl = ", encoding="utf-8")
    (tmp_path / "odd.toml").write_text('[lantime]\ncolour = "blue"\n', encoding="utf-8")
    base = {"INTERAPP_BROKER_URL": AMQP, "LANTIME_URL": "http://127.0.0.1:9", "LANTIME_PASSWORD": "secret-word"}
    done = run_interapp(*args, cwd=tmp_path, env={**base, **env})
    assert (done.returncode, done.stdout) == (2, ""), done.stderr
    assert not [word for word in words if word not in done.stderr], done.stderr
    assert "Traceback" not in done.stderr
    assert "secret-word" not in done.stderr
    assert len([line for line in done.stderr.splitlines() if line.startswith("Error")]) == 1
    assert not (tmp_path / "interapp.db").exists(), "nothing was begun"


def test_a_port_that_is_taken_is_named(fleet: Fleet) -> None:
    """A health port in use ends the process with one line that names it, and with exit code 1."""
    first = fleet.child("clk1").wait_ready()
    second = fleet.child("clk2", INTERAPP_HTTP_PORT=str(first.port))
    assert second.wait() == 1
    [line] = [line for line in second.stderr if line.startswith("Error")]
    assert f"INTERAPP_HTTP_PORT={first.port}" in line


def test_a_service_that_still_waits_for_its_servers_can_be_stopped(fleet: Fleet) -> None:
    """SIGTERM and SIGINT end a service with exit code 0 while RabbitMQ, database and device are all away."""
    nowhere = str(fleet.simulator_port)
    away = {
        "INTERAPP_BROKER_URL": f"amqp://a:b@127.0.0.1:{nowhere}/c",
        "INTERAPP_DATABASE_URL": f"postgresql://a:b@127.0.0.1:{nowhere}/c",
    }
    services = [fleet.parent(**away), fleet.child("clk1", **away)]
    for service, stop in zip(services, (signal.SIGTERM, signal.SIGINT), strict=True):
        service.wait_red("waiting for the table")
        service.send_signal(stop)
        assert service.wait(15) == 0
