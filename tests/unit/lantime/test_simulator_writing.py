"""The configuration API of the simulated device: stage, commit, roll back, save; who may; and what the status then says."""

import json
from pathlib import Path
from typing import Any

import pytest
from unit.simulated import MODULE, ask, control, data, module, pending, put, triggered

from broker.errors import SettingError
from broker.lifecycle.clock import ManualClock
from lantime.simulator.controls import Controls
from lantime.simulator.device import API_VERSIONS
from lantime.simulator.scenario import Scenario

OUTPUT = f"{MODULE}/programmable-outputs/output1/settings"


@pytest.mark.parametrize("api", sorted(API_VERSIONS))
def test_staged_is_not_in_force(api: int) -> None:
    """A change is in the configuration at once, counted in every answer, and in the status only after the commit."""
    controls = Controls(api=api)
    answer = put(controls, f"{MODULE}/receiver", {"icode": "g006-dcls", "ref-offs": 60, "ignore-tfom": True})
    assert data(answer)["icode"] == "g006-dcls"
    assert dict(answer.body["changes"]) == {"pending-changes": 3}  # type: ignore[call-overload]
    assert data(ask(controls, f"{MODULE}/receiver"))["ref-offs"] == 60
    assert pending(controls) == 3
    assert (module(controls)["tcr"]["icode"], module(controls)["tcr"]["ref-offs"]) == ("b122-b123", 0)
    committed = put(controls, "/api/commit")
    assert dict(committed.body["changes"]) == {"pending-changes": 0}  # type: ignore[call-overload]
    receiver = module(controls)["tcr"]
    assert {name: receiver[name] for name in ("icode", "type", "ref-offs", "ignore-tfom")} == {
        "icode": "g006-dcls",
        "type": "dcls",
        "ref-offs": 60,
        "ignore-tfom": True,
    }


def test_rollback_drops_everything_staged() -> None:
    """After a rollback the configuration is what is in force, whoever staged what."""
    controls = Controls(model="M3000")
    put(controls, f"{MODULE}/receiver", {"icode": "g142"})
    put(controls, MODULE.replace("clk1", "clk2") + "/mrs", [], user="super")
    put(controls, MODULE.replace("clk1", "clk2") + "/enable-flags", {"synth": "always"}, user="super")
    assert pending(controls) == 2
    assert data(put(controls, "/api/rollback"))["dropped-changes"] == 2
    assert (pending(controls), data(ask(controls, f"{MODULE}/receiver"))["icode"]) == (0, "b122-b123")


def test_writing_the_same_stages_nothing() -> None:
    """What is as it should be is no change, and a change taken back is none either."""
    controls = Controls()
    put(controls, OUTPUT, {"mode": "pulse-per-second", "pulse-length": 0.2})
    assert pending(controls) == 0
    put(controls, OUTPUT, {"mode": "idle"})
    put(controls, OUTPUT, {"mode": "pulse-per-second"})
    assert pending(controls) == 0
    assert data(put(controls, "/api/commit"))["applied-changes"] == 0
    assert triggered(controls) & {"device-configuration-changed"} == set()


@pytest.mark.parametrize("form", ["bare", "parameters", "data"])
@pytest.mark.parametrize("method", ["PUT", "PATCH"])
def test_body_forms(form: str, method: str) -> None:
    """The settings may come bare or wrapped, by PUT or PATCH."""
    controls = Controls()
    body: dict[str, Any] = {"mode": "idle"}
    answer = ask(controls, OUTPUT, method, "admin", body if form == "bare" else {form: body})
    assert data(answer)["mode"] == "idle"


def test_commit_leaves_its_time() -> None:
    """A commit is told by the event and by the uptime at which it was; like every action the event is not triggered."""
    clock = ManualClock(1_700_000_000_000_000)
    controls = Controls(clock=clock)
    clock.advance(90.5)
    put(controls, f"{MODULE}/receiver", {"icode": "g142"})
    put(controls, "/api/commit")
    clock.advance(10)
    status = data(ask(controls, "/api/status"))
    assert status["system"]["last-config-change"] == 90.5
    (event,) = [e for e in status["notification"]["events"] if e["object-id"] == "device-configuration-changed"]
    assert event == {
        "object-id": "device-configuration-changed",
        "type": "action",
        "triggered": 0,
        "last-triggered": "2023-11-14T22:14:50",
    }


def test_source_list_in_the_status_follows() -> None:
    """The status lists the sources that are configured, and the first that is no time code takes over."""
    controls = Controls()
    entries = [
        {"info": {"settings": {"bias": 1e-6, "precision": 1e-7, "id": {"type": kind, "instance": instance}}}}
        for kind, instance in (("irig", 0), ("gps", 1))
    ]
    put(controls, f"{MODULE}/mrs", entries)
    put(controls, "/api/commit")
    control(controls, "set-scenario", slot="clk1", scenario="no-signal-other-source")
    listed = module(controls)["mrs"]
    assert [each["info"]["settings"]["id"] for each in listed] == [each["status"]["id"] for each in listed]
    assert [each["status"]["status"]["is-master"] for each in listed] == [False, True]
    assert listed[1]["info"]["settings"]["bias"] == 1e-6


def test_utc_offset_ends_its_scenario() -> None:
    """A receiver without UTC offset synchronises once one is set, even if it is the number that was there."""
    controls = Controls()
    control(controls, "set-scenario", slot="clk1", scenario="utc-offset-missing")
    assert module(controls)["tcr"]["ref-offs-configured"] is False
    assert data(ask(controls, f"{MODULE}/receiver"))["ref-offs-configured"] is False
    assert data(put(controls, f"{MODULE}/receiver", {"ref-offs": 0}))["ref-offs-configured"] is True
    assert (pending(controls), module(controls)["tcr"]["receiver-status"]) == (1, "not-synchronized")
    put(controls, "/api/commit")
    receiver = module(controls)["tcr"]
    assert (receiver["receiver-status"], receiver["ref-offs-configured"]) == ("synchronized", True)


@pytest.mark.parametrize(("code", "follows"), [("g142", False), ("ieee1344", True), ("c37.118-dcls", True)])
def test_utc_offset_taken_away(code: str, follows: bool) -> None:
    """Without a configured offset a receiver follows only codes that carry one."""
    controls = Controls()
    put(controls, f"{MODULE}/receiver", {"icode": code, "ref-offs-configured": False})
    put(controls, "/api/commit")
    assert (module(controls)["tcr"]["receiver-status"] == "synchronized") is follows


@pytest.mark.parametrize(
    ("method", "path", "body", "user", "code"),
    [
        ("PUT", f"{MODULE}/receiver", {"icode": "g142"}, "info", 403),
        ("PUT", "/api/commit", None, "info", 403),
        ("PUT", "/api/write", None, "info", 403),
        ("GET", f"{MODULE}/receiver", None, "nobody", 401),
        ("PUT", f"{MODULE}/receiver", {"icode": "g142"}, "nobody", 401),
        ("PUT", f"{MODULE}/colour", {}, "admin", 404),
        ("PUT", "/api/config/chassis0/slots/clk2/module/receiver", {}, "admin", 404),
        ("PUT", "/api/config/chassis0/slots/cpu/module", {}, "admin", 404),
        ("PUT", "/api/config/chassis1/slots/clk1/module", {}, "admin", 404),
        ("GET", "/api/config/chassis0/slots/clk2/module", None, "info", 404),
        ("PUT", "/api/config/chassis0", {}, "admin", 405),
        ("POST", f"{MODULE}/receiver", {}, "admin", 405),
        ("DELETE", f"{MODULE}/receiver", {}, "admin", 405),
        ("POST", "/api/commit", None, "admin", 405),
        ("GET", "/api/commit", None, "admin", 405),
        ("PUT", "/api", {}, "admin", 405),
        ("PUT", f"{MODULE}/receiver", b"{", "admin", 400),
        ("PUT", f"{MODULE}/receiver", b"\xff", "admin", 400),
        ("PUT", f"{MODULE}/receiver", b"[" * 10_000, "admin", 400),
        ("PUT", f"{MODULE}/receiver", {"ref-offs": 751}, "admin", 422),
        ("PUT", "/api/write", {"parameters": {"package": "ntp"}}, "admin", 422),
        ("PUT", "/api/write", {"parameters": {"colour": "red"}}, "admin", 422),
        ("PUT", "/api/write", [], "admin", 422),
        ("PUT", "/api/commit", {"slot": "clk1"}, "admin", 422),
    ],
)
def test_refusals(method: str, path: str, body: object, user: str, code: int) -> None:
    """What cannot be done is refused with its status and a reason, and changes nothing."""
    controls = Controls()
    answer = ask(controls, path, method, user, body)
    assert answer.status == code
    assert isinstance(answer.body["error"], dict)
    assert answer.body["error"]["message"]
    assert pending(controls) == 0


@pytest.mark.parametrize("depth", [*range(190, 210), *range(960, 1000), 5000])
def test_bodies_that_are_nested_deep(depth: int) -> None:
    """However deep a body is nested it is refused, by the configuration and by a control, and never breaks an answer."""
    controls, deep = Controls(), b"[" * depth + b"]" * depth
    assert ask(controls, f"{MODULE}/mrs", "PUT", "admin", deep).status in {400, 422}
    nodes = b'{"nodes": [{"object-id": "a", "value": ' + deep + b"}]}"
    answer = ask(controls, "/simulator/set-syncmon", "POST", "admin", nodes, from_this_machine=True)
    assert answer.status == (200 if depth <= 197 else 400)
    assert json.dumps(ask(controls, "/api/status").body)


def test_second_user_is_told_of_the_first() -> None:
    """Another user's staged change of the same object is a conflict; of another object it is not."""
    controls = Controls()
    put(controls, f"{MODULE}/receiver", {"icode": "g142"})
    refused = put(controls, f"{MODULE}/receiver", {"ref-offs": 5}, user="super")
    assert refused.status == 409
    assert isinstance(refused.body["error"], dict)
    assert "clk1/receiver: admin has staged" in refused.body["error"]["message"]
    assert put(controls, OUTPUT, {"mode": "idle"}, user="super").status == 200
    assert pending(controls) == 2
    put(controls, "/api/commit", user="super")
    assert module(controls)["tcr"]["icode"] == "g142"
    assert put(controls, f"{MODULE}/receiver", {"ref-offs": 5}, user="super").status == 200


def test_levels_can_be_changed() -> None:
    """A user who is made a reader may not write any more, a reader who is made an admin may."""
    controls = Controls()
    assert control(controls, "set-level", username="info", level="super-user").status == 200
    assert put(controls, OUTPUT, {"mode": "idle"}, user="info").status == 200
    control(controls, "set-level", username="super", level="info")
    assert put(controls, OUTPUT, {"mode": "idle"}, user="super").status == 403
    assert control(controls, "set-level", username="nobody", level="info").status == 422
    assert control(controls, "set-level", username="info", level="king").status == 422


def test_restart_keeps_what_was_saved() -> None:
    """A restart loses what was committed and not saved, and what was staged; what was saved stays."""
    controls = Controls()
    put(controls, f"{MODULE}/receiver", {"icode": "g142"})
    put(controls, "/api/commit")
    assert data(put(controls, "/api/write", {"parameters": {"package": "all"}}))["stored-changes"] == 1
    put(controls, f"{MODULE}/receiver", {"ref-offs": 30})
    put(controls, "/api/commit")
    put(controls, OUTPUT, {"mode": "idle"})
    control(controls, "restart")
    assert (module(controls)["tcr"]["icode"], module(controls)["tcr"]["ref-offs"]) == ("g142", 0)
    assert (pending(controls), data(ask(controls, OUTPUT))["mode"]) == (0, "pulse-per-second")


def test_save_does_not_commit() -> None:
    """What is staged is neither put in force nor saved by a save."""
    controls = Controls()
    put(controls, f"{MODULE}/receiver", {"icode": "g142"})
    assert data(put(controls, "/api/write"))["stored-changes"] == 0
    assert pending(controls) == 1
    control(controls, "restart")
    assert module(controls)["tcr"]["icode"] == "b122-b123"


def test_compare_and_load_the_saved_configuration() -> None:
    """A diff lists what a restart would lose, a read puts the saved configuration in force again."""
    controls = Controls()
    put(controls, f"{MODULE}/receiver", {"icode": "g142"})
    put(controls, "/api/commit")
    found = data(put(controls, "/api/diff"))["differences"]
    assert found == [{"path": "clk1/receiver/icode", "startup": "b122-b123", "system": "g142"}]
    assert data(put(controls, "/api/read"))["applied-changes"] == 1
    assert data(put(controls, "/api/diff"))["differences"] == []
    assert module(controls)["tcr"]["icode"] == "b122-b123"


def test_state_survives_the_process(tmp_path: Path) -> None:
    """What was saved is in the state file for the next simulator, what was only committed is not."""
    file = tmp_path / "state.json"
    first = Controls(state=file)
    assert not file.exists()
    put(first, f"{MODULE}/receiver", {"icode": "g142", "ref-offs-configured": False})
    put(first, "/api/commit")
    put(first, "/api/write")
    put(first, f"{MODULE}/receiver", {"icode": "g146"})
    put(first, "/api/commit")
    second = Controls(state=file)
    receiver = module(second)["tcr"]
    assert (receiver["icode"], receiver["ref-offs-configured"]) == ("g142", False)
    assert receiver["receiver-status"] == "not-synchronized"
    assert [each.name for each in tmp_path.iterdir()] == ["state.json"]


def saved(tmp_path: Path, **changes: object) -> Path:
    """Return a state file in which some fields are changed."""
    file = tmp_path / "state.json"
    controls = Controls(state=file)
    put(controls, f"{MODULE}/receiver", {"icode": "g142"})
    put(controls, "/api/commit")
    put(controls, "/api/write")
    content = json.loads(file.read_text()) | changes
    file.write_text(json.dumps(content))
    return file


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"format": "something else"}, "no state of a simulator"),
        ({"version": 0}, "version 0"),
        ({"version": 2}, "version 2"),
        ({"model": "M3000"}, "'M3000'"),
        ({"startup": []}, "startup"),
        ({"startup": {"clk7": {}}}, "clk1, clk2"),
        ({"startup": {"clk1": {}}}, "clk1.object-id"),
        ({"startup": {"clk1": {"receiver": {"ref-offs": 9999}}}}, "receiver.ref-offs=9999"),
    ],
)
def test_state_file_that_does_not_fit(tmp_path: Path, changes: dict[str, object], named: str) -> None:
    """A file that is foreign, older or newer, or out of its limits is refused with the reason and the way out."""
    file = saved(tmp_path, **changes)
    before = file.read_bytes()
    with pytest.raises(SettingError, match="remove this one") as raised:
        Controls(state=file)
    assert named in str(raised.value)
    assert str(file) in str(raised.value)
    assert file.read_bytes() == before


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff\xfe", b"[" * 100_000])
def test_state_file_that_is_broken(tmp_path: Path, content: bytes) -> None:
    """A file that is cut off or no JSON is refused, and left as it is."""
    file = tmp_path / "state.json"
    file.write_bytes(content)
    with pytest.raises(SettingError, match="--state"):
        Controls(state=file)
    assert file.read_bytes() == content


def test_state_that_cannot_be_written(tmp_path: Path) -> None:
    """A save that cannot reach its file is refused, and what was saved before stays."""
    folder = tmp_path / "gone"
    with pytest.raises(SettingError, match="no folder"):
        Controls(state=folder / "state.json")
    folder.mkdir()
    controls = Controls(state=folder / "state.json")
    put(controls, f"{MODULE}/receiver", {"icode": "g142"})
    put(controls, "/api/commit")
    folder.rmdir()
    assert put(controls, "/api/write").status == 500
    control(controls, "restart")
    assert module(controls)["tcr"]["icode"] == "b122-b123"


def test_scenario_leaves_the_configuration_alone() -> None:
    """Only the missing UTC offset touches the configuration; what was written stays through all the others."""
    controls = Controls()
    put(controls, f"{MODULE}/receiver", {"icode": "ieee1344", "ref-offs-configured": False})
    put(controls, "/api/commit")
    for scenario in (Scenario.JITTER, Scenario.MODULE_PULLED, Scenario.NO_SIGNAL, Scenario.LOCKED):
        controls.set_scenario("clk1", scenario)
    assert data(ask(controls, f"{MODULE}/receiver"))["ref-offs-configured"] is False
