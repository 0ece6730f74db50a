"""What a configuration's writer decides at each step, from what was read and answered. Pure."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from lantime.configuration.module import ModuleConfiguration
from lantime.configuration.plan import Plan
from lantime.errors import RolledBack


@dataclass(frozen=True, slots=True)
class Look:
    """One reading of a module's configuration, staged changes included."""

    found: Mapping[str, object]
    """As the device reported it."""
    configuration: ModuleConfiguration
    pending: int | None
    """How many changes are staged on the whole device, whoever's; None when it does not say."""


_OTHERS = "somebody else changed the device meanwhile"

Request = Callable[[Look], Plan]
"""Compares what is wanted with a look. Asked again after each reading: an empty plan means that it is so."""


class Step(StrEnum):
    """The steps of a change, in their order."""

    READ = "read"
    WRITE = "write"
    READ_BACK = "read back"
    COUNT = "count pending changes"
    COMMIT = "commit"
    CONFIRM = "confirm the commit"
    SAVE = "save"


class Begin(StrEnum):
    """What to do after the first look."""

    NOTHING = "nothing"
    """The device is set as wanted, and nobody's changes are staged."""
    WRITE = "write"
    REFUSE = "refuse"
    """Somebody's changes are staged, or may be."""


def begin(plan: Plan, pending: int | None, *, force: bool) -> Begin:
    """Decide whether there is something to write, and whether it may be.

    What is wanted may be staged and not in force: then it is still to be committed, but whose it is nobody knows.
    """
    if plan.empty and pending in (0, None):
        return Begin.NOTHING
    return Begin.WRITE if force or pending == 0 else Begin.REFUSE


def staging_problem(plan: Plan, first: Look, said: int | None, back: Look, left: Plan) -> str:
    """Return what is wrong with the staged changes, ``""`` when they are ours and all there.

    ``said`` is the count in the last write's answer. How a device counts is not known: a list may count as one change or
    as all its values, so a range is allowed, and only a count outside it, or one that moved, means somebody else.
    """
    if not left.empty:
        fields = ", ".join(each.field for each in left.differences)
        return f"what was written is not what the device reports: {fields}"
    if first.pending is None or back.pending is None:
        return ""
    least, most = (1 if plan.writes else 0), plan.most
    added = back.pending - first.pending
    if not least <= added <= most:
        return f"{back.pending} changes are pending where ours make {first.pending + least} to {first.pending + most}: {_OTHERS}"
    if moved(said, back.pending):
        return f"{said} changes were pending after the last write, now {back.pending}: {_OTHERS}"
    return ""


def moved(said: int | None, counted: int | None) -> bool:
    """Tell whether the count of pending changes is another than a moment ago: somebody else staged or dropped some."""
    return said is not None and counted is not None and said != counted


def commit_problem(said: int | None, after: Look, left: Plan, *, answered: bool) -> str:
    """Return why what was committed is not in force, ``""`` when it is.

    ``said`` is the count in the commit's answer, when there was one: what is pending later may be somebody else's.
    """
    if not left.empty:
        fields = ", ".join(each.field for each in left.differences)
        return f"the device does not report it after the commit: {fields}"
    pending = after.pending if said is None else said
    if pending:
        return f"{pending} changes are still pending after the commit"
    return (
        "" if answered or pending == 0 else "the commit was not answered, and the device does not count what is pending"
    )


def rolled_back(left: Plan | None, pending: int | None) -> RolledBack:
    """Decide whether a change was taken back, from what still differs from it (None: unreadable) and the count."""
    if left is None:
        return RolledBack.UNKNOWN
    if pending is None:
        return RolledBack.UNKNOWN if left.empty else RolledBack.TRUE
    return RolledBack.FALSE if pending or left.empty else RolledBack.TRUE


def fields_now(plan: Plan, left: Plan | None) -> dict[str, object] | None:
    """Return the value on the device of every field that was to change."""
    if left is None:
        return None
    still = {each.field: each.before for each in left.differences}
    return {each.field: still.get(each.field, each.after) for each in plan.differences}
