"""The chassis of a device, from the answer of ``GET /api/status``."""

import re
from collections.abc import Mapping

from lantime.errors import UnexpectedAnswer
from lantime.status.api_version import adapter_for, read_api_version
from lantime.status.model import StatusModel
from lantime.status.slot import Slot, parse_slot, read_slot_id
from lantime.status.values import mapping, members, pick, raw, text

_CHASSIS = re.compile(r"chassis\d{1,3}")
"""``chassis0`` is captured; ``chassis1`` for an expansion is inferred. ``chassis-xhe`` (API 10) is no chassis."""


class ChassisStatus(StatusModel):
    """One chassis: ``name`` is its object (``chassis0``), ``slots`` in the device's order, found by ``slot()``.

    ``slots_reported`` is False when the answer has no list of slots at all: then nothing is known about them, and
    an empty ``slots`` does not mean that every module was pulled. ``warnings`` are for the operator: what was
    skipped, and whether the API version is a known one.
    """

    name: str
    model: str | None = None
    serial: str | None = None
    firmware: str | None = None
    api_version: str | None = None
    api_major: int | None = None
    hostname: str | None = None
    slots_reported: bool = False
    slots: tuple[Slot, ...] = ()
    warnings: tuple[str, ...] = ()

    def slot(self, slot_id: str) -> Slot | None:
        """Return the slot with this id, or None when the chassis has none."""
        return next((slot for slot in self.slots if slot.slot_id == slot_id), None)


def parse_status(answer: Mapping[str, object], *, url: str = "") -> list[ChassisStatus]:
    """Return every chassis of a status answer, ordered by name. ``url`` is for the error only.

    The chassis are looked for in ``data`` (captured for ``/api/status``) and in ``data.status`` (seen in a third
    party's code for ``/api``). Raises UnexpectedAnswer when the answer is no status object: no ``data`` object,
    or no chassis in it. Anything wrong below that is tolerated.
    """
    data = answer.get("data")
    if not isinstance(data, Mapping):
        raise UnexpectedAnswer("the answer has no 'data' object: this is not a device status", url=url)
    found = _chassis(data) or _chassis(mapping(pick(data, "status")))
    if not found:
        raise UnexpectedAnswer("the status has no chassis object (chassis0, …)", url=url)
    return [_parse(name, chassis, answer) for name, chassis in sorted(found.items(), key=_number)]


def _chassis(data: Mapping[str, object]) -> dict[str, Mapping[str, object]]:
    return {key: found for key, found in data.items() if _CHASSIS.fullmatch(key) and isinstance(found, Mapping)}


def _number(item: tuple[str, object]) -> int:
    return int(item[0].removeprefix("chassis"))


def _parse(name: str, chassis: Mapping[str, object], answer: Mapping[str, object]) -> ChassisStatus:
    system = mapping(pick(answer, "system-information"))
    api = read_api_version(answer)
    _, compatibility = adapter_for(api.major)
    reported = pick(chassis, "slots")
    slots, warnings = _slots(reported, api.major)
    return ChassisStatus(
        name=name,
        model=text(pick(chassis, "model")) or text(pick(system, "model")),
        serial=text(pick(chassis, "serial-number")) or text(pick(system, "serial-number")),
        firmware=text(pick(chassis, "firmware-image")) or text(pick(system, "version")),
        api_version=api.text,
        api_major=api.major,
        hostname=text(pick(system, "hostname")),
        slots_reported=isinstance(reported, list | Mapping),
        slots=slots,
        warnings=(compatibility, *warnings) if compatibility else warnings,
    )


def _slots(reported: object, api_major: int | None) -> tuple[tuple[Slot, ...], tuple[str, ...]]:
    """Read the slots by id, never by position: the order differs between versions (captured)."""
    if not isinstance(reported, list | Mapping):
        return (), ("the chassis reports no list of slots",)
    slots: dict[str, Slot] = {}
    skipped: list[str] = []
    listed = list(members(reported))
    for object_id, entry in listed:
        slot_id = read_slot_id(entry, object_id)
        if slot_id is None:
            skipped.append(repr(raw(pick(entry, "slot-id")) or object_id))
        elif slot_id in slots:
            skipped.append(f"{slot_id!r} again")
        else:
            slots[slot_id] = parse_slot(slot_id, entry, api_major=api_major)
    skipped += ["no object"] * (len(reported) - len(listed))
    if not skipped:
        return tuple(slots.values()), ()
    return tuple(slots.values()), (f"{len(skipped)} slots without a usable id were skipped: {', '.join(skipped[:5])}",)
