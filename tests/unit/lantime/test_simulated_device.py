"""The simulated device without a server: state, answers, logins and controls."""

import base64
import json
from typing import Any

import pytest

from broker.lifecycle.clock import ManualClock
from lantime.simulator.api import SimulatedRequest, SimulatedResponse, respond
from lantime.simulator.controls import Controls
from lantime.simulator.device import API_VERSIONS, ControlError
from lantime.simulator.scenario import EFFECTS, Scenario
from lantime.status import ChassisStatus, ClockState, ModuleStatus, ReceiverState, parse_status

APIS = sorted(API_VERSIONS)


def basic(username: str, password: str) -> str:
    """A Basic header."""
    return "Basic " + base64.b64encode(f"{username}:{password}".encode()).decode()


INFO, ADMIN = basic("info", "info"), basic("admin", "admin")


def ask(
    controls: Controls, path: str, method: str = "GET", login: str | None = INFO, **parts: Any
) -> SimulatedResponse:
    """Send one request."""
    return respond(controls, SimulatedRequest(method=method, path=path, authorization=login, **parts))


def control(controls: Controls, action: str, arguments: object = None, login: str | None = ADMIN) -> SimulatedResponse:
    """Send one control from this machine."""
    body = b"" if arguments is None else json.dumps(arguments).encode()
    return ask(controls, f"/simulator/{action}", "POST", login, body=body, from_this_machine=True)


def status(controls: Controls) -> dict[str, Any]:
    """The status object."""
    data = ask(controls, "/api/status").body["data"]
    assert isinstance(data, dict)
    return data


def chassis(controls: Controls) -> ChassisStatus:
    """The typed chassis."""
    return parse_status(ask(controls, "/api/status").body)[0]


def tcr(controls: Controls, slot: str = "clk1") -> ModuleStatus:
    """The typed TCR in a slot."""
    found = chassis(controls).slot(slot)
    assert found is not None
    assert found.status is not None
    return found.status


@pytest.mark.parametrize("api", APIS)
def test_m1000(api: int) -> None:
    """An M1000 has one TCR in clk1 and says so in every API version."""
    found = chassis(Controls(model="M1000", api=api))
    assert (found.model, found.api_version, found.api_major) == ("M1000", API_VERSIONS[api], api)
    assert found.warnings == ()
    assert {each.slot_id: each.module.model for each in found.slots if each.module} == {
        "pwr1": "psu",
        "clk1": "tcr180",
        "cpu": "c15g2",
        "mri1": "mri",
        "io1": "cpe180",
        "io2": "bpe",
        "io3": "lno180",
        "io4": "hps100",
    }
    assert [each.slot_id for each in found.slots if each.module is None] == ["pwr2", "clk2", "esi1"]


@pytest.mark.parametrize("api", APIS)
def test_m3000(api: int) -> None:
    """An M3000 has two TCRs and a switch card."""
    found = chassis(Controls(model="M3000", api=api))
    models = [each.module.model for each in found.slots if each.module]
    assert [each.slot_id for each in found.slots if each.status] == ["clk1", "clk2"]
    assert "rsc180" in models


@pytest.mark.parametrize("api", APIS)
def test_a_locked_module_reports_all_that_its_version_should(api: int) -> None:
    """No part that the adapter of an API version expects is missing from the simulator's answer."""
    found = tcr(Controls(api=api))
    assert (found.missing, found.receiver.missing) == ((), ())
    assert found.receiver.state is ReceiverState.SYNCHRONIZED
    assert found.clock is ClockState.SYNCHRONIZED


def test_versions_differ_as_known() -> None:
    """What is known to differ between API versions differs."""
    old, new = (status(Controls(api=api)) for api in (10, 20))
    serials = [
        next(slot for slot in each["chassis0"]["slots"] if slot["slot-id"] == "clk1")["module"]["info"]["serial-number"]
        for each in (old, new)
    ]
    assert serials[0] == serials[1].ljust(16) != serials[1]
    assert ("chassis-xhe" in old, "chassis-xhe" in new) == (True, False)
    assert ("api-last-update" in old["system"], "api-last-update" in new["system"]) == (False, True)
    assert (old["ntp"][0]["leap"], new["ntp"][0]["leap"]) == ("0", 0)
    order = [[slot["slot-id"] for slot in each["chassis0"]["slots"]] for each in (old, new)]
    assert order[0].index("cpu") < order[0].index("clk1")
    assert order[1].index("cpu") > order[1].index("clk1")
    assert tcr(Controls(api=8)).mrs[0].status is None
    assert tcr(Controls(api=16)).receiver.control_bits is None
    assert tcr(Controls(api=20)).receiver.control_bits == 0


def test_more_that_differs_as_captured() -> None:
    """The rest of what the two captures show to differ differs, down to spellings."""
    old, new = (status(Controls(api=api)) for api in (10, 20))
    ports = [each["network"]["ports"][0] for each in (old, new)]
    newer = {"port-available", "statistics", "bonding-slave"}
    assert (newer & set(ports[0]), newer & set(ports[1])) == (set(), newer)
    assert ["cluster" in each["network"]["interfaces"][0] for each in (old, new)] == [False, True]
    assert ["poll-status" in each["ntp"][1] for each in (old, new)] == [False, True]
    assert ["bird" in each["services"]["global"] for each in (old, new)] == [False, True]
    assert [each["syncteam"]["leapsecond-state"] for each in (old, new)] == ["no-leap-second", "no-leapsecond"]
    assert [each["system"]["front-leds"]["led-alarm"]["current-color"] for each in (old, new)] == ["blue", "none"]
    positions = [each["system"]["last-position-update"] for each in (old, new)]
    assert positions == ["1970-01-01 00:00:00", "2026.02.11 21:53:08"]
    assert [each["object-id"] for each in old["chassis-xhe"]] == ["clk1"]
    # Both captures spell it so, unlike the event.
    assert ["leapsecond-announced" in each["system"]["sync-status"] for each in (old, new)] == [True, True]


def test_empty_slots_have_no_module_key() -> None:
    """An empty slot has no module key at all; an empty power bay has a module without info."""
    slots = {slot["slot-id"]: slot for slot in status(Controls())["chassis0"]["slots"]}
    assert "module" not in slots["clk2"]
    assert "info" not in slots["pwr2"]["module"]


def test_lost_signal_is_holdover_that_counts() -> None:
    """Without signal the clock holds over, its time counts and its quality decays, until the signal is back."""
    clock = ManualClock()
    controls = Controls(clock=clock)
    controls.lose_signal("clk1")
    clock.advance(700)
    found, system = tcr(controls), status(controls)["system"]["sync-status"]
    assert (found.receiver.state, found.clock) == (ReceiverState.NOT_SYNCHRONIZED, ClockState.HOLDOVER)
    assert (found.receiver.signal_percent, found.receiver.agc) == (0, 255)
    assert (found.receiver.bits.data_available, found.receiver.bits.lock_on) == (False, False)
    assert (found.receiver.pcps.freer, found.receiver.pcps.syncd) == (True, True)
    assert found.time_quality.bound_seconds == pytest.approx(1e-4)
    assert found.receiver.tfom == system["holdover-status"]["tfom-out"] == 6
    assert system["holdover-status"]["time-elapsed"] == 700
    assert found.mrs[0].status is not None
    assert found.mrs[0].status.no_signal is True
    controls.set_scenario("clk1", Scenario.INCONSISTENT_TELEGRAM)
    clock.advance(1)
    assert status(controls)["system"]["sync-status"]["holdover-status"]["time-elapsed"] == 701
    controls.restore_signal("clk1")
    found = tcr(controls)
    assert (found.receiver.state, found.clock) == (ReceiverState.SYNCHRONIZED, ClockState.SYNCHRONIZED)
    assert status(controls)["system"]["sync-status"]["holdover-status"]["time-elapsed"] == 0


@pytest.mark.parametrize("scenario", EFFECTS)
def test_every_scenario_reads_back(scenario: Scenario) -> None:
    """What a scenario changes is what the typed status then says."""
    controls = Controls()
    controls.set_scenario("clk1", scenario)
    found, effect = tcr(controls), EFFECTS[scenario]
    assert found.receiver.state == effect.receiver
    assert found.clock == effect.clock
    assert found.oscillator == effect.oscillator
    assert found.receiver.utc_offset_configured is effect.utc_offset_configured
    bits = found.receiver.bits.model_dump()
    assert {name: bits[name.replace("-", "_")] for name in effect.bits} == effect.bits


def test_pull_and_plug() -> None:
    """A pulled module leaves an empty slot; the same or another one may be plugged."""
    controls = Controls()
    before = chassis(controls).slot("clk1")
    controls.pull("clk1")
    empty = chassis(controls).slot("clk1")
    assert empty is not None
    assert empty.module is None
    assert ask(controls, "/api/status/chassis0/slots/clk1").status == 200
    assert ask(controls, "/api/status/chassis0/slots/clk1/module").status == 404
    assert status(controls)["system"]["sync-status"]["clock-status"]["clock"] == "not-synchronized"
    controls.plug("clk1")
    assert chassis(controls).slot("clk1") == before
    controls.pull("clk1")
    controls.plug("clk1", serial="068111029999")
    controls.plug("clk2")
    serials = [each.module.serial for each in chassis(controls).slots if each.status and each.module]
    assert serials[0] == "068111029999"
    assert serials[1] not in (None, "068111029999")
    controls.plug("esi1", model="esi180")
    assert "esi180" in [each.module.model for each in chassis(controls).slots if each.module]


def test_events_follow() -> None:
    """The clock's events tell what happened and when."""
    clock = ManualClock()
    controls = Controls(clock=clock)

    def triggered() -> list[str]:
        events = status(controls)["notification"]["events"]
        return [each["object-id"] for each in events if each["object-id"].startswith("refclock") and each["triggered"]]

    assert triggered() == ["refclock-1-sync"]
    controls.lose_signal("clk1")
    assert triggered() == ["refclock-1-not-sync"]
    controls.pull("clk1")
    assert triggered() == ["refclock-1-not-responding"]


def test_second_clock_takes_over() -> None:
    """The system follows the second clock when the first loses its signal."""
    controls = Controls(model="M3000")
    assert status(controls)["system"]["sync-status"]["reference"] == "clk1-tcr"
    controls.lose_signal("clk1")
    assert status(controls)["system"]["sync-status"]["reference"] == "clk2-tcr"


@pytest.mark.parametrize(
    ("method", "arguments", "named"),
    [
        ("pull", ("clk9",), "clk9"),
        ("pull", ("clk2",), "no module"),
        ("plug", ("clk1",), "tcr180 068111020467"),
        ("plug", ("esi1",), "model"),
        ("lose_signal", ("clk2",), "no TCR"),
        ("lose_signal", ("cpu",), "no TCR"),
        ("fail_requests", (0,), "count=0"),
        ("fail_requests", (1, 200), "status=200"),
        ("change_login", ("", "x"), "username"),
        ("change_login", ("info", "x", "king"), "king"),
    ],
)
def test_controls_that_do_not_fit(method: str, arguments: tuple[Any, ...], named: str) -> None:
    """A control that this device cannot do is refused with what was asked, and changes nothing."""
    controls = Controls(clock=ManualClock())
    before = status(controls)
    with pytest.raises(ControlError, match=named):
        getattr(controls, method)(*arguments)
    assert status(controls) == before


@pytest.mark.parametrize(("model", "api"), [("M500", 20), ("M1000", 17)])
def test_unknown_models_and_versions(model: str, api: int) -> None:
    """A model or API version that is not simulated is refused."""
    with pytest.raises(ValueError, match="is not allowed"):
        Controls(model=model, api=api)


@pytest.mark.parametrize(
    "login", [None, "Basic", "Basic !!!", basic("info", "wrong"), basic("x", ""), "Bearer ABC", "x"]
)
@pytest.mark.parametrize("path", ["/api", "/api/status", "/api/none", "/api/get-token"])
def test_login_is_needed_first(login: str | None, path: str) -> None:
    """Without a right login nothing is told, not even what exists."""
    response = ask(Controls(), path, login=login)
    assert response.status == 401
    assert response.headers["WWW-Authenticate"] == 'Basic realm="api"'


@pytest.mark.parametrize("api", APIS)
def test_token(api: int) -> None:
    """From API 16 a PUT with Basic gives a bearer token; before there is no such path."""
    controls = Controls(api=api)
    response = ask(controls, "/api/get-token", "PUT")
    if api < 16:
        assert response.status == 404
        return
    bearer = f"Bearer {response.body['token']}"
    assert ask(controls, "/api/status", login=bearer).status == 200
    assert ask(controls, "/api/get-token", "PUT", login=bearer).status == 401
    assert ask(controls, "/api/get-token", "GET").status == 405
    controls.revoke_tokens()
    assert ask(controls, "/api/status", login=bearer).status == 401


def test_changed_login() -> None:
    """A changed password ends the old one and the tokens it gave."""
    controls = Controls()
    bearer = f"Bearer {ask(controls, '/api/get-token', 'PUT').body['token']}"
    controls.change_login("info", "new")
    controls.change_login("guest", "guest", "admin")
    assert ask(controls, "/api/status").status == 401
    assert ask(controls, "/api/status", login=bearer).status == 401
    assert ask(controls, "/api/status", login=basic("info", "new")).status == 200
    assert control(controls, "enable-api", login=basic("guest", "guest")).status == 200


@pytest.mark.parametrize(
    ("path", "key"),
    [
        ("/api", "status"),
        ("/api/", "status"),
        ("/api/status", "object-id"),
        ("/api/status/chassis0", "slots"),
        ("/api/status/chassis0/slots/clk1", "slot-id"),
        ("/api/status/chassis0/slots/clk1/module", "tcr"),
        ("/api/status/chassis0/slots/clk1/module/mrs/priority1", "status"),
        ("/api/status/network/ports/lan0/speed", "speed"),
    ],
)
def test_paths(path: str, key: str) -> None:
    """Every object and leaf of the tree has a path; members of lists are addressed by their object id."""
    data = ask(Controls(), path).body["data"]
    assert isinstance(data, dict)
    assert key in data


@pytest.mark.parametrize(
    ("method", "path", "code"),
    [
        ("GET", "/api/status/none", 404),
        ("GET", "/api/status/chassis0/slots/clk9", 404),
        ("GET", "/api/status/network/ports/lan0/speed/more", 404),
        ("GET", "/", 404),
        ("PUT", "/api/status", 405),
        ("DELETE", "/api/status/chassis0", 405),
    ],
)
def test_errors_have_a_body(method: str, path: str, code: int) -> None:
    """An error has its status in its body too."""
    response = ask(Controls(), path, method)
    assert response.status == code
    assert response.body["system-information"] == {}
    assert isinstance(response.body["error"], dict)
    assert response.body["error"]["code"] == code


def test_asked_faults() -> None:
    """Only as many requests fail as asked, and only under the prefix."""
    controls = Controls()
    controls.fail_requests(2, status=500)
    codes = [ask(controls, path).status for path in ("/api/status", *["/api/status/chassis0/slots/clk1"] * 3)]
    assert codes == [200, 500, 500, 200]


def test_disabled_api() -> None:
    """A disabled API answers 503 until it is enabled; the controls go on working."""
    controls = Controls()
    assert control(controls, "disable-api").status == 200
    assert ask(controls, "/api/status").status == 503
    assert control(controls, "enable-api").status == 200
    assert ask(controls, "/api/status").status == 200


def test_controls_over_http() -> None:
    """Every control can be had with a POST, hyphens or not."""
    controls = Controls()
    for action, arguments in (
        ("pull", {"slot": "clk1"}),
        ("plug", {"slot": "clk1", "serial": "1"}),
        ("lose-signal", {"slot": "clk1"}),
        ("restore_signal", {"slot": "clk1"}),
        ("set-scenario", {"slot": "clk1", "scenario": "jitter"}),
        ("fail-requests", {"count": 1, "path-prefix": "/api/x"}),
        ("change-login", {"username": "info", "password": "x"}),
        ("revoke-tokens", None),
    ):
        assert control(controls, action, arguments).status == 200, action
    assert tcr_of(controls, basic("info", "x")).receiver.bits.tcap_exceeded is True


def tcr_of(controls: Controls, login: str) -> ModuleStatus:
    """The TCR in clk1, read with a login."""
    found = parse_status(ask(controls, "/api/status", login=login).body)[0].slot("clk1")
    assert found is not None
    assert found.status is not None
    return found.status


@pytest.mark.parametrize(
    ("action", "arguments", "code"),
    [
        ("explode", {}, 404),
        ("perform", {"action": "pull"}, 404),
        ("", {}, 404),
        ("pull/clk1", {}, 404),
        ("pull", {}, 422),
        ("pull", {"slot": 7}, 422),
        ("pull", {"slot": "clk9"}, 422),
        ("pull", {"slot": "clk1", "hard": True}, 422),
        ("set-scenario", {"slot": "clk1", "scenario": "flood"}, 422),
        ("pull", ["clk1"], 422),
    ],
)
def test_wrong_controls_over_http(action: str, arguments: object, code: int) -> None:
    """A control that is unknown or does not fit is refused with a reason."""
    assert control(Controls(), action, arguments).status == code


def test_control_that_is_no_json() -> None:
    """A body that is not JSON is refused."""
    assert ask(Controls(), "/simulator/pull", "POST", ADMIN, body=b"{", from_this_machine=True).status == 400


@pytest.mark.parametrize(
    ("login", "from_this_machine", "method", "code"),
    [(ADMIN, False, "POST", 403), (INFO, True, "POST", 403), (None, True, "POST", 401), (ADMIN, True, "GET", 405)],
)
def test_who_may_control(login: str | None, from_this_machine: bool, method: str, code: int) -> None:
    """Only an admin on the same machine controls the simulator."""
    response = ask(Controls(), "/simulator/disable-api", method, login, from_this_machine=from_this_machine)
    assert response.status == code


def test_request_log() -> None:
    """Every request is in the log with its status and user, and no secret."""
    controls = Controls(clock=ManualClock(5))
    ask(controls, "/api/status")
    ask(controls, "/api/none", login=basic("info", "hidden"))
    response = ask(controls, "/simulator/request-log", login=ADMIN, from_this_machine=True)
    assert response.body["requests"] == [
        {"method": "GET", "path": "/api/status", "status": 200, "login": "info", "at_us": 5},
        {"method": "GET", "path": "/api/none", "status": 401, "login": "", "at_us": 5},
    ]
    assert [each.path for each in controls.request_log][2:] == ["/simulator/request-log"]
