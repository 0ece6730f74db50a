"""The facts of one HTTP exchange with a device, for whoever keeps a table of them."""

from dataclasses import dataclass

from lantime.errors import DeviceError

ERROR_CHARACTERS = 300
"""How much of an error an exchange keeps."""


@dataclass(frozen=True, kw_only=True)
class Exchange:
    """One request and what came of it. Holds no credentials, no headers and no bodies.

    ``path`` is without host and query. ``started_us`` and ``ended_us`` are microseconds since 1970 UTC, ``round_trip_ms``
    milliseconds to the last byte of the answer (or to the failure), by a clock that never jumps. ``status`` is None when no
    answer came. Bytes are those of the bodies: ``bytes_received`` as far as the answer was read, and decompressed.
    ``error`` is one line when no whole answer came; what the device refused has its status only.
    """

    method: str
    path: str
    started_us: int
    ended_us: int
    round_trip_ms: float
    status: int | None = None
    bytes_sent: int = 0
    bytes_received: int = 0
    error: str | None = None


def concise(error: DeviceError) -> str:
    """Return an error as one line of 300 characters at most, without the URL that it begins with."""
    return " ".join(str(error).removeprefix(f"{error.url}: ").split())[:ERROR_CHARACTERS]
