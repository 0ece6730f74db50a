"""What wakes a worker, and whether it has reason to claim."""

import threading

import pytest

from broker.lifecycle.clock import ManualClock
from broker.runtime.alarm import DUE_MARGIN_SECONDS, Alarm


class Waits(threading.Event):
    """An event that notes how long is waited for it, and waits no longer than a test has time for."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[float | None] = []

    def wait(self, timeout: float | None = None) -> bool:
        """Note it; return whether the event is set."""
        self.asked.append(timeout)
        return self.is_set()


@pytest.fixture
def event() -> Waits:
    """The event that the alarm sets."""
    return Waits()


@pytest.fixture
def clock() -> ManualClock:
    """A clock that the test moves."""
    return ManualClock()


@pytest.fixture
def alarm(clock: ManualClock, event: Waits) -> Alarm:
    """The alarm of a worker that has sought once."""
    made = Alarm(clock, event)
    assert made.seeks()
    return made


def test_a_worker_begins_by_seeking(clock: ManualClock) -> None:
    """What waits since before it started is claimed without a ring; once."""
    alarm = Alarm(clock, threading.Event())
    assert alarm.seeks()
    assert not alarm.seeks()


def test_a_ring_wakes_and_says_nothing_of_the_table(alarm: Alarm, event: Waits) -> None:
    """Whether deliveries are a reason to claim is for whoever looks at them."""
    alarm.ring()
    assert event.is_set()
    alarm.wait(None)
    assert not event.is_set()
    assert not alarm.seeks()


def test_a_reason_to_claim_wakes_and_is_kept(alarm: Alarm, event: Waits) -> None:
    """A reason stays until the worker has come so far as to ask for it, however often it is woken before."""
    alarm.seek()
    assert event.is_set()
    alarm.wait(None)
    alarm.ring()
    alarm.wait(None)
    assert alarm.seeks()
    assert not alarm.seeks()


@pytest.mark.parametrize("rung", [False, True])
def test_after_a_pause_it_seeks(alarm: Alarm, event: Waits, rung: bool) -> None:
    """Something was left undone before a pause: that a delivery ended it early is no reason to leave it."""
    if rung:
        alarm.ring()
    alarm.wait(0.25)
    assert event.asked == [0.25]
    assert alarm.seeks()


def test_it_wakes_when_the_first_row_is_due(alarm: Alarm, event: Waits, clock: ManualClock) -> None:
    """It waits for the row that is due first, seeks then, and waits for the next one."""
    alarm.due_later(5_000_000)
    alarm.due_later(2_000_000)
    alarm.wait(None)
    assert not alarm.seeks()
    clock.advance(2 + DUE_MARGIN_SECONDS)
    alarm.wait(None)
    assert alarm.seeks()
    alarm.wait(None)
    assert not alarm.seeks()
    clock.advance(3)
    alarm.wait(None)
    assert alarm.seeks()
    alarm.wait(None)
    assert event.asked == [pytest.approx(2 + DUE_MARGIN_SECONDS), 0.0, pytest.approx(3), 0.0, None]


def test_a_row_that_is_due_while_it_is_rung_is_not_forgotten(alarm: Alarm, clock: ManualClock) -> None:
    """A ring at the same time does not take the place of the reason to claim."""
    alarm.due_later(0)
    clock.advance(1)
    alarm.ring()
    alarm.wait(None)
    assert alarm.seeks()
