"""The clock modules that no service serves: what the chassis' service keeps of them itself."""

from collections.abc import Mapping
from datetime import datetime

from broker.handlers.context import Documents
from lantime.contract import CLOCKS, ModuleRecord, seen
from lantime.status.slot import Slot
from modular_parent.inventory import SlotDiff, SlotLook
from modular_parent.sparing import worth_writing


def keep_clocks(
    documents: Documents, diffs: Mapping[str, SlotDiff], looks: Mapping[str, SlotLook], now: datetime, *, sparing: bool
) -> None:
    """Keep a ModuleRecord of every clock module without a service, and none of other modules.

    ``sparing``: write only what is worth it.
    """
    known = documents.all(CLOCKS, ModuleRecord)
    for slot, diff in diffs.items():
        look = looks[slot].slot if slot in looks else Slot(slot_id=slot)
        ours = diff.after.app is None
        if slot not in known and (not ours or look.status is None):
            continue
        record = seen(known.get(slot), look, now) or known.get(slot)
        if ours and record is not None and record.status is not None:
            if not sparing or worth_writing(known.get(slot), record, "observed_at"):
                documents.put(CLOCKS, slot, record)
        else:
            documents.delete(CLOCKS, slot)
