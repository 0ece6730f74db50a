"""Compares two looks at a chassis. Pure: it decides what changed and what the slots' services are told."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property
from hashlib import sha256

from pydantic import JsonValue

from lantime.contract import SlotChange, SlotRecord, child_address, is_same_module
from lantime.status.module import ModuleStatus
from lantime.status.parts import says
from lantime.status.slot import UNKNOWN_MODEL, ModuleInfo, ModuleKind, Slot, classify
from modular_parent.moves import find_moves

MISSED_POLLS = 2
"""How many polls in a row must leave something out before it counts as gone: a single one may be a partial answer."""


@dataclass(frozen=True)
class SlotLook:
    """One slot as one poll saw it: its typed form, and the JSON of its module."""

    slot: Slot
    module: dict[str, JsonValue] | None

    @cached_property
    def digest(self) -> str:
        """What tells the module's status from another."""
        return digest(self.module)


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
    moved_from: str | None = None
    """The slot from which its module came."""
    moved_to: str | None = None
    """The slot to which its module went."""


def compare(
    known: Mapping[str, SlotRecord],
    seen: Mapping[str, SlotLook],
    *,
    chassis: str,
    now: datetime,
    complete: bool = True,
) -> dict[str, SlotDiff]:
    """Return, for every slot known or seen, what this poll means for it, by slot id.

    When the look is not complete, a slot that was not seen is not gone: nothing is said of it, unless its module sits elsewhere.
    """
    arrived = find_moves(known, {slot: look.slot.module for slot, look in seen.items() if look.slot.module})
    left = {old: new for new, old in arrived.items()}
    slots = {*known, *seen} if complete else {*seen, *left}
    return {
        slot: replace(
            _compare_slot(
                slot, known.get(slot), seen.get(slot), chassis, now, arrived=slot in arrived, left=slot in left
            ),
            moved_from=arrived.get(slot),
            moved_to=left.get(slot),
        )
        for slot in sorted(slots)
    }


def digest(module: Mapping[str, JsonValue] | None) -> str:
    """Return what tells two module statuses apart."""
    return sha256(json.dumps(module, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def _compare_slot(
    slot: str,
    before: SlotRecord | None,
    look: SlotLook | None,
    chassis: str,
    now: datetime,
    *,
    arrived: bool,
    left: bool,
) -> SlotDiff:
    module = look.slot.module if look else None
    known = before or SlotRecord(slot=slot, first_seen=now)
    if look is not None and look.slot.unreadable and not left:
        return _unreadable(known, before, look)
    if look is None or module is None:
        return _without_module(slot, before, look, now, left=left)
    base = _seen(known, look, now)
    change = SlotChange.MOVED if arrived else _change(before, module)
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
            "module_digest": look.digest if is_tcr else None,
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
    after = base.model_copy(update={"module_digest": look.digest}) if served else base
    return SlotDiff(before, after, None, assign=False, report=served and after.module_digest != base.module_digest)


def _clock_view(status: ModuleStatus | None, inherited: SlotRecord | None, now: datetime) -> dict[str, object]:
    """Return what the inventory shows of a clock module; what was understood of the same module stays."""
    if status is not None and any(says(status, part) for part in ("clock", "receiver", "time_quality")):
        quality = status.time_quality.words
        return {"clock": status.clock, "receiver": status.receiver.state, "time_quality": quality, "status_at": now}
    return {} if inherited else {"clock": None, "receiver": None, "time_quality": None, "status_at": None}


def _without_module(
    slot: str, before: SlotRecord | None, look: SlotLook | None, now: datetime, *, left: bool
) -> SlotDiff:
    """Compare a slot in which no module was seen.

    One that is listed without a module is empty: the device says so (captured). One that is not listed, or whose module
    does not say what it is, may be a partial answer, unless its module was seen elsewhere. A slot that is gone has no
    service any more; an empty one keeps it.
    """
    known = before or SlotRecord(slot=slot, first_seen=now)
    base = known if look is None else _seen(known, look, now)
    said_empty = look is not None and (look.module is None or not known.present)
    missed = 0 if said_empty else known.missed + 1
    if not said_empty and not left and missed < MISSED_POLLS:
        return SlotDiff(before, known.model_copy(update={"missed": missed}), None, assign=False, report=False)
    gone: dict[str, object] = {"present": False, "module_digest": None, "missed": missed}
    if look is None:
        gone["app"] = None
    if left:
        # It is not missing: what is known of it goes on in its new slot.
        gone |= {"model": None, "serial": None, "software": None} | _clock_view(None, None, now)
    after = base.model_copy(update=gone)
    removed = known.present
    return SlotDiff(
        before,
        after,
        SlotChange.REMOVED if removed else None,
        assign=False,
        report=known.app is not None and (removed or after.app is None),
    )


def _seen(known: SlotRecord, look: SlotLook, now: datetime) -> SlotRecord:
    return known.model_copy(update={"type": look.slot.slot_type or known.type, "last_seen": now, "missed": 0})


def _change(before: SlotRecord | None, module: ModuleInfo) -> SlotChange | None:
    if before is None or before.model is None:
        return SlotChange.APPEARED
    if not is_same_module(before.model, before.serial, module):
        return SlotChange.REPLACED
    if not before.present:
        return SlotChange.APPEARED
    return SlotChange.CHANGED if _differs(before.software, module.software) else None


def _differs(before: str | None, after: str | None) -> bool:
    # A device that once does not tell (None) has not been changed by that.
    return before is not None and after is not None and before != after
