"""States, reasons and legal moves: the one place that knows."""

from itertools import product

import pytest

from broker.errors import IllegalMove
from broker.lifecycle.state import LEGAL_MOVES, Reason, State, move, sources_of

LEGAL = {
    (State.WAITING, State.PROCESSING),
    (State.WAITING, State.FAILED),
    (State.PROCESSING, State.PROCESSING),
    (State.PROCESSING, State.SUCCEEDED),
    (State.PROCESSING, State.FAILED),
    (State.PROCESSING, State.WAITING),
    (State.FAILED, State.WAITING),
}
"""Every move that the design allows; all others are refused."""


@pytest.mark.parametrize(("current", "target"), list(product(State, State)))
def test_every_move_is_legal_or_refused(current: State, target: State) -> None:
    """A move is made when it is legal; any other is refused with both states and where the row may go instead."""
    if (current, target) in LEGAL:
        assert move(current, target) is target
        return
    with pytest.raises(IllegalMove) as caught:
        move(current, target)
    text = str(caught.value)
    assert f"is {current} may not become {target}" in text
    allowed = [state.value for state in LEGAL_MOVES[current]]
    assert all(state in text.rpartition("it may go to ")[2] for state in allowed or ["nowhere"])


@pytest.mark.parametrize("target", State)
def test_sources_are_the_legal_moves_backwards(target: State) -> None:
    """From where a row may become a state follows from the legal moves."""
    assert sources_of(target) == {current for current, to in LEGAL if to is target}


def test_final_states_are_those_that_no_worker_leaves() -> None:
    """A row in a final state is moved by an operator or not at all."""
    assert {state for state in State if state.final} == {State.SUCCEEDED, State.FAILED}


def test_the_words_are_those_of_the_design() -> None:
    """States and reasons are on the wire, in the database and in listings: their words never change."""
    assert {state.value for state in State} == {"waiting", "processing", "succeeded", "failed"}
    assert {reason.value for reason in Reason} == {
        "rejected",
        "error",
        "timeout",
        "invalid",
        "unhandled",
        "expired",
        "cancelled",
        "poison",
    }
