"""The facts of one HTTP exchange with a device, for whoever keeps a table of them."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Exchange:
    """One request and what came of it. Holds no credentials, no headers and no bodies.

    ``path`` is without host and query, ``started_us`` microseconds since 1970 UTC, ``round_trip_ms`` milliseconds to
    the last byte of the answer (or to the failure), ``status`` None when no answer came, ``error`` one line when it
    failed.
    """

    method: str
    path: str
    started_us: int
    round_trip_ms: float
    status: int | None = None
    error: str | None = None
