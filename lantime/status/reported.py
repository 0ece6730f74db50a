"""A module's JSON as the device reported it, made safe to send and to store."""

import math
from collections.abc import Container, Iterator, Mapping

from pydantic import JsonValue

from lantime.status.slot import read_slot_id
from lantime.status.values import mapping, members, pick

_DEEPEST = 32
"""Levels that are kept: a module's deepest known value is on the sixth, a recursive reader takes a thousand."""
_LARGEST = 2**63 - 1

Reported = dict[str, JsonValue]
"""A module as the device reported it."""


def reported_module(answer: Mapping[str, object], slot_id: str, *, chassis: str = "chassis0") -> Reported | None:
    """Return the ``module`` object of a slot in a status answer; None when there is no such slot or no module in it.

    Equal to what the device sent but for what databases and other readers refuse: NUL and lone surrogates are taken
    out of texts, numbers that are not finite or beyond 64 bits are null, what is nested too deep is null.
    """
    for found_id, module in _modules(answer, chassis):
        if found_id == slot_id:
            return _as_stored(module)
    return None


def reported_modules(
    answer: Mapping[str, object], slot_ids: Container[str], *, chassis: str = "chassis0"
) -> dict[str, Reported]:
    """Return the modules of these slots, each as ``reported_module`` returns it, by slot id."""
    return {slot_id: _as_stored(module) for slot_id, module in _modules(answer, chassis) if slot_id in slot_ids}


def _modules(answer: Mapping[str, object], chassis: str) -> Iterator[tuple[str, Mapping[str, object]]]:
    data = mapping(answer.get("data"))
    status = data if chassis in data else mapping(data.get("status"))
    met: set[str] = set()
    for object_id, entry in members(pick(mapping(status.get(chassis)), "slots")):
        slot_id = read_slot_id(entry, object_id)
        if slot_id is None or slot_id in met:
            continue
        met.add(slot_id)
        module = pick(entry, "module")
        if isinstance(module, Mapping):
            yield slot_id, module


def _as_stored(module: Mapping[str, object]) -> Reported:
    return {_text(key): _storable(value, _DEEPEST) for key, value in module.items()}


def _storable(value: object, levels: int) -> JsonValue:
    if levels == 0:
        return None
    match value:
        case bool() | None:
            return value
        case str():
            return _text(value)
        case int():
            return value if abs(value) <= _LARGEST else None
        case float():
            return value if math.isfinite(value) else None
        case Mapping():
            return {_text(str(key)): _storable(each, levels - 1) for key, each in value.items()}
        case list():
            return [_storable(each, levels - 1) for each in value]
        case _:
            return None


def _text(value: str) -> str:
    return value.replace("\x00", "").encode("utf-8", "ignore").decode("utf-8")
