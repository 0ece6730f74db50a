"""A slot of a chassis and the module that sits in it."""

import re
from collections.abc import Mapping
from enum import StrEnum

from lantime.status.model import StatusModel
from lantime.status.module import ModuleStatus, has_clock_parts, parse_module
from lantime.status.values import integer, mapping, pick, plain, raw, text

SLOT_ID = re.compile(r"[a-z0-9-]{1,16}")
"""What a slot id may look like: ``clk1``, ``pwr1`` and ``cpu`` are captured, four characters at most (SDK header)."""

_TCR = re.compile(r"tcr\d+")
_SEPARATORS = str.maketrans("", "", "_- ")
UNKNOWN_MODEL = "unknown"
"""Stands for a model that the device does not give."""
_CLOCK_SLOT = "clk"


class ModuleKind(StrEnum):
    """What a module is, as far as interapp treats it differently."""

    TCR = "tcr"
    OTHER = "other"


class SlotPosition(StatusModel):
    """Where a slot is, in units of the front (captured as ``"row,column,width"``)."""

    row: int
    """From 0 (captured; meaning inferred)."""
    column: int
    """From 0 (captured; meaning inferred)."""
    width: int
    """In columns (captured; meaning inferred)."""


class ModuleInfo(StatusModel):
    """A module's ``info``. Serial number and software are None where the device gives none ("N/A", blanks, …: captured)."""

    model: str = UNKNOWN_MODEL
    """In lower case: ``grc180`` (captured), ``tcr180`` (inferred from the MIB); "unknown" when none is given."""
    serial: str | None = None
    """Serial number without the blanks around it (captured)."""
    software: str | None = None
    """Software revision (captured)."""
    kind: ModuleKind = ModuleKind.OTHER
    """What interapp takes it for, by its model (inferred)."""


class Slot(StatusModel):
    """One slot; ``module`` is None when it is empty, or ``unreadable``."""

    slot_id: str
    """``clk1``, ``cpu`` (captured), ``io10`` (SDK header)."""
    slot_type: str | None = None
    """``clk``, ``pwr``, ``cpu`` or ``int`` (captured), ``mri``, ``esi``, ``io`` or ``scu`` (SDK header)."""
    position: SlotPosition | None = None
    """Where it is (captured; meaning inferred)."""
    module: ModuleInfo | None = None
    """What sits in it; a slot without the key ``module`` is empty (captured)."""
    unreadable: bool = False
    """Whether there is something that is no module and no empty slot: then nothing is known of it (invented)."""
    status: ModuleStatus | None = None
    """There when the module is a clock, as far as it is understood (captured for GRC and PZF, inferred for others)."""


def classify(model: str) -> ModuleKind:
    """Return the kind of a module by its model: ``tcr180``, ``TCR-180pex`` and ``tcr_600`` are TCRs."""
    return ModuleKind.TCR if _TCR.match(model.lower().translate(_SEPARATORS)) else ModuleKind.OTHER


def read_slot_id(entry: Mapping[str, object], object_id: str | None) -> str | None:
    """Return the slot's id in lower case (``slot-id``, else its object id), or None when it cannot be one."""
    slot_id = (text(pick(entry, "slot-id")) or object_id or "").lower()
    return slot_id if SLOT_ID.fullmatch(slot_id) else None


def parse_slot(slot_id: str, entry: Mapping[str, object], *, api_major: int | None = None) -> Slot:
    """Read one member of ``slots``. Never raises.

    A slot is empty when it has no ``module``, a null one, or one without ``info`` (captured: an unused bay for a power
    supply). What is none of these and no module either is ``unreadable``: it must not look as if the module was pulled.
    """
    reported = pick(entry, "module")
    module = mapping(reported)
    info = pick(module, "info")
    found = _module(info) if isinstance(info, Mapping) else None
    slot_type = text(pick(entry, "slot-type"))
    status = None
    if found is not None and _is_clock(found, slot_type, module):
        status = parse_module(module, api_major=api_major, is_tcr=found.kind is ModuleKind.TCR)
    return Slot(
        slot_id=slot_id,
        slot_type=slot_type,
        position=_position(pick(entry, "slot-position")),
        module=found,
        unreadable=found is None and _is_something(reported, info),
        status=status,
    )


def _is_clock(module: ModuleInfo, slot_type: str | None, reported: Mapping[str, object]) -> bool:
    is_known = module.kind is ModuleKind.TCR or plain(slot_type or "") == _CLOCK_SLOT
    return is_known or has_clock_parts(reported)


def _is_something(reported: object, info: object) -> bool:
    """Tell whether there is more than an empty slot in what holds no readable ``info``."""
    if not isinstance(reported, Mapping):
        return reported is not None
    return info is not None or has_clock_parts(reported)


def _module(info: Mapping[str, object]) -> ModuleInfo:
    named = pick(info, "model")
    # A number or a flag is no name: taken for one, it would look as if another module was plugged in.
    model = (text(named) if isinstance(named, str) else None) or UNKNOWN_MODEL
    serial = pick(info, "serial-number")
    return ModuleInfo(
        model=model.lower(),
        serial=None if isinstance(serial, bool | float) else text(serial),
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
