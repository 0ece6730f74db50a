"""The retry policy: from an exception and a count to a decision."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.handlers.retry import NO_RETRY, Backoff


def always(chance: float) -> Callable[[], float]:
    """Return a source of chance that always says the same."""
    return lambda: chance


def test_pauses_grow_to_their_ceiling() -> None:
    """Each pause is the factor times the one before, up to the ceiling."""
    policy = Backoff(attempts=9, first=1.0, factor=2.0, ceiling=10.0, jitter=0.0)
    assert [policy.pause_seconds(attempt) for attempt in range(1, 7)] == [1.0, 2.0, 4.0, 8.0, 10.0, 10.0]


@pytest.mark.parametrize("attempt", [1_000, 10_000, 10**9])
@pytest.mark.parametrize("factor", [1.0, 2.0, 1e300])
def test_no_attempt_is_too_many_to_compute(attempt: int, factor: float) -> None:
    """However many attempts there were, the pause is a number of seconds up to the ceiling."""
    pause = Backoff(first=1.0, factor=factor, ceiling=60.0, jitter=0.0).pause_seconds(attempt)
    assert pause == (1.0 if factor == 1.0 else 60.0)


@given(
    st.integers(1, 50),
    st.floats(0, 1000),
    st.floats(1, 10),
    st.floats(0, 1000),
    st.floats(0, 1),
    st.floats(0, 1, exclude_max=True),
)
def test_jitter_only_shortens(
    attempt: int, first: float, factor: float, ceiling: float, jitter: float, chance: float
) -> None:
    """Chance takes at most the given part off a pause and never makes it longer."""
    full = Backoff(first=first, factor=factor, ceiling=ceiling, jitter=0.0).pause_seconds(attempt)
    policy = Backoff(first=first, factor=factor, ceiling=ceiling, jitter=jitter)
    pause = policy.pause_seconds(attempt, always(chance))
    assert full * (1 - jitter) * 0.999999 <= pause <= full * 1.000001


def test_jitter_is_drawn_each_time() -> None:
    """Messages that failed together do not come back together."""
    policy = Backoff(first=10.0, jitter=0.5)
    assert len({policy.pause_seconds(1) for _ in range(100)}) > 90


def test_attempts_are_counted_with_the_first_run() -> None:
    """Three attempts are the first run and two more."""
    policy = Backoff(attempts=3)
    assert [policy.allows(attempt, OSError()) for attempt in (1, 2, 3, 4)] == [True, True, False, False]
    assert not NO_RETRY.allows(1, OSError())


def test_only_what_another_attempt_may_mend_is_tried_again() -> None:
    """An exception outside retry_on fails at once; one below a listed class is tried again."""
    policy = Backoff(retry_on=(OSError,))
    assert policy.allows(1, TimeoutError())
    assert not policy.allows(1, ValueError())


@pytest.mark.parametrize(
    "wrong",
    [
        {"attempts": 0},
        {"first": -0.1},
        {"factor": 0.9},
        {"ceiling": -1.0},
        {"jitter": -0.1},
        {"jitter": 1.1},
        {"first": float("inf")},
        {"ceiling": float("inf")},
        {"factor": float("nan")},
        {"jitter": float("nan")},
    ],
    ids=str,
)
def test_a_policy_that_cannot_work_is_refused_when_it_is_written(wrong: dict[str, float]) -> None:
    """A value that makes no sense raises ValueError that shows the policy and what is allowed."""
    with pytest.raises(ValueError, match=r"Backoff\(.*attempts >= 1, first >= 0") as caught:
        Backoff(**wrong)  # type: ignore[arg-type]
    name, value = next(iter(wrong.items()))
    assert f"{name}={value}" in str(caught.value)
