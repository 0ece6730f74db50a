"""The bearer token of LTOS 7.08 and later (endpoint and answer: vendor document; all else about it is unknown)."""

import json
import re
from collections.abc import Generator

import httpx

from lantime.answer import RawAnswer

ENDPOINT = "/api/get-token"
_FORM = re.compile(r"[!-~]{1,4096}")
"""It goes into a header: printable ASCII without blanks. A long hexadecimal string is documented."""


class Bearer(httpx.Auth):
    """Sends the token instead of user and password."""

    def __init__(self, token: str) -> None:
        self._header = f"Bearer {token}"

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """Add the header; called by httpx."""
        request.headers["Authorization"] = self._header
        yield request


def token_in(answer: RawAnswer) -> str | None:
    """Return the token of a ``{"token": "…"}`` answer, or None for anything else."""
    if not answer.succeeded:
        return None
    try:
        found = json.loads(answer.body)
    except (ValueError, RecursionError):
        return None
    token = found.get("token") if isinstance(found, dict) else None
    return token if isinstance(token, str) and _FORM.fullmatch(token) else None
