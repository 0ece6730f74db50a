"""What must be written so that a device is set as wanted: nothing at all when it already is. Pure."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Self

from pydantic import JsonValue

from lantime.configuration.model import ReportedPart


class Difference(ReportedPart):
    """One field that is set to another value; its unit is in its name. ``before`` is None when it was not reported."""

    field: str
    before: JsonValue = None
    after: JsonValue = None


@dataclass(frozen=True, slots=True)
class Write:
    """One request: the path below the module, ``programmable-outputs/output2/settings``, and its JSON."""

    part: str
    body: JsonValue
    most: int
    """How many pending changes the device may count for it at most."""


@dataclass(frozen=True, slots=True)
class Plan:
    """The fields that differ, and the writes that make them equal."""

    differences: tuple[Difference, ...] = ()
    writes: tuple[Write, ...] = ()

    @property
    def empty(self) -> bool:
        """Whether the device is set as wanted."""
        return not self.differences

    @property
    def most(self) -> int:
        """How many pending changes the device may count for all of it at most."""
        return sum(write.most for write in self.writes)

    def __add__(self, other: Self) -> "Plan":
        """Return both plans as one."""
        return Plan(self.differences + other.differences, self.writes + other.writes)


@dataclass(frozen=True, slots=True)
class Leaf:
    """One setting: our field, the device's key, and how the value is read (None: unreadable) and written."""

    field: str
    key: str
    read: Callable[[object], Any]
    write: Callable[[Any], JsonValue] = lambda value: value


def plan_leaves(
    part: str, leaves: Iterable[Leaf], before: Mapping[str, Any], wanted: Mapping[str, Any], *, prefix: str = ""
) -> Plan:
    """Return what makes the leaves of one object as wanted; fields that ``wanted`` does not name stay.

    ``prefix`` is set before the fields' names in the differences.
    """
    changed = [leaf for leaf in leaves if leaf.field in wanted and before.get(leaf.field) != wanted[leaf.field]]
    if not changed:
        return Plan()
    body: dict[str, JsonValue] = {leaf.key: leaf.write(wanted[leaf.field]) for leaf in changed}
    differences = tuple(
        Difference(field=prefix + leaf.field, before=shown(before.get(leaf.field)), after=shown(wanted[leaf.field]))
        for leaf in changed
    )
    return Plan(differences, (Write(part, body, leaf_count(body)),))


def shown(value: Any) -> JsonValue:
    """Return a field's value as JSON."""
    if isinstance(value, ReportedPart):
        return value.model_dump(mode="json")
    return [shown(each) for each in value] if isinstance(value, tuple) else value


def leaf_count(tree: JsonValue) -> int:
    """Return how many single values a JSON tree holds."""
    if isinstance(tree, dict):
        return sum(map(leaf_count, tree.values()))
    return sum(map(leaf_count, tree)) if isinstance(tree, list) else 1
