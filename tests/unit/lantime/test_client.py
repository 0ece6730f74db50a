"""The client against transports that answer what devices might: no network, no waiting."""

import gzip
import json
import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import httpx
import pytest
import respx

from broker.errors import InterAppError, SettingError
from broker.lifecycle.clock import ManualClock
from lantime.client import LARGEST_BODY, LantimeClient
from lantime.errors import (
    ApiDisabled,
    DeviceError,
    DeviceUnreachable,
    LoginRefused,
    Problem,
    Refusal,
    RequestGivenUp,
    SlotNotFound,
    UnexpectedAnswer,
    WriteRefused,
    without_credentials,
)
from lantime.exchange import Exchange
from lantime.status import ModuleKind

URL = "https://m1000.example.com"
SLOT: dict[str, Any] = {
    "object-id": "clk1",
    "slot-id": "clk1",
    "slot-type": "clk",
    "module": {"info": {"model": "tcr180", "serial-number": "068111020001"}},
}
STATUS: dict[str, Any] = {
    "system-information": {"API Version": "LANTIME REST API V20.05.013"},
    "data": {"object-id": "status", "rest-api": {"api-version": "20.05.013"}, "chassis0": {"slots": [SLOT]}},
}
Handler = Callable[[httpx.Request], httpx.Response]


def client(handler: Handler, **options: Any) -> LantimeClient:
    """A client whose requests go to a function."""
    return LantimeClient(URL, "info", "secret-word", transport=httpx.MockTransport(handler), **options)


def answering(response: httpx.Response) -> Handler:
    """A device without token endpoint that answers everything else the same."""
    return lambda request: httpx.Response(404) if request.method == "PUT" else response


def raising(error: Exception, cause: BaseException | None = None) -> Handler:
    """A network on which every request breaks."""

    def handler(_request: httpx.Request) -> httpx.Response:
        raise error from cause

    return handler


def refused(response: httpx.Response) -> DeviceError:
    """What status() raises for an answer."""
    with client(answering(response)) as device, pytest.raises(DeviceError) as raised:
        device.status().chassis()
    assert "secret-word" not in str(raised.value)
    return raised.value


def test_status_is_read_with_basic_login() -> None:
    """Discovery needs no more than GET /api/status with Basic login."""
    seen: list[httpx.Request] = []

    def handler(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(200, json=STATUS) if request.url.path == "/api/status" else httpx.Response(500)

    with client(handler) as device:
        (chassis,) = device.status().chassis()
    assert chassis.slot("clk1") is not None
    assert [(each.method, each.url.path) for each in seen] == [("PUT", "/api/get-token"), ("GET", "/api/status")]
    assert {each.headers["authorization"][:6] for each in seen} == {"Basic "}


@pytest.mark.parametrize(
    "token_answer",
    [
        httpx.Response(404),
        httpx.Response(405),
        httpx.Response(500, text="boom"),
        httpx.Response(401),
        httpx.Response(403),
        httpx.Response(302, headers={"Location": "https://elsewhere.example.com/"}),
        httpx.Response(200, text="<html>login</html>"),
        httpx.Response(200, text=""),
        httpx.Response(200, json=STATUS),
        httpx.Response(200, json=["token"]),
        httpx.Response(200, json={"token": ""}),
        httpx.Response(200, json={"token": 7}),
        httpx.Response(200, json={"token": "with\r\nInjected: header"}),
        httpx.ReadTimeout("slow"),
        httpx.ReadError("reset"),
        httpx.RemoteProtocolError("illegal status line"),
        httpx.RemoteProtocolError("Server disconnected without sending a response."),
    ],
)
def test_no_trouble_with_the_token_breaks_discovery(token_answer: httpx.Response | Exception) -> None:
    """Whatever the token endpoint does, it is asked once and Basic is used for everything."""
    asked = 0

    def handler(request: httpx.Request) -> httpx.Response:
        nonlocal asked
        if request.method == "GET":
            assert request.headers["authorization"].startswith("Basic ")
            return httpx.Response(200, json=STATUS)
        asked += 1
        if isinstance(token_answer, Exception):
            raise token_answer
        return token_answer

    with client(handler) as device:
        device.status()
        device.status()
    assert asked == 1


def test_token_is_used_when_there_is_one() -> None:
    """A device that gives a token gets it with every further request."""
    seen: list[str] = []

    def handler(request: httpx.Request) -> httpx.Response:
        seen.append(request.headers["authorization"])
        return httpx.Response(200, json={"token": "ABC123"} if request.method == "PUT" else STATUS)

    with client(handler) as device:
        device.status()
        device.status()
    assert seen[1:] == ["Bearer ABC123", "Bearer ABC123"]


def tokens_that_end(requests: list[str], *, basic_works: bool, tokens: Iterator[str], good: str) -> Handler:
    """A device that accepts one token only, and Basic or not."""

    def handler(request: httpx.Request) -> httpx.Response:
        login = request.headers["authorization"]
        requests.append(f"{request.method} {login.split()[0]}")
        if request.method == "PUT":
            token = next(tokens, None)
            return httpx.Response(200, json={"token": token}) if token else httpx.Response(401)
        allowed = login == f"Bearer {good}" or (basic_works and login.startswith("Basic"))
        return httpx.Response(200, json=STATUS) if allowed else httpx.Response(401)

    return handler


def test_token_that_ended_is_fetched_anew_once() -> None:
    """A 401 with a token leads to one new token, with which the request is repeated."""
    requests: list[str] = []
    with client(tokens_that_end(requests, basic_works=False, tokens=iter(["A", "B"]), good="B")) as device:
        device.status()
    assert requests == ["PUT Basic", "GET Bearer", "PUT Basic", "GET Bearer"]


def test_device_whose_tokens_never_work_is_read_with_basic() -> None:
    """A device that gives out tokens but takes only Basic is read with Basic from then on."""
    requests: list[str] = []
    with client(tokens_that_end(requests, basic_works=True, tokens=iter(["A", "B"]), good="none")) as device:
        device.status()
        device.status()
    assert requests[4:] == ["GET Basic", "GET Basic"]


def test_login_that_ended_is_refused_after_few_requests() -> None:
    """When neither a new token nor Basic helps, the login is refused; the device is not hammered."""
    requests: list[str] = []
    with (
        client(tokens_that_end(requests, basic_works=False, tokens=iter(["A"]), good="none")) as device,
        pytest.raises(LoginRefused, match="LANTIME_USERNAME"),
    ):
        device.status()
    assert len(requests) <= 4


@pytest.mark.parametrize(("username", "password"), [(None, None), ("info", None), (None, "x"), ("", "x")])
def test_missing_login_is_told_without_any_request(username: str | None, password: str | None) -> None:
    """Without a complete login nothing is sent, and the error names the settings."""
    transport = httpx.MockTransport(raising(AssertionError("a request was sent")))
    with LantimeClient(URL, username, password, transport=transport) as device:
        assert device.credentials_missing
        with pytest.raises(LoginRefused, match="LANTIME_USERNAME and LANTIME_PASSWORD"):
            device.status()


@pytest.mark.parametrize(
    ("error", "cause", "problem", "hint"),
    [
        (httpx.ConnectError("x"), ConnectionRefusedError(111, "Connection refused"), Problem.REFUSED, "LANTIME_URL"),
        (httpx.ConnectError("x"), socket.gaierror(-2, "Name or service not known"), Problem.NAME, "LANTIME_URL"),
        (httpx.ConnectError("x"), ssl.SSLCertVerificationError(1, "x"), Problem.CERTIFICATE, "LANTIME_CA_FILE"),
        (
            httpx.ConnectError("x"),
            ssl.SSLCertVerificationError(1, "x"),
            Problem.CERTIFICATE,
            "LANTIME_VERIFY_TLS=false",
        ),
        (httpx.ConnectError("x"), ssl.SSLError(1, "WRONG_VERSION_NUMBER"), Problem.TLS, "http://"),
        (httpx.ConnectTimeout("x"), None, Problem.TIMEOUT, "LANTIME_TIMEOUT_SECONDS"),
        (httpx.ReadTimeout("x"), None, Problem.TIMEOUT, "LANTIME_TIMEOUT_SECONDS"),
        (httpx.ReadError("reset"), None, Problem.CONNECTION, "connection broke"),
        (httpx.RemoteProtocolError("Server disconnected"), None, Problem.CONNECTION, "connection broke"),
        (httpx.ProxyError("x"), None, Problem.PROXY, "LANTIME_BYPASS_PROXY"),
        (UnicodeError("label too long"), None, Problem.NAME, "LANTIME_URL"),
    ],
)
def test_unreachable_devices(error: Exception, cause: BaseException | None, problem: Problem, hint: str) -> None:
    """An unreachable device is told as such: why, the way out, and the cause kept."""
    with client(raising(error, cause)) as device, pytest.raises(DeviceUnreachable, match=hint) as raised:
        device.status()
    assert raised.value.problem is problem
    assert raised.value.__cause__ is error
    assert URL in str(raised.value)


def every_httpx_error(kind: type[Exception] = httpx.HTTPError) -> list[type[Exception]]:
    """All error classes of httpx that a request can end with."""
    leaves = [leaf for sub in kind.__subclasses__() for leaf in every_httpx_error(sub)]
    return leaves or [kind]


@pytest.mark.parametrize("kind", [each for each in every_httpx_error() if each is not httpx.HTTPStatusError])
def test_no_error_of_httpx_is_unmapped(kind: type[Exception]) -> None:
    """Every error of httpx arrives as one of the device's own."""
    with client(raising(kind("x"))) as device, pytest.raises(DeviceError):
        device.status()


@pytest.mark.parametrize(
    "response",
    [
        httpx.Response(403),
        httpx.Response(403, html="<h1>Forbidden</h1>"),
        httpx.Response(404),
        httpx.Response(503, text="down"),
        httpx.Response(302, headers={"Location": "/login"}),
        httpx.Response(200, html="<html><form>Login</form></html>"),
        httpx.Response(200, text="<!DOCTYPE html>"),
        httpx.Response(200, text="Please log in", headers={"Content-Type": "text/html; charset=utf-8"}),
    ],
)
def test_disabled_api_says_where_to_enable_it(response: httpx.Response) -> None:
    """A web server that answers without the API behind it says where the API is switched on."""
    error = refused(response)
    assert isinstance(error, ApiDisabled)
    assert "System page" in str(error)
    assert error.status == response.status_code


@pytest.mark.parametrize(
    ("response", "hint"),
    [(httpx.Response(401), "LANTIME_PASSWORD"), (httpx.Response(403, json={"error": {}}), "level is too low")],
)
def test_refused_login(response: httpx.Response, hint: str) -> None:
    """A wrong login and a too low level are told apart."""
    error = refused(response)
    assert isinstance(error, LoginRefused)
    assert hint in str(error)


@pytest.mark.parametrize(
    ("response", "hint"),
    [
        (httpx.Response(200, text=""), "empty"),
        (httpx.Response(200, text="\n\n"), "empty"),
        (httpx.Response(204), "empty"),
        (httpx.Response(200, text='{"data": {"chassis0"'), "cut off"),
        (httpx.Response(200, text="OK"), "not JSON"),
        (httpx.Response(200, text="[" * 100_000), "not JSON"),
        (httpx.Response(200, json=[1]), "not an object"),
        (httpx.Response(200, text="null"), "not an object"),
        (httpx.Response(200, json={"data": []}), "no 'data' object"),
        (httpx.Response(200, json={"data": {}}), "no chassis"),
        (httpx.Response(500, text="boom"), "500"),
        (httpx.Response(418), "418"),
        (httpx.Response(301, headers={"Location": "http://["}), ""),
    ],
)
def test_unexpected_answers(response: httpx.Response, hint: str) -> None:
    """An answer that is not this API's is told with its status and the beginning of its body."""
    assert hint in str(refused(response))


def test_error_keeps_the_body_short() -> None:
    """An error keeps the first 500 characters of the body and its status."""
    error = refused(httpx.Response(500, text="x" * 5000))
    assert isinstance(error, UnexpectedAnswer)
    assert (error.status, error.body) == (500, "x" * 500)


def test_redirect_to_https_names_the_setting() -> None:
    """A device that redirects http to https is not followed; the error says what to set."""
    transport = httpx.MockTransport(answering(httpx.Response(301, headers={"Location": "https://m1000/api/status"})))
    with (
        LantimeClient("http://m1000", "info", "info", transport=transport) as device,
        pytest.raises(UnexpectedAnswer, match="LANTIME_URL begin with https"),
    ):
        device.status()


@pytest.mark.parametrize("before", ["", "\n\n", "\r\n \n", "\ufeff"])
def test_blanks_around_the_json(before: str) -> None:
    """Blank lines and a byte order mark around the JSON are no part of it."""
    with client(answering(httpx.Response(200, text=f"{before}{json.dumps(STATUS)}\n\n"))) as device:
        assert device.status().api.major == 20


def test_json_under_any_content_type() -> None:
    """JSON is JSON even when the device calls it a web page."""
    with client(answering(httpx.Response(200, html=json.dumps(STATUS)))) as device:
        assert device.status().chassis()


def test_not_a_number_is_none() -> None:
    """NaN and Infinity, which no database takes, become null."""
    body = b'{"data": {"chassis0": {"slots": []}, "x": NaN, "y": -Infinity}}'
    with client(answering(httpx.Response(200, content=body))) as device:
        data = device.status().body["data"]
    assert isinstance(data, dict)
    assert (data["x"], data["y"]) == (None, None)


def test_whoever_was_told_to_stop_asks_for_nothing() -> None:
    """A handler that is out of time, or was cancelled, sends the device no further request."""
    asked: list[httpx.Request] = []

    def device_answers(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        return httpx.Response(200, json=STATUS)

    with client(device_answers) as device, pytest.raises(RequestGivenUp, match="told to stop"):
        device.status(cancelled=lambda: True)
    assert asked == []


class Endless(httpx.SyncByteStream):
    """A body without end; the clock moves on with each part."""

    def __init__(self, clock: ManualClock, seconds: float, size: int) -> None:
        self._clock, self._seconds, self._part = clock, seconds, b" " * size

    def __iter__(self) -> Iterator[bytes]:
        """Yield parts for ever."""
        while True:
            self._clock.advance(self._seconds)
            yield self._part


def test_endless_answer_is_refused() -> None:
    """No more than 16 MiB of an answer are read."""
    clock = ManualClock()
    endless = httpx.Response(200, stream=Endless(clock, 0.0, LARGEST_BODY // 4))
    with client(answering(endless), clock=clock) as device, pytest.raises(UnexpectedAnswer, match="16 MiB"):
        device.status()


def test_trickling_answer_is_a_timeout() -> None:
    """An answer of which a little comes again and again ends after three time-outs."""
    clock = ManualClock()
    trickle = httpx.Response(200, stream=Endless(clock, 1.0, 1))
    with (
        client(answering(trickle), clock=clock, timeout_seconds=5) as device,
        pytest.raises(DeviceUnreachable) as raised,
    ):
        device.status()
    assert raised.value.problem is Problem.TIMEOUT
    assert clock.monotonic() == 16.0


def test_an_answer_is_not_read_to_its_end_for_nobody() -> None:
    """While an answer comes in it is looked whether anybody still wants it."""
    looks = iter([False, False, False, True])
    with (
        client(answering(httpx.Response(200, stream=Endless(ManualClock(), 0.0, 10)))) as device,
        pytest.raises(RequestGivenUp),
    ):
        device.status(cancelled=lambda: next(looks))
    assert next(looks, "none is left") == "none is left"


@pytest.mark.parametrize(
    "data",
    [
        SLOT,
        [SLOT],
        {"clk1": {"slot-type": "clk", "module": SLOT["module"]}},
        {"slot-type": "clk", "module": SLOT["module"]},
        {"status": {"chassis0": {"slots": [{"slot-id": "clk2"}, SLOT]}}},
        {"chassis0": {"slots": {"clk1": SLOT}}},
        {"slots": [SLOT | {"slot-id": "CLK1 ", "object-id": "x"}]},
        STATUS["data"] | {"chassis-xhe": [{"object-id": "clk1"}]},
    ],
)
def test_slot_is_unwrapped(data: Any) -> None:
    """A slot is found however deep the device wraps it in its parents' names."""
    with respx.mock(base_url=URL) as device_answers:
        device_answers.put("/api/get-token").respond(404)
        device_answers.get("/api/status/chassis0/slots/clk1").respond(json={"data": data})
        with LantimeClient(URL, "info", "info") as device:
            found = device.slot("clk1")
    assert found.slot_id == "clk1"
    assert found.module is not None
    assert found.module.kind is ModuleKind.TCR


def test_slot_not_found() -> None:
    """A 404 on a slot's path means this slot, not a disabled API."""
    with client(answering(httpx.Response(404, text="none"))) as device, pytest.raises(SlotNotFound) as raised:
        device.slot("clk9")
    assert (raised.value.slot_id, raised.value.status, raised.value.body) == ("clk9", 404, "none")


@pytest.mark.parametrize(
    ("response", "error"),
    [
        (httpx.Response(401), LoginRefused),
        (httpx.Response(503), ApiDisabled),
        (httpx.Response(500), UnexpectedAnswer),
        (httpx.Response(200, html="<html>"), ApiDisabled),
        (httpx.Response(200, json={"data": {"slot-id": "clk2", "module": {}}}), UnexpectedAnswer),
        (httpx.Response(200, json={}), UnexpectedAnswer),
    ],
)
def test_other_errors_of_a_slot(response: httpx.Response, error: type[DeviceError]) -> None:
    """A slot's request ends with the same errors as any other, never with another slot."""
    with client(answering(response)) as device, pytest.raises(error):
        device.slot("clk1")


@pytest.mark.parametrize("slot_id", ["", "../cpu", "clk1/module", "CLK1", "clk 1", "x" * 17, "clk1?raw", "clk1\n"])
def test_ids_that_cannot_be_slots_are_not_sent(slot_id: str) -> None:
    """An id that cannot be one is refused with its value before any request."""
    with client(raising(AssertionError("a request was sent"))) as device:
        with pytest.raises(ValueError, match="is not allowed"):
            device.slot(slot_id)
        with pytest.raises(ValueError, match="chassis="):
            device.slot("clk1", chassis=slot_id)


@pytest.mark.parametrize(
    "path", ["", "/", "/api", "/api/", "/api//x", "/api/../x", "/api/x?raw", "//host/api/x", "/api/x\n"]
)
def test_paths_outside_the_api_are_not_sent(path: str) -> None:
    """A path that is not one below /api is refused with its value before any request."""
    with (
        client(raising(AssertionError("a request was sent"))) as device,
        pytest.raises(ValueError, match="is not allowed"),
    ):
        device.read(path)


def test_any_path_of_the_api_can_be_read() -> None:
    """Another path than the status is read with the same login; one that the device has not is an error."""
    with client(answering(httpx.Response(200, json={"data": {"icode": 0}}))) as device:
        assert device.read("/api/config/chassis0").body == {"data": {"icode": 0}}
    with client(answering(httpx.Response(404))) as device, pytest.raises(WriteRefused):
        device.read("/api/config/chassis0")


def test_exchanges_are_told_without_secrets() -> None:
    """Each request is told with method, path, status, round trip and error; credentials are never in it."""
    clock = ManualClock(1_000_000)
    told: list[Exchange] = []

    def handler(request: httpx.Request) -> httpx.Response:
        clock.advance(0.25)
        if request.url.path == "/api/get-token":
            return httpx.Response(200, json={"token": "SECRETTOKEN"})
        if request.url.path == "/api/status":
            return httpx.Response(200, json=STATUS)
        raise httpx.ReadTimeout("slow")

    with client(handler, clock=clock, on_exchange=told.append) as device:
        device.status()
        with pytest.raises(DeviceUnreachable):
            device.slot("clk1")
    assert [(each.method, each.path, each.status, each.round_trip_ms, each.started_us) for each in told] == [
        ("PUT", "/api/get-token", 200, 250.0, 1_000_000),
        ("GET", "/api/status", 200, 250.0, 1_250_000),
        ("GET", "/api/status/chassis0/slots/clk1", None, 250.0, 1_500_000),
    ]
    assert [each.error is None for each in told] == [True, True, False]
    assert "secret" not in repr(told).lower()


def told_of(handler: Handler, ask: Callable[[LantimeClient], object], **options: Any) -> list[Exchange]:
    """Return the exchanges of a call that may fail."""
    told: list[Exchange] = []
    with client(handler, on_exchange=told.append, **options) as device, suppress(DeviceError):
        ask(device)
    return told


def test_exchanges_tell_times_and_bytes() -> None:
    """An exchange tells when it began and ended, and how many bytes of body came, decompressed."""
    clock = ManualClock(1_000_000)
    body = json.dumps(STATUS).encode()

    def handler(request: httpx.Request) -> httpx.Response:
        clock.advance(0.25)
        if request.method == "PUT":
            return httpx.Response(404)
        return httpx.Response(200, content=gzip.compress(body), headers={"Content-Encoding": "gzip"})

    token, status = told_of(handler, LantimeClient.status, clock=clock)
    assert (token.started_us, token.ended_us, token.bytes_sent, token.bytes_received) == (1_000_000, 1_250_000, 0, 0)
    assert (status.started_us, status.ended_us, status.bytes_received) == (1_250_000, 1_500_000, len(body))


@pytest.mark.parametrize(
    ("response", "status", "received", "error"),
    [
        (httpx.ConnectError("x"), None, 0, "the connection broke before an answer came"),
        (httpx.ReadTimeout("slow"), None, 0, "no answer in time"),
        (httpx.Response(503, text="no\nno"), 503, 5, None),
        (httpx.Response(200, html="<html>"), 200, 6, None),
        (httpx.Response(200, stream=Endless(ManualClock(), 0.0, LARGEST_BODY)), 200, 2 * LARGEST_BODY, "16 MiB"),
    ],
)
def test_exchanges_that_fail(response: Any, status: int | None, received: int, error: str | None) -> None:
    """A failed exchange tells how far it came, and why on one line without URL; a refusal has its status only."""

    def handler(request: httpx.Request) -> httpx.Response:
        if request.method == "PUT":
            return httpx.Response(404)
        if isinstance(response, Exception):
            raise response
        assert isinstance(response, httpx.Response)
        return response

    _, found = told_of(handler, LantimeClient.status)
    assert (found.status, found.bytes_received) == (status, received)
    if error is None:
        assert found.error is None
    else:
        assert found.error is not None
        assert error in found.error
        assert URL not in found.error
        assert "\n" not in found.error


def test_an_exchange_that_was_given_up_is_told() -> None:
    """An answer that is not read to its end for nobody is told with what came of it; what was never sent is not."""
    looks = iter([False, False, False, True])
    endless = answering(httpx.Response(200, stream=Endless(ManualClock(), 0.0, 10)))
    _, found = told_of(endless, lambda device: device.status(cancelled=lambda: next(looks)))
    assert (found.status, found.bytes_received) == (200, 20)
    assert found.error is not None
    assert "given up" in found.error
    assert told_of(endless, lambda device: device.status(cancelled=lambda: True)) == []


@pytest.mark.parametrize(
    "error",
    [
        httpx.RemoteProtocolError(
            "illegal status line: bytearray(b'HTTP/1.1 2OO Basic aW5mbzpzZWNyZXQtd29yZA== secret-word')"
        ),
        httpx.RemoteProtocolError('illegal header line: b"x secret-word aW5mbzpzZWNyZXQtd29yZA=="'),
        httpx.ReadError("illegal chunk header: bytearray(b'secret-word')"),
        httpx.ProxyError("407 secret-word aW5mbzpzZWNyZXQtd29yZA=="),
        httpx.ProxyError("secret-word"),
        httpx.ConnectError("http://proxy:secret-word@10.0.0.1 broke"),
    ],
)
def test_a_device_that_repeats_the_login_is_not_quoted(error: httpx.HTTPError) -> None:
    """What a device or a proxy wrongly sends back is in no error: it might be the login."""
    told: list[Exchange] = []
    with client(raising(error), on_exchange=told.append) as device, pytest.raises(DeviceError) as raised:
        device.status()
    for text in (str(raised.value), repr(told)):
        assert "b'" not in text
        assert "aW5mbzpzZWNyZXQtd29yZA" not in text
        assert "secret-word" not in text
    assert told[0].error


def test_a_query_is_not_told() -> None:
    """The path of an exchange is without query."""
    told: list[Exchange] = []
    with client(answering(httpx.Response(200, json=STATUS)), on_exchange=told.append) as device:
        device._get("/api/status?password=secret-word", lambda: False)
    assert [each.path for each in told] == ["/api/get-token", "/api/status"]


def test_each_app_that_shares_a_client_is_told_its_own() -> None:
    """Apps that share the connections to a device are told their own exchanges only, and wait for each other."""
    chassis: list[Exchange] = []
    slot: list[Exchange] = []
    with client(answering(httpx.Response(200, json=STATUS)), on_exchange=chassis.append) as device:
        other = device.reporting_to(slot.append)
        device.status()
        other.slot("clk1")
        assert other._lock is device._lock
    assert [each.path for each in chassis] == ["/api/get-token", "/api/status"]
    assert [each.path for each in slot] == ["/api/get-token", "/api/status/chassis0/slots/clk1"]


def test_login_in_the_url_never_shows() -> None:
    """A login in the URL is neither used nor shown."""
    transport = httpx.MockTransport(raising(httpx.ConnectError("x")))
    with (
        LantimeClient("http://user:hidden@m1000/", "info", "info", transport=transport) as device,
        pytest.raises(DeviceUnreachable) as raised,
    ):
        device.status()
    assert "hidden" not in str(raised.value)
    assert raised.value.url.startswith("http://m1000/")
    assert without_credentials("http://[::1") == "<url>"


@pytest.mark.parametrize("url", ["http://exa\x00mple", "http://host:99999"])
def test_url_that_cannot_be_one(url: str) -> None:
    """A URL that httpx cannot read is a wrong setting."""
    with pytest.raises(SettingError, match="LANTIME_URL"):
        LantimeClient(url, "info", "info")


def test_ca_file_that_cannot_be_used(tmp_path: Any) -> None:
    """A CA file that is missing or no certificate is a wrong setting."""
    (tmp_path / "not.pem").write_text("hello")
    for file in ("missing.pem", "not.pem"):
        with pytest.raises(SettingError, match="LANTIME_CA_FILE"):
            LantimeClient(URL, "info", "info", verify=tmp_path / file)


def test_errors_belong_to_the_framework() -> None:
    """Every device error is an InterAppError that keeps URL, status and body."""
    error = WriteRefused(Refusal.CONFLICT, url="https://a:b@m1000/x", verb="PUT", status=409, body="conflict")
    assert isinstance(error, DeviceError)
    assert isinstance(error, InterAppError)
    assert (error.url, error.status, error.body) == ("https://m1000/x", 409, "conflict")
