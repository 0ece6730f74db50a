"""Statistics over HTTP sessions."""

from datetime import UTC, datetime, timedelta

import pytest

from lantime.contract import HttpSession
from lantime.http_sessions.statistics import SessionStatistics, statistics_of

START = datetime(2026, 11, 26, tzinfo=UTC)


def session(trip_ms: float, *, error: str | None = None, second: int = 0) -> HttpSession:
    """Return one session."""
    at = START + timedelta(seconds=second)
    return HttpSession(method="GET", path="/", requested_at=at, round_trip_ms=trip_ms, error=error)


def test_of_none() -> None:
    """Without sessions there is a count of 0, and nothing is made up."""
    assert statistics_of([]) == SessionStatistics(count=0, errors=0)


def test_of_one() -> None:
    """One session is every percentile."""
    found = statistics_of([session(7.5)])
    assert (found.count, found.errors, found.error_rate, found.p50_ms, found.p99_ms) == (1, 0, 0.0, 7.5, 7.5)


def test_of_errors_only() -> None:
    """When all failed the rate is 1, and their round trips count."""
    found = statistics_of([session(5000.0, error="no answer"), session(15.0, error="503 Service Unavailable")])
    assert (found.errors, found.error_rate, found.p50_ms, found.p99_ms) == (2, 1.0, 15.0, 5000.0)


@pytest.mark.parametrize(
    ("count", "p50", "p99"), [(2, 1.0, 2.0), (99, 50.0, 99.0), (100, 50.0, 99.0), (101, 51.0, 100.0)]
)
def test_percentiles_are_round_trips_that_were_seen(count: int, p50: float, p99: float) -> None:
    """A percentile is the smallest round trip that so many of a hundred did not exceed; the order does not matter."""
    found = statistics_of([session(float(n)) for n in range(count, 0, -1)])
    assert (found.p50_ms, found.p99_ms) == (p50, p99)


def test_since_is_the_oldest_request() -> None:
    """The time they reach back to is that of the oldest request, wherever it stands."""
    assert statistics_of([session(1.0, second=5), session(1.0, second=2)]).since == START + timedelta(seconds=2)
