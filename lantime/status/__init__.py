"""The typed, tolerant reading of a device's status.

``parse_status`` reads the whole answer, ``parse_slot`` one slot, ``parse_module`` one TCR module. The models are
frozen and hold nothing but what the device said: judging it is somebody else's work.
"""

from lantime.status.api_version import ADAPTERS, Adapter, ApiVersion, adapter_for, read_api_version
from lantime.status.chassis import ChassisStatus, parse_status
from lantime.status.module import ModuleStatus, Temperature, parse_module
from lantime.status.mrs import MrsFlags, MrsSource
from lantime.status.quality import TimeQuality
from lantime.status.receiver import PcpsFlags, Receiver, StateBits
from lantime.status.reported import reported_module
from lantime.status.slot import SLOT_ID, ModuleInfo, ModuleKind, Slot, SlotPosition, classify, parse_slot
from lantime.status.states import ClockState, OscillatorState, ReceiverState

__all__ = [
    "ADAPTERS",
    "SLOT_ID",
    "Adapter",
    "ApiVersion",
    "ChassisStatus",
    "ClockState",
    "ModuleInfo",
    "ModuleKind",
    "ModuleStatus",
    "MrsFlags",
    "MrsSource",
    "OscillatorState",
    "PcpsFlags",
    "Receiver",
    "ReceiverState",
    "Slot",
    "SlotPosition",
    "StateBits",
    "Temperature",
    "TimeQuality",
    "adapter_for",
    "classify",
    "parse_module",
    "parse_slot",
    "parse_status",
    "read_api_version",
    "reported_module",
]
