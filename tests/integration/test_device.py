"""The client against real servers: the simulator over http and https, and one that answers any bytes."""

import base64
import os
import re
import signal
import socket
import ssl
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from threading import Thread
from typing import Any, Self

import httpx
import pytest

from lantime.client import LantimeClient
from lantime.errors import (
    ApiDisabled,
    DeviceError,
    DeviceUnreachable,
    LoginRefused,
    Problem,
    SlotNotFound,
    UnexpectedAnswer,
)
from lantime.exchange import Exchange
from lantime.simulator.device import API_VERSIONS
from lantime.simulator.server import Simulator
from lantime.status import ClockState, ReceiverState

LINE = re.compile(r"LANTIME simulator (?P<model>\S+) \(API (?P<api>\d+)\) at (?P<url>\S+); .*slots (?P<slots>.*)\n")
COMMAND = [sys.executable, "-W", "error", "-c", "from lantime.simulator.command import simulator; simulator()"]


@pytest.fixture
def sim() -> Iterator[Simulator]:
    """A running M1000 over http."""
    with Simulator() as running:
        yield running


def client(sim: Simulator, **options: Any) -> LantimeClient:
    """A client of the simulator that trusts its certificate."""
    return LantimeClient(sim.url, "info", "info", **({"verify": sim.certificate_file or True} | options))


@pytest.mark.parametrize("tls", [False, True])
@pytest.mark.parametrize("api", sorted(API_VERSIONS))
@pytest.mark.parametrize("model", ["M1000", "M3000"])
def test_every_version_over_http_and_https(model: str, api: int, tls: bool) -> None:
    """Every model and API version is read whole and by slot, and both ways agree."""
    exchanges: list[Exchange] = []
    with (
        Simulator(model=model, api=api, tls=tls) as sim,
        client(sim, on_exchange=exchanges.append) as device,
    ):
        (chassis,) = device.status().chassis()
        assert (chassis.model, chassis.api_major, chassis.warnings) == (model, api, ())
        for slot in chassis.slots:
            assert device.slot(slot.slot_id) == slot
    token = exchanges[0]
    assert (token.method, token.path, token.status) == ("PUT", "/api/get-token", 200 if api >= 16 else 404)
    assert {each.status for each in exchanges[1:]} == {200}
    assert all(each.round_trip_ms >= 0 and each.error is None for each in exchanges)


def test_pull_and_plug(sim: Simulator) -> None:
    """A pulled module is gone with the next request, a plugged one is there with its own serial number."""
    with client(sim) as device:
        before = device.slot("clk1").module
        sim.pull("clk1")
        assert device.slot("clk1").module is None
        sim.plug("clk1", serial="068111029999")
        after = device.slot("clk1").module
    assert before is not None
    assert after is not None
    assert (before.serial, after.serial) == ("068111020467", "068111029999")


def test_signal_loss_and_return(sim: Simulator) -> None:
    """A lost signal shows as holdover, a restored one as synchronised."""
    with client(sim) as device:
        sim.lose_signal("clk1")
        lost = device.slot("clk1").status
        sim.restore_signal("clk1")
        back = device.slot("clk1").status
    assert lost is not None
    assert back is not None
    assert (lost.receiver.state, lost.clock) == (ReceiverState.NOT_SYNCHRONIZED, ClockState.HOLDOVER)
    assert (back.receiver.state, back.clock) == (ReceiverState.SYNCHRONIZED, ClockState.SYNCHRONIZED)


def test_unknown_slot(sim: Simulator) -> None:
    """A slot that the chassis does not have is not found."""
    with client(sim) as device, pytest.raises(SlotNotFound, match="clk9"):
        device.slot("clk9")


def test_token_that_ends_is_renewed(sim: Simulator) -> None:
    """A token that ends in mid-session is replaced without the caller noticing."""
    with client(sim) as device:
        device.status()
        sim.revoke_tokens()
        device.status()
    log = [(each.method, each.path, each.status) for each in sim.request_log]
    assert log == [
        ("PUT", "/api/get-token", 200),
        ("GET", "/api/status", 200),
        ("GET", "/api/status", 401),
        ("PUT", "/api/get-token", 200),
        ("GET", "/api/status", 200),
    ]


@pytest.mark.parametrize("api", [10, 20])
def test_login_refused_and_accepted_again(api: int) -> None:
    """A changed password is refused with the settings to look at, and accepted again once it fits."""
    with Simulator(api=api) as sim, client(sim) as device:
        device.status()
        sim.change_login("info", "another")
        with pytest.raises(LoginRefused, match="LANTIME_PASSWORD") as raised:
            device.status()
        sim.change_login("info", "info")
        assert device.status().chassis()
    assert raised.value.status == 401


def test_disabled_api(sim: Simulator) -> None:
    """A switched-off API is told as such, and read again when it is back."""
    with client(sim) as device:
        sim.disable_api()
        with pytest.raises(ApiDisabled, match="Enable REST API"):
            device.status()
        sim.enable_api()
        assert device.status().chassis()


def test_failing_requests(sim: Simulator) -> None:
    """A passing error of one path is an error of that path only."""
    with client(sim) as device:
        sim.fail_requests(1, status=500)
        assert device.status().chassis()
        with pytest.raises(UnexpectedAnswer, match="500"):
            device.slot("clk1")
        assert device.slot("clk1").module is not None


def test_untrusted_certificate_names_the_ways_out() -> None:
    """A self-signed certificate is refused with both ways out named, and each of them works."""
    with Simulator(tls=True) as sim:
        with client(sim, verify=True) as distrustful, pytest.raises(DeviceUnreachable) as raised:
            distrustful.status()
        for verify in (sim.certificate_file, str(sim.certificate_file), False):
            with client(sim, verify=verify) as device:
                assert device.status().chassis()
    assert raised.value.problem is Problem.CERTIFICATE
    assert "LANTIME_CA_FILE" in str(raised.value)
    assert "LANTIME_VERIFY_TLS=false" in str(raised.value)
    assert isinstance(raised.value.__cause__, httpx.ConnectError)


def test_certificate_of_another_device() -> None:
    """The certificate of another device is not accepted."""
    with (
        Simulator(tls=True) as sim,
        Simulator(tls=True) as other,
        client(sim, verify=other.certificate_file) as device,
        pytest.raises(DeviceUnreachable) as raised,
    ):
        device.status()
    assert raised.value.problem is Problem.CERTIFICATE


def test_https_on_a_plain_port(sim: Simulator) -> None:
    """TLS to a port that speaks plain http is a TLS problem with the way out."""
    with (
        LantimeClient(sim.url.replace("http:", "https:"), "info", "info") as device,
        pytest.raises(DeviceUnreachable, match="http://") as raised,
    ):
        device.status()
    assert raised.value.problem is Problem.TLS


def test_http_on_a_tls_port() -> None:
    """Http to a port that speaks https is no answer, told as such."""
    with (
        Simulator(tls=True) as sim,
        LantimeClient(sim.url.replace("https:", "http:"), "info", "info") as device,
        pytest.raises(DeviceUnreachable) as raised,
    ):
        device.status()
    assert raised.value.problem is Problem.CONNECTION


def test_refused_connection() -> None:
    """A port that nobody listens on refuses, and the device is found once it listens."""
    with Simulator() as sim:
        port = sim.port
    with LantimeClient(f"http://127.0.0.1:{port}", "info", "info") as device:
        with pytest.raises(DeviceUnreachable) as raised:
            device.status()
        assert raised.value.problem is Problem.REFUSED
        with Simulator(port=port):
            assert device.status().chassis()


@pytest.mark.parametrize("host", ["no-such-host.invalid", f"{'x' * 64}.invalid"])
def test_unknown_name(host: str) -> None:
    """A name that cannot be resolved is told as such."""
    with LantimeClient(f"http://{host}", "info", "info") as device, pytest.raises(DeviceUnreachable) as raised:
        device.status()
    assert raised.value.problem is Problem.NAME


def test_proxy_of_the_environment(sim: Simulator, monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy of the environment is bypassed, unless it is asked for."""
    with closing(socket.create_server(("127.0.0.1", 0))) as unused:
        nobody = unused.getsockname()[1]
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{nobody}")
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    with client(sim) as device:
        assert device.status().chassis()
    with client(sim, bypass_proxy=False) as device, pytest.raises(DeviceUnreachable):
        device.status()


def test_one_request_at_a_time(sim: Simulator) -> None:
    """Threads that share a client never have two requests in flight."""
    in_flight: list[str] = []
    with client(sim, on_exchange=lambda exchange: in_flight.append(exchange.path)) as device:
        threads = [Thread(target=device.slot, args=("clk1",)) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert in_flight == ["/api/get-token", *["/api/status/chassis0/slots/clk1"] * 8]


class RawServer:
    """A real server that answers each connection with the same bytes, whatever is asked, and hangs up."""

    def __init__(self, answer: bytes, token_answer: bytes | None = None) -> None:
        self._answer, self._token_answer = answer, token_answer if token_answer is not None else answer
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._thread = Thread(target=self._serve, daemon=True)
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def __enter__(self) -> Self:
        """Start to listen."""
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop to listen."""
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with connection:
                request = connection.recv(65536)
                connection.sendall(self._token_answer if request.startswith(b"PUT") else self._answer)
                connection.shutdown(socket.SHUT_WR)
                # Read to the end, or closing with unread bytes would reset the connection under the answer.
                while connection.recv(65536):
                    pass


def http(status: str, content_type: str, body: bytes, length: int | None = None) -> bytes:
    """An HTTP answer as bytes."""
    size = len(body) if length is None else length
    head = f"HTTP/1.1 {status}\r\nContent-Type: {content_type}\r\nContent-Length: {size}\r\nConnection: close\r\n\r\n"
    return head.encode() + body


STATUS = b'\n\n{"data": {"rest-api": {"api-version": "20.05.013"}, "chassis0": {"slots": [{"slot-id": "clk1"}]}}}\n'
JSON = "application/json"


@pytest.mark.parametrize(
    "token_answer",
    [
        http("404 Not Found", JSON, b""),
        http("405 Method Not Allowed", JSON, b""),
        http("500 Internal Server Error", JSON, b"boom"),
        http("200 OK", JSON, b"\x00\xff garbage"),
        http("200 OK", JSON, b'{"token"', 500),
        b"",
        b"garbage\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 3\r\n\r\nabc",
    ],
)
def test_discovery_whatever_the_token_endpoint_does(token_answer: bytes) -> None:
    """GET /api/status with Basic login is all that discovery needs, whatever the rest of the device answers."""
    with (
        RawServer(http("200 OK", JSON, STATUS), token_answer) as server,
        LantimeClient(server.url, "info", "info") as it,
    ):
        (chassis,) = it.status().chassis()
    assert [each.slot_id for each in chassis.slots] == ["clk1"]


@pytest.mark.parametrize(
    ("answer", "error", "hint"),
    [
        (http("200 OK", "text/html", b"<!doctype html><form>Login</form>"), ApiDisabled, "Enable REST API"),
        (http("403 Forbidden", "text/plain", b""), ApiDisabled, "Enable REST API"),
        (http("404 Not Found", "text/html", b"<h1>404</h1>"), ApiDisabled, "Enable REST API"),
        (http("200 OK", JSON, STATUS[:60]), UnexpectedAnswer, "cut off"),
        (http("200 OK", JSON, STATUS[:60], len(STATUS)), UnexpectedAnswer, "cut off"),
        (http("200 OK", JSON, b""), UnexpectedAnswer, "empty"),
        (http("502 Bad Gateway", "text/html", b"<h1>502</h1>"), UnexpectedAnswer, "502"),
        (b"SSH-2.0-OpenSSH_9.2\r\n\r\n", UnexpectedAnswer, "not HTTP"),
        (b"", DeviceUnreachable, "connection broke"),
    ],
)
def test_answers_that_are_none(answer: bytes, error: type[Exception], hint: str) -> None:
    """A page, a cut-off or empty answer and no answer at all are told apart on a real connection."""
    with (
        RawServer(answer) as server,
        LantimeClient(server.url, "info", "info") as device,
        pytest.raises(error, match=hint),
    ):
        device.status().chassis()


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 2OO %s\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n%s\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: %s\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: %s\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%s\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 99\r\n\r\n%s",
        b"%s",
        b"HTTP/1.1 500 %s\r\nContent-Length: 0\r\n\r\n",
    ],
)
def test_a_device_that_sends_the_login_back_is_not_quoted(answer: bytes) -> None:
    """Wherever in its answer a device repeats the login, it is neither in the error nor in what is told of the exchange."""
    login = base64.b64encode(b"info:Gehe1m-42").decode()
    told: list[Exchange] = []
    with (
        RawServer(answer % f"Gehe1m-42 {login}".encode()) as server,
        LantimeClient(server.url, "info", "Gehe1m-42", on_exchange=told.append) as device,
        pytest.raises(DeviceError) as raised,
    ):
        device.status()
    assert told
    for text in (str(raised.value), repr(told)):
        assert "Gehe1m" not in text
        assert login not in text


def test_silent_device_is_a_timeout() -> None:
    """A device that accepts the connection and says nothing ends in a time-out that says so."""
    with closing(socket.create_server(("127.0.0.1", 0))) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with (
            LantimeClient(url, "info", "info", timeout_seconds=0.1) as device,
            pytest.raises(DeviceUnreachable, match="LANTIME_TIMEOUT_SECONDS") as raised,
        ):
            device.status()
    assert raised.value.problem is Problem.TIMEOUT


@pytest.fixture
def start() -> Iterator[Callable[..., tuple[subprocess.Popen[str], str]]]:
    """Starts `interapp simulator` as a process and returns it with the line it prints."""
    started: list[subprocess.Popen[str]] = []
    environment = {name: value for name, value in os.environ.items() if not name.startswith("SIMULATOR_")}

    def run(*arguments: str, **settings: str) -> tuple[subprocess.Popen[str], str]:
        process = subprocess.Popen(
            [*COMMAND, *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment | settings,
        )
        started.append(process)
        assert process.stdout is not None
        return process, process.stdout.readline()

    yield run
    for process in started:
        process.kill()
        process.communicate()


@pytest.mark.parametrize("told", [signal.SIGTERM, signal.SIGINT])
def test_simulator_process(start: Callable[..., tuple[subprocess.Popen[str], str]], told: signal.Signals) -> None:
    """The process prints one line to connect by, can be controlled over HTTP, and stops cleanly when told."""
    process, line = start("--port", "0", "--model", "m3000", "--api", "16")
    found = LINE.fullmatch(line)
    assert found is not None, line
    assert (found["model"], found["api"]) == ("M3000", "16")
    slots, _, certificate = found["slots"].partition("; certificate ")
    assert "clk1=tcr180, clk2=tcr180" in slots
    with LantimeClient(found["url"], "info", "info", verify=certificate) as device:
        assert device.slot("clk2").status is not None
        context = ssl.create_default_context(cafile=certificate)
        control = f"{found['url']}/simulator/pull"
        response = httpx.post(control, json={"slot": "clk2"}, auth=("admin", "admin"), verify=context, trust_env=False)
        assert response.json() == {"done": "pull"}
        assert device.slot("clk2").module is None
    process.send_signal(told)
    stdout, stderr = process.communicate(timeout=20)
    assert (process.returncode, stdout, stderr) == (0, "", "")
    assert not Path(certificate).exists()


def test_simulator_without_tls_by_environment(start: Callable[..., tuple[subprocess.Popen[str], str]]) -> None:
    """Host and port come from the environment too; without TLS the URL is http."""
    _, line = start("--no-tls", SIMULATOR_HOST="localhost", SIMULATOR_PORT="0")
    found = LINE.fullmatch(line)
    assert found is not None, line
    assert found["url"].startswith("http://localhost:")
    with LantimeClient(found["url"], "info", "info") as device:
        assert device.status().chassis()


@pytest.mark.parametrize("host", ["127.0.0.1", "no-such-host.invalid"])
def test_simulator_that_cannot_listen(
    start: Callable[..., tuple[subprocess.Popen[str], str]], sim: Simulator, host: str
) -> None:
    """A port in use or an unknown host is one clear line and exit code 1."""
    process, line = start("--no-tls", "--host", host, "--port", str(sim.port))
    _, stderr = process.communicate(timeout=20)
    assert (process.returncode, line) == (1, "")
    assert len(stderr.splitlines()) == 1
    assert host in stderr
    assert str(sim.port) in stderr
