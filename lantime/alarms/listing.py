"""How alarms are listed: which are wanted, in which order, and what is shown of each."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from pydantic import ValidationError

from broker.cli.plain import Cell
from broker.cli.words import age, duration
from broker.lifecycle.clock import to_iso
from broker.observe.printable import printable
from broker.table.database import Database
from broker.table.documents import find_documents
from lantime.contract.alarms import ALARM_HISTORY, ALARMS, ActiveAlarm, EndedAlarm, Severity

ACTIVE_TITLES = ("APP", "SLOT", "ALARM", "SEVERITY", "SINCE", "DURATION", "TEXT", "NOTE")
HISTORY_TITLES = ("APP", "SLOT", "ALARM", "SEVERITY", "RAISED", "DURATION", "TEXT", "NOTE")

STYLES = {Severity.INFO: "cyan", Severity.WARNING: "yellow", Severity.ERROR: "red", Severity.CRITICAL: "bold red"}


@dataclass(frozen=True, slots=True)
class Listed:
    """An alarm and the app that keeps it."""

    app: str
    alarm: ActiveAlarm | EndedAlarm


@dataclass(frozen=True, slots=True, kw_only=True)
class WantedAlarms:
    """Which alarms are listed. An app's name that ends in ``.*`` stands for everything below it."""

    apps: tuple[str, ...] = ()
    least: Severity = Severity.INFO
    since: datetime | None = None
    """Active: raised since then. Ended: cleared since then."""

    def wants(self, listed: Listed) -> bool:
        """Tell whether an alarm is wanted."""
        alarm = listed.alarm
        time = alarm.cleared_at if isinstance(alarm, EndedAlarm) else alarm.raised_at
        return (
            alarm.severity.rank >= self.least.rank
            and (self.since is None or time >= self.since)
            and (not self.apps or any(_named(listed.app, name) for name in self.apps))
        )


def _named(app: str, name: str) -> bool:
    return app.startswith(name[:-1]) if name.endswith(".*") else app == name


Tell = Callable[[str], None]
"""Takes what a person should know."""


def active_alarms(database: Database, wanted: WantedAlarms, tell: Tell) -> list[Listed]:
    """Return the active alarms, the most severe first, of these the oldest. Raises TableUnavailable."""
    found = _read(database, ALARMS, ActiveAlarm, wanted, tell)
    return sorted(found, key=lambda each: (-each.alarm.severity.rank, each.alarm.raised_at, each.app))


def ended_alarms(database: Database, wanted: WantedAlarms, tell: Tell) -> list[Listed]:
    """Return the ended alarms that are kept, the last one that ended last. Raises TableUnavailable."""
    found = _read(database, ALARM_HISTORY, EndedAlarm, wanted, tell)
    return [each for _, each in sorted(((_ended(each), each) for each in found), key=lambda pair: pair[0])]


def _ended(listed: Listed) -> tuple[datetime, str]:
    alarm = listed.alarm
    return (alarm.cleared_at if isinstance(alarm, EndedAlarm) else alarm.raised_at, listed.app)


def _read(
    database: Database,
    collection: str,
    model: type[ActiveAlarm] | type[EndedAlarm],
    wanted: WantedAlarms,
    tell: Tell,
) -> Iterator[Listed]:
    for document in find_documents(database, collection):
        try:
            listed = Listed(document.app, model.model_validate_json(document.body))
        except ValidationError as exc:
            # A later version may know other alarms; the rest must stay readable.
            tell(
                f"{document.app}: an alarm {document.key!r} is left out, it cannot be read: update interapp ({exc.title})"
            )
            continue
        if wanted.wants(listed):
            yield listed


def alarm_line(listed: Listed, now: datetime) -> dict[str, object]:
    """Return the JSON line of an alarm, active or ended; what does not apply is null."""
    alarm = listed.alarm
    active = alarm if isinstance(alarm, ActiveAlarm) else None
    return {
        "app": listed.app,
        "chassis": alarm.chassis,
        "slot": alarm.slot,
        "alarm": alarm.alarm.value,
        "severity": alarm.severity.value,
        "text": alarm.text,
        "raised_at": _iso(alarm.raised_at),
        "cleared_at": None if isinstance(alarm, ActiveAlarm) else _iso(alarm.cleared_at),
        "duration_seconds": _duration_seconds(alarm, now),
        "flapping": alarm.flapping,
        "returns": alarm.returns,
        "dismissed": alarm.dismissed if isinstance(alarm, EndedAlarm) else False,
        "gone_since": _iso(active.gone_since) if active else None,
        "unconfirmed_since": _iso(active.unconfirmed_since) if active else None,
        "correlation_key": alarm.correlation_key,
        "details": alarm.details.model_dump(mode="json"),
    }


def alarm_cells(listed: Listed, now: datetime) -> list[Cell]:
    """Return the cells of an alarm's line for people."""
    alarm = listed.alarm
    return [
        Cell(listed.app),
        Cell(alarm.slot or "-"),
        Cell(alarm.alarm.value, "bold"),
        Cell(alarm.severity.value, STYLES[alarm.severity]),
        Cell(alarm.raised_at.astimezone().strftime("%Y-%m-%d %H:%M:%S")),
        Cell(duration(round(_duration_seconds(alarm, now) * 1_000_000))),
        Cell(alarm.text),
        Cell(", ".join(_marks(alarm, now)), "dim"),
    ]


def change_line(listed: Listed, now: datetime) -> str:
    """Return one line of text about an alarm that was raised or has ended."""
    alarm = listed.alarm
    ended = isinstance(alarm, EndedAlarm)
    time = alarm.cleared_at if isinstance(alarm, EndedAlarm) else alarm.raised_at
    after = f"after {duration(round(_duration_seconds(alarm, now) * 1_000_000))}" if ended else ""
    parts = [
        time.astimezone().strftime("%H:%M:%S"),
        "cleared" if ended else "raised ",
        alarm.severity.value,
        listed.app,
        alarm.alarm.value,
        alarm.text,
        after,
        ", ".join(_marks(alarm, now)),
    ]
    return printable("  ".join(part for part in parts if part))


def _marks(alarm: ActiveAlarm | EndedAlarm, now: datetime) -> Iterator[str]:
    if alarm.flapping:
        yield "flapping"
    if isinstance(alarm, EndedAlarm) and alarm.dismissed:
        yield "dismissed"
    if alarm.returns:
        yield f"came back {alarm.returns} times" if alarm.returns > 1 else "came back once"
    if isinstance(alarm, ActiveAlarm) and alarm.gone_since is not None:
        yield f"gone since {_age(alarm.gone_since, now)}"
    if isinstance(alarm, ActiveAlarm) and alarm.unconfirmed_since is not None:
        yield f"not confirmed since {_age(alarm.unconfirmed_since, now)}"


def _age(time: datetime, now: datetime) -> str:
    return age(round((now - time).total_seconds() * 1_000_000))


def _duration_seconds(alarm: ActiveAlarm | EndedAlarm, now: datetime) -> float:
    if isinstance(alarm, EndedAlarm):
        return alarm.duration_seconds
    return max(0.0, (now - alarm.raised_at).total_seconds())


def _iso(time: datetime | None) -> str | None:
    return None if time is None else to_iso(round(time.timestamp() * 1_000_000))


def rows(found: Iterable[Listed], now: datetime) -> list[list[Cell]]:
    """Return the cells of several alarms."""
    return [alarm_cells(each, now) for each in found]


def from_microseconds(time_us: int) -> datetime:
    """Return the time of a clock's microseconds, in UTC."""
    return datetime.fromtimestamp(time_us / 1_000_000, UTC)
