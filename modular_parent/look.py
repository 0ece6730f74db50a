"""Reads one status answer of the device into what the inventory compares."""

from dataclasses import dataclass

from lantime.answer import DeviceAnswer
from lantime.status.chassis import ChassisStatus
from lantime.status.memory import Memory
from lantime.status.notification import Notification
from lantime.status.slot import Slot
from lantime.status.system import SystemStatus
from modular_parent.inventory import SlotLook


@dataclass(frozen=True, slots=True)
class ChassisLook:
    """One poll's result. ``slots`` is None when the device reported no list of slots: nothing is known of them then."""

    chassis: ChassisStatus
    slots: dict[str, SlotLook] | None
    complete: bool
    """Whether a slot that is not among them is gone; else it may be one of those that could not be read."""
    warnings: tuple[str, ...]
    system: SystemStatus
    notifications: tuple[Notification, ...] | None
    """None when the device reported no list of them."""


class LookMemory:
    """What was read of the last answer, so that of the next one only what says something else is read."""

    def __init__(self) -> None:
        self.slots = Memory[Slot]()
        self.notifications = Memory[tuple[Notification, ...]]()
        self.looks: dict[str, SlotLook] = {}

    def next_answer(self) -> None:
        """Begin with an answer."""
        self.slots.next_answer()
        self.notifications.next_answer()

    def look(self, slot: Slot) -> SlotLook | None:
        """Return the last look at a slot that says the same as then; None when it was read anew."""
        before = self.looks.get(slot.slot_id)
        return before if before is not None and before.slot is slot else None


def read_look(answer: DeviceAnswer, memory: LookMemory | None = None) -> ChassisLook:
    """Return what a status answer says of the chassis and its slots.

    Further chassis objects (an expansion, inferred) add the slots whose ids the first does not have.
    Raises UnexpectedAnswer when the answer is no status.
    """
    memory = memory or LookMemory()
    memory.next_answer()
    found = answer.chassis(memory=memory.slots)
    first = found[0]
    warnings = list(first.warnings)
    slots: dict[str, SlotLook] = {}
    for chassis in found:
        looks = {slot.slot_id: memory.look(slot) for slot in chassis.slots}
        anew = {slot_id for slot_id, look in looks.items() if look is None}
        modules = answer.modules(anew, chassis=chassis.name) if anew else {}
        for slot in chassis.slots:
            if slot.slot_id in slots:
                warnings.append(f"slot {slot.slot_id} of {chassis.name} is left out: {first.name} has one of that id")
                continue
            slots[slot.slot_id] = looks[slot.slot_id] or SlotLook(slot, modules.get(slot.slot_id))
    memory.looks = slots
    system = answer.system()
    if not system.reported:
        warnings.append("the device reports nothing of its system: what is shown of it is what it reported last")
    return ChassisLook(
        chassis=first,
        slots=slots if any(c.slots_reported for c in found) else None,
        complete=all(c.slots_complete for c in found),
        warnings=tuple(warnings),
        system=system,
        notifications=answer.notifications(memory=memory.notifications),
    )
