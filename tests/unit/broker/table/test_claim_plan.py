"""What a claim takes from the oldest due rows: the decision alone."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.lifecycle.state import Reason, State
from broker.table.candidates import Candidate
from broker.table.claim_plan import CLAIM_MAX_BYTES, POISON_CRASHES, ClaimPlan, plan_claim

NOW_MS = 1_000_000


def row(seq: int, **fields: Any) -> Candidate:
    """Return a row that waits and is due, unless said otherwise."""
    values: dict[str, Any] = {
        "seq": seq,
        "id": str(seq),
        "amqp_user": "",
        "kind": "test.note",
        "state": State.WAITING,
        "attempts": 0,
        "suspect": False,
        "alone": False,
        "worker_died": False,
        "crashes": 0,
        "cancel_requested": False,
        "deadline_ms": None,
        "body_size": 10,
    }
    values = dict.fromkeys(Candidate._fields) | values
    return Candidate(**values | fields)


def lost(seq: int, **fields: Any) -> Candidate:
    """Return a row whose worker was lost."""
    return row(seq, **{"state": State.PROCESSING, "attempts": 1} | fields)


def plan(*rows: Candidate) -> ClaimPlan:
    """Return the plan for these rows."""
    return plan_claim(rows, now_ms=NOW_MS)


def taken(*rows: Candidate) -> list[int]:
    """Return which of the rows are taken."""
    return [take.row.seq for take in plan(*rows).take]


def dropped(*rows: Candidate) -> list[tuple[int, Reason]]:
    """Return which of the rows end without a run, and why."""
    return [(drop.row.seq, drop.reason) for drop in plan(*rows).drop]


def test_rows_are_taken_in_order() -> None:
    """Ordinary rows are taken together, in the order in which they were sent."""
    assert taken(row(1), row(2), row(5)) == [1, 2, 5]
    assert plan() == ClaimPlan([], [])


def test_a_suspect_is_taken_alone() -> None:
    """A row that was in a lost worker's hands is taken alone, so that a death tells which row killed."""
    assert taken(lost(1), row(2)) == [1]
    assert taken(lost(1), lost(2)) == [1]
    assert taken(row(1), lost(2), row(3)) == [1]
    assert taken(row(1, suspect=True), row(2)) == [1]
    assert taken(row(1), row(2, suspect=True)) == [1]


def test_what_was_lost_stays_suspect() -> None:
    """A recovered row is marked, also when it is given back before it ran."""
    (take,) = plan(lost(1)).take
    assert take.suspect
    (take,) = plan(row(1, suspect=True)).take
    assert take.suspect
    (take,) = plan(row(1)).take
    assert not take.suspect


@pytest.mark.parametrize(
    ("alone", "died", "counted"), [(True, True, 1), (True, False, 0), (False, True, 0), (False, False, 0)]
)
def test_only_a_death_while_alone_counts(alone: bool, died: bool, counted: int) -> None:
    """A row is charged with a death only when its worker died, not fell silent, and ran nothing else in that batch."""
    (take,) = plan(lost(1, alone=alone, worker_died=died)).take
    assert take.crashes == counted


def test_a_row_that_waits_is_charged_with_nothing() -> None:
    """That a row's last worker died later says nothing of a row that had been settled or given back before."""
    (take,) = plan(row(1, alone=True, worker_died=True, crashes=1)).take
    assert take.crashes == 1


def test_the_last_death_is_poison() -> None:
    """A row that takes down one worker too many ends as poison; the next row is taken."""
    almost = lost(1, alone=True, worker_died=True, crashes=POISON_CRASHES - 2)
    assert (taken(almost), dropped(almost)) == ([1], [])
    killer = lost(1, alone=True, worker_died=True, crashes=POISON_CRASHES - 1)
    assert dropped(killer, row(2)) == [(1, Reason.POISON)]
    assert taken(killer, row(2)) == [2]
    (drop,) = plan(killer).drop
    assert drop.crashes == POISON_CRASHES
    assert f"{POISON_CRASHES} times" in drop.error


@pytest.mark.parametrize(("deadline_ms", "ends"), [(NOW_MS - 1, True), (NOW_MS, True), (NOW_MS + 1, False)])
def test_a_row_past_its_deadline_expires(deadline_ms: int, ends: bool) -> None:
    """A row whose deadline has passed before its first run ends as expired and does not hold up the next."""
    late = row(1, deadline_ms=deadline_ms)
    assert dropped(late, row(2)) == ([(1, Reason.EXPIRED)] if ends else [])
    assert taken(late, row(2)) == ([2] if ends else [1, 2])


def test_a_row_that_had_started_does_not_expire() -> None:
    """A lost row had started in time: it is run again, not expired."""
    assert taken(lost(1, deadline_ms=NOW_MS - 1)) == [1]


@pytest.mark.parametrize("candidate", [lost(1, cancel_requested=True), row(1, cancel_requested=True)])
def test_a_cancelled_row_is_not_run_again(candidate: Candidate) -> None:
    """A row that an operator cancelled while its handler ran ends as cancelled when it comes back."""
    assert dropped(candidate, row(2)) == [(1, Reason.CANCELLED)]
    assert taken(candidate, row(2)) == [2]


def test_a_cancel_comes_before_everything() -> None:
    """What an operator decided is the reason that is told."""
    worst = lost(1, cancel_requested=True, alone=True, worker_died=True, crashes=99, deadline_ms=1)
    assert dropped(worst) == [(1, Reason.CANCELLED)]


def test_a_claim_brings_only_so_many_bytes() -> None:
    """Bodies that together are too large for one claim come in several; a single larger one comes alone."""
    third = CLAIM_MAX_BYTES // 3
    assert taken(*(row(seq, body_size=third) for seq in range(5))) == [0, 1, 2]
    assert taken(row(1, body_size=CLAIM_MAX_BYTES * 2), row(2)) == [1]
    assert taken(row(1), row(2, body_size=CLAIM_MAX_BYTES), row(3)) == [1]


def test_rows_that_end_take_no_room() -> None:
    """The size of a row that ends without a run does not count against the claim."""
    ends = row(1, cancel_requested=True, body_size=CLAIM_MAX_BYTES)
    assert taken(ends, row(2, body_size=CLAIM_MAX_BYTES)) == [2]


CANDIDATES = st.lists(
    st.builds(
        row,
        st.integers(),
        state=st.sampled_from([State.WAITING, State.PROCESSING]),
        suspect=st.booleans(),
        alone=st.booleans(),
        worker_died=st.booleans(),
        crashes=st.integers(0, 4),
        cancel_requested=st.booleans(),
        deadline_ms=st.none() | st.integers(NOW_MS - 1, NOW_MS + 1),
        body_size=st.integers(0, CLAIM_MAX_BYTES),
    ),
    max_size=8,
)


@given(CANDIDATES)
def test_every_plan_keeps_its_promises(candidates: list[Candidate]) -> None:
    """No row is skipped, none taken twice, no suspect in company, and something happens as long as there are rows."""
    made = plan(*candidates)
    handled = [take.row for take in made.take] + [drop.row for drop in made.drop]
    assert bool(handled) is bool(candidates)
    positions = [next(n for n, one in enumerate(candidates) if one is row) for row in handled]
    assert sorted(positions) == list(range(len(positions))), "what is handled is a prefix of what was found"
    assert len(made.take) == 1 or not any(take.suspect for take in made.take)
