"""Comparing two looks at the chassis as a system: which changes are events, and which notifications are new."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from lantime.contract import NotificationsRecord, SystemRecord
from lantime.status.led import MOST_LEDS, Led, LedColour
from lantime.status.notification import Notification, Severity
from lantime.status.states import ClockState
from lantime.status.system import SyncStatus, SystemStatus
from modular_parent.system import newly_triggered, notifications_seen, system_change, system_seen

NOW = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)
ALARM_OFF = Led(name="alarm", colour=LedColour.OFF, lit=False)
ALARM_RED = Led(name="alarm", colour=LedColour.RED, lit=True)


def status(
    reference: str | None = "clk1-tcr", clock: str | None = "synchronized", *leds: Led, **more: Any
) -> SystemStatus:
    """Return what a device reports."""
    sync = SyncStatus(reference=reference, clock=ClockState.read(clock), clock_raw=clock)
    return SystemStatus(reported=True, sync=sync, leds=leds, **more)


def look(known: SystemRecord | None, *args: Any, **more: Any) -> SystemRecord:
    """Return the record after a look at such a status."""
    record = system_seen(known, status(*args, **more), NOW)
    assert record is not None
    return record


def test_a_first_look_is_no_change() -> None:
    """What is seen for the first time is kept, and is no event."""
    first = look(None, "clk1-tcr", "synchronized", ALARM_OFF)
    assert first.state.reference == "clk1-tcr"
    assert system_change(None, first) is None


@pytest.mark.parametrize(
    "after",
    [
        ("clk2-tcr", "synchronized", ALARM_OFF),
        ("none", "synchronized", ALARM_OFF),
        ("clk1-tcr", "holdover", ALARM_OFF),
        ("clk1-tcr", "some new word", ALARM_OFF),
        ("clk1-tcr", "synchronized", ALARM_RED),
    ],
)
def test_reference_clock_and_leds_are_events(after: tuple[Any, ...]) -> None:
    """Another reference, another state of the clock and another LED are one event each, with what was before."""
    first = look(None, "clk1-tcr", "synchronized", ALARM_OFF)
    second = look(first, *after)
    change = system_change(first, second)
    assert change is not None
    assert (change.before, change.after, change.observed_at) == (first.state, second.state, NOW)
    assert system_change(second, look(second, *after)) is None


def test_load_and_uptime_are_no_events() -> None:
    """What differs with every poll changes nothing."""
    first = look(None, uptime_seconds=1.0, cpu_load="0.1")
    assert system_change(first, look(first, uptime_seconds=2.0, cpu_load="0.9")) is None


def test_what_a_device_does_not_tell_once_is_no_change() -> None:
    """A reference, clock or LED that is not told one time stays as told last, and is compared with that."""
    first = look(None, "clk1-tcr", "synchronized", ALARM_OFF)
    silent = look(first, None, None)
    assert silent.state == first.state
    assert system_change(first, silent) is None
    untold = look(first, "clk1-tcr", "synchronized", Led(name="alarm"))
    assert untold.state.leds == (ALARM_OFF,)
    assert system_change(silent, look(silent, "clk2-tcr", None)) is not None
    assert system_seen(first, SystemStatus(), NOW) is first


def test_what_is_told_for_the_first_time_is_no_change() -> None:
    """A device that begins to tell reference, clock or another LED has not changed by that."""
    first = look(None, None, None)
    assert system_change(first, look(first, "clk1-tcr", "synchronized", ALARM_OFF)) is None


def test_leds_that_come_and_go_do_not_pile_up() -> None:
    """However many names a device makes up, those of now are kept, and of the others only some."""
    record = look(None, "clk1-tcr", "synchronized", ALARM_OFF)
    for number in range(100):
        record = look(record, "clk1-tcr", "synchronized", ALARM_OFF, Led(name=f"led-{number}", colour=LedColour.RED))
    assert len(record.state.leds) == MOST_LEDS
    assert {"alarm", "led-99"} <= {led.name for led in record.state.leds}


def note(name: str, triggered: bool | None = False, at: int | None = None) -> Notification:
    """Return a notification that last happened so many seconds after NOW."""
    return Notification(
        id=name,
        severity=Severity.ERROR,
        triggered=triggered,
        last_triggered=None if at is None else NOW + timedelta(seconds=at),
    )


def new(known: NotificationsRecord | None, *seen: Notification) -> tuple[NotificationsRecord, list[str]]:
    """Return the record after a look, and the ids that are new."""
    after = notifications_seen(known, seen)
    return after, [event.id for event in newly_triggered(known, after, NOW)]


@pytest.fixture
def known() -> NotificationsRecord:
    """Two notifications: one that held before, one that never did."""
    return new(None, note("sync", True, 0), note("not-sync"))[0]


def test_the_first_look_publishes_no_old_ones() -> None:
    """What was triggered before anybody looked is not new, not even when the list was empty at first."""
    assert new(None, note("sync", True, 0))[1] == []
    empty = new(None)[0]
    assert new(empty, note("sync", True, 0))[1] == []


def test_a_notification_is_new_once(known: NotificationsRecord) -> None:
    """One that is triggered is published once, with its time and severity, and not again while it holds."""
    after = notifications_seen(known, (note("sync", True, 0), note("not-sync", True, 5)))
    (event,) = newly_triggered(known, after, NOW + timedelta(seconds=7))
    assert (event.id, event.text, event.severity, event.triggered) == ("not-sync", "not sync", Severity.ERROR, True)
    assert (event.triggered_at, event.observed_at) == (NOW + timedelta(seconds=5), NOW + timedelta(seconds=7))
    assert new(after, note("sync", True, 0), note("not-sync", True, 5))[1] == []
    assert new(after, note("sync", True, 0), note("not-sync", False, 5))[1] == []


def test_what_came_and_went_between_two_polls_is_new(known: NotificationsRecord) -> None:
    """A notification whose time moved is published although it does not hold any more, or held before and after."""
    after, ids = new(known, note("sync", True, 9), note("not-sync", False, 5))
    assert ids == ["not-sync", "sync"]
    assert new(after, note("sync", True, 9), note("not-sync", False, 5))[1] == []


def test_a_clock_that_was_set_back_hides_nothing(known: NotificationsRecord) -> None:
    """A device whose own clock was wrong triggers at an earlier time, and that is new, too."""
    assert new(known, note("sync", True, -86_400), note("not-sync"))[1] == ["sync"]


def test_a_device_without_times_triggers(known: NotificationsRecord) -> None:
    """A notification without any time is new when it begins to hold, and again after it ended."""
    after, ids = new(known, note("sync", True, 0), note("not-sync", True))
    assert ids == ["not-sync"]
    after, ids = new(after, note("not-sync", None))
    assert ids == []
    after, ids = new(after, note("not-sync", False))
    assert new(after, note("not-sync", True))[1] == ["not-sync"]


def test_what_a_list_leaves_out_once_is_not_new_when_it_is_back(known: NotificationsRecord) -> None:
    """A notification that is missing from one answer, or comes without its time, is as it was when it is told again."""
    after, ids = new(known, note("not-sync"))
    assert ids == []
    after, ids = new(after, note("sync", None), note("not-sync"))
    assert ids == []
    assert new(after, note("sync", True, 0), note("not-sync"))[1] == []


def test_another_spelling_is_the_same_notification() -> None:
    """After an update that spells an id differently, its past is not new."""
    old = new(None, note("leap-second-announced", True, 0))[0]
    after, ids = new(old, note("leapsecond-announced", True, 0))
    assert ids == []
    assert [one.id for one in after.entries] == ["leapsecond-announced"]


def test_an_id_that_an_update_adds_brings_no_past(known: NotificationsRecord) -> None:
    """An id that was not listed before is new only when it was triggered after everything known."""
    assert new(known, note("older", True, -5), note("fresh", False, 5), note("none"))[1] == ["fresh"]
    assert new(known, note("timeless", True))[1] == ["timeless"]
