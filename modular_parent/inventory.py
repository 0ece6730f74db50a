"""Compares two looks at a chassis. Pure: it decides what changed and what the slots' services are told."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256

from pydantic import JsonValue

from lantime.contract import SlotChange, SlotRecord, child_address, is_same_module
from lantime.status.module import ModuleStatus
from lantime.status.parts import says
from lantime.status.slot import UNKNOWN_MODEL, ModuleInfo, ModuleKind, Slot, classify


@dataclass(frozen=True, slots=True)
class SlotLook:
    """One slot as one poll saw it: its typed form, and the JSON of its module."""

    slot: Slot
    module: dict[str, JsonValue] | None


@dataclass(frozen=True, slots=True)
class SlotDiff:
    """What one poll means for one slot."""

    before: SlotRecord | None
    after: SlotRecord
    change: SlotChange | None
    assign: bool
    """Whether the slot's service must be told which module it serves."""
    report: bool
    """Whether the slot's service must be given the module's status."""


def compare(
    known: Mapping[str, SlotRecord],
    seen: Mapping[str, SlotLook],
    *,
    chassis: str,
    now: datetime,
    complete: bool = True,
) -> dict[str, SlotDiff]:
    """Return, for every slot known or seen, what this poll means for it, by slot id.

    When the look is not complete, a slot that was not seen is not gone: nothing is said of it.
    """
    slots = {*known, *seen} if complete else {*seen}
    return {slot: _compare_slot(slot, known.get(slot), seen.get(slot), chassis, now) for slot in sorted(slots)}


def digest(module: Mapping[str, JsonValue] | None) -> str:
    """Return what tells two module statuses apart."""
    return sha256(json.dumps(module, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def _compare_slot(slot: str, before: SlotRecord | None, look: SlotLook | None, chassis: str, now: datetime) -> SlotDiff:
    module = look.slot.module if look else None
    base = before or SlotRecord(slot=slot, first_seen=now)
    if look is not None and look.slot.unreadable:
        return _unreadable(base, before, look)
    if look is not None:
        base = base.model_copy(update={"type": look.slot.slot_type or base.type, "last_seen": now})
    if module is None or look is None:
        removed = before is not None and before.present
        after = base.model_copy(update={"present": False, "module_digest": None})
        return SlotDiff(
            before, after, SlotChange.REMOVED if removed else None, assign=False, report=removed and bool(base.app)
        )
    change = _change(before, module)
    inherited = before if change in (None, SlotChange.CHANGED) else None
    model = (inherited.model if inherited and module.model == UNKNOWN_MODEL else None) or module.model
    is_tcr = classify(model) is ModuleKind.TCR
    after = base.model_copy(
        update={
            "model": model,
            "serial": module.serial or (inherited.serial if inherited else None),
            "software": module.software or (inherited.software if inherited else None),
            "present": True,
            "app": child_address(chassis, slot) if is_tcr else None,
            "module_digest": digest(look.module) if is_tcr else None,
        }
        | _clock_view(look.slot.status, inherited, now)
    )
    changed_status = before is None or before.module_digest != after.module_digest
    # A module that is no TCR is not reported, but that it took a TCR's place is, once, to whoever served that.
    report = changed_status if is_tcr else before is not None and before.app is not None
    assign = is_tcr and (change is not None or base.app is None)
    return SlotDiff(before, after, change, assign=assign, report=report)


def _unreadable(base: SlotRecord, before: SlotRecord | None, look: SlotLook) -> SlotDiff:
    """Return what it means that neither a module nor an empty slot was seen: nothing, but whoever serves it is told once."""
    served = base.present and base.app is not None
    after = base.model_copy(update={"module_digest": digest(look.module)}) if served else base
    return SlotDiff(before, after, None, assign=False, report=served and after.module_digest != base.module_digest)


def _clock_view(status: ModuleStatus | None, inherited: SlotRecord | None, now: datetime) -> dict[str, object]:
    """Return what the inventory shows of a clock module; what was understood of the same module stays."""
    if status is not None and any(says(status, part) for part in ("clock", "receiver", "time_quality")):
        quality = status.time_quality.words
        return {"clock": status.clock, "receiver": status.receiver.state, "time_quality": quality, "status_at": now}
    return {} if inherited else {"clock": None, "receiver": None, "time_quality": None, "status_at": None}


def _change(before: SlotRecord | None, module: ModuleInfo) -> SlotChange | None:
    if before is None or not before.present:
        return SlotChange.APPEARED
    if not is_same_module(before.model, before.serial, module):
        return SlotChange.REPLACED
    return SlotChange.CHANGED if _differs(before.software, module.software) else None


def _differs(before: str | None, after: str | None) -> bool:
    # A device that once does not tell (None) has not been changed by that.
    return before is not None and after is not None and before != after
