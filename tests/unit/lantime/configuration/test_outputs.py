"""Programmable outputs: what may be set in each mode, within which limits, and what is written for it."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from lantime.configuration.invalid import InvalidSetting
from lantime.configuration.module import read_configuration
from lantime.configuration.output_modes import OUTPUT, OUTPUT_CLASSES, OutputMode
from lantime.configuration.outputs import plan_output
from lantime.configuration.plan import Plan
from lantime.simulator.configuration import changed
from lantime.simulator.schema import OUTPUT_MODES as SUPPORTED
from lantime.simulator.schema import factory

NEEDED: dict[str, dict[str, Any]] = {
    "timer": {"on_off": [{"on": "08:00:00", "off": "17:30:00"}]},
    "single-shot": {"at": "12:00:00", "pulse_length_ms": 100},
    "cyclic-pulse": {"cycle_seconds": 86_400, "pulse_length_ms": 100},
    "pulse-per-second": {"pulse_length_ms": 10},
    "pulse-per-min": {"pulse_length_ms": 10_000},
    "pulse-per-hour": {"pulse_length_ms": 500, "pulse_shift_ns": -500_000_000},
    "dcf77-marks": {"timeout_minutes": 2880, "timebase_utc": True},
    "dcf77-like-m59": {"timeout_minutes": 0, "timebase_utc": True},
    "serial-time-string": {"com": 3},
    "time-slots-per-minute": {"slots_per_minute": 12},
    "gpio-signal": {"gpio": 1},
}
"""What a mode needs beside its name; modes that are not named need nothing."""

STATES = {"position-ok", "time-sync", "all-sync"}


def reported(**settings: Any) -> dict[str, Any]:
    """Return a configuration with output 2 as a device reports it."""
    first = {"mode": "idle", "pulse-length": 0, "mode-param": 0, "timeout": 0, "inverted": False}
    rest = {"if-sync-only": False, "timebase-utc": False, "pulse-shift": 0}
    named = {name.replace("_", "-"): value for name, value in settings.items()}
    return {"programmable-outputs": [{"object-id": "output2", "settings": first | rest | named}]}


def planned(configuration: dict[str, Any], modes: tuple[str, ...] | None = None, **wanted: Any) -> Plan:
    """Return the plan that sets output 2."""
    return plan_output(2, wanted, read_configuration(configuration).output(2), modes)


def applied(configuration: dict[str, Any], plan: Plan) -> dict[str, Any]:
    """Return the configuration of a device that took the plan's writes."""
    after = copy.deepcopy(configuration)
    for write in plan.writes:
        assert write.part == "programmable-outputs/output2/settings"
        assert isinstance(write.body, dict)
        after["programmable-outputs"][0]["settings"].update(write.body)
    return after


def test_there_are_twenty_modes() -> None:
    """Every mode of the SDK has a class with its parameters, in the order of its code."""
    assert list(OUTPUT_CLASSES) != []
    assert set(OUTPUT_CLASSES) == set(OutputMode)
    assert len(OutputMode) == 20
    assert [list(OutputMode).index(OutputMode(mode)) for mode in ("timer", "position-ok", "all-sync", "havequick")] == [
        *(1, 8, 10, 19)
    ]


@pytest.mark.parametrize("mode", list(OutputMode))
def test_every_mode_is_written_and_read_back(mode: OutputMode) -> None:
    """In every mode what is written is what is read back: a second plan is empty."""
    wanted = {"mode": mode, **NEEDED.get(mode, {}), "inverted": True}
    before = reported(mode="ptti-1pps" if mode is OutputMode.IDLE else "idle")
    plan = planned(before, **wanted)
    assert {each.field for each in plan.differences} >= {"mode", "inverted"}
    after = applied(before, plan)
    assert planned(after, **wanted).empty
    now = read_configuration(after).output(2)
    assert now is not None
    assert (now.mode, now.inverted) == (mode.value, True)


@pytest.mark.parametrize("mode", sorted(NEEDED))
def test_a_mode_asks_for_what_it_needs(mode: str) -> None:
    """A mode without one of its parameters is refused, naming the parameter and the mode."""
    optional = {"pulse_shift_ns", "timeout_minutes", "timebase_utc"}
    for missing in NEEDED[mode].keys() - optional:
        others = {name: value for name, value in NEEDED[mode].items() if name != missing}
        with pytest.raises(InvalidSetting, match=f"{missing}.*mode {mode} needs it"):
            planned(reported(), mode=mode, **others)


@pytest.mark.parametrize("mode", list(OutputMode))
@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("on_off", [{"on": "08:00:00", "off": "09:00:00"}]),
        ("at", "08:00:00"),
        ("cycle_seconds", 60),
        ("pulse_length_ms", 100),
        ("pulse_shift_ns", 5),
        ("timeout_minutes", 5),
        ("timebase_utc", True),
        ("com", 1),
        ("slots_per_minute", 2),
        ("gpio", 2),
        ("if_sync_only", True),
    ],
)
def test_a_parameter_of_another_mode_is_refused(mode: OutputMode, field: str, value: Any) -> None:
    """A mode takes the parameters that it has, and names them when it is given another."""
    having = {
        "if_sync_only": set(OutputMode) - STATES,
        **{
            name: {each for each, needed in NEEDED.items() if name in needed}
            for name in (field,)
            if name != "if_sync_only"
        },
    }[field]
    if field == "pulse_shift_ns":
        having = {"pulse-per-second", "pulse-per-min", "pulse-per-hour"}
    wanted = {"mode": mode, **NEEDED.get(mode, {}), field: value}
    if mode in having:
        assert not planned(reported(), **wanted).empty
    else:
        with pytest.raises(
            InvalidSetting, match=f"{field}=.*mode {mode} has inverted|{field}=.*mode {mode} has .*inverted"
        ):
            planned(reported(), **wanted)


LIMITS = [
    ("pulse-per-second", "pulse_length_ms", 10, 10_000, 10),
    ("pulse-per-min", "pulse_shift_ns", -500_000_000, 499_000_000, 1),
    ("dcf77-marks", "timeout_minutes", 0, 2880, 1),
    ("cyclic-pulse", "cycle_seconds", 1, 86_400, 1),
    ("serial-time-string", "com", 0, 3, 1),
    ("gpio-signal", "gpio", 0, 255, 1),
]


@pytest.mark.parametrize(("mode", "field", "lowest", "highest", "step"), LIMITS)
def test_limits_are_inclusive_and_named(mode: str, field: str, lowest: int, highest: int, step: int) -> None:
    """Both ends of a range may be set; beyond them the error names field, value and range."""
    base = {"mode": mode, **NEEDED[mode]}
    for value in (lowest, highest):
        assert OUTPUT.validate_python(base | {field: value})
    for value in (lowest - step, highest + step):
        with pytest.raises(InvalidSetting) as refused:
            planned(reported(), **(base | {field: value}))
        assert str(refused.value).startswith(f"{field}={value} is not allowed: allowed are {lowest} to {highest}")


@given(st.integers(-20_000, 20_000))
def test_a_pulse_length_is_a_multiple_of_ten_milliseconds(value: int) -> None:
    """Exactly the multiples of 10 ms from 10 to 10,000 are pulse lengths."""
    try:
        OUTPUT.validate_python({"mode": "pulse-per-hour", "pulse_length_ms": value})
        taken = True
    except ValidationError:
        taken = False
    assert taken is (value in range(10, 10_001, 10))


@given(st.integers(-5, 100))
def test_time_slots_divide_a_minute(value: int) -> None:
    """Exactly the numbers by which 60 can be divided are numbers of time slots."""
    try:
        OUTPUT.validate_python({"mode": "time-slots-per-minute", "slots_per_minute": value})
        taken = True
    except ValidationError:
        taken = False
    assert taken is (value > 0 and 60 % value == 0)


@pytest.mark.parametrize(
    "pairs",
    [
        [],
        [{"on": "08:00:00", "off": "08:00:00"}],
        [{"on": "24:00:00", "off": "08:00:00"}],
        [{"on": "8:00", "off": "09:00:00"}],
        [{"on": f"0{hour}:00:00", "off": f"0{hour}:30:00"} for hour in range(4)],
    ],
    ids=["none", "the same", "no time", "short", "four"],
)
def test_timers_that_cannot_be(pairs: list[dict[str, str]]) -> None:
    """A timer has one to three pairs of different times of day."""
    with pytest.raises(InvalidSetting, match="on_off"):
        planned(reported(), mode="timer", on_off=pairs)


def test_what_is_not_given_stays() -> None:
    """A partial update writes the fields given, and nothing else."""
    before = reported(mode="pulse-per-min", pulse_length=0.2, inverted=True, if_sync_only=True)
    plan = planned(before, pulse_length_ms=500)
    [write] = plan.writes
    assert (write.body, write.most) == ({"pulse-length": 0.5}, 1)
    [difference] = plan.differences
    assert (difference.field, difference.before, difference.after) == ("pulse_length_ms", 200, 500)


def test_a_mode_takes_over_what_it_shares() -> None:
    """From one pulse to another the pulse length stays; what the new mode counts by must be given anew."""
    before = reported(mode="pulse-per-min", pulse_length=0.2)
    assert [each.field for each in planned(before, mode="pulse-per-hour").differences] == ["mode"]
    with pytest.raises(InvalidSetting, match="slots_per_minute"):
        planned(reported(mode="serial-time-string", mode_param=2), mode="time-slots-per-minute")


def test_a_value_that_cannot_be_kept_is_asked_for() -> None:
    """A device's own value outside the limits is not taken over: a mode that needs it asks for it."""
    with pytest.raises(InvalidSetting, match=r"pulse_length_ms=None.*needs it: 10 to 10000 in steps of 10$"):
        planned(reported(pulse_length=0), mode="pulse-per-second")
    strange = reported(mode="dcf77-marks", timeout=5000)
    assert [each.field for each in planned(strange, inverted=True).differences] == ["inverted"]


def test_a_mode_that_the_device_does_not_support_is_refused() -> None:
    """A mode that is not in the device's own list is refused with that list."""
    with pytest.raises(InvalidSetting, match=r"mode='havequick'.*this device supports idle, timer$"):
        planned(reported(), ("idle", "timer"), mode=OutputMode.HAVEQUICK)


def test_an_output_that_the_device_does_not_report_is_refused() -> None:
    """An output that the configuration does not have is refused by its number."""
    with pytest.raises(InvalidSetting, match=r"^output=3 "):
        plan_output(3, {"inverted": True}, read_configuration(reported()).output(3), None)


def test_an_unknown_mode_is_shown_and_not_touched() -> None:
    """A mode that a later firmware brings is shown as it came; it can be left by naming another."""
    before = reported(mode="laser-show")
    now = read_configuration(before).output(2)
    assert now is not None
    assert now.mode == "laser-show"
    with pytest.raises(InvalidSetting, match="laser-show"):
        planned(before, inverted=True)
    assert [each.field for each in planned(before, mode="idle").differences] == ["mode"]


@pytest.mark.parametrize("spelled", ["pulse-per-min", "Pulse Per Min", 5, "5"])
def test_spelling_and_numbers_of_modes(spelled: object) -> None:
    """A mode given as number or in another spelling is the same mode: nothing is written."""
    assert planned(reported(mode=spelled, pulse_length=0.2), mode="pulse-per-min").empty


@pytest.mark.parametrize("mode", SUPPORTED)
def test_the_simulated_device_takes_every_mode(mode: str) -> None:
    """From whatever mode, what is written to set a mode is within the simulated device's own limits, and reads as wanted."""
    part = "programmable-outputs/output2/settings"
    wanted = {"mode": OutputMode(mode), **NEEDED.get(mode, {}), "inverted": True}
    for former in SUPPORTED:
        given = {"mode": OutputMode(former), **NEEDED.get(former, {})}
        tree = factory("clk1")
        for each in (given, wanted):
            for write in planned(tree, tuple(SUPPORTED), **each).writes:
                assert write.part == part
                tree = changed(tree, part.split("/"), write.body)
        assert planned(tree, tuple(SUPPORTED), **wanted).empty, former
