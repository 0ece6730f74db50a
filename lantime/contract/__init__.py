"""The messages that a chassis and its TCR slots exchange, and the documents others may read. All they share.

Times are ISO 8601 with zone. Fields that mirror the device carry its facts and their certainty in ``lantime.status``.
"""

from lantime.contract.inventory import (
    CHASSIS,
    SLOTS,
    ChassisRecord,
    GetInventory,
    Inventory,
    PollChassisNow,
    SlotChange,
    SlotChanged,
    SlotRecord,
)
from lantime.contract.pool import POOL, SlotPost, pool_address
from lantime.contract.replacement import ChassisReplaced
from lantime.contract.slot import (
    SLOT_ID_PATTERN,
    AssignSlot,
    GetSlotStatus,
    PollSlotNow,
    ReportModule,
    SlotStatus,
    SyncChanged,
    SyncState,
    TcrReady,
    child_address,
)

__all__ = [
    "CHASSIS",
    "POOL",
    "SLOTS",
    "SLOT_ID_PATTERN",
    "AssignSlot",
    "ChassisRecord",
    "ChassisReplaced",
    "GetInventory",
    "GetSlotStatus",
    "Inventory",
    "PollChassisNow",
    "PollSlotNow",
    "ReportModule",
    "SlotChange",
    "SlotChanged",
    "SlotPost",
    "SlotRecord",
    "SlotStatus",
    "SyncChanged",
    "SyncState",
    "TcrReady",
    "child_address",
    "pool_address",
]
