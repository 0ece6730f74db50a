"""A slot of a chassis and the module that sits in it."""

import re
from collections.abc import Mapping
from enum import StrEnum

from lantime.status.model import StatusModel
from lantime.status.module import ModuleStatus, parse_module
from lantime.status.values import integer, mapping, pick, raw, text

SLOT_ID = re.compile(r"[a-z0-9-]{1,16}")
"""What a slot id may look like: ``clk1``, ``pwr1`` and ``cpu`` are captured, four characters at most (SDK header)."""

_TCR = re.compile(r"tcr\d+")
_SEPARATORS = str.maketrans("", "", "_- ")
_UNKNOWN_MODEL = "unknown"


class ModuleKind(StrEnum):
    """What a module is, as far as interapp treats it differently."""

    TCR = "tcr"
    OTHER = "other"


class SlotPosition(StatusModel):
    """Where a slot is, in units of the front (captured as ``"row,column,width"``, its meaning inferred)."""

    row: int
    column: int
    width: int


class ModuleInfo(StatusModel):
    """A module's ``info``: ``model`` in lower case as the device says (``tcr180``), "unknown" when it says none.

    ``serial`` and ``software`` are None where the device gives none ("N/A", blanks, …: captured).
    """

    model: str = _UNKNOWN_MODEL
    serial: str | None = None
    software: str | None = None
    kind: ModuleKind = ModuleKind.OTHER


class Slot(StatusModel):
    """One slot; ``module`` is None when it is empty, ``status`` is there when the module is a TCR."""

    slot_id: str
    slot_type: str | None = None
    position: SlotPosition | None = None
    module: ModuleInfo | None = None
    status: ModuleStatus | None = None


def classify(model: str) -> ModuleKind:
    """Return the kind of a module by its model: ``tcr180``, ``TCR-180pex`` and ``tcr_600`` are TCRs."""
    return ModuleKind.TCR if _TCR.match(model.lower().translate(_SEPARATORS)) else ModuleKind.OTHER


def read_slot_id(entry: Mapping[str, object], object_id: str | None) -> str | None:
    """Return the slot's id in lower case (``slot-id``, else its object id), or None when it cannot be one."""
    slot_id = (text(pick(entry, "slot-id")) or object_id or "").lower()
    return slot_id if SLOT_ID.fullmatch(slot_id) else None


def parse_slot(slot_id: str, entry: Mapping[str, object], *, api_major: int | None = None) -> Slot:
    """Read one member of ``slots``. Never raises.

    A slot is empty when ``module`` is missing or null, or has no ``info``: then it is at most a bay for a power
    supply (captured).
    """
    module = mapping(pick(entry, "module"))
    info = pick(module, "info")
    found = _module(info) if isinstance(info, Mapping) else None
    is_tcr = found is not None and found.kind is ModuleKind.TCR
    return Slot(
        slot_id=slot_id,
        slot_type=text(pick(entry, "slot-type")),
        position=_position(pick(entry, "slot-position")),
        module=found,
        status=parse_module(module, api_major=api_major) if is_tcr else None,
    )


def _module(info: Mapping[str, object]) -> ModuleInfo:
    model = (text(pick(info, "model")) or _UNKNOWN_MODEL).lower()
    return ModuleInfo(
        model=model,
        serial=text(pick(info, "serial-number")),
        software=text(pick(info, "software-revision")),
        kind=classify(model),
    )


def _position(value: object) -> SlotPosition | None:
    numbers = [integer(part) for part in (raw(value) or "").split(",")]
    match numbers:
        case [int(row), int(column), int(width)]:
            return SlotPosition(row=row, column=column, width=width)
        case _:
            return None
