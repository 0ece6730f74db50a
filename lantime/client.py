"""The REST client of one LANTIME: reads and writes, and never more than one request at a time.

Login is HTTP Basic on every request; since LTOS 7.08 a bearer token can be had (vendor document). Its lifetime is
not known and its endpoint may be missing, so a token is a convenience: whatever goes wrong with it, Basic is used.
"""

import re
from collections.abc import Callable
from contextlib import closing
from copy import copy
from pathlib import Path
from threading import Lock
from types import TracebackType
from typing import Self
from urllib.parse import quote, urlsplit

import httpx
from pydantic import JsonValue

from broker.errors import SettingError
from broker.lifecycle.clock import Clock, SystemClock
from lantime.answer import (
    DeviceAnswer,
    RawAnswer,
    find_slot,
    read_answer,
    read_written,
    slot_refusal,
    write_refusal,
)
from lantime.errors import (
    DeviceError,
    DeviceUnreachable,
    LoginRefused,
    Problem,
    RequestGivenUp,
    UnexpectedAnswer,
    without_credentials,
)
from lantime.exchange import Exchange, concise
from lantime.settings import LantimeSettings
from lantime.status.slot import SLOT_ID, Slot, parse_slot
from lantime.tls import tls_context
from lantime.token import ENDPOINT, Bearer, token_in
from lantime.unreachable import translated

LARGEST_BODY = 16 * 1024 * 1024
"""Bytes of an answer that are read at most: far more than any status, little enough to hold in memory."""

_WHOLE_ANSWER = 3
"""All of an answer must come within this many time-outs: a device that trickles bytes would hold the lock for ever."""

_STATUS = "/api/status"
_PATH = re.compile(r"/api(/[A-Za-z0-9_-]+)+")
_CHASSIS = re.compile(r"chassis\d{1,3}")


def _never() -> bool:
    """Stand for a caller that nobody tells to stop."""
    return False


class LantimeClient:
    """Talks to one device. Thread-safe: a lock keeps one request in flight, as is prudent for the device.

    ``verify``: True (the system's authorities), False, or the path of a PEM file that is trusted instead.
    ``bypass_proxy`` ignores the proxies of the environment. ``timeout_seconds`` is for connecting and for each wait
    for bytes; a whole answer may take three times that. ``on_exchange`` is called once per HTTP request, within the
    lock: it must be quick, must not raise and must not call the client. ``transport`` and ``clock``
    are for tests.

    Raises SettingError when the URL or the PEM file cannot be used.
    """

    def __init__(
        self,
        base_url: str,
        username: str | None = None,
        password: str | None = None,
        *,
        verify: bool | str | Path = True,
        bypass_proxy: bool = True,
        timeout_seconds: float = 5.0,
        on_exchange: Callable[[Exchange], None] | None = None,
        transport: httpx.BaseTransport | None = None,
        clock: Clock | None = None,
    ) -> None:
        self.url = _usable(base_url)
        self._basic = httpx.BasicAuth(username, password) if username and password is not None else None
        self._timeout_seconds = timeout_seconds
        self._on_exchange = on_exchange
        self._clock = clock or SystemClock()
        self._lock = Lock()
        self._token: str | None = None
        self._token_asked = False
        self._http = httpx.Client(
            verify=tls_context(verify=verify),
            trust_env=not bypass_proxy,
            timeout=timeout_seconds,
            follow_redirects=False,
            transport=transport,
            headers={"Accept": "application/json", "User-Agent": "interapp"},
        )

    @classmethod
    def from_settings(
        cls,
        settings: LantimeSettings,
        *,
        on_exchange: Callable[[Exchange], None] | None = None,
        clock: Clock | None = None,
    ) -> Self:
        """Return the client that the settings describe. Raises SettingError as the constructor does."""
        return cls(
            settings.url,
            settings.username,
            settings.password.get_secret_value() if settings.password else None,
            verify=settings.verify,
            bypass_proxy=settings.bypass_proxy,
            timeout_seconds=settings.timeout_seconds,
            on_exchange=on_exchange,
            clock=clock,
        )

    def __enter__(self) -> Self:
        """Return the client itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the client."""
        self.close()

    def reporting_to(self, on_exchange: Callable[[Exchange], None]) -> Self:
        """Return this client as another app uses it: its exchanges are told to ``on_exchange``.

        Both share the connections and the lock, so still only one request is in flight; each has a token of its own.
        Close only the one that this came from.
        """
        other = copy(self)
        other._on_exchange = on_exchange  # noqa: SLF001 our own class
        return other

    @property
    def credentials_missing(self) -> bool:
        """Whether there is no complete login; every call then raises LoginRefused without any HTTP."""
        return self._basic is None

    def close(self) -> None:
        """Close the connections. The client cannot be used afterwards."""
        self._http.close()

    def status(self, *, cancelled: Callable[[], bool] = _never) -> DeviceAnswer:
        """Return the answer of ``GET /api/status`` (captured), the only request that discovery needs.

        ``cancelled`` tells whether the caller was asked to stop: looked at before each request and while an answer comes in.
        Raises RequestGivenUp then, and DeviceUnreachable, ApiDisabled, LoginRefused or UnexpectedAnswer.
        """
        return read_answer(self._get(_STATUS, cancelled))

    def slot(self, slot_id: str, *, chassis: str = "chassis0", cancelled: Callable[[], bool] = _never) -> Slot:
        """Return one slot by ``GET /api/status/<chassis>/slots/<slot id>`` (path inferred, never captured).

        Raises ValueError when the ids cannot be ones, SlotNotFound for a 404, UnexpectedAnswer when the answer holds
        no such slot, and what ``status`` raises. ``cancelled`` is as in ``status``.
        """
        if not SLOT_ID.fullmatch(slot_id):
            raise ValueError(f"slot_id={slot_id!r} is not allowed: 1 to 16 of a-z, 0-9 and -, as in clk1")
        if not _CHASSIS.fullmatch(chassis):
            raise ValueError(f"chassis={chassis!r} is not allowed: chassis and a number, as in chassis0")
        raw = self._get(f"{_STATUS}/{quote(chassis, safe='')}/slots/{quote(slot_id, safe='')}", cancelled)
        if not raw.succeeded:
            raise slot_refusal(raw, slot_id)
        answer = read_answer(raw)
        found = find_slot(answer.body.get("data"), slot_id)
        if found is None:
            raise UnexpectedAnswer(
                f"the answer holds no slot {slot_id!r}", url=raw.url, status=raw.status, body=raw.excerpt
            )
        return parse_slot(slot_id, found, api_major=answer.api.major)

    def read(self, path: str, *, cancelled: Callable[[], bool] = _never) -> DeviceAnswer:
        """Return the answer of ``GET path``, a path of which it is not known whether the device has it.

        ``cancelled`` and what is raised are as in ``status``; also ValueError for a path that can be none, and WriteRefused
        for 403, 404 and the like.
        """
        if not _PATH.fullmatch(path):
            raise ValueError(f"path={path!r} is not allowed: /api/ and names with single slashes between them")
        raw = self._get(path, cancelled)
        if not raw.succeeded:
            raise write_refusal(raw, "GET")
        return read_answer(raw)

    def write(
        self, verb: str, path: str, body: JsonValue = None, *, cancelled: Callable[[], bool] = _never
    ) -> DeviceAnswer:
        """Send JSON to a path by this verb; no body when it is None. Which verb and path are right is not known.

        ``cancelled`` is as in ``status``. Raises WriteRefused when the device says that it does not take it; after
        DeviceUnreachable, UnexpectedAnswer, ApiDisabled or RequestGivenUp it may have been taken or not.
        """
        raw = self._request(verb, path, body, cancelled)
        if not raw.succeeded:
            raise write_refusal(raw, verb)
        return read_written(raw)

    def _get(self, path: str, cancelled: Callable[[], bool]) -> RawAnswer:
        return self._request("GET", path, None, cancelled)

    def _request(self, method: str, path: str, body: JsonValue, cancelled: Callable[[], bool]) -> RawAnswer:
        """Send a request with token or Basic login; an answer of any status is returned."""
        if self._basic is None:
            raise LoginRefused(
                "no login is set; set LANTIME_USERNAME and LANTIME_PASSWORD (or LANTIME_PASSWORD_FILE)", url=self.url
            )
        with self._lock:
            if not self._token_asked:
                self._ask_for_token(self._basic, cancelled)
            if self._token is None:
                return self._send(method, path, self._basic, cancelled, body)
            answer = self._send(method, path, Bearer(self._token), cancelled, body)
            if not answer.login_refused:
                return answer
            # The token's lifetime is not known: it may just have ended. Once more with a new one.
            self._ask_for_token(self._basic, cancelled)
            if self._token is not None:
                answer = self._send(method, path, Bearer(self._token), cancelled, body)
                if not answer.login_refused:
                    return answer
                self._token = None
            return self._send(method, path, self._basic, cancelled, body)

    def _ask_for_token(self, basic: httpx.BasicAuth, cancelled: Callable[[], bool]) -> None:
        """Ask once for a token. Any answer but a token means Basic for everything, and is no error.

        Raises DeviceUnreachable when no connection could be made: a request without a token would fare no better.
        """
        self._token = None
        try:
            answer = self._send("PUT", ENDPOINT, basic, cancelled)
        except RequestGivenUp:
            raise
        except DeviceUnreachable as exc:
            # What broke once connected may be this endpoint's own fault, so it is not asked again.
            self._token_asked = not isinstance(exc.__cause__, httpx.ConnectError | httpx.ConnectTimeout)
            if not self._token_asked:
                raise
            return
        except DeviceError:
            self._token_asked = True
            return
        self._token_asked = True
        self._token = token_in(answer)

    def _send(
        self, method: str, path: str, auth: httpx.Auth, cancelled: Callable[[], bool], json: JsonValue = None
    ) -> RawAnswer:
        """Send one request and read its answer whole. Raises DeviceUnreachable, UnexpectedAnswer or RequestGivenUp."""
        url = f"{self.url}{path}"
        if cancelled():
            raise RequestGivenUp(url=url)
        started_us, start = self._clock.now_us(), self._clock.monotonic()
        status: int | None = None
        error: DeviceError | None = None
        bytes_sent = 0
        body = bytearray()
        try:
            request = self._http.build_request(method, url, json=json)
            bytes_sent = int(request.headers.get("content-length", 0))
            with closing(self._http.send(request, auth=auth, stream=True)) as response:
                status = response.status_code
                for chunk in response.iter_bytes():
                    body += chunk
                    self._check_bounds(url, status, body, start)
                    if cancelled():
                        raise RequestGivenUp(url=url)
            return RawAnswer(
                url=url,
                status=status,
                content_type=response.headers.get("content-type", ""),
                location=response.headers.get("location", ""),
                body=bytes(body),
            )
        except (httpx.HTTPError, UnicodeError) as exc:
            error = translated(exc, url, status=status, body=bytes(body[:4096]))
            raise error from exc
        except DeviceError as exc:
            error = exc
            raise
        finally:
            self._tell(
                Exchange(
                    method=method,
                    path=path.partition("?")[0],
                    started_us=started_us,
                    ended_us=self._clock.now_us(),
                    round_trip_ms=(self._clock.monotonic() - start) * 1000,
                    status=status,
                    bytes_sent=bytes_sent,
                    bytes_received=len(body),
                    error=None if error is None else concise(error),
                )
            )

    def _check_bounds(self, url: str, status: int, body: bytearray, start: float) -> None:
        if len(body) > LARGEST_BODY:
            raise UnexpectedAnswer(
                f"the answer is larger than {LARGEST_BODY // 1024**2} MiB",
                url=url,
                status=status,
                body=bytes(body[:4096]).decode("utf-8", "replace"),
            )
        if self._clock.monotonic() - start > _WHOLE_ANSWER * self._timeout_seconds:
            raise DeviceUnreachable(Problem.TIMEOUT, url=url, detail="the answer trickles")

    def _tell(self, exchange: Exchange) -> None:
        if self._on_exchange is not None:
            self._on_exchange(exchange)


def _usable(base_url: str) -> str:
    """Return the URL without login and final slash. Raises SettingError when httpx cannot read it."""
    url = without_credentials(base_url).rstrip("/")
    if not url:
        raise SettingError("LANTIME_URL", url, "the device's address, as in https://m1000.example.com")
    try:
        httpx.URL(url)
        # httpx lets a port of any size through to the socket; reading it here checks its range.
        _ = urlsplit(url).port
    except (httpx.InvalidURL, ValueError) as exc:
        raise SettingError("LANTIME_URL", url, f"a URL as in https://host ({exc})") from exc
    return url
