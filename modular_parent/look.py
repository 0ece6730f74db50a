"""Reads one status answer of the device into what the inventory compares."""

from dataclasses import dataclass

from pydantic import JsonValue, TypeAdapter, ValidationError

from lantime.answer import DeviceAnswer
from lantime.status.chassis import ChassisStatus
from lantime.status.slot import read_slot_id
from lantime.status.values import mapping, members, pick
from modular_parent.inventory import SlotLook

_MODULE: TypeAdapter[dict[str, JsonValue]] = TypeAdapter(dict[str, JsonValue])


@dataclass(frozen=True, slots=True)
class ChassisLook:
    """One poll's result. ``slots`` is None when the device reported no list of slots: nothing is known of them then."""

    chassis: ChassisStatus
    slots: dict[str, SlotLook] | None
    warnings: tuple[str, ...]


def read_look(answer: DeviceAnswer) -> ChassisLook:
    """Return what a status answer says of the chassis and its slots.

    Further chassis objects (an expansion, inferred) add the slots whose ids the first does not have.
    Raises UnexpectedAnswer when the answer is no status.
    """
    found = answer.chassis()
    first = found[0]
    warnings = list(first.warnings)
    slots: dict[str, SlotLook] = {}
    for chassis in found:
        modules = _modules(answer, chassis.name)
        for slot in chassis.slots:
            if slot.slot_id in slots:
                warnings.append(f"slot {slot.slot_id} of {chassis.name} is left out: {first.name} has one of that id")
                continue
            slots[slot.slot_id] = SlotLook(slot, modules.get(slot.slot_id))
    return ChassisLook(first, slots if any(c.slots_reported for c in found) else None, tuple(warnings))


def _modules(answer: DeviceAnswer, chassis: str) -> dict[str, dict[str, JsonValue]]:
    data = mapping(pick(answer.body, "data"))
    holder = mapping(pick(data, chassis)) or mapping(pick(mapping(pick(data, "status")), chassis))
    modules: dict[str, dict[str, JsonValue]] = {}
    for object_id, entry in members(pick(holder, "slots")):
        slot_id = read_slot_id(entry, object_id)
        if slot_id is not None:
            try:
                modules.setdefault(slot_id, _MODULE.validate_python(pick(entry, "module")))
            except ValidationError:
                # An empty slot has no module object.
                continue
    return modules
