"""What a device report holds. Pure: everything in it comes from answers of the device and goes through the mask."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pydantic import JsonValue

from lantime.answer import DeviceAnswer
from lantime.errors import DeviceError
from lantime.report.masking import Masker
from lantime.status.api_version import SUPPORTED_API, adapter_for
from lantime.status.chassis import ChassisStatus
from lantime.status.module import ModuleStatus
from lantime.status.parts import PARTS, says
from lantime.status.slot import Slot, read_slot_id
from lantime.status.unknown_keys import unknown_keys
from lantime.status.values import mapping, members, pick

FORMAT = 1
"""Version of the report's own form."""

WORDS = "text in angle brackets was masked; the same text stands for the same value within this file"


@dataclass(frozen=True, slots=True)
class Place:
    """A slot of a chassis object of the device."""

    chassis: str
    slot: str

    @property
    def configuration(self) -> str:
        """The path of its module's configuration (inferred)."""
        return f"/api/config/{self.chassis}/slots/{self.slot}/module"


def clock_places(chassis: Sequence[ChassisStatus]) -> list[Place]:
    """Return where clock modules sit."""
    return [Place(each.name, slot.slot_id) for each in chassis for slot in each.slots if slot.status is not None]


def build_report(
    answer: DeviceAnswer,
    chassis: Sequence[ChassisStatus],
    configurations: Mapping[Place, DeviceAnswer | DeviceError],
    *,
    interapp: str,
    slots: frozenset[str] = frozenset(),
) -> dict[str, JsonValue]:
    """Return the report of a status answer and of what came for the clock modules' configurations.

    ``slots`` limits it to these slot ids; without any it is about all.
    """
    masker = Masker()
    major = answer.api.major
    wanted = [(each, slot) for each in chassis for slot in each.slots if not slots or slot.slot_id in slots]
    report: dict[str, JsonValue] = {
        "report": "interapp device report",
        "format": FORMAT,
        "about": WORDS,
        "interapp": interapp,
        "api-version": masker.mask(answer.api.text, key="api-version"),
        "supported": SUPPORTED_API,
        "compatibility": adapter_for(major)[1],
        "modules": {
            f"{masker.key(each.name)}.{masker.key(slot.slot_id)}": _module(answer, each, slot, masker)
            for each, slot in wanted
            if slot.module is not None or slot.unreadable
        },
        "configurations": {
            f"{masker.key(place.chassis)}.{masker.key(place.slot)}": _configuration(found, masker)
            for place, found in configurations.items()
        },
        "status": masker.mask(_only(answer.body, slots) if slots else answer.body),
    }
    masked: dict[str, JsonValue] = dict(sorted(masker.counts.items()))
    return report | {"masked": masked}


def _module(answer: DeviceAnswer, chassis: ChassisStatus, slot: Slot, masker: Masker) -> dict[str, JsonValue]:
    reported = answer.module(slot.slot_id, chassis=chassis.name)
    status = slot.status
    found: dict[str, JsonValue] = {
        "unreadable": slot.unreadable,
        "taken for": None if slot.module is None else slot.module.kind.value,
        "read as a clock": status is not None,
    }
    if status is None:
        return found
    return found | {
        "states": {"clock": status.clock.value, "receiver": status.receiver.state.value},
        "understood": [*_understood(status)],
        "not reported": [*status.missing, *status.receiver.missing],
        "unknown keys": [".".join(masker.key(key) for key in path) for path in unknown_keys(reported)],
    }


def _understood(status: ModuleStatus) -> list[str]:
    receiver = status.receiver
    plain = type(receiver)()
    parts = [part for part in PARTS if part != "receiver" and says(status, part)]
    fields = [name for name in type(receiver).model_fields if getattr(receiver, name) != getattr(plain, name)]
    return parts + [f"receiver.{name}" for name in fields if name not in ("reported", "missing")]


def _configuration(found: DeviceAnswer | DeviceError, masker: Masker) -> JsonValue:
    if isinstance(found, DeviceAnswer):
        return masker.mask(found.body)
    # The error's text names the device.
    status: JsonValue = getattr(found, "status", None)
    return {"not read": type(found).__name__, "http status": status}


def _only(body: Mapping[str, object], slots: frozenset[str]) -> dict[str, object]:
    """Return the answer without the other slots of its chassis."""
    data = dict(mapping(body.get("data")))
    status = dict(mapping(pick(data, "status")))
    for level in (data, status):
        for name, chassis in level.items():
            listed = pick(mapping(chassis), "slots")
            if name.startswith("chassis") and listed is not None:
                kept = [entry for object_id, entry in members(listed) if read_slot_id(entry, object_id) in slots]
                level[name] = {**mapping(chassis), "slots": kept}
    return {**body, "data": {**data, "status": status} if status else data}
