"""How the HTTP sessions that are kept went: counts and percentiles. Pure."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from lantime.contract import HttpSession


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionStatistics:
    """Over some sessions. Without any, there is no rate, no percentile and no time."""

    count: int
    errors: int
    error_rate: float | None = None
    """Share of those with an error, 0 to 1."""
    p50_ms: float | None = None
    """Round trip that half of them did not exceed; failed ones count, too."""
    p99_ms: float | None = None
    since: datetime | None = None
    """When the oldest of them was requested."""


def statistics_of(sessions: Sequence[HttpSession]) -> SessionStatistics:
    """Return the statistics. A percentile is a round trip that was seen (nearest rank)."""
    if not sessions:
        return SessionStatistics(count=0, errors=0)
    trips = sorted(session.round_trip_ms for session in sessions)
    errors = sum(session.error is not None for session in sessions)
    return SessionStatistics(
        count=len(sessions),
        errors=errors,
        error_rate=errors / len(sessions),
        p50_ms=_nearest_rank(trips, 50),
        p99_ms=_nearest_rank(trips, 99),
        since=min(session.requested_at for session in sessions),
    )


def _nearest_rank(ordered: Sequence[float], percent: int) -> float:
    return ordered[math.ceil(len(ordered) * percent / 100) - 1]
