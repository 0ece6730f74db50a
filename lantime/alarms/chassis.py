"""Reads the alarms of a chassis out of a poll: its slots, and whether the device gave a status. Pure."""

from collections.abc import Iterable

from lantime.alarms.finding import Finding
from lantime.contract.alarms import Alarm, AlarmDetails
from lantime.contract.inventory import SlotRecord


def device_finding(problem: str | None) -> Finding:
    """Return what a poll says of the device; ``problem`` is why it brought no status, None when it brought one."""
    return Finding(
        alarm=Alarm.DEVICE_UNREACHABLE,
        facts={"status": problem is not None},
        details=AlarmDetails(problem=problem),
        note=problem or "",
    )


def slot_findings(slots: Iterable[SlotRecord]) -> list[Finding]:
    """Return what a poll says of every slot; where no module is known (any more: it was moved), none is missing."""
    return [finding for record in slots for finding in _slot(record)]


def _slot(record: SlotRecord) -> tuple[Finding, Finding]:
    module = f"{record.model} {record.serial}" if record.serial else str(record.model)
    return (
        Finding(
            alarm=Alarm.MODULE_MISSING,
            slot=record.slot,
            facts={"module": record.model is not None and not record.present},
            details=AlarmDetails(model=record.model, serial=record.serial),
            note=f"{record.slot}, last seen in it: {module}",
        ),
        Finding(
            alarm=Alarm.MODULE_REPLACED,
            slot=record.slot,
            value=record.serial if record.present else None,
            details=AlarmDetails(model=record.model, serial=record.serial),
            note=f"{record.slot} holds {module}",
        ),
    )
