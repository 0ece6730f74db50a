"""One module's configuration as a tree of JSON: changing it within the limits, and comparing two of them. No state."""

import re
from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from typing import Any

from lantime.simulator.limits import (
    Change,
    Fixed,
    Group,
    InvalidSetting,
    Limit,
    Members,
    Ranking,
)
from lantime.simulator.schema import MODULE, check_output

Tree = dict[str, Any]
"""The configuration of one module, or a part of it."""

Leaf = tuple[str, ...]
"""Where a single setting is: ``("programmable-outputs", "output1", "settings", "mode")``."""

_FORMS = ({"parameters"}, {"data"})


class NoSuchPart(LookupError):
    """The path leads nowhere in a configuration."""


def unwrapped(body: Change) -> Change:
    """Return what a body says, whether bare or as ``{"parameters": …}`` or ``{"data": …}`` (all invented)."""
    return next(iter(body.values())) if isinstance(body, dict) and set(body) in _FORMS else body


def changed(tree: Tree, path: Sequence[str], change: Change) -> Tree:
    """Return the tree with a change merged into the part at ``path``; the tree itself stays as it is.

    A list of members is changed member by member; the source list is replaced whole when a list comes, entry by
    entry when an object of entries comes. A single setting comes bare or as ``{name: value}``, as a GET answers it.
    Raises NoSuchPart and InvalidSetting.
    """
    target: Any = tree
    for name in path:
        target = _child(target, name)
    if path and isinstance(change, dict) and set(change) == {path[-1]}:
        change = change[path[-1]]
    for name in reversed(path):
        change = {name: change}
    if not isinstance(change, dict):
        raise InvalidSetting("body", change, "a JSON object")
    result: Tree = _applied(MODULE, deepcopy(tree), _with_offset(change), "")
    for before, after in zip(tree["programmable-outputs"], result["programmable-outputs"], strict=True):
        check_output(f"programmable-outputs.{after['object-id']}.settings", before["settings"], after["settings"])
    return result


def settings_of(tree: Tree) -> dict[Leaf, Any]:
    """Return every single setting by its place."""
    return dict(_leaves(tree, MODULE, ()))


def differences(before: Tree, after: Tree) -> dict[Leaf, tuple[Any, Any]]:
    """Return the single settings in which two trees differ, with both values; None where one has no such setting."""
    old, new = settings_of(before), settings_of(after)
    places = [*old, *(place for place in new if place not in old)]
    return {place: (old.get(place), new.get(place)) for place in places if old.get(place) != new.get(place)}


def part_of(place: Leaf) -> str:
    """Return the object that a setting belongs to when two users edit: ``programmable-outputs/output1``, ``mrs``."""
    depth = 2 if isinstance(MODULE.fields.get(place[0]), Members) else 1
    return "/".join(place[:depth])


def _with_offset(change: Tree) -> Tree:
    # The device knows one number, with one value of it for "not configured" (SDK header): who sets it has configured it.
    receiver = change.get("receiver")
    if isinstance(receiver, dict) and "ref-offs" in receiver and "ref-offs-configured" not in receiver:
        return change | {"receiver": receiver | {"ref-offs-configured": True}}
    return change


def _child(target: Any, name: str) -> Any:
    if isinstance(target, dict) and name in target:
        return target[name]
    for member in target if isinstance(target, list) else ():
        if member.get("object-id") == name:
            return member
    raise NoSuchPart(name)


def _applied(limit: Limit, current: Any, change: Change, field: str) -> Any:
    match limit:
        case Group():
            return _group(limit, current, change, field)
        case Members():
            changes = _by_object_id(current, change, field)
            return [
                _applied(limit.member, each, changes.get(each["object-id"], {}), _join(field, each["object-id"]))
                for each in current
            ]
        case Ranking():
            return _ranking(limit, current, change, field)
        case Fixed():
            if change != current:
                raise InvalidSetting(field, change, "nothing: the module says it, nobody sets it")
            return current
        case _:
            return limit.read(field, change)


def _group(limit: Group, current: Tree | None, change: Change, field: str) -> Tree:
    if not isinstance(change, dict):
        raise InvalidSetting(field, change, "a JSON object")
    result = dict(current or {})
    for name, value in change.items():
        known = limit.get(name)
        if known is None:
            allowed = ", ".join([*limit.fields, *limit.optional])
            raise InvalidSetting(_join(field, str(name)), value, f"no such setting; there are {allowed}")
        result[name] = _applied(known, result.get(name), value, _join(field, name))
    return result


def _by_object_id(current: Sequence[Tree], change: Change, field: str) -> Mapping[str, Change]:
    names = [each["object-id"] for each in current]
    if isinstance(change, list):
        if not all(isinstance(each, dict) and isinstance(each.get("object-id"), str) for each in change):
            raise InvalidSetting(field, change, "a list of objects that have an object-id")
        change = {each["object-id"]: each for each in change}
    if not isinstance(change, dict):
        raise InvalidSetting(field, change, "a list, or an object of members by their object-id")
    for name in change:
        if name not in names:
            raise InvalidSetting(field, name, f"one of {', '.join(names)}")
    # A member that is little more than a number may come as the number.
    return {name: each if isinstance(each, dict) else {"value": each} for name, each in change.items()}


def _ranking(limit: Ranking, current: Sequence[Tree], change: Change, field: str) -> list[Tree]:
    if isinstance(change, list):
        if not 1 <= len(change) <= limit.most:
            raise InvalidSetting(f"{field} (number of entries)", len(change), f"1 to {limit.most}")
        current = [_blank(f"{limit.name}{position}") for position in range(len(change))]
        change = dict(zip((each["object-id"] for each in current), _in_order(limit, change, field), strict=True))
    changes = _by_object_id(current, change, field)
    entries = [
        _applied(limit.member, each, changes.get(each["object-id"], {}), _join(field, each["object-id"]))
        for each in current
    ]
    _check_sources(entries, field)
    return entries


def _in_order(limit: Ranking, entries: Sequence[Change], field: str) -> list[Tree]:
    """Return the entries by the number in their object id, or as they stand when they have none."""
    numbers = []
    for position, entry in enumerate(entries):
        if not isinstance(entry, dict):
            raise InvalidSetting(f"{field}.{limit.name}{position}", entry, "a JSON object")
        name = entry.get("object-id", f"{limit.name}{position}")
        found = re.fullmatch(rf"{limit.name}([0-9])", name) if isinstance(name, str) else None
        if found is None or int(found[1]) in numbers:
            raise InvalidSetting(f"{field}.object-id", name, f"{limit.name}0 to {limit.name}9, each once")
        numbers.append(int(found[1]))
    ordered = [entry for _, entry in sorted(zip(numbers, entries, strict=True), key=lambda pair: pair[0])]
    return [{name: value for name, value in entry.items() if name != "object-id"} for entry in ordered]


def _blank(object_id: str) -> Tree:
    identity: Tree = {"type": None, "instance": 0}
    return {"object-id": object_id, "info": {"settings": {"bias": 0.0, "precision": 0.0, "id": identity}}}


def _check_sources(entries: Sequence[Tree], field: str) -> None:
    seen = set()
    for entry in entries:
        identity = entry["info"]["settings"]["id"]
        name = f"{field}.{entry['object-id']}.info.settings.id"
        if identity["type"] is None:
            raise InvalidSetting(f"{name}.type", None, "the kind of source, which every entry must name")
        if (identity["type"], identity["instance"]) in seen:
            raise InvalidSetting(name, identity, "each source once")
        seen.add((identity["type"], identity["instance"]))


def _leaves(current: Any, limit: Limit | None, place: Leaf) -> Iterator[tuple[Leaf, Any]]:
    match limit:
        case Group():
            for name, value in current.items():
                yield from _leaves(value, limit.get(name), (*place, name))
        case Members() | Ranking():
            for each in current:
                yield from _leaves(each, limit.member, (*place, each["object-id"]))
        case Fixed() | None:
            return
        case _:
            yield place, current


def _join(field: str, name: str) -> str:
    return f"{field}.{name}" if field else name
