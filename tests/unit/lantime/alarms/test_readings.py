"""Which alarms a module's status and a poll of a chassis hold: every alarm raised by what should raise it, and cleared."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lantime.alarms.chassis import device_finding, slot_findings
from lantime.alarms.finding import Finding
from lantime.alarms.module import module_findings
from lantime.alarms.rules import AlarmRules, AlarmSettings
from lantime.alarms.specs import SPECS, Side
from lantime.alarms.step import AlarmMemory, Place, step
from lantime.contract import Alarm, AlarmRaised, SlotRecord
from lantime.status.module import parse_module

RULES = AlarmRules(clear_after=timedelta(0))
PLACE = Place(app="m1000-a.clk1", chassis="m1000-a")
NOW = datetime(2026, 11, 22, tzinfo=UTC)

GOOD: dict[str, Any] = {
    "clock": "synchronized",
    "oscillator": "warmed-up",
    "quality": "less-than-10us",
    "state": {
        "warmed-up": True,
        "invalid-sysconf": False,
        "data-available": True,
        "telegram-error": False,
        "tcap-exceeded": False,
        "invalid-utc-parameter": False,
    },
    "tcr": {"icode": "b122-b123", "signal": 100, "ref-offs-configured": True},
    "master": 0,
}


def findings(**changed: Any) -> list[Finding]:
    """Return what a look at a good module says, with some of it changed; None is left out."""
    said = GOOD | changed
    state = {name: bit for name, bit in (GOOD["state"] | said["state"]).items() if bit is not None}
    receiver = {name: value for name, value in (GOOD["tcr"] | said["tcr"]).items() if value is not None}
    mrs = [
        {
            "object-id": f"priority{number}",
            "info": {"settings": {"id": {"type": kind, "instance": 0}}},
            "status": {"status": {"is-master": number == said["master"]}},
        }
        for number, kind in enumerate(("irig", "ptp-ieee1588", "ntp"))
    ]
    module: dict[str, object] = {
        "sync-status": {
            "est-time-quality": said["quality"],
            "clock-status": {"clock": said["clock"], "oscillator": said["oscillator"]},
        },
        "mrs": mrs,
        "tcr": {**receiver, "state": state},
    }
    return module_findings("clk1", parse_module(module, api_major=20), RULES)


def told(*looks: list[Finding]) -> list[set[Alarm]]:
    """Return what each look raised, for looks that follow each other."""
    alarms: Any = {}
    memory = AlarmMemory()
    raised = []
    for number, look in enumerate(looks):
        done = step(PLACE, alarms, memory, look, now=NOW + timedelta(seconds=number), rules=RULES)
        alarms, memory = done.alarms, done.memory
        raised.append({event.alarm for event in done.events if isinstance(event, AlarmRaised)})
    raised.append({alarm.alarm for alarm in alarms.values()})
    return raised


CASES = [
    ({"clock": "not-synchronized"}, {Alarm.SYNC_LOST}),
    ({"clock": 0}, {Alarm.SYNC_LOST}),
    ({"clock": "holdover"}, {Alarm.SYNC_LOST, Alarm.HOLDOVER}),
    ({"state": {"data-available": False}}, {Alarm.SIGNAL_LOST}),
    ({"tcr": {"signal": 0}}, {Alarm.SIGNAL_LOST}),
    ({"state": {"telegram-error": True}}, {Alarm.TELEGRAM_INCONSISTENT}),
    ({"state": {"tcap-exceeded": True}}, {Alarm.JITTER}),
    ({"state": {"invalid-utc-parameter": True}}, {Alarm.UTC_OFFSET_MISSING}),
    ({"tcr": {"ref-offs-configured": False}}, {Alarm.UTC_OFFSET_MISSING}),
    ({"tcr": {"ref-offs": 0x8000, "ref-offs-configured": None}}, {Alarm.UTC_OFFSET_MISSING}),
    ({"quality": "less-than-250us"}, {Alarm.TIME_QUALITY}),
    ({"quality": "more-than-10s"}, {Alarm.TIME_QUALITY}),
    ({"quality": "more-than-100us"}, {Alarm.TIME_QUALITY}),
    ({"oscillator": "not-warmed-up"}, {Alarm.OSCILLATOR_NOT_WARM}),
    ({"oscillator": "warming-up", "state": {"warmed-up": None}}, {Alarm.OSCILLATOR_NOT_WARM}),
    ({"state": {"warmed-up": False}}, {Alarm.OSCILLATOR_NOT_WARM}),
    ({"state": {"invalid-sysconf": True}}, {Alarm.INVALID_SYSTEM_CONFIGURATION}),
    ({"master": 1}, {Alarm.LOWER_PRIORITY_SOURCE, Alarm.SOURCE_CHANGED}),
]


@pytest.mark.parametrize(("changed", "expected"), CASES)
def test_each_fact_raises_its_alarm_and_clears_it(changed: dict[str, Any], expected: set[Alarm]) -> None:
    """A good module raises nothing; each bad fact raises exactly its alarms, and they are over when it is good again."""
    occurrences = {alarm for alarm in expected if SPECS[alarm].occurrence}
    assert told(findings(), findings(**changed), findings()) == [set(), expected, occurrences, set()]


def test_every_alarm_of_a_slot_can_be_raised() -> None:
    """No alarm of the slot's side is without a fact that raises it."""
    assert set().union(*(expected for _, expected in CASES)) == {
        alarm for alarm, spec in SPECS.items() if spec.side is Side.SLOT
    }


@pytest.mark.parametrize(
    "changed",
    [
        {"quality": "less-than-100us"},
        {"quality": "unknown"},
        {"quality": 12},
        {"clock": "something new"},
        {"oscillator": "something new"},
        {"master": None},
        {"tcr": {"icode": "ieee1344", "ref-offs-configured": False}},
        {"tcr": {"icode": "c37.118-dcls", "ref-offs-configured": False}},
        {"tcr": {"signal": None}},
        {"state": dict.fromkeys(GOOD["state"])},
    ],
)
def test_what_is_no_alarm_raises_none(changed: dict[str, Any]) -> None:
    """A bound at the limit, unknown words, no master, and a code that carries its own UTC offset are no alarms."""
    assert told(findings(), findings(**changed)) == [set(), set(), set()]


@pytest.mark.parametrize(("changed", "expected"), CASES)
def test_a_module_that_reports_nothing_leaves_every_alarm(changed: dict[str, Any], expected: set[Alarm]) -> None:
    """Neither an empty status nor an empty slot clears what was raised."""
    stays = {alarm for alarm in expected if not SPECS[alarm].occurrence}
    for nothing in (module_findings("clk1", None, RULES), module_findings("clk1", parse_module({}), RULES)):
        assert told(findings(), findings(**changed), nothing) == [set(), expected, set(), stays]


def test_a_lower_bound_below_the_limit_says_nothing() -> None:
    """A quality of "more than" what is within the limit may be within it or not: it neither raises nor clears."""
    vague = findings(quality="more-than-1us")
    assert told(vague, findings(quality="less-than-1ms"), vague) == [
        set(),
        {Alarm.TIME_QUALITY},
        set(),
        {Alarm.TIME_QUALITY},
    ]


def test_the_text_says_how_bad_it_is() -> None:
    """Where there is a number or a name behind an alarm, a person reads it in the text, and a program in the details."""
    found = {finding.alarm: finding for finding in findings(quality="less-than-1ms", master=2)}
    assert found[Alarm.TIME_QUALITY].note == "less-than-1ms, limit 100 µs"
    assert found[Alarm.TIME_QUALITY].details.time_quality_seconds == 0.001
    assert found[Alarm.LOWER_PRIORITY_SOURCE].note == "ntp 0 instead of irig 0"


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda inner: (
            st.lists(inner)
            | st.dictionaries(
                st.sampled_from(
                    ["mrs", "tcr", "state", "status", "sync-status", "clock-status", "clock", "is-master", "info"]
                ),
                inner,
            )
        ),
    )
)
def test_any_module_can_be_looked_at(module: Any) -> None:
    """Whatever JSON stands in place of a module, a look at it is a look."""
    status = parse_module(module if isinstance(module, dict) else {"tcr": module, "mrs": module})
    told(module_findings("clk1", status, RULES))


# The chassis.


def record(slot: str, *, present: bool = True, serial: str | None = "1", model: str | None = "tcr180") -> SlotRecord:
    """Return a slot as the inventory has it."""
    return SlotRecord(slot=slot, present=present, serial=serial, model=model)


def test_a_missing_module_is_an_alarm_of_its_slot() -> None:
    """A slot that held a module and is empty is critical, until a module is in it; one that never did is nothing."""
    empty = record("esi1", present=False, serial=None, model=None)
    before = slot_findings([record("clk1"), record("clk2"), empty])
    pulled = slot_findings([record("clk1"), record("clk2", present=False), empty])
    assert told(before, pulled, before) == [set(), {Alarm.MODULE_MISSING}, set(), set()]
    (finding,) = [each for each in pulled if each.bad]
    assert (finding.slot, finding.details.model, finding.details.serial) == ("clk2", "tcr180", "1")


def test_another_serial_number_is_another_module() -> None:
    """A replaced module is told once, also when the slot was empty in between; an untold number is no other one."""
    first, second = slot_findings([record("clk1")]), slot_findings([record("clk1", serial="2")])
    silent, pulled = slot_findings([record("clk1", serial=None)]), slot_findings([record("clk1", present=False)])
    assert told(first, silent, first, second) == [set(), set(), set(), {Alarm.MODULE_REPLACED}, set()]
    assert told(first, pulled, second)[2] == {Alarm.MODULE_REPLACED}
    assert told(first, pulled, first)[2] == set()


def test_a_poll_without_a_status_is_an_alarm_of_the_chassis() -> None:
    """A device that gives no status is critical, with the reason in its text, until it gives one."""
    look = [device_finding("connection refused")]
    assert told([device_finding(None)], look, [device_finding(None)]) == [
        set(),
        {Alarm.DEVICE_UNREACHABLE},
        set(),
        set(),
    ]
    assert (look[0].slot, look[0].note) == (None, "connection refused")


def test_the_settings_are_the_rules(monkeypatch: pytest.MonkeyPatch) -> None:
    """Unset, the settings are the defaults of the rules; set, they are what the decisions go by."""
    for name in ("CLEAR_SECONDS", "FLAPPING_RAISES", "FLAPPING_SECONDS", "TIME_QUALITY_LIMIT_US"):
        monkeypatch.delenv(f"ALARM_{name}", raising=False)
    assert AlarmSettings.load().rules == AlarmRules()
    monkeypatch.setenv("ALARM_TIME_QUALITY_LIMIT_US", "2.5")
    monkeypatch.setenv("ALARM_CLEAR_SECONDS", "0")
    rules = AlarmSettings.load().rules
    assert (rules.time_quality_limit_seconds, rules.clear_after) == (2.5e-6, timedelta(0))
