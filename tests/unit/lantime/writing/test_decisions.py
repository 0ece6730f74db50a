"""What a writer decides from what it read: when to begin, who staged what, what is in force."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lantime.configuration.module import ModuleConfiguration
from lantime.configuration.plan import Difference, Plan, Write
from lantime.errors import RolledBack
from lantime.writing.decisions import Begin, Look, begin, commit_problem, fields_now, rolled_back, staging_problem

DONE = Plan()


def differing(*fields: str, most: int = 2) -> Plan:
    """Return a plan that sets these fields, which the device may count as up to ``most`` changes."""
    return Plan(tuple(Difference(field=name, before=1, after=2) for name in fields), (Write("receiver", {}, most),))


TO_DO = differing("code", "ignore_tfom")


def look(pending: int | None) -> Look:
    """Return a look at a device that counts so many pending changes."""
    return Look({}, ModuleConfiguration(), pending)


@pytest.mark.parametrize(
    ("plan", "pending", "force", "decided"),
    [
        (DONE, 0, False, Begin.NOTHING),
        (DONE, None, False, Begin.NOTHING),
        (DONE, 0, True, Begin.NOTHING),
        (DONE, 1, False, Begin.REFUSE),
        (DONE, 1, True, Begin.WRITE),
        (TO_DO, 0, False, Begin.WRITE),
        (TO_DO, 1, False, Begin.REFUSE),
        (TO_DO, None, False, Begin.REFUSE),
        (TO_DO, 1, True, Begin.WRITE),
        (TO_DO, None, True, Begin.WRITE),
    ],
)
def test_when_to_begin(plan: Plan, pending: int | None, force: bool, decided: Begin) -> None:
    """Nothing is written where nothing differs; with somebody's changes pending only by force, staged ones of ours included."""
    assert begin(plan, pending, force=force) is decided


@pytest.mark.parametrize(
    ("first", "said", "back", "says"),
    [
        (0, 2, 2, ""),
        (0, 1, 1, ""),
        (0, None, 2, ""),
        (3, 5, 5, ""),
        (None, None, None, ""),
        (0, None, None, ""),
        (0, 3, 3, "3 changes are pending where ours make 1 to 2"),
        (0, 0, 0, "0 changes are pending where ours make 1 to 2"),
        (3, 3, 3, "3 changes are pending where ours make 4 to 5"),
        (0, 1, 2, "after the last write, now"),
        (0, 2, 1, "after the last write, now"),
    ],
)
def test_who_staged_what(first: int | None, said: int | None, back: int | None, says: str) -> None:
    """A count of pending changes that cannot be ours alone, or that moves, is told; one that is not given is not."""
    problem = staging_problem(TO_DO, look(first), said, look(back), DONE)
    assert says in problem
    assert bool(problem) is bool(says)


def test_what_was_not_staged_is_named() -> None:
    """A field that does not read as it was written is named, whatever the count."""
    assert "ignore_tfom" in staging_problem(TO_DO, look(0), 1, look(1), differing("ignore_tfom"))


@pytest.mark.parametrize(
    ("said", "after", "answered", "says"),
    [
        (0, 0, True, ""),
        (0, 3, True, ""),
        (None, 0, True, ""),
        (None, None, True, ""),
        (None, 0, False, ""),
        (2, 2, True, "2 changes are still pending"),
        (None, 2, True, "2 changes are still pending"),
        (None, 2, False, "2 changes are still pending"),
        (None, None, False, "was not answered"),
    ],
)
def test_what_is_in_force(said: int | None, after: int | None, answered: bool, says: str) -> None:
    """A commit is believed by its own count, else by the next reading's; what is staged later is somebody else's."""
    problem = commit_problem(said, look(after), DONE, answered=answered)
    assert says in problem
    assert bool(problem) is bool(says)


def test_what_a_commit_lost_is_named() -> None:
    """A field that is not as wanted after the commit is named."""
    assert "code" in commit_problem(0, look(0), differing("code"), answered=True)


@pytest.mark.parametrize(
    ("left", "pending", "told"),
    [
        (TO_DO, 0, RolledBack.TRUE),
        (TO_DO, None, RolledBack.TRUE),
        (TO_DO, 1, RolledBack.FALSE),
        (DONE, 2, RolledBack.FALSE),
        (DONE, 0, RolledBack.FALSE),
        (DONE, None, RolledBack.UNKNOWN),
        (None, None, RolledBack.UNKNOWN),
        (None, 0, RolledBack.UNKNOWN),
    ],
)
def test_what_was_taken_back(left: Plan | None, pending: int | None, told: RolledBack) -> None:
    """Rolled back means: read again, different from what was wanted, and nothing staged; unread is unknown."""
    assert rolled_back(left, pending) is told


@given(st.sets(st.sampled_from("abcdef")), st.data())
def test_what_is_on_the_device_now(names: set[str], data: st.DataObject) -> None:
    """Every field of a change is told with the value that it has now: the wanted one unless it still differs."""
    plan = differing(*sorted(names))
    left = differing(*sorted(data.draw(st.sets(st.sampled_from(sorted(names))) if names else st.just(set()))))
    still = {each.field for each in left.differences}
    assert fields_now(plan, left) == {name: 1 if name in still else 2 for name in names}
    assert fields_now(plan, None) is None
