"""The HTTP communication of an app with its device: what is kept of it, and the command that switches it."""

from typing import Annotated, ClassVar

from pydantic import AwareDatetime, Field

from broker.messages.message import Command, Reply
from lantime.contract.document import ContractDocument

HTTP_SESSIONS = "http-sessions"
"""Collection of an app's documents with chunks of HttpSession; keys are numbers of twelve digits, the oldest first."""

HTTP_SESSION_SETTINGS = "http-session-settings"
"""Collection with one HttpSessionSettings, under the key ``settings``, for every app that talks to a device."""

SETTINGS = "settings"

DEFAULT_MAXIMUM = 500
LARGEST_MAXIMUM = 10_000

Maximum = Annotated[int, Field(ge=1, le=LARGEST_MAXIMUM)]
"""How many HTTP sessions of one app are kept at most."""


class HttpSession(ContractDocument):
    """One HTTP request to the device and what came of it. Holds no credentials, no host and no bodies."""

    method: str
    path: str
    """Without host and query."""
    status: int | None = None
    """None when no answer came."""
    requested_at: AwareDatetime
    responded_at: AwareDatetime | None = None
    """When the answer ended, or broke off; None when none came."""
    round_trip_ms: float = Field(ge=0, allow_inf_nan=False)
    """To the last byte of the answer, or to the failure; by a clock that never jumps, unlike the times."""
    bytes_sent: int = Field(default=0, ge=0)
    """Of the request's body."""
    bytes_received: int = Field(default=0, ge=0)
    """Of the answer's body, decompressed, as far as it was read."""
    error: str | None = None
    """One line: why there was no whole answer, or which status outside 200 to 299 it had. None: neither."""


class HttpSessionChunk(ContractDocument):
    """Some sessions of one app, the oldest first."""

    sessions: tuple[HttpSession, ...]


class HttpSessionSettings(ContractDocument):
    """Whether an app records its HTTP sessions, and how many it keeps."""

    enabled: bool = True
    maximum: Maximum = DEFAULT_MAXIMUM
    revision: int = Field(default=0, ge=0)
    """How often they were set: of two that are known, the later ones hold."""


class HttpSessionsInForce(Reply):
    """The settings of the HTTP sessions that hold now."""

    kind: ClassVar[str] = "lantime.http-sessions"
    enabled: bool
    maximum: Maximum


class SetHttpSessions(Command[HttpSessionsInForce]):
    """Switches the recording of HTTP sessions and sets how many are kept; what is None stays as it is.

    Kept sessions stay when it is switched off. A smaller maximum drops the oldest.
    """

    kind: ClassVar[str] = "lantime.set-http-sessions"
    enabled: bool | None = None
    maximum: Maximum | None = None
