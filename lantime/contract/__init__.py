"""The messages that a chassis and its TCR slots exchange, and the documents others may read. All they share.

Times are ISO 8601 with zone. Fields that mirror the device carry its facts and their certainty in ``lantime.status``.
"""

from lantime.contract.http_sessions import (
    HTTP_SESSION_SETTINGS,
    HTTP_SESSIONS,
    HttpSession,
    HttpSessionChunk,
    HttpSessionSettings,
    HttpSessionsInForce,
    SetHttpSessions,
)
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
    "HTTP_SESSIONS",
    "HTTP_SESSION_SETTINGS",
    "SLOTS",
    "SLOT_ID_PATTERN",
    "AssignSlot",
    "ChassisRecord",
    "GetInventory",
    "GetSlotStatus",
    "HttpSession",
    "HttpSessionChunk",
    "HttpSessionSettings",
    "HttpSessionsInForce",
    "Inventory",
    "PollChassisNow",
    "PollSlotNow",
    "ReportModule",
    "SetHttpSessions",
    "SlotChange",
    "SlotChanged",
    "SlotRecord",
    "SlotStatus",
    "SyncChanged",
    "SyncState",
    "TcrReady",
    "child_address",
]
