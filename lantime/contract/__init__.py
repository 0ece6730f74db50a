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
from lantime.contract.module import CLOCKS, MODULE, STATUS, ModuleRecord, is_same_module, seen
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
from lantime.contract.system import (
    NOTIFICATIONS,
    SYSTEM,
    NotificationsRecord,
    NotificationTriggered,
    SystemChanged,
    SystemRecord,
    SystemState,
)

__all__ = [
    "CHASSIS",
    "CLOCKS",
    "HTTP_SESSIONS",
    "HTTP_SESSION_SETTINGS",
    "MODULE",
    "NOTIFICATIONS",
    "POOL",
    "SLOTS",
    "SLOT_ID_PATTERN",
    "STATUS",
    "SYSTEM",
    "AssignSlot",
    "ChassisRecord",
    "ChassisReplaced",
    "GetInventory",
    "GetSlotStatus",
    "HttpSession",
    "HttpSessionChunk",
    "HttpSessionSettings",
    "HttpSessionsInForce",
    "Inventory",
    "ModuleRecord",
    "NotificationTriggered",
    "NotificationsRecord",
    "PollChassisNow",
    "PollSlotNow",
    "ReportModule",
    "SetHttpSessions",
    "SlotChange",
    "SlotChanged",
    "SlotPost",
    "SlotRecord",
    "SlotStatus",
    "SyncChanged",
    "SyncState",
    "SystemChanged",
    "SystemRecord",
    "SystemState",
    "TcrReady",
    "child_address",
    "is_same_module",
    "pool_address",
    "seen",
]
