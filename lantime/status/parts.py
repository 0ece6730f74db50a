"""The parts of a module's status, each of which a look may understand or not."""

from collections.abc import Iterable

from lantime.status.module import ModuleStatus

PARTS: dict[str, tuple[str, ...]] = {
    "receiver": ("receiver",),
    "clock": ("clock", "clock_raw"),
    "oscillator": ("oscillator", "oscillator_raw"),
    "oscillator_type": ("oscillator_type",),
    "time_quality": ("time_quality",),
    "clock_index": ("clock_index",),
    "mrs": ("mrs",),
    "satellites": ("satellites",),
    "temperatures": ("temperatures",),
    "string_types": ("string_types",),
    "dac": ("dac_cal", "dac_val"),
}
"""Part to the fields of ModuleStatus that belong together."""

_NOTHING = ModuleStatus()


def says(status: ModuleStatus, part: str) -> bool:
    """Tell whether a status says anything in this part."""
    if part == "receiver":
        return status.receiver.says_something
    return any(getattr(status, field) != getattr(_NOTHING, field) for field in PARTS[part])


def with_understood(status: ModuleStatus, before: ModuleStatus) -> tuple[ModuleStatus, frozenset[str]]:
    """Return the status with the parts of ``before`` that it says nothing of itself, and which ones these are."""
    kept = frozenset(part for part in PARTS if not says(status, part) and says(before, part))
    fields = {field: getattr(before, field) for part in kept for field in PARTS[part]}
    return status.model_copy(update=fields), kept


def without(status: ModuleStatus, parts: Iterable[str]) -> ModuleStatus:
    """Return the status as if it said nothing in these parts."""
    return status.model_copy(update={field: getattr(_NOTHING, field) for part in parts for field in PARTS[part]})
