"""The clock modules that no service serves: what the chassis' service keeps of them itself."""

from collections.abc import Mapping
from datetime import datetime

from broker.handlers.context import Documents
from lantime.contract import CLOCKS, ModuleRecord, seen
from lantime.status.slot import Slot
from modular_parent.inventory import SlotDiff, SlotLook


def keep_clocks(
    documents: Documents, diffs: Mapping[str, SlotDiff], looks: Mapping[str, SlotLook], now: datetime
) -> None:
    """Keep a ModuleRecord of every clock module without a service, and none of other modules."""
    known = documents.all(CLOCKS, ModuleRecord)
    for slot, diff in diffs.items():
        look = looks[slot].slot if slot in looks else Slot(slot_id=slot)
        ours = diff.after.app is None
        if slot not in known and (not ours or look.status is None):
            continue
        record = seen(known.get(slot), look, now) or known.get(slot)
        if ours and record is not None and record.status is not None:
            documents.put(CLOCKS, slot, record)
        else:
            documents.delete(CLOCKS, slot)
