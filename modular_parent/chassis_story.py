"""Everything that is known of one chassis, as lines of text."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime

from broker.cli.plain import Cell, PlainTable
from broker.cli.words import age, duration
from broker.observe.printable import printable
from lantime.contract import SystemRecord
from lantime.status.api_version import supported_majors
from lantime.status.notification import Notification
from lantime.status.states import ClockState, OscillatorState
from lantime.status.syncmon import SyncMonNode
from lantime.status.system import SystemStatus
from modular_parent.chassis_known import KnownChassis
from modular_parent.chassis_listing import microseconds

_LABEL = 16
"""Width of the left column."""


def tell(known: KnownChassis, now_us: int) -> Iterator[str]:
    """Yield the lines; headings are those without a blank before them. Lists that the device does not have are left out."""
    record = known.record
    yield printable(f"{known.address}  {record.model or ''} {record.serial or ''}".rstrip())
    yield from _fields(
        ("web", record.url),
        ("firmware", record.firmware),
        ("API", f"{record.api_version or 'not reported'}  (supported: {supported_majors()})"),
        ("hostname", record.hostname),
        ("last poll", _moment(record.last_poll, now_us)),
        ("problem", record.problem),
        ("since", _moment(record.problem_since, now_us) if record.problem else None),
        *(("warning", warning) for warning in record.warnings),
    )
    if known.system is None:
        yield "  nothing is known of its system yet"
    else:
        yield from _section(f"system  (seen {_moment(known.system.observed_at, now_us)})", _system(known.system))
        yield from _lists(known.system.status)
    yield from _notifications(known.notifications.entries)
    yield ""
    yield f"  its slots: interapp slots; its messages: interapp handlers --app {printable(known.address)}"


def _system(system: SystemRecord) -> Iterator[str]:
    state, status = system.state, system.status
    sync, holdover = status.sync, status.sync.holdover
    clock = sync.clock_raw if state.clock is ClockState.UNKNOWN else state.clock
    oscillator = sync.oscillator_raw if sync.oscillator is OscillatorState.UNKNOWN else sync.oscillator
    held = [
        f"{holdover.elapsed_seconds:g} s (inferred)" if holdover.elapsed_seconds else "",
        f"offset {holdover.time_offset:g} (unit unknown)" if holdover.time_offset else "",
        f"tfom-out {holdover.tfom_out}" if holdover.tfom_out is not None else "",
    ]
    announced = {True: "announced", False: "not announced", None: None}[sync.leap_second_announced]
    yield from _fields(
        ("reference", _joined(state.reference, sync.ref_type)),
        ("clock", clock),
        ("oscillator", _joined(oscillator, sync.oscillator_type)),
        ("antenna", sync.antenna),
        ("time quality", sync.time_quality.raw),
        ("leap second", announced and _joined(announced, sync.leap_second_date)),
        ("holdover", ", ".join(filter(None, held))),
        ("device time", _written(status.current_time)),
        ("uptime", None if status.uptime_seconds is None else duration(round(status.uptime_seconds * 1_000_000))),
        ("CPU load", status.cpu_load),
        ("memory", status.memory),
        ("API updated", _written(status.api_last_update)),
        ("config changed", status.last_config_change and f"{status.last_config_change} (what it counts is not known)"),
    )


def _lists(status: SystemStatus) -> Iterator[str]:
    yield from _table(
        "LEDs",
        ("LED", "COLOUR", "MODE"),
        ([led.name, led.colour_raw if led.colour == "unknown" else led.colour, led.mode] for led in status.leds),
    )
    yield from _table(
        "network ports",
        ("PORT", "LINK", "SPEED", "DUPLEX"),
        (
            [
                port.name,
                "not there" if port.available is False else {True: "up", False: "down", None: None}[port.link],
                port.speed,
                port.duplex,
            ]
            for port in status.ports
        ),
    )
    yield from _table(
        "NTP",
        ("ENTRY", "HOST", "REFID", "STRATUM", "LEAP", "STATE", "OFFSET", "POLLS"),
        (
            [
                entry.name,
                entry.host,
                entry.refid,
                None if entry.stratum is None else str(entry.stratum),
                entry.leap,
                entry.selection or entry.source,
                None if entry.offset_seconds is None else f"{entry.offset_seconds:g} s",
                entry.poll_status,
            ]
            for entry in status.ntp
        ),
    )
    yield from _nodes(status.syncmon_nodes)


def _nodes(nodes: Sequence[SyncMonNode]) -> Iterator[str]:
    yield from _table(
        "SyncMon nodes  (inferred: none was ever seen, so each value is shown as the device writes it)",
        ("NODE", "VALUES"),
        ([node.name, ", ".join(f"{name}={value}" for name, value in node.fields.items())] for node in nodes),
    )


def _notifications(entries: Sequence[Notification]) -> Iterator[str]:
    happened = [one for one in entries if one.last_triggered is not None or one.triggered]
    happened.sort(key=lambda one: one.last_triggered.timestamp() if one.last_triggered else 0.0, reverse=True)
    yield from _table(
        f"notifications  (the newest first, by the device's clock; {len(entries) - len(happened)} others never happened)",
        ("LAST TRIGGERED", "SEVERITY", "HOLDS", "NOTIFICATION"),
        (
            [
                _written(one.last_triggered),
                one.severity,
                {True: "yes", False: "no", None: None}[one.triggered],
                one.id,
            ]
            for one in happened
        ),
    )


def _section(title: str, lines: Iterable[str]) -> Iterator[str]:
    yield ""
    yield title
    yield from lines


def _table(title: str, titles: Sequence[str], rows: Iterable[Sequence[str | None]]) -> Iterator[str]:
    cells = [[Cell(value or "-") for value in row] for row in rows]
    if cells:
        drawn = PlainTable(titles).draw(cells).splitlines()
        yield from _section(title, (f"  {line}" for line in drawn))


def _fields(*fields: tuple[str, str | None]) -> Iterator[str]:
    for label, value in fields:
        if value:
            yield f"  {label:<{_LABEL}}{printable(value)}"


def _joined(value: str | None, more: str | None) -> str | None:
    return f"{value}  ({more})" if value and more else value


def _moment(time: datetime | None, now_us: int) -> str | None:
    at_us = microseconds(time)
    return None if at_us is None else f"{_written(time)}, {age(now_us - at_us)} ago"


def _written(time: datetime | None) -> str | None:
    return None if time is None else f"{time:%Y-%m-%d %H:%M:%S} UTC"
