"""Due times as a sender gives them, and priorities."""

from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.handlers.context import Outbox
from broker.messages.catch_up import CatchUp
from broker.messages.due import EARLIEST_MS, LATEST_MS, UNUSABLE_AT, at_ms, checked_at
from broker.messages.message import Command, Event
from broker.messages.priority import checked_priority
from broker.runtime.app import App

NOW = datetime(2026, 11, 22, 9, 30, tzinfo=UTC)
NOW_US = round(NOW.timestamp() * 1_000_000)


class Plain(Command[None]):
    kind = "test.plain"


class Urgent(Command[None]):
    kind = "test.urgent"
    priority = 7


class Kept(Event):
    kind = "test.kept"
    keep_last = True


def outbox() -> Outbox:
    """Return an outbox whose time is NOW."""
    return Outbox(source="app", seed=("seed",), user="", now_us=lambda: NOW_US)


@given(st.timedeltas(timedelta(microseconds=1), timedelta(days=365_000)), st.integers(-14, 14))
def test_a_due_time_is_never_early(wait: timedelta, hours: int) -> None:
    """In whatever time zone it is given: it is the next whole millisecond, not before the time that was asked for."""
    at = (NOW + wait).astimezone(timezone(timedelta(hours=hours)))
    due = at_ms(at, NOW_US)
    assert due is not None
    assert (
        timedelta(0) <= datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=due) - at < timedelta(milliseconds=1)
    )


@pytest.mark.parametrize("at", [None, NOW, NOW - timedelta(seconds=1), datetime.min.replace(tzinfo=UTC)])
def test_the_past_is_now(at: datetime | None) -> None:
    """No due time, or one that has come, is at once."""
    assert at_ms(at, NOW_US) is None


def test_the_end_of_time_is_one() -> None:
    """The last time that a datetime can be is shown and stored."""
    assert at_ms(datetime.max.replace(tzinfo=UTC), NOW_US) == LATEST_MS


@pytest.mark.parametrize(
    ("at", "error", "named"),
    [
        (datetime(2026, 11, 22, 9, 30), ValueError, "2026-11-22T09:30:00 does not say in which time zone"),  # noqa: DTZ001
        (date(2026, 11, 22), TypeError, "datetime.now"),
        (10, TypeError, "at=10 is no datetime"),
        ("+10m", TypeError, "no datetime"),
        (timedelta(minutes=10), TypeError, "no datetime"),
    ],
)
def test_what_is_no_due_time_is_refused(at: Any, error: type[Exception], named: str) -> None:
    """A time without zone, or anything else, is refused with what to give instead, and nothing is sent."""
    box = outbox()
    with pytest.raises(error, match=named):
        box.send(Plain(), to="a", at=at)
    assert not box.effects()


@pytest.mark.parametrize(
    ("value", "kept"),
    [(None, None), (EARLIEST_MS, EARLIEST_MS), (LATEST_MS, LATEST_MS), (0, UNUSABLE_AT), (2**70, UNUSABLE_AT)],
)
def test_a_foreign_due_time_is_one_or_visibly_none(value: int | None, kept: int | None) -> None:
    """What is out of range becomes the value that no message is handled with."""
    assert checked_at(value) == kept


@pytest.mark.parametrize("priority", [-1, 10, 2**70, True, 1.0, "5"])
def test_what_is_no_priority_is_refused(priority: Any) -> None:
    """A priority is a whole number from 0 to 9, in a send and in a class, and the error names it."""
    with pytest.raises(ValueError, match="0 to 9"):
        checked_priority(priority)
    with pytest.raises(ValueError, match=r"priority=.* must be a whole number from 0 to 9"):
        outbox().send(Plain(), to="a", priority=priority)
    with pytest.raises(TypeError, match=r"Wrong\.priority=.* must be a whole number from 0 to 9"):
        type("Wrong", (Plain,), {"priority": priority, "__module__": __name__, "__annotations__": {}})


def test_a_class_has_its_priority() -> None:
    """A message is sent with its class's priority unless its sender says otherwise, 0 included."""
    box = outbox()
    box.send(Plain(), to="a")
    box.send(Urgent(), to="a")
    box.send(Urgent(), to="a", priority=0)
    assert [envelope.priority for envelope in box.effects().sent] == [0, 7, 0]


@pytest.mark.filterwarnings("ignore:Field name:UserWarning")
def test_a_body_cannot_hide_what_the_class_says() -> None:
    """A field called priority or, in an event, keep_last is refused when the class is made."""
    with pytest.raises(TypeError, match="priority is a field"):
        type("Wrong", (Plain,), {"__annotations__": {"priority": int}, "__module__": __name__})
    with pytest.raises(TypeError, match="keep_last is a field"):
        type("Wrong", (Kept,), {"__annotations__": {"keep_last": bool}, "__module__": __name__})


def test_only_what_is_published_is_kept() -> None:
    """An event that is sent to one app is none that a later subscriber should find."""
    box = outbox()
    box.publish(Kept())
    box.send(Kept(), to="a")
    effects = box.effects()
    assert [envelope.keep_last for envelope in (*effects.events, *effects.sent)] == [True, False]


def test_an_app_names_its_choice() -> None:
    """What is no choice of older events is refused, naming the choices."""
    with pytest.raises(ValueError, match=r"CatchUp\.NOTHING or CatchUp\.LAST"):
        App(address="a", registry=[], resource=None, catch_up="all")  # type: ignore[arg-type]
    assert App(address="a", registry=[], resource=None).catch_up is CatchUp.NOTHING  # type: ignore[arg-type]
