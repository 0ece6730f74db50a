"""The chassis of a device, from the answer of ``GET /api/status``."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

from lantime.errors import UnexpectedAnswer
from lantime.status.api_version import adapter_for, read_api_version
from lantime.status.memory import Memory
from lantime.status.model import StatusModel
from lantime.status.slot import Slot, parse_slot, read_slot_id
from lantime.status.values import mapping, members, pick, raw, text

_CHASSIS = re.compile(r"chassis\d{1,3}")
"""``chassis0`` is captured; ``chassis1`` for an expansion is inferred. ``chassis-xhe`` (API 10) is no chassis."""


class ChassisStatus(StatusModel):
    """One chassis; its slots are found by ``slot()``."""

    name: str
    """Its object: ``chassis0`` (captured), ``chassis1`` for an expansion (inferred)."""
    model: str | None = None
    """``M600``, … (captured)."""
    serial: str | None = None
    """Serial number (captured)."""
    firmware: str | None = None
    """``fw_7.10.008``, … (captured)."""
    api_version: str | None = None
    """Version of the REST API: ``20.05.013``, … (captured)."""
    api_major: int | None = None
    """Its first number, by which answers differ (captured, vendor document)."""
    hostname: str | None = None
    """The device's name (captured)."""
    slots_reported: bool = False
    """Whether there is a list of slots at all: without one nothing is known of them, and no module was pulled (captured)."""
    slots_complete: bool = False
    """Whether every member of that list could be read: else a slot that is absent may be one of the others (invented)."""
    slots: tuple[Slot, ...] = ()
    """In the device's order, which differs between versions (captured)."""
    warnings: tuple[str, ...] = ()
    """For the operator: what was skipped or could not be read, and whether the API version is a known one (invented)."""

    def slot(self, slot_id: str) -> Slot | None:
        """Return the slot with this id, or None when the chassis has none."""
        return next((slot for slot in self.slots if slot.slot_id == slot_id), None)


def parse_status(
    answer: Mapping[str, object], *, url: str = "", memory: Memory[Slot] | None = None
) -> list[ChassisStatus]:
    """Return every chassis of a status answer, ordered by name. ``url`` is for the error only, ``memory`` is of its slots.

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
    memory = memory or Memory()
    return [_parse(name, chassis, answer, memory) for name, chassis in sorted(found.items(), key=_number)]


def _chassis(data: Mapping[str, object]) -> dict[str, Mapping[str, object]]:
    """Return the chassis objects; one that is no object is an empty one, unless all are."""
    found = {key: value for key, value in data.items() if _CHASSIS.fullmatch(key)}
    some = any(isinstance(value, Mapping) for value in found.values())
    return {key: mapping(value) for key, value in found.items()} if some else {}


def _number(item: tuple[str, object]) -> int:
    return int(item[0].removeprefix("chassis"))


def _parse(
    name: str, chassis: Mapping[str, object], answer: Mapping[str, object], memory: Memory[Slot]
) -> ChassisStatus:
    system = mapping(pick(answer, "system-information"))
    api = read_api_version(answer)
    _, compatibility = adapter_for(api.major)
    reported = pick(chassis, "slots")
    listed = _slots(name, reported, api.major, memory)
    return ChassisStatus(
        name=name,
        model=text(pick(chassis, "model")) or text(pick(system, "model")),
        serial=text(pick(chassis, "serial-number")) or text(pick(system, "serial-number")),
        firmware=text(pick(chassis, "firmware-image")) or text(pick(system, "version")),
        api_version=api.text,
        api_major=api.major,
        hostname=text(pick(system, "hostname")),
        slots_reported=isinstance(reported, list | Mapping),
        slots_complete=listed.complete,
        slots=listed.slots,
        warnings=(compatibility, *listed.warnings) if compatibility else listed.warnings,
    )


@dataclass(frozen=True, slots=True)
class _Listed:
    slots: tuple[Slot, ...]
    complete: bool
    warnings: tuple[str, ...]


def _slots(chassis: str, reported: object, api_major: int | None, memory: Memory[Slot]) -> _Listed:
    """Read the slots by id, never by position: the order differs between versions (captured)."""
    if not isinstance(reported, list | Mapping):
        return _Listed((), complete=False, warnings=("the chassis reports no list of slots",))
    slots: dict[str, Slot] = {}
    nameless: list[str] = []
    again: list[str] = []
    listed = list(members(reported))
    for object_id, entry in listed:
        slot_id = read_slot_id(entry, object_id)
        if slot_id is None:
            nameless.append(repr(raw(pick(entry, "slot-id")) or object_id))
        elif slot_id in slots:
            again.append(f"{slot_id!r} again")
        else:
            parse = partial(parse_slot, slot_id, entry, api_major=api_major)
            slots[slot_id] = memory.read((chassis, slot_id, api_major), entry, parse)
    nameless += ["no object"] * (len(reported) - len(listed))
    unreadable = [slot.slot_id for slot in slots.values() if slot.unreadable]
    warnings = []
    if skipped := nameless + again:
        warnings.append(f"{len(skipped)} slots without a usable id were skipped: {', '.join(skipped[:5])}")
    if unreadable:
        warnings.append(f"what is reported as module cannot be read, in {', '.join(unreadable[:5])}")
    return _Listed(tuple(slots.values()), complete=not nameless, warnings=tuple(warnings))
