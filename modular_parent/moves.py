"""Finds modules that sit in another slot than before: moved by hand, or because the slots were renumbered. Pure."""

from collections import Counter
from collections.abc import Iterable, Mapping

from lantime.contract import SlotRecord
from lantime.status.slot import ModuleInfo


def find_moves(known: Mapping[str, SlotRecord], seen: Mapping[str, ModuleInfo]) -> dict[str, str]:
    """Return the slots whose module was last known in another slot: new slot to old slot.

    A module is known by its model and serial number (that the two are unique is inferred): where two modules have the same
    ones, or tell no serial number, nothing is said. A module that was pulled some polls ago is found again, too.
    """
    before = _only_once((slot, record.model, record.serial) for slot, record in known.items())
    now = _only_once((slot, module.model, module.serial) for slot, module in seen.items())
    return {slot: before[module] for module, slot in now.items() if before.get(module, slot) != slot}


def _only_once(found: Iterable[tuple[str, str | None, str | None]]) -> dict[tuple[str, str], str]:
    places = [((model, serial), slot) for slot, model, serial in found if model is not None and serial is not None]
    times = Counter(module for module, _ in places)
    return {module: slot for module, slot in places if times[module] == 1}
