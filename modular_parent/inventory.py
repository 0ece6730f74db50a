"""Compares two looks at a chassis. Pure: it decides what changed and what the slots' services are told."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256

from pydantic import JsonValue

from lantime.contract import SlotChange, SlotRecord, child_address
from lantime.status.slot import ModuleInfo, ModuleKind, Slot


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
    known: Mapping[str, SlotRecord], seen: Mapping[str, SlotLook], *, chassis: str, now: datetime
) -> dict[str, SlotDiff]:
    """Return, for every slot known or seen, what this poll means for it, by slot id."""
    return {
        slot: _compare_slot(slot, known.get(slot), seen.get(slot), chassis, now) for slot in sorted({*known, *seen})
    }


def digest(module: Mapping[str, JsonValue] | None) -> str:
    """Return what tells two module statuses apart."""
    return sha256(json.dumps(module, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def _compare_slot(slot: str, before: SlotRecord | None, look: SlotLook | None, chassis: str, now: datetime) -> SlotDiff:
    module = look.slot.module if look else None
    base = before or SlotRecord(slot=slot, first_seen=now)
    if look is not None:
        base = base.model_copy(update={"type": look.slot.slot_type or base.type, "last_seen": now})
    if module is None or look is None:
        removed = before is not None and before.present
        after = base.model_copy(update={"present": False, "module_digest": None})
        return SlotDiff(
            before, after, SlotChange.REMOVED if removed else None, assign=False, report=removed and bool(base.app)
        )
    is_tcr = module.kind is ModuleKind.TCR
    change = _change(before, module)
    same_module = before is not None and change in (None, SlotChange.CHANGED)
    after = base.model_copy(
        update={
            "model": module.model,
            "serial": module.serial or (before.serial if before and same_module else None),
            "software": module.software or (before.software if before and same_module else None),
            "present": True,
            "app": child_address(chassis, slot) if is_tcr else None,
            "module_digest": digest(look.module) if is_tcr else None,
        }
    )
    changed_status = before is None or before.module_digest != after.module_digest
    # A module that is no TCR is not reported, but that it took a TCR's place is, once, to whoever served that.
    report = changed_status if is_tcr else before is not None and before.app is not None
    return SlotDiff(before, after, change, assign=is_tcr and change is not None, report=report)


def _change(before: SlotRecord | None, module: ModuleInfo) -> SlotChange | None:
    if before is None or not before.present:
        return SlotChange.APPEARED
    if before.model != module.model or _differs(before.serial, module.serial):
        return SlotChange.REPLACED
    return SlotChange.CHANGED if _differs(before.software, module.software) else None


def _differs(before: str | None, after: str | None) -> bool:
    # A device that once does not tell (None) has not been changed by that.
    return before is not None and after is not None and before != after
