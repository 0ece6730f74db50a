"""What a run measures, for its arguments."""

import pytest

from benchmarks.budgets import BUDGETS
from benchmarks.contender import CONTENDERS, ONE_COMMIT, OURS_PG, Metric
from benchmarks.plan import ALL, OTHERS, QUICK, plan


def test_the_full_run_has_everything() -> None:
    """Every contender races, and all nine budgets are measured."""
    whole = plan(quick=False)
    assert {contender.name for contender, _ in whole.races} == {each.name for each in CONTENDERS}
    assert set(OTHERS.values()) <= set(whole.others)
    assert {str(number) for number in ALL} == {budget.id[0] for budget in BUDGETS}


def test_the_quick_run_has_what_it_says() -> None:
    """The quick run measures budgets 1 to 4, 7 and 8, with a peer of either sort."""
    quick = plan(quick=True)
    assert QUICK == (1, 2, 3, 4, 7, 8)
    assert {OTHERS[7], OTHERS[8]} <= set(quick.others)
    assert not {OTHERS[5], OTHERS[6], OTHERS[9]} & set(quick.others)
    racing = {contender.name: contender for contender, _ in quick.races}
    peers = [
        each for each in racing.values() if "benchmarks.contenders.our" not in each.module and "raw" not in each.name
    ]
    assert {bool(each.tracks) for each in peers} == {False, True}


def test_a_budget_needs_only_its_own_part() -> None:
    """A chosen budget is measured with what it is compared with, and nothing else is."""
    races = {(contender.name, metric) for contender, metric in plan(quick=False, budgets=[4]).races}
    assert races == {(OURS_PG, Metric.WAKE_UP_P50), (ONE_COMMIT, Metric.WAKE_UP_P50)}
    assert not plan(quick=False, budgets=[4]).others
    assert plan(quick=True, budgets=[9]).others == [OTHERS[9]]
    assert not plan(quick=True, budgets=[9]).races


@pytest.mark.parametrize("quick", [False, True])
def test_contenders_can_be_chosen(*, quick: bool) -> None:
    """A text chooses the contenders with it in their name, those that the quick run leaves out too, and nothing else."""
    chosen = plan(quick=quick, only=["celery"])
    assert {contender.name for contender, _ in chosen.races} == {
        "Celery, solo",
        "Celery, prefork, results in PostgreSQL",
    }
    assert not chosen.others
