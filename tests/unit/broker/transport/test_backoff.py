"""Waiting before the next attempt."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from broker.transport.rabbitmq.backoff import Backoff


def test_waits_double_up_to_the_ceiling() -> None:
    """Without chance the waits are first, twice that, and so on, and never more than the ceiling."""
    backoff = Backoff(0.1, 1.0, chance=lambda: 0.0)
    assert [round(backoff.next_delay(), 3) for _ in range(6)] == [0.1, 0.2, 0.4, 0.8, 1.0, 1.0]
    backoff.reset()
    assert backoff.next_delay() == 0.1


@given(st.integers(0, 5000), st.floats(0.0, 1.0, exclude_max=True))
def test_a_wait_is_never_shorter_than_half_nor_longer_than_the_ceiling(failures: int, chance: float) -> None:
    """However many failures, chance shortens a wait by at most half, and nothing overflows."""
    backoff = Backoff(0.2, 15.0, chance=lambda: chance)
    for _ in range(failures):
        backoff.next_delay()
    assert 0.1 <= backoff.next_delay() <= 15.0
