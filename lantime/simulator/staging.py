"""The three configurations of a device and who is editing: startup (saved), running (in force), candidate (staged).

That changes are staged and counted is captured (``pending-changes``), that they are committed or rolled back and
saved separately is a vendor document; what a conflict of two users is, is invented.
"""

from collections.abc import Mapping, Sequence
from copy import deepcopy
from typing import Any

from lantime.simulator.configuration import (
    Leaf,
    Tree,
    changed,
    differences,
    part_of,
)
from lantime.simulator.limits import Change, InvalidSetting
from lantime.simulator.schema import MODULE, factory

Place = tuple[str, Leaf]
"""A slot and where in its configuration."""


class EditConflict(Exception):
    """Another user has staged changes of the same object."""

    def __init__(self, slot: str, part: str, user: str) -> None:
        super().__init__(f"{slot}/{part}: {user} has staged changes of it; commit or roll back those first")


class Configurations:
    """The configurations of all slots. A slot that nobody ever configured has its factory configuration."""

    def __init__(self, startup: Mapping[str, Tree] | None = None) -> None:
        self._startup: dict[str, Tree] = dict(deepcopy(startup or {}))
        self._running = deepcopy(self._startup)
        self._candidate = deepcopy(self._startup)
        self._editors: dict[Place, str] = {}

    def running(self, slot: str) -> Tree:
        """Return what is in force in a slot; not to be changed."""
        return self._running.get(slot) or factory(slot)

    def candidate(self, slot: str) -> Tree:
        """Return what is in force in a slot after a commit; not to be changed."""
        return self._candidate.get(slot) or factory(slot)

    @property
    def startup(self) -> dict[str, Tree]:
        """What is saved, by slot: only slots that were ever written are in it."""
        return deepcopy(self._startup)

    @property
    def in_force(self) -> dict[str, Tree]:
        """What is in force, by slot: what a save makes the startup configuration."""
        return deepcopy(self._running)

    def pending(self) -> dict[Place, tuple[Any, Any]]:
        """Return every single setting that is staged, with the value in force and the one to come."""
        return _all_differences(self._running, self._candidate)

    def unsaved(self) -> dict[Place, tuple[Any, Any]]:
        """Return every single setting in force that a restart would lose, with the value saved and the one in force."""
        return _all_differences(self._startup, self._running)

    def stage(self, slot: str, path: Sequence[str], change: Change, user: str) -> None:
        """Stage a change of the part at ``path`` for a user. Writing what is there stages nothing.

        Raises NoSuchPart, InvalidSetting and EditConflict, and stages nothing then.
        """
        before = self.candidate(slot)
        after = changed(before, path, change)
        touched = differences(before, after)
        for part in dict.fromkeys(map(part_of, touched)):
            for (edited, place), editor in self._editors.items():
                if edited == slot and part_of(place) == part and editor != user:
                    raise EditConflict(slot, part, editor)
        self._candidate[slot] = after
        self._editors |= {(slot, place): user for place in touched}
        pending = self.pending()
        self._editors = {place: editor for place, editor in self._editors.items() if place in pending}

    def commit(self) -> tuple[str, ...]:
        """Put everything staged in force, whoever staged it; return the slots in which something changed."""
        slots = tuple(dict.fromkeys(slot for slot, _ in self.pending()))
        self._running = deepcopy(self._candidate)
        self._editors.clear()
        return slots

    def rollback(self) -> int:
        """Drop everything staged, whoever staged it; return how many settings that were."""
        dropped = len(self.pending())
        self._candidate = deepcopy(self._running)
        self._editors.clear()
        return dropped

    def save(self) -> None:
        """Make what is in force the configuration after the next restart."""
        self._startup = deepcopy(self._running)

    def load(self) -> tuple[str, ...]:
        """Put the saved configuration in force and drop everything staged; return the slots that this changed."""
        slots = tuple(dict.fromkeys(slot for slot, _ in self.unsaved()))
        self._running = deepcopy(self._startup)
        self.rollback()
        return slots

    def impose(self, slot: str, path: Sequence[str], change: Change) -> None:
        """Put a change in force that no user made: something happened to the module."""
        self._running[slot] = changed(self.running(slot), path, change)
        self._candidate[slot] = changed(self.candidate(slot), path, change)


def checked(slot: str, tree: object) -> Tree:
    """Return a slot's whole configuration from elsewhere, every setting of it checked. Raises InvalidSetting."""
    if not isinstance(tree, dict):
        raise InvalidSetting(slot, tree, "a JSON object")
    found = changed(factory(slot), (), tree)
    missing = [name for name in MODULE.fields if name not in tree]
    if missing:
        raise InvalidSetting(f"{slot}.{missing[0]}", None, "a setting that must be there")
    return found


def _all_differences(before: Mapping[str, Tree], after: Mapping[str, Tree]) -> dict[Place, tuple[Any, Any]]:
    return {
        (slot, place): values
        for slot in dict.fromkeys([*before, *after])
        for place, values in differences(before.get(slot) or factory(slot), after.get(slot) or factory(slot)).items()
    }
