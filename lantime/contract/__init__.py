"""The messages that a chassis and its TCR slots exchange, and the documents others may read. All they share.

Times are ISO 8601 with zone. Fields that mirror the device carry its facts and their certainty in ``lantime.status``.
"""

from lantime.contract.alarms import (
    ALARM_HISTORY,
    ALARMS,
    ActiveAlarm,
    Alarm,
    AlarmCleared,
    AlarmDetails,
    AlarmRaised,
    DismissAlarm,
    EndedAlarm,
    SettleAlarms,
    Severity,
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
    "ALARMS",
    "ALARM_HISTORY",
    "CHASSIS",
    "SLOTS",
    "SLOT_ID_PATTERN",
    "ActiveAlarm",
    "Alarm",
    "AlarmCleared",
    "AlarmDetails",
    "AlarmRaised",
    "AssignSlot",
    "ChassisRecord",
    "DismissAlarm",
    "EndedAlarm",
    "GetInventory",
    "GetSlotStatus",
    "Inventory",
    "PollChassisNow",
    "PollSlotNow",
    "ReportModule",
    "SettleAlarms",
    "Severity",
    "SlotChange",
    "SlotChanged",
    "SlotRecord",
    "SlotStatus",
    "SyncChanged",
    "SyncState",
    "TcrReady",
    "child_address",
]
