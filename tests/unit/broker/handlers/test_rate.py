"""The rate limit: when a message may start, and that none overtakes another."""

import math
import random
from typing import Any

import pytest

from broker.handlers.rate import Limit, Limits, Rate

SOON = 0.01
"""When the table gives a row that is due, at the latest: after what the two clocks may differ."""


@pytest.mark.parametrize(
    ("count", "per_seconds"),
    [(0, 1), (-1, 1.0), (1, 0), (1, -1.0), (1, math.inf), (1, math.nan), (1.5, 1), (True, 1), ("1", 1), (1, None)],
)
def test_a_rate_that_cannot_be_kept_is_refused(count: Any, per_seconds: Any) -> None:
    """A wrong rate is refused when it is written, showing what was given."""
    with pytest.raises((TypeError, ValueError), match=r"Rate\(count=.*per_seconds"):
        Rate(count, per_seconds)


def test_so_many_may_start_at_once() -> None:
    """As many as the rate allows start at once; the next waits until the first of them is old enough, and no longer."""
    limit = Limit(Rate(2, 10.0))
    assert limit.wait_seconds(1, 0.0, 0.0) is None
    assert limit.wait_seconds(2, 4.0, 4.0) is None
    assert limit.wait_seconds(3, 5.0, 5.0) == 5.0
    assert limit.wait_seconds(3, 9.9, 9.9) == pytest.approx(0.1)
    assert limit.wait_seconds(3, 10.0, 10.0) is None
    assert limit.wait_seconds(4, 10.0, 10.0) == 4.0


def test_those_who_wait_get_a_slot_each() -> None:
    """A backlog is told once when each of it may start, so that it is not claimed again and again."""
    limit = Limit(Rate(2, 10.0))
    assert [limit.wait_seconds(seq, 0.0, 0.0) for seq in range(1, 8)] == [None, None, 10.0, 10.0, 20.0, 20.0, 30.0]


def test_none_overtakes_after_a_stall() -> None:
    """When a worker comes late to several that are due, one starts, the others move on, and later ones stay behind them."""
    limit = Limit(Rate(1, 1.0))
    assert [limit.wait_seconds(seq, 0.0, 0.0) for seq in range(1, 6)] == [None, 1.0, 2.0, 3.0, 4.0]
    # Rows 2, 3 and 4 are due; row 5 is told 4.0 and is claimed then, together with row 3.
    assert [limit.wait_seconds(seq, 3.5, 3.5) for seq in (2, 3, 4)] == [None, 1.0, 2.0]
    assert limit.wait_seconds(5, 4.0, 4.0) == 2.5
    assert limit.wait_seconds(3, 4.5, 4.5) is None


def test_who_ended_otherwise_is_not_waited_for() -> None:
    """One that was cancelled while it waited delays those behind it no longer than until its own time."""
    limit = Limit(Rate(1, 1.0))
    assert [limit.wait_seconds(seq, 0.0, 0.0) for seq in (1, 2, 3)] == [None, 1.0, 2.0]
    assert limit.wait_seconds(3, 2.0, 2.0) is None
    assert limit.wait_seconds(4, 3.0, 3.0) is None


def test_who_became_due_after_the_table_was_asked_is_waited_for() -> None:
    """A message that the last claim could not see yet is not taken for gone, though its time has come meanwhile."""
    limit = Limit(Rate(1, 1.0))
    assert [limit.wait_seconds(seq, 0.0, 0.0) for seq in (1, 2)] == [None, 1.0]
    assert limit.wait_seconds(3, 1.2, 0.9) == pytest.approx(1.0)
    assert limit.wait_seconds(2, 1.3, 1.3) is None


def test_a_successor_knows_who_waits() -> None:
    """Recalled from the table, those who wait are not overtaken by what was sent later."""
    limits = Limits({"a": Rate(1, 1.0), "b": Rate(1, 1.0)})
    limits.recall([("a", 2, 5.0), ("a", 1, 4.0)])
    assert limits.kinds == ("a", "b")
    wait = limits.wait_seconds("a", 3, 0.0, 0.0)
    assert wait == 5.0
    assert limits.wait_seconds("b", 4, 0.0, 0.0) is None
    assert limits.wait_seconds("unlimited", 5, 0.0, 0.0) is None
    assert limits.wait_seconds("a", 1, 4.0, 4.0) is None


@pytest.mark.parametrize("chance", [random.Random(n) for n in range(60)], ids=range(60))
def test_rate_and_order_are_kept(chance: random.Random) -> None:
    """However late a worker comes, whatever is cancelled: no window holds more starts, all start in order, none is forgotten."""
    rate = Rate(chance.randint(1, 3), chance.choice([0.5, 1.0, 7.0]))
    limit = Limit(rate)
    due = dict.fromkeys(range(1, 40), 0.0)
    arrives = {seq: chance.uniform(0, 10) for seq in due}
    order = sorted(due, key=arrives.__getitem__)
    rows = {place: arrives[seq] for place, seq in enumerate(order)}
    due = dict(rows)
    now, started = 0.0, []
    while due:
        asked = now
        claimed = sorted(seq for seq, at in due.items() if at + SOON <= asked)[: chance.choice([1, 3, 10])]
        for seq in claimed:
            now += chance.choice([0.0, 0.001, 0.3, 2.0]) * chance.random()
            wait = limit.wait_seconds(seq, now, asked)
            if wait is None:
                started.append((now, seq))
                del due[seq]
            else:
                due[seq] = now + wait
        if due and chance.random() < 0.1:
            del due[chance.choice(list(due))]
        now += chance.choice([0.0, 0.01, 0.5, 3.0])
    assert [seq for _, seq in started] == sorted(seq for _, seq in started)
    for (first, _), (last, _) in zip(started, started[rate.count :], strict=False):
        assert last - first >= rate.per_seconds - 1e-6
    assert limit._queue == sorted(limit._queue)
    assert set(limit._queue) == set(limit._due)
