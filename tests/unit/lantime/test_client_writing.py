"""Reading and writing any path: login as for the status, and what a device's answers to a write mean."""

from __future__ import annotations

from collections.abc import Callable

import httpx
import pytest

from lantime.client import LantimeClient
from lantime.errors import (
    ApiDisabled,
    DeviceError,
    DeviceUnreachable,
    LoginRefused,
    Refusal,
    RequestGivenUp,
    UnexpectedAnswer,
    WriteRefused,
)

URL = "https://m1000.example.com"
PATH = "/api/config/chassis0/slots/clk1/module/mrs"


def client(answer: Callable[[httpx.Request], httpx.Response]) -> LantimeClient:
    """Return a client of a device that answers so, and gives no tokens."""

    def handle(request: httpx.Request) -> httpx.Response:
        return httpx.Response(404) if request.url.path == "/api/get-token" else answer(request)

    return LantimeClient(URL, "admin", "secret", transport=httpx.MockTransport(handle))


def test_json_is_sent_with_the_login() -> None:
    """Verb, path, JSON and login are sent; the count in the answer is read."""
    seen: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(200, json={"changes": {"pending-changes": 2}})

    with client(answer) as device:
        assert device.write("PATCH", PATH, [{"a": 1}]).pending_changes == 2
        device.write("PUT", "/api/commit")
    assert [(each.method, each.url.path, each.content) for each in seen] == [
        ("PATCH", PATH, b'[{"a":1}]'),
        ("PUT", "/api/commit", b""),
    ]
    assert all(each.headers["Authorization"].startswith("Basic ") for each in seen)


def test_a_token_that_ended_is_renewed_for_a_write() -> None:
    """A write that meets the end of its token is sent again with a new one: 401 means that it had no effect."""
    tokens = iter(["AAAA", "BBBB"])
    bodies: list[tuple[str, bytes]] = []

    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path == "/api/get-token":
            return httpx.Response(200, json={"token": next(tokens)})
        bodies.append((request.headers["Authorization"], request.content))
        return httpx.Response(200, json={}) if "BBBB" in request.headers["Authorization"] else httpx.Response(401)

    with LantimeClient(URL, "admin", "secret", transport=httpx.MockTransport(answer)) as device:
        device.write("PUT", PATH, {"a": 1})
    assert bodies == [("Bearer AAAA", b'{"a":1}'), ("Bearer BBBB", b'{"a":1}')]


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        (400, Refusal.VALUE),
        (403, Refusal.LEVEL),
        (404, Refusal.PATH),
        (405, Refusal.PATH),
        (409, Refusal.CONFLICT),
        (418, Refusal.VALUE),
        (422, Refusal.VALUE),
        (499, Refusal.VALUE),
        (501, Refusal.PATH),
    ],
)
def test_refused_writes(status: int, reason: Refusal) -> None:
    """A status that says that nothing changed is a refusal with its reason, and keeps the first 500 characters of the answer."""
    page = "<html>" + "no " * 400
    with client(lambda _: httpx.Response(status, text=page)) as device, pytest.raises(WriteRefused) as refused:
        device.write("PUT", PATH, {})
    assert (refused.value.reason, refused.value.status) == (reason, status)
    assert refused.value.body == page[:500]
    assert "\n" not in str(refused.value)
    assert len(str(refused.value)) < 1000


@pytest.mark.parametrize(
    ("response", "error"),
    [
        (httpx.Response(401), LoginRefused),
        (httpx.Response(408), UnexpectedAnswer),
        (httpx.Response(500), UnexpectedAnswer),
        (httpx.Response(503), ApiDisabled),
        (httpx.Response(302, headers={"Location": "/login"}), ApiDisabled),
        (httpx.Response(200, html="<html>login</html>"), ApiDisabled),
        (httpx.Response(200, text="{"), UnexpectedAnswer),
        (httpx.Response(200, json=[]), UnexpectedAnswer),
        (httpx.Response(999), UnexpectedAnswer),
    ],
    ids=lambda value: str(getattr(value, "status_code", "")),
)
def test_answers_that_leave_a_write_open(response: httpx.Response, error: type[DeviceError]) -> None:
    """What is no refusal is the same error as for reading: whether the write had its effect must be read."""
    with client(lambda _: response) as device, pytest.raises(error) as raised:
        device.write("PUT", PATH, {})
    assert not isinstance(raised.value, WriteRefused)


@pytest.mark.parametrize(
    "response", [httpx.Response(204), httpx.Response(200, text="\n\n"), httpx.Response(200, json={})]
)
def test_an_empty_answer_is_enough(response: httpx.Response) -> None:
    """A write that succeeded may be answered by nothing at all."""
    with client(lambda _: response) as device:
        assert device.write("PUT", PATH, {}).pending_changes is None


def test_a_path_that_a_device_may_not_have() -> None:
    """Reading such a path does not say that the API is switched off when only the path is missing."""
    with client(lambda _: httpx.Response(404)) as device, pytest.raises(WriteRefused, match="LANTIME_WRITE_PROFILE"):
        device.read(PATH)


def test_a_write_nobody_waits_for_is_not_sent() -> None:
    """Whoever was told to stop sends nothing."""
    sent: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        sent.append(request)
        return httpx.Response(200, json={})

    with client(answer) as device, pytest.raises(RequestGivenUp):
        device.write("PUT", PATH, {}, cancelled=lambda: True)
    assert sent == []


def test_a_device_that_is_away() -> None:
    """No answer at all is DeviceUnreachable, for writing too."""

    def answer(request: httpx.Request) -> httpx.Response:
        raise httpx.ReadTimeout("slow", request=request)

    with client(answer) as device, pytest.raises(DeviceUnreachable):
        device.write("PUT", PATH, {})
