"""What HTTP sessions add to ``interapp stats``: counts, round trips and errors of each app, over the sessions that are kept."""

from broker.cli.added_stats import AddedStats
from broker.cli.words import age, duration
from broker.lifecycle.clock import to_iso
from broker.table.database import Database
from lantime.http_sessions.kept import KeptSessions, read_kept
from lantime.http_sessions.session import microseconds
from lantime.http_sessions.statistics import SessionStatistics, statistics_of


def http_session_stats(database: Database, now_us: int) -> AddedStats:
    """Return the statistics of every app that talks to a device. Raises TableUnavailable."""
    kept = read_kept(database)
    counted = [(each, statistics_of(each.sessions)) for each in kept]
    width = max((len(each.app) for each in kept), default=0)
    lines = [_text(each, statistics, now_us, width) for each, statistics in counted]
    return AddedStats(
        value=[_line(each, statistics) for each, statistics in counted],
        lines=["HTTP sessions, of those that are kept:", *lines] if lines else (),
        problems=[problem for each in kept for problem in each.problems],
    )


def _line(kept: KeptSessions, statistics: SessionStatistics) -> dict[str, object]:
    return {
        "app": kept.app,
        "enabled": kept.settings.enabled,
        "maximum": kept.settings.maximum,
        "count": statistics.count,
        "errors": statistics.errors,
        "error_rate": statistics.error_rate,
        "p50_ms": statistics.p50_ms,
        "p99_ms": statistics.p99_ms,
        "since": None if statistics.since is None else to_iso(microseconds(statistics.since)),
    }


def _text(kept: KeptSessions, statistics: SessionStatistics, now_us: int, width: int) -> str:
    parts = [f"{kept.app:<{width}}{statistics.count:>7}"]
    if statistics.since is not None and statistics.p50_ms is not None and statistics.p99_ms is not None:
        share = f"{statistics.errors / statistics.count:.1%}".replace("%", " %")
        parts += [
            f"since {age(now_us - microseconds(statistics.since))}",
            f"p50 {_trip(statistics.p50_ms)}",
            f"p99 {_trip(statistics.p99_ms)}",
            f"{statistics.errors} failed ({share})",
        ]
    return "   ".join(parts if kept.settings.enabled else [*parts, "(recording is off)"])


def _trip(milliseconds: float) -> str:
    return duration(round(milliseconds * 1000))
