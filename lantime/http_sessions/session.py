"""An exchange with the device as the row that is kept of it. Pure."""

from datetime import UTC, datetime, timedelta
from http import HTTPStatus

from lantime.contract import HttpSession
from lantime.exchange import Exchange

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def session_of(exchange: Exchange) -> HttpSession:
    """Return the row of an exchange. It has an error exactly when there was no whole answer with a status of 200 to 299."""
    return HttpSession(
        method=exchange.method,
        path=exchange.path,
        status=exchange.status,
        requested_at=_time(exchange.started_us),
        responded_at=None if exchange.status is None else _time(exchange.ended_us),
        round_trip_ms=round(exchange.round_trip_ms, 3),
        bytes_sent=exchange.bytes_sent,
        bytes_received=exchange.bytes_received,
        error=exchange.error or _refusal(exchange.status),
    )


def microseconds(time: datetime) -> int:
    """Return microseconds since 1970 UTC, exactly."""
    return (time - EPOCH) // timedelta(microseconds=1)


def _time(time_us: int) -> datetime:
    return EPOCH + timedelta(microseconds=time_us)


def _refusal(status: int | None) -> str | None:
    if status is None:
        return "no answer"
    if status in range(200, 300):
        return None
    try:
        return f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        return f"status {status}"
