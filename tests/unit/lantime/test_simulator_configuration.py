"""The configuration tree of the simulated module: what may be written into it, and what differs afterwards."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lantime.simulator.configuration import NoSuchPart, changed, differences, part_of, settings_of
from lantime.simulator.limits import InvalidSetting
from lantime.simulator.schema import factory
from lantime.simulator.staging import Configurations, EditConflict, checked

OUTPUT = "programmable-outputs/output1/settings"


def change(path: str, value: object) -> dict[str, Any]:
    """Return what differs from the factory configuration after a change, by place."""
    before = factory("clk1")
    after = changed(before, [name for name in path.split("/") if name], value)
    return {"/".join(place): values[1] for place, values in differences(before, after).items()}


def source(kind: str, instance: int = 0, **more: object) -> dict[str, Any]:
    """Return an entry of the source list."""
    return {"info": {"settings": {"bias": 0.0, "precision": 1e-6, "id": {"type": kind, "instance": instance}} | more}}


@pytest.mark.parametrize(
    ("path", "value", "expected"),
    [
        ("receiver", {"icode": "g142"}, {"receiver/icode": "g142"}),
        ("receiver", {"icode": "B002/B003 (DCLS)"}, {"receiver/icode": "b002-b003-dcls"}),
        ("receiver/icode", {"icode": "g142"}, {"receiver/icode": "g142"}),
        ("receiver/icode", "g142", {"receiver/icode": "g142"}),
        ("", {"receiver": {"ref-offs": -750}}, {"receiver/ref-offs": -750}),
        ("receiver", {"ref-offs": 60.0}, {"receiver/ref-offs": 60}),
        ("receiver", {"delay-compensation": {"g00x": 9.99e-5}}, {"receiver/delay-compensation/g00x/value": 9.99e-5}),
        ("receiver/delay-compensation/b1xx", {"value": -5e-6}, {"receiver/delay-compensation/b1xx/value": -5e-6}),
        (
            "receiver/delay-compensation",
            [{"object-id": "a1xx", "value": 1e-7}],
            {"receiver/delay-compensation/a1xx/value": 1e-7},
        ),
        (OUTPUT, {"pulse-length": 10}, {f"{OUTPUT}/pulse-length": 10.0}),
        (OUTPUT, {"pulse-shift": -0.5}, {f"{OUTPUT}/pulse-shift": -0.5}),
        (
            "programmable-outputs",
            [{"object-id": "output2", "settings": {"mode": "time-slots-per-minute", "mode-param": 12}}],
            {
                "programmable-outputs/output2/settings/mode": "time-slots-per-minute",
                "programmable-outputs/output2/settings/mode-param": 12,
            },
        ),
        (
            OUTPUT,
            {"mode": "timer", "tm": [{"on": "06:00:00", "off": "24:00:00"}]},
            {f"{OUTPUT}/mode": "timer", f"{OUTPUT}/tm": [{"on": "06:00:00", "off": "24:00:00"}]},
        ),
        ("time-code-output", {"icode": "ieee1344"}, {"time-code-output/icode": "ieee1344"}),
        ("synthesizer", {"frequency": 0.1, "phase": -360}, {"synthesizer/frequency": 0.1, "synthesizer/phase": -360}),
        ("enable-flags", {"serial": "always"}, {"enable-flags/serial": "always"}),
        ("serial-ports/com3", {"baudrate": 921600}, {"serial-ports/com3/baudrate": 921600}),
        ("mrs/priority1", source("ptp-ieee1588", 0), {"mrs/priority1/info/settings/precision": 1e-6}),
    ],
)
def test_what_may_be_written(path: str, value: object, expected: dict[str, Any]) -> None:
    """Settings within their limits are taken, as an object, a list of members, or a single value."""
    assert change(path, value) == expected


def test_source_list_is_replaced_whole() -> None:
    """A list of sources takes the place of the old one, in the order of its priorities."""
    tree = changed(
        factory("clk1"),
        ["mrs"],
        [
            source("ntp") | {"object-id": "priority1"},
            source("gps", 2, flags={"is-trusted": True}) | {"object-id": "priority0"},
        ],
    )
    listed = [(each["object-id"], each["info"]["settings"]["id"]) for each in tree["mrs"]]
    assert listed == [("priority0", {"type": "gps", "instance": 2}), ("priority1", {"type": "ntp", "instance": 0})]
    assert tree["mrs"][0]["info"]["settings"]["flags"] == {"is-trusted": True}


@pytest.mark.parametrize(
    ("path", "value", "field"),
    [
        ("receiver", {"icode": "e112"}, "receiver.icode='e112'"),
        ("receiver", {"ref-offs": 751}, "receiver.ref-offs=751"),
        ("receiver", {"ref-offs": True}, "receiver.ref-offs=True"),
        ("receiver", {"ref-offs": 0.5}, "receiver.ref-offs=0.5"),
        ("receiver", {"ignore-tfom": 1}, "receiver.ignore-tfom=1"),
        ("receiver", {"colour": "red"}, "receiver.colour='red'"),
        ("receiver", [], "receiver=[]"),
        ("receiver", {"supported-codes": []}, "receiver.supported-codes"),
        ("receiver", {"delay-compensation": {"b1xx": 1e-4}}, "delay-compensation.b1xx.value"),
        ("receiver", {"delay-compensation": {"b1xx": 1.5e-7}}, "delay-compensation.b1xx.value"),
        ("receiver", {"delay-compensation": {"z9": 0}}, "delay-compensation='z9'"),
        ("receiver", {"delay-compensation": ["b1xx"]}, "delay-compensation"),
        (OUTPUT, {"mode": "position-ok"}, "output1.settings.mode"),
        (OUTPUT, {"pulse-length": 10.01}, "pulse-length=10.01"),
        (OUTPUT, {"pulse-length": 0.005}, "pulse-length=0.005"),
        (OUTPUT, {"pulse-length": float("nan")}, "pulse-length=nan"),
        (OUTPUT, {"timeout": 2881}, "timeout=2881"),
        (OUTPUT, {"pulse-shift": 0.5}, "pulse-shift=0.5"),
        (OUTPUT, {"mode": "dcf77-marks", "pulse-shift": 0.1}, "pulse-shift=0.1"),
        (OUTPUT, {"timebase-utc": True}, "timebase-utc=True"),
        (OUTPUT, {"mode": "time-slots-per-minute"}, "mode-param=0"),
        (OUTPUT, {"mode": "time-slots-per-minute", "mode-param": 7}, "mode-param=7"),
        (OUTPUT, {"mode": "serial-time-string", "mode-param": 4}, "mode-param=4"),
        (OUTPUT, {"tm": [{"on": "25:00:00", "off": "00:00:00"}]}, "tm="),
        (OUTPUT, {"tm": [{"on": "05:00:00", "off": "00:00:00"}] * 4}, "tm="),
        ("programmable-outputs/output4/settings", {"mode": "all-sync", "if-sync-only": True}, "if-sync-only=True"),
        ("programmable-outputs", {"output9": {}}, "programmable-outputs='output9'"),
        ("programmable-outputs/output1", {"mode": "idle"}, "output1.mode"),
        ("synthesizer", {"frequency": 10_000_000.1}, "frequency"),
        ("synthesizer", {"state": "sync"}, "synthesizer.state"),
        ("enable-flags", {"pulses": "never"}, "pulses='never'"),
        ("serial-ports/com0", {"baudrate": 12345}, "baudrate=12345"),
        ("serial-ports/com0", {"framing": "9n1"}, "framing='9n1'"),
        ("mrs", [], "mrs (number of entries)=0"),
        ("mrs", [source("ntp", number) for number in range(11)], "mrs (number of entries)=11"),
        ("mrs", [source("ntp"), source("ntp")], "mrs.priority1.info.settings.id"),
        ("mrs", [source("sundial")], "id.type='sundial'"),
        ("mrs", [{"info": {"settings": {"bias": 0.0}}}], "id.type=None"),
        ("mrs", [source("ntp", bias=2.0)], "bias=2.0"),
        ("mrs", [source("ntp") | {"object-id": "first"}], "mrs.object-id='first'"),
        ("mrs", "ntp", "mrs='ntp'"),
        ("mrs", [7], "mrs.priority0=7"),
        ("", [], "body=[]"),
    ],
)
def test_what_is_refused(path: str, value: object, field: str) -> None:
    """What is beyond a limit is refused with the field, the value and what is allowed; nothing of it is kept."""
    before = factory("clk1")
    with pytest.raises(InvalidSetting) as raised:
        changed(before, [name for name in path.split("/") if name], value)
    assert field in str(raised.value)
    assert "is not allowed" in str(raised.value)
    assert before == factory("clk1")


def test_what_another_mode_left_behind_stays() -> None:
    """An output may change to a mode that has no use for what is set: only what is new must fit."""
    shifted = changed(factory("clk1"), OUTPUT.split("/"), {"pulse-shift": 0.1})
    idle = changed(shifted, OUTPUT.split("/"), {"mode": "time-sync"})
    settings = idle["programmable-outputs"][0]["settings"]
    assert (settings["mode"], settings["pulse-shift"], settings["if-sync-only"]) == ("time-sync", 0.1, True)


@pytest.mark.parametrize("path", ["colour", "receiver/colour", "mrs/priority3", "receiver/icode/more"])
def test_paths_that_lead_nowhere(path: str) -> None:
    """A path that the configuration does not have is told apart from a wrong value."""
    with pytest.raises(NoSuchPart):
        changed(factory("clk1"), path.split("/"), {})


def test_a_configuration_may_be_written_back() -> None:
    """What a GET gave may be sent back whole: it is no change, its fixed parts included."""
    assert change("", factory("clk1")) == {}


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
PLACES = [(), *{place[:depth] for place in settings_of(factory("clk1")) for depth in range(1, len(place) + 1)}]


@given(place=st.sampled_from(sorted(PLACES)), value=json_values)
def test_any_json_is_taken_or_refused(place: tuple[str, ...], value: object) -> None:
    """Any JSON at any place either gives a configuration within all limits or is refused as a wrong value."""
    try:
        after = changed(factory("clk1"), place, value)
    except InvalidSetting:
        return
    assert checked("clk1", after) == after


@pytest.mark.parametrize(
    ("place", "part"),
    [
        (("receiver", "icode"), "receiver"),
        (("mrs", "priority0", "info", "settings", "bias"), "mrs"),
        (("programmable-outputs", "output2", "settings", "mode"), "programmable-outputs/output2"),
        (("serial-ports", "com0", "mode"), "serial-ports/com0"),
    ],
)
def test_parts_that_one_user_edits(place: tuple[str, ...], part: str) -> None:
    """Two users may edit two outputs, but not one output or the source list."""
    assert part_of(place) == part


def test_conflict_ends_when_a_change_is_taken_back() -> None:
    """Who writes the old value again edits no longer."""
    staged = Configurations()
    staged.stage("clk1", ["receiver"], {"icode": "g142"}, "anna")
    with pytest.raises(EditConflict, match="anna"):
        staged.stage("clk1", ["receiver"], {"ref-offs": 5}, "bert")
    staged.stage("clk1", ["receiver"], {"icode": "b122-b123"}, "anna")
    staged.stage("clk1", ["receiver"], {"ref-offs": 5}, "bert")
    assert list(staged.pending()) == [("clk1", ("receiver", "ref-offs"))]


def test_writing_what_is_there_meets_no_conflict() -> None:
    """A change that changes nothing takes nothing away from another user."""
    staged = Configurations()
    staged.stage("clk1", ["receiver"], {"icode": "g142"}, "anna")
    staged.stage("clk1", ["receiver"], {"icode": "g142"}, "bert")
    assert len(staged.pending()) == 1
