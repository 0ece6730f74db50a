"""How the inventory is shown: one line for every slot, the empty ones too."""

from datetime import datetime

from broker.cli.plain import Cell
from broker.cli.words import age
from broker.lifecycle.clock import to_iso
from broker.table.database import Database
from broker.table.documents import find_documents
from lantime.contract import CHASSIS, SLOTS, ChassisRecord, SlotRecord
from lantime.status.states import ClockState

TITLES = (
    *("CHASSIS", "SLOT", "TYPE", "MODEL", "SERIAL", "SOFTWARE"),
    *("PRESENT", "CLOCK", "RECEIVER", "QUALITY", "LAST SEEN", "APP", "WRITING"),
)

CLOCK_STYLES = {ClockState.SYNCHRONIZED: "green", ClockState.HOLDOVER: "yellow", ClockState.NOT_SYNCHRONIZED: "red"}


def slot_records(database: Database) -> list[tuple[str, SlotRecord]]:
    """Return every slot with its chassis' address, ordered by both. Raises TableUnavailable."""
    found = find_documents(database, SLOTS)
    return [(document.app, SlotRecord.model_validate_json(document.body)) for document in found]


def slot_line(chassis: str, record: SlotRecord) -> dict[str, object]:
    """Return the JSON line of a slot. A slot without a module has no model, serial number, software or states."""
    there = record.present
    return {
        "chassis": chassis,
        "slot": record.slot,
        "type": record.type,
        "model": record.model if there else None,
        "serial": record.serial if there else None,
        "software": record.software if there else None,
        "present": there,
        "app": record.app,
        "first_seen": to_iso(_microseconds(record.first_seen)),
        "last_seen": to_iso(_microseconds(record.last_seen)),
        "clock": record.clock if there else None,
        "receiver": record.receiver if there else None,
        "time_quality": record.time_quality if there else None,
        "status_at": to_iso(_microseconds(record.status_at)) if there else None,
        "writing": record.writing if record.app else None,
    }


def slot_cells(chassis: str, record: SlotRecord, now_us: int) -> list[Cell]:
    """Return the cells of a slot's line for people."""
    there = record.present
    seen_us = _microseconds(record.last_seen)
    return [
        Cell(chassis),
        Cell(record.slot),
        Cell(record.type or "-"),
        Cell((record.model or "-") if there else "-"),
        Cell((record.serial or "-") if there else "-"),
        Cell((record.software or "-") if there else "-"),
        Cell("yes", "green") if there else Cell("no", "dim"),
        _clock_cell(record, now_us),
        Cell((record.receiver or "-") if there else "-"),
        Cell((record.time_quality or "-") if there else "-"),
        Cell("-" if seen_us is None else age(now_us - seen_us)),
        Cell(record.app or "-"),
        Cell((record.writing or "-") if record.app else "-"),
    ]


def _clock_cell(record: SlotRecord, now_us: int) -> Cell:
    """Return the clock's state, with its age when the last look did not say it."""
    status_us = _microseconds(record.status_at)
    if not record.present or record.clock is None or status_us is None:
        return Cell("-")
    if record.last_seen == record.status_at:
        return Cell(record.clock, CLOCK_STYLES.get(record.clock, ""))
    return Cell(f"{record.clock}, {age(now_us - status_us)} ago", "dim")


def chassis_problems(database: Database, now_us: int) -> list[str]:
    """Return one line for every chassis whose last poll failed: what is shown of it is its last known inventory."""
    problems = []
    for document in find_documents(database, CHASSIS):
        record = ChassisRecord.model_validate_json(document.body)
        since_us = _microseconds(record.problem_since)
        if record.problem is not None and since_us is not None:
            problems.append(f"{document.app} gives no status since {age(now_us - since_us)}: {record.problem}")
    return problems


def _microseconds(time: datetime | None) -> int | None:
    return None if time is None else round(time.timestamp() * 1_000_000)
