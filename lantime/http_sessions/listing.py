"""HTTP sessions as an operator reads them: which are asked for, and each as a line of JSON, as cells, or as text."""

from collections.abc import Iterable
from dataclasses import dataclass

from broker.cli.plain import Cell
from broker.cli.words import age, duration, local_time
from broker.lifecycle.clock import to_iso
from broker.observe.printable import printable
from lantime.contract import HttpSession
from lantime.http_sessions.kept import KeptSessions
from lantime.http_sessions.session import microseconds

TITLES = ("APP", "METHOD", "PATH", "STATUS", "AGE", "ROUND TRIP", "SENT", "RECEIVED", "ERROR")


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """Which sessions are asked for; what is empty asks for nothing in particular."""

    apps: tuple[str, ...] = ()
    """Addresses; ``m1000-a.*`` for all below it."""
    errors: bool = False
    since_us: int | None = None
    """Requested at this time or later."""

    def app(self, app: str) -> bool:
        """Tell whether an app is asked for."""
        return not self.apps or any(
            app == name or (name.endswith(".*") and app.startswith(name[:-1])) for name in self.apps
        )

    def session(self, session: HttpSession) -> bool:
        """Tell whether a session is asked for."""
        return (not self.errors or session.error is not None) and (
            self.since_us is None or microseconds(session.requested_at) >= self.since_us
        )


def selected(kept: Iterable[KeptSessions], asked: Asked, limit: int) -> list[tuple[str, HttpSession]]:
    """Return the newest sessions that are asked for with their apps, at most so many, the newest last."""
    found = [
        (each.app, session)
        for each in kept
        if asked.app(each.app)
        for session in each.sessions
        if asked.session(session)
    ]
    # The order of an app's sessions stays when its clock was set back between two of the same microsecond.
    found.sort(key=lambda pair: pair[1].requested_at)
    return found[-limit:]


def session_line(app: str, session: HttpSession) -> dict[str, object]:
    """Return a session as a JSON object. Times are ISO 8601 in UTC with microseconds."""
    return {
        "app": app,
        "method": session.method,
        "path": session.path,
        "status": session.status,
        "requested_at": to_iso(microseconds(session.requested_at)),
        "responded_at": None if session.responded_at is None else to_iso(microseconds(session.responded_at)),
        "round_trip_ms": session.round_trip_ms,
        "bytes_sent": session.bytes_sent,
        "bytes_received": session.bytes_received,
        "error": session.error,
    }


def session_cells(app: str, session: HttpSession, now_us: int) -> list[Cell]:
    """Return a session as a row of the table; as many cells as TITLES."""
    style = "red" if session.error else "green"
    return [
        Cell(app, "bold"),
        Cell(session.method),
        Cell(session.path),
        Cell("-" if session.status is None else str(session.status), style),
        Cell(age(now_us - microseconds(session.requested_at))),
        Cell(_round_trip(session)),
        Cell(f"{session.bytes_sent} B"),
        Cell(f"{session.bytes_received} B"),
        Cell(session.error or "", "dim"),
    ]


def session_text(app: str, session: HttpSession) -> str:
    """Return a session as one line of plain text, for whoever watches."""
    parts = [
        local_time(microseconds(session.requested_at)),
        app,
        session.method,
        session.path,
        "no answer" if session.status is None else str(session.status),
        _round_trip(session),
        f"{session.bytes_received} B",
    ]
    return printable("  ".join(parts) + (f"  ({session.error})" if session.error else ""))


def _round_trip(session: HttpSession) -> str:
    return duration(round(session.round_trip_ms * 1000))
