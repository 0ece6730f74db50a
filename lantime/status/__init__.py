"""The typed, tolerant reading of a device's status.

``parse_status`` reads the whole answer, ``parse_slot`` one slot, ``parse_module`` one clock module. The models are
frozen and hold nothing but what the device said: judging it is somebody else's work. Each field's docstring says how
certain its meaning is (``certainty_of``).
"""

from lantime.status.api_version import ADAPTERS, SUPPORTED_API, Adapter, ApiVersion, adapter_for, read_api_version
from lantime.status.certainty import Certainty, certainties, certainty_of, is_known
from lantime.status.chassis import ChassisStatus, parse_status
from lantime.status.module import ModuleStatus, StringType, Temperature, parse_module
from lantime.status.mrs import MrsFlags, MrsSettings, MrsSource
from lantime.status.other_receivers import Antenna, ReceiverFlags, Satellites
from lantime.status.quality import TimeQuality
from lantime.status.receiver import PcpsFlags, Receiver, StateBits
from lantime.status.reported import reported_module
from lantime.status.slot import SLOT_ID, UNKNOWN_MODEL, ModuleInfo, ModuleKind, Slot, SlotPosition, classify, parse_slot
from lantime.status.states import ClockState, Modulation, OscillatorState, ReceiverState

__all__ = [
    "ADAPTERS",
    "SLOT_ID",
    "SUPPORTED_API",
    "UNKNOWN_MODEL",
    "Adapter",
    "Antenna",
    "ApiVersion",
    "Certainty",
    "ChassisStatus",
    "ClockState",
    "Modulation",
    "ModuleInfo",
    "ModuleKind",
    "ModuleStatus",
    "MrsFlags",
    "MrsSettings",
    "MrsSource",
    "OscillatorState",
    "PcpsFlags",
    "Receiver",
    "ReceiverFlags",
    "ReceiverState",
    "Satellites",
    "Slot",
    "SlotPosition",
    "StateBits",
    "StringType",
    "Temperature",
    "TimeQuality",
    "adapter_for",
    "certainties",
    "certainty_of",
    "classify",
    "is_known",
    "parse_module",
    "parse_slot",
    "parse_status",
    "read_api_version",
    "reported_module",
]
