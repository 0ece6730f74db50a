"""Time lines: which steps are due, what a file may say, and that steps happen at their own time."""

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from unit.simulated import ask, data, module, put

from broker.errors import SettingError
from broker.lifecycle.clock import ManualClock
from lantime.simulator.controls import Controls
from lantime.simulator.device import ControlError
from lantime.simulator.scenario import Scenario
from lantime.simulator.timeline import Step, Timeline, parse_timeline, read_timeline, scenario_or_timeline

BEFORE = -1.0


def timeline(*steps: dict[str, Any], every: float | None = None) -> Timeline:
    """Return a time line as a file describes it."""
    content: dict[str, Any] = {"steps": list(steps)}
    return parse_timeline(content | ({} if every is None else {"repeat_every_seconds": every}), "file.toml")


def scenario(at: float, name: str, slot: str = "clk1") -> dict[str, Any]:
    """Return a step that sets a scenario."""
    return {"at": at, "slot": slot, "scenario": name}


def times(found: list[tuple[float, Step]]) -> list[tuple[float, int]]:
    """Return when steps are due, and their numbers."""
    return [(at, step.number) for at, step in found]


def test_due_once() -> None:
    """Steps come in the order of their times, those of one time as written, each exactly once."""
    line = timeline(scenario(5, "jitter"), scenario(0, "no-signal"), scenario(5, "locked"))
    assert times(line.due(BEFORE, 0.0)) == [(0.0, 2)]
    assert times(line.due(0.0, 4.999)) == []
    assert times(line.due(4.999, 5.0)) == [(5.0, 1), (5.0, 3)]
    assert times(line.due(5.0, 1e9)) == []
    assert times(line.due(BEFORE, 1e9)) == [(0.0, 2), (5.0, 1), (5.0, 3)]
    assert [line.next_due(after) for after in (BEFORE, 0.0, 4.0, 5.0)] == [0.0, 5.0, 5.0, None]


def test_due_again_and_again() -> None:
    """A time line that repeats begins again with every round, however many rounds are looked at together."""
    line = timeline(scenario(1, "jitter"), scenario(4, "locked"), every=4)
    assert times(line.due(BEFORE, 9.0)) == [(1.0, 1), (4.0, 2), (5.0, 1), (8.0, 2), (9.0, 1)]
    assert times(line.due(4.0, 5.0)) == [(5.0, 1)]
    assert [line.next_due(after) for after in (BEFORE, 1.0, 4.0, 5.0, 399.5)] == [1.0, 4.0, 5.0, 8.0, 400.0]


def test_steps_add_up_however_often_it_is_looked() -> None:
    """Looking often or seldom gives the same steps."""
    line = timeline(scenario(0, "jitter"), scenario(0.7, "locked"), scenario(2, "no-signal"), every=2)
    looks = [BEFORE, *(number * 0.3 for number in range(40))]
    piecewise = [each for a, b in pairwise(looks) for each in line.due(a, b)]
    assert piecewise == line.due(BEFORE, looks[-1])


def test_steps_happen_at_their_own_time() -> None:
    """What is played late is played as if it had been on time: holdover, events and what came between."""
    clock = ManualClock(1_700_000_000_000_000)
    steps = (
        scenario(10, "no-signal"),
        {"at": 20, "action": "pull", "slot": "clk1"},
        {"at": 21, "action": "plug", "slot": "clk1"},
    )
    controls = Controls(clock=clock, scenario=timeline(*steps, scenario(30, "no-signal")))
    assert module(controls)["tcr"]["receiver-status"] == "synchronized"
    clock.advance(100)
    status = data(ask(controls, "/api/status"))
    assert status["system"]["sync-status"]["holdover-status"]["time-elapsed"] == 70
    last = {each["object-id"]: each["last-triggered"] for each in status["notification"]["events"]}
    assert last["refclock-1-not-responding"] == "2023-11-14T22:13:40"
    assert last["refclock-1-sync"] == "2023-11-14T22:13:41"
    assert last["refclock-1-not-sync"] == "2023-11-14T22:13:50"
    assert status["system"]["uptime"] == 100.0


def test_play_due_tells_when_to_come_again() -> None:
    """Whoever plays the time line learns in how many seconds the next step is due, and what was done."""
    clock, told = ManualClock(), []
    line = timeline(scenario(2, "jitter"), scenario(5, "locked"))
    controls = Controls(clock=clock, scenario=line, on_step=lambda step, problem: told.append((str(step), problem)))
    assert controls.play_due() == 2.0
    clock.advance(3)
    assert controls.play_due() == 2.0
    clock.advance(3)
    assert controls.play_due() is None
    assert told == [
        ("at 2 s: set-scenario slot=clk1 scenario=jitter", None),
        ("at 5 s: set-scenario slot=clk1 scenario=locked", None),
    ]


def test_a_step_that_cannot_be_done_is_passed_over() -> None:
    """Who interferes by hand does not stop the time line: the step is told as not done, the next one is played."""
    clock, told = ManualClock(), list[ControlError | None]()
    line = timeline({"at": 1, "action": "pull", "slot": "clk1"}, {"at": 2, "action": "plug", "slot": "clk1"})
    controls = Controls(clock=clock, scenario=line, on_step=lambda _, problem: told.append(problem))
    controls.pull("clk1")
    clock.advance(2)
    controls.play_due()
    assert "no module" in str(told[0])
    assert told[1] is None
    assert module(controls)["info"]["model"] == "tcr180"


def test_every_control_can_be_a_step() -> None:
    """Logins, faults, API and levels follow a time line as well."""
    clock = ManualClock()
    line = timeline(
        {"at": 1, "action": "set-level", "username": "admin", "level": "info"},
        {"at": 2, "action": "disable-api"},
        {"at": 3, "action": "enable-api"},
        {"at": 4, "action": "fail-requests", "status": 500, "path-prefix": "/api/status"},
    )
    controls = Controls(clock=clock, scenario=line)
    codes = []
    for _ in range(5):
        codes.append((ask(controls, "/api/status").status, put(controls, "/api/commit").status))
        clock.advance(1)
    assert codes == [(200, 200), (200, 403), (503, 503), (200, 403), (500, 403)]


@pytest.mark.parametrize(
    ("content", "named"),
    [
        ({}, "steps=None"),
        ({"steps": []}, "steps=[]"),
        ({"steps": {}}, "steps={}"),
        ({"steps": [scenario(1, "locked")], "repeat": 5}, "repeat=5"),
        ({"steps": [7]}, "step 1=7"),
        ({"steps": [scenario(1, "locked"), {"slot": "clk1", "scenario": "locked"}]}, "step 2: at=None"),
        ({"steps": [scenario(-1, "locked")]}, "step 1: at=-1"),
        ({"steps": [scenario(True, "locked")]}, "step 1: at=True"),
        ({"steps": [{"at": "5", "action": "restart"}]}, "step 1: at='5'"),
        ({"steps": [scenario(float("nan"), "locked")]}, "step 1: at=nan"),
        ({"steps": [scenario(1e9, "locked")]}, "step 1: at=1000000000.0"),
        ({"steps": [{"at": 1, "slot": "clk1"}]}, "step 1: action=None"),
        ({"steps": [{"at": 1, "action": 7}]}, "step 1: action=7"),
        ({"steps": [scenario(5, "locked")], "repeat_every_seconds": 4}, "repeat_every_seconds=4"),
        ({"steps": [scenario(0, "locked")], "repeat_every_seconds": 0}, "repeat_every_seconds=0"),
    ],
)
def test_wrong_content(content: object, named: str) -> None:
    """What is wrong in a time line is told with file, step, field, value and what is allowed."""
    with pytest.raises(SettingError) as raised:
        parse_timeline(content, "file.toml")
    assert str(raised.value).startswith("file.toml: ")
    assert named in str(raised.value)
    assert "is not allowed: " in str(raised.value)


@pytest.mark.parametrize("content", [[], 7, None])
def test_content_of_another_form(content: object) -> None:
    """What is no object at all is told with what a time line is."""
    with pytest.raises(SettingError, match=r"file\.toml=.*'steps'"):
        parse_timeline(content, "file.toml")


@pytest.mark.parametrize(
    ("steps", "every", "named"),
    [
        ([scenario(1, "locked"), scenario(2, "flood")], None, "step 2='at 2 s: set-scenario slot=clk1 scenario=flood'"),
        ([scenario(1, "flood")], None, "'cold-start'"),
        ([scenario(1, "locked", "clk9")], None, "this device has pwr1"),
        ([scenario(1, "locked", "clk2")], None, "no TCR"),
        ([{"at": 1, "action": "explode"}], None, "known are"),
        ([{"at": 1, "action": "pull"}], None, "slot"),
        ([{"at": 1, "action": "pull", "slot": "clk1", "hard": True}], None, "hard=True"),
        ([{"at": 1, "action": "fail-requests", "count": 0}], None, "count=0"),
        ([{"at": 1, "action": "pull", "slot": "clk1"}], 5.0, "when it is repeated"),
        ([{"at": 1, "action": "set-level", "username": "admin", "level": "king"}], None, "level='king'"),
    ],
)
def test_what_can_never_work_is_told_at_the_start(steps: list[dict[str, Any]], every: float | None, named: str) -> None:
    """A step that this device cannot do, in the first round or the second, is refused before anything runs."""
    with pytest.raises(SettingError) as raised:
        Controls(scenario=timeline(*steps, every=every))
    assert named in str(raised.value)
    assert str(raised.value).startswith("file.toml: step ")


def test_no_password_is_told() -> None:
    """A step that changes a login is shown without the password, also when it is wrong."""
    step = {"at": 1, "action": "change-login", "username": "info", "password": "open-sesame"}
    assert "open-sesame" not in str(timeline(step).steps[0])
    with pytest.raises(SettingError) as raised:
        Controls(scenario=timeline({**step, "password": 4711}))
    assert "4711" not in str(raised.value)


TOML = """
repeat_every_seconds = 60
[[steps]]
at = 5.0
slot = "clk1"
scenario = "no-signal"
"""


def test_files(tmp_path: Path) -> None:
    """A time line is read from TOML or JSON, and a scenario's name is no file."""
    toml, as_json = tmp_path / "a.toml", tmp_path / "a.json"
    toml.write_text(TOML)
    as_json.write_text(json.dumps({"repeat_every_seconds": 60, "steps": [scenario(5.0, "no-signal")]}))
    lines = [read_timeline(toml), read_timeline(as_json)]
    assert [each.repeat_every_seconds for each in lines] == [60.0, 60.0]
    assert lines[0].steps == lines[1].steps
    assert scenario_or_timeline("jitter") is Scenario.JITTER
    assert scenario_or_timeline(str(toml)) == lines[0]


@pytest.mark.parametrize(
    ("name", "content", "named"),
    [
        ("a.toml", b"[[steps]\nat = 1", "line 1"),
        ("a.json", b'{"steps": [', "JSON"),
        ("a.json", b"[" * 100_000, "JSON"),
        ("a.toml", b"\xff\xfe", "UTF-8"),
        ("a.toml", None, "No such file"),
        ("floods", None, "cold-start"),
    ],
)
def test_files_that_cannot_be_read(tmp_path: Path, name: str, content: bytes | None, named: str) -> None:
    """A file that is broken or not there is told with its name, the place in it, and what could be given instead."""
    file = tmp_path / name
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(SettingError, match="--scenario") as raised:
        scenario_or_timeline(str(file))
    assert str(file) in str(raised.value)
    assert named in str(raised.value)
