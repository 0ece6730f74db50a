"""What a look means for the alarms: raised, kept, cleared, damped."""

from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lantime.alarms.finding import Finding
from lantime.alarms.rules import AlarmRules
from lantime.alarms.specs import SPECS
from lantime.alarms.step import AlarmMemory, Place, Step, dismiss, step
from lantime.contract import ActiveAlarm, Alarm, AlarmCleared, AlarmDetails, AlarmRaised

BEGIN = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
PLACE = Place(app="m1000-a.clk1", chassis="m1000-a")
RULES = AlarmRules()
KEY = "jitter.clk1"


def jitter(bad: bool | None, **more: bool | None) -> list[Finding]:
    """Return a look that sees (or not) a time code with jitter, and nothing else."""
    return [Finding(alarm=Alarm.JITTER, slot="clk1", facts={"tcap-exceeded": bad, **more})]


def source(value: str | None) -> list[Finding]:
    """Return a look that sees which source is followed, and nothing else."""
    return [Finding(alarm=Alarm.SOURCE_CHANGED, slot="clk1", value=value)]


class Course:
    """Looks one after the other, each with what the last one left."""

    def __init__(self, rules: AlarmRules = RULES) -> None:
        self.rules = rules
        self.alarms: Mapping[str, ActiveAlarm] = {}
        self.memory = AlarmMemory()
        self.events: list[AlarmRaised | AlarmCleared] = []
        self.last: Step | None = None

    def see(self, look: list[Finding] | None, at: float) -> list[str]:
        """Take a look some seconds after the beginning; return what was told: ``raised jitter``, …."""
        now = BEGIN + timedelta(seconds=at)
        self.last = step(PLACE, self.alarms, self.memory, look, now=now, rules=self.rules)
        self.alarms, self.memory = self.last.alarms, self.last.memory
        self.events += self.last.events
        return [
            f"{'cleared' if isinstance(each, AlarmCleared) else 'raised'} {each.alarm}" for each in self.last.events
        ]

    def dismiss(self, key: str, at: float) -> None:
        """Let an operator end an alarm some seconds after the beginning."""
        now = BEGIN + timedelta(seconds=at)
        done = dismiss(PLACE, self.alarms, self.memory, key, now=now, rules=self.rules)
        self.alarms, self.memory = done.alarms, done.memory
        self.events += done.events

    def cleared(self) -> AlarmCleared:
        """Return what was told last, which must be that an alarm is over."""
        event = self.events[-1]
        assert isinstance(event, AlarmCleared)
        return event


def test_an_alarm_is_raised_at_once_and_cleared_when_it_was_gone_long_enough() -> None:
    """One bad look raises, a good one begins the quiet time, after it the alarm is over since the good look."""
    course = Course()
    assert course.see(jitter(True), 0) == ["raised jitter"]
    assert course.see(jitter(False), 30) == []
    assert course.last is not None
    assert course.last.quiet_in == timedelta(seconds=10)
    assert course.see(None, 39) == []
    assert course.see(None, 40) == ["cleared jitter"]
    assert course.alarms == {}
    cleared = course.cleared()
    assert (cleared.duration_seconds, cleared.cleared_at) == (30.0, BEGIN + timedelta(seconds=30))
    raised = course.events[0]
    assert raised.correlation_key == cleared.correlation_key
    assert (raised.chassis, raised.slot, raised.severity) == ("m1000-a", "clk1", SPECS[Alarm.JITTER].severity)
    assert raised.details.facts == ("tcap-exceeded",)


def test_what_comes_back_within_the_quiet_time_is_the_same_alarm() -> None:
    """An alarm that is gone for a moment is not told twice; how often it came back is."""
    course = Course()
    course.see(jitter(True), 0)
    for at in (10, 20, 30):
        assert course.see(jitter(False), at) == []
        assert course.see(jitter(True), at + 5) == []
    course.see(jitter(False), 40)
    assert course.see(jitter(False), 50) == ["cleared jitter"]
    assert (course.cleared().returns, course.cleared().duration_seconds) == (3, 40.0)


def test_a_bad_look_after_the_quiet_time_is_another_alarm() -> None:
    """Without any look in between the alarm is over all the same: it is cleared, then raised anew with another key."""
    course = Course()
    course.see(jitter(True), 0)
    course.see(jitter(False), 5)
    assert course.see(jitter(True), 15) == ["cleared jitter", "raised jitter"]
    assert len({event.correlation_key for event in course.events}) == 2


def test_what_is_not_reported_leaves_an_alarm_as_it_is() -> None:
    """None neither raises nor clears; the alarm says since when it is not confirmed, until it is again."""
    course = Course()
    assert course.see(jitter(None), 0) == []
    course.see(jitter(True), 1)
    for at in (2, 3):
        assert course.see(jitter(None), at) == []
    assert course.see([], 4) == [], "nor does a look that does not mention it"
    alarm = course.alarms[KEY]
    assert (alarm.unconfirmed_since, alarm.gone_since) == (BEGIN + timedelta(seconds=2), None)
    course.see(jitter(True), 5)
    assert course.alarms[KEY].unconfirmed_since is None
    course.see(jitter(None), 6)
    course.see(jitter(False), 7)
    assert course.alarms[KEY].unconfirmed_since is None


def test_an_alarm_stands_until_each_of_its_bad_facts_is_good() -> None:
    """Another fact that is good does not clear what a fact raised that is not reported any more."""
    course = Course()
    course.see(jitter(True, other=None), 0)
    course.see(jitter(None, other=False), 1)
    assert course.alarms[KEY].gone_since is None
    course.see(jitter(False, other=True), 2)
    assert course.alarms[KEY].standing == ("other",)
    course.see(jitter(None, other=False), 3)
    assert course.alarms[KEY].gone_since == BEGIN + timedelta(seconds=3)


def test_time_alone_does_not_make_an_alarm_unconfirmed() -> None:
    """Settling clears what was quiet and changes nothing else; an obsolete one does nothing at all."""
    course = Course()
    course.see(jitter(True), 0)
    before = course.alarms
    assert course.see(None, 1000) == []
    assert course.alarms == before
    course.see(jitter(False), 1001)
    gone = course.alarms
    assert course.see(None, 500) == []
    assert course.alarms == gone


def test_flapping_is_told_once() -> None:
    """Raised more than three times in ten minutes it is marked, stays active, and is cleared after ten quiet minutes."""
    course = Course()
    told = []
    for at in range(0, 600, 40):
        told += course.see(jitter(True), at)
        told += course.see(jitter(False), at + 20)
    assert Counter(told) == {"raised jitter": 4, "cleared jitter": 3}
    assert [event.flapping for event in course.events if isinstance(event, AlarmRaised)] == [False] * 3 + [True]
    assert course.alarms[KEY].flapping
    assert course.alarms[KEY].returns == 11
    assert course.see(None, 580 + 599) == []
    assert course.see(None, 580 + 600) == ["cleared jitter"]
    assert course.see(jitter(True), 2000) == ["raised jitter"]
    assert not course.alarms[KEY].flapping, "after its quiet time it begins anew"


def test_an_occurrence_is_raised_and_cleared_at_once() -> None:
    """Another source is told as a pair with before and after; the first one, the same one and none are not."""
    course = Course()
    assert course.see(source("irig 0"), 0) == []
    assert course.see(source(None), 1) == []
    assert course.see(source("irig 0"), 2) == []
    assert course.see(source("ptp 0"), 3) == ["raised source-changed", "cleared source-changed"]
    raised, cleared = course.events
    assert raised.correlation_key == cleared.correlation_key
    assert (raised.details.before, raised.details.after) == ("irig 0", "ptp 0")
    assert course.cleared().duration_seconds == 0.0
    assert course.alarms == {}


def test_an_occurrence_flaps_like_any_alarm() -> None:
    """A source that changes all the time is told four times; from then on it is one alarm that flaps."""
    course = Course()
    told = [word for at in range(20) for word in course.see(source(f"ptp {at % 2}"), at)]
    assert Counter(told) == {"raised source-changed": 4, "cleared source-changed": 3}
    alarm = course.alarms["source-changed.clk1"]
    assert (alarm.flapping, alarm.returns, alarm.details.after) == (True, 15, "ptp 1")
    assert course.see(source("ptp 1"), 19 + 600) == ["cleared source-changed"]


def test_a_clock_set_back_clears_all_the_same() -> None:
    """After the clock was set back an hour, a quiet time begins at the next look; no alarm lasts less than no time."""
    course = Course()
    course.see(jitter(True), 3600)
    course.see(jitter(False), 3605)
    assert course.see(jitter(False), 0) == []
    assert course.see(jitter(False), 10) == ["cleared jitter"]
    assert course.cleared().cleared_at == course.cleared().raised_at
    assert course.cleared().duration_seconds == 0.0


def test_raises_of_the_future_are_no_flapping() -> None:
    """What was raised before the clock was set back does not count: it may have been long ago."""
    course = Course()
    for at in range(3600, 3660, 20):
        course.see(jitter(True), at)
        course.see(jitter(False), at + 5)
    course.see(None, 3700)
    course.see(jitter(True), 0)
    assert not course.alarms[KEY].flapping


def test_details_follow_the_last_bad_look() -> None:
    """An alarm that gets worse shows how bad it is now; what raised it stays in its first event."""
    course = Course()
    for at, bound in ((0, 0.001), (1, 0.01)):
        details = AlarmDetails(time_quality_seconds=bound)
        course.see([Finding(alarm=Alarm.TIME_QUALITY, facts={"time-quality": True}, details=details)], at)
    assert course.events[0].details.time_quality_seconds == 0.001
    assert course.alarms["time-quality"].details.time_quality_seconds == 0.01


def test_a_dismissed_alarm_stays_away_until_it_was_good_once() -> None:
    """An operator's word ends it at once; it is raised again only after the device was seen without it."""
    course = Course()
    course.see(jitter(True), 0)
    course.dismiss(KEY, 5)
    cleared = course.cleared()
    assert (cleared.dismissed, cleared.duration_seconds, course.alarms) == (True, 5.0, {})
    for bad in (True, None, True):
        assert course.see(jitter(bad), 6) == []
    assert course.see(jitter(False), 7) == []
    assert course.see(jitter(True), 8) == ["raised jitter"]
    course.see(jitter(False), 9)
    course.dismiss(KEY, 10)
    assert course.see(jitter(True), 11) == ["raised jitter"], "what was gone already needs no second time"


def test_a_text_follows_the_last_bad_look() -> None:
    """What the alarm says is how it is now."""
    course = Course()
    for at, note in enumerate(("first", "second")):
        course.see([Finding(alarm=Alarm.JITTER, facts={"tcap-exceeded": True}, note=note)], at)
    assert course.events[0].text.endswith(": first")
    assert course.alarms["jitter"].text.endswith(": second")


FACT = st.sampled_from([True, False, None])
LOOK = st.one_of(
    st.none(),
    st.builds(
        lambda first, second, missing, value: [
            Finding(alarm=Alarm.JITTER, slot="clk1", facts={"a": first, "b": second}),
            Finding(alarm=Alarm.MODULE_MISSING, slot="clk2", facts={"module": missing}),
            Finding(alarm=Alarm.SOURCE_CHANGED, slot="clk1", value=value),
        ],
        FACT,
        FACT,
        FACT,
        st.sampled_from(["irig 0", "ptp 0", None]),
    ),
)
COURSES = st.lists(st.tuples(LOOK, st.integers(-1000, 1000)), max_size=40)
DISMISSED = st.sets(st.integers(0, 40))


@given(COURSES, st.sampled_from([0, 10, 100]), DISMISSED)
def test_pairs_always_match(
    looks: list[tuple[list[Finding] | None, int]], clear_seconds: int, dismissed: set[int]
) -> None:
    """Whatever is seen in whatever order of time: each alarm is cleared once after it was raised, and never raised twice."""
    course = Course(AlarmRules(clear_after=timedelta(seconds=clear_seconds)))
    at = 0
    for number, (look, passed) in enumerate(looks):
        at += passed
        course.see(look, at)
        if number in dismissed and course.alarms:
            course.dismiss(min(course.alarms), at)
    open_pairs: dict[str, str] = {}
    keys = []
    for event in course.events:
        name = f"{event.alarm}.{event.slot}"
        if isinstance(event, AlarmCleared):
            assert open_pairs.pop(name) == event.correlation_key
            assert event.duration_seconds >= 0.0
            assert event.cleared_at >= event.raised_at
        else:
            assert name not in open_pairs, "active already"
            open_pairs[name] = event.correlation_key
            keys.append(event.correlation_key)
    assert len(set(keys)) == len(keys)
    assert open_pairs == {key: alarm.correlation_key for key, alarm in course.alarms.items()}
    assert course.memory.raised == len(keys)
    assert course.memory.ended == len(course.events) - len(keys)


@given(COURSES)
def test_nothing_reported_changes_nothing(looks: list[tuple[list[Finding] | None, int]]) -> None:
    """A look that reports nothing raises and clears nothing, whatever was before: only "not confirmed" is noted."""
    course = Course()
    at = 0
    for look, passed in looks:
        at += passed
        course.see(look, at)
    course.see(None, at)
    before = {key: alarm.model_copy(update={"unconfirmed_since": None}) for key, alarm in course.alarms.items()}
    nothing = [
        Finding(alarm=Alarm.JITTER, slot="clk1", facts={"a": None, "b": None}),
        Finding(alarm=Alarm.MODULE_MISSING, slot="clk2", facts={"module": None}),
        Finding(alarm=Alarm.SOURCE_CHANGED, slot="clk1"),
    ]
    assert course.see(nothing, at) == []
    after = {key: alarm.model_copy(update={"unconfirmed_since": None}) for key, alarm in course.alarms.items()}
    quiet = {
        key for key, alarm in before.items() if alarm.gone_since and alarm.gone_since > BEGIN + timedelta(seconds=at)
    }
    assert {key: alarm for key, alarm in after.items() if key not in quiet} == {
        key: alarm for key, alarm in before.items() if key not in quiet
    }


@pytest.mark.parametrize("alarm", Alarm)
def test_every_alarm_is_described(alarm: Alarm) -> None:
    """There is a severity, a text and a ground for every alarm."""
    spec = SPECS[alarm]
    assert spec.text
    assert spec.raised_when
    assert spec.cleared_when
    assert spec.rests_on
