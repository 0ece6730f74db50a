"""Reads one status answer of the device into what the inventory compares."""

from dataclasses import dataclass

from lantime.answer import DeviceAnswer
from lantime.status.chassis import ChassisStatus
from lantime.status.memory import Memory
from lantime.status.notification import Notification
from lantime.status.reported import Reported
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
    """What was read of the last answer's parts, so that the next one's are read only where they say something else."""

    def __init__(self) -> None:
        self.slots = Memory[Slot]()
        self.modules = Memory[Reported]()
        self.notifications = Memory[tuple[Notification, ...]]()

    def next_answer(self) -> None:
        """Begin with an answer."""
        for memory in (self.slots, self.modules, self.notifications):
            memory.next_answer()


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
        modules = answer.modules(chassis=chassis.name, memory=memory.modules)
        for slot in chassis.slots:
            if slot.slot_id in slots:
                warnings.append(f"slot {slot.slot_id} of {chassis.name} is left out: {first.name} has one of that id")
                continue
            slots[slot.slot_id] = SlotLook(slot, modules.get(slot.slot_id))
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
