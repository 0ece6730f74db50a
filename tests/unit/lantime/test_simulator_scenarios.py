"""The nine scenarios of the simulated TCR, column by column, and the events that go with them."""

from collections.abc import Callable
from typing import Any

import pytest
from unit.simulated import ask, control, data, module, triggered

from broker.lifecycle.clock import ManualClock
from lantime.simulator.controls import Controls
from lantime.simulator.device import API_VERSIONS
from lantime.simulator.scenario import Scenario

LOCKED_BITS = {
    "warmed-up": True,
    "pulses-enabled": True,
    "invalid-sysconf": False,
    "data-available": True,
    "telegram-error": False,
    "lock-on": True,
    "tcap-exceeded": False,
    "invalid-utc-parameter": False,
}
NO_DATA = {"data-available": False, "lock-on": False}

TABLE: dict[str, dict[str, Any]] = {
    "locked": {
        "receiver": "synchronized",
        "bits": {},
        "pcps": {"syncd", "utc"},
        "clock": ("synchronized", "warmed-up", "less-than-10us"),
        "source": {"is-master", "is-locked", "is-accurate", "low-jitter"},
        "tfom-out": 0,
        "events": {"refclock-1-sync", "oscillator-adjusted", "ntp-sync", "normal-operation"},
    },
    "cold-start": {
        "receiver": "not-synchronized",
        "bits": {"warmed-up": False, "lock-on": False, "pulses-enabled": False},
        "pcps": {"freer", "invt", "utc"},
        "clock": ("not-synchronized", "not-warmed-up", "unknown"),
        "source": {"not-settled"},
        "tfom-out": 15,
        "events": {"refclock-1-not-sync", "oscillator-not-adjusted", "ntp-not-sync"},
    },
    "no-signal": {
        "receiver": "not-synchronized",
        "bits": NO_DATA,
        "pcps": {"freer", "syncd", "utc"},
        "clock": ("holdover", "warmed-up", "less-than-100us"),
        "source": {"no-signal"},
        "signal": (0, 255),
        "soc": 1,
        "held": 700,
        "tfom-out": 6,
        "events": {"refclock-1-not-sync", "xmr-ref-disconnect", "oscillator-adjusted", "ntp-sync"},
    },
    "no-signal-other-source": {
        "receiver": "not-synchronized",
        "bits": NO_DATA,
        "pcps": {"syncd", "utc"},
        "clock": ("synchronized", "warmed-up", "less-than-10us"),
        "source": {"no-signal"},
        "signal": (0, 255),
        "soc": 1,
        "tfom-out": 0,
        "reference": ("clk1-ptp", "ptp-ieee1588"),
        "events": {"refclock-1-sync", "xmr-ref-disconnect", "oscillator-adjusted", "ntp-sync"},
    },
    "inconsistent-telegram": {
        "receiver": "not-synchronized",
        "bits": {"telegram-error": True, "lock-on": False},
        "pcps": {"freer", "syncd", "utc"},
        "clock": ("holdover", "warmed-up", "less-than-100us"),
        "source": {"not-settled"},
        "held": 700,
        "tfom-out": 6,
        "events": {"refclock-1-not-sync", "oscillator-adjusted", "ntp-sync"},
    },
    "jitter": {
        "receiver": "not-synchronized",
        "bits": {"tcap-exceeded": True, "lock-on": False},
        "pcps": {"freer", "utc"},
        "clock": ("holdover", "warmed-up", "less-than-100us"),
        "source": {"phase-not-locked"},
        "held": 700,
        "tfom-out": 6,
        "events": {"refclock-1-not-sync", "oscillator-adjusted", "ntp-sync"},
    },
    "utc-offset-missing": {
        "receiver": "not-synchronized",
        "bits": {"invalid-utc-parameter": True},
        "pcps": {"freer", "invt", "utc"},
        "clock": ("not-synchronized", "warmed-up", "unknown"),
        "source": {"not-settled"},
        "configured": False,
        "tfom-out": 15,
        "events": {"refclock-1-not-sync", "oscillator-adjusted", "ntp-not-sync"},
    },
    "wrong-code": {
        "receiver": "not-synchronized",
        "bits": NO_DATA,
        "pcps": {"freer", "utc"},
        "clock": ("holdover", "warmed-up", "less-than-100us"),
        "source": {"no-signal"},
        "soc": 1,
        "held": 700,
        "tfom-out": 6,
        "events": {"refclock-1-not-sync", "xmr-ref-disconnect", "oscillator-adjusted", "ntp-sync"},
    },
}
ALWAYS = {"network-link-up", "sufficient-system-resources", "self-signed-https-certificate-in-use"}


def named(flags: dict[str, bool]) -> set[str]:
    """Return the names of the flags that are set."""
    return {name for name, is_set in flags.items() if is_set}


def test_there_are_nine() -> None:
    """The table has every scenario but the one in which there is no module to report anything."""
    assert set(TABLE) | {"module-pulled"} == set(Scenario)


@pytest.mark.parametrize("name", TABLE)
def test_what_a_scenario_reports(name: str) -> None:
    """Each scenario shows in receiver, bits, flags, clock, source list, system and events as the table has it."""
    clock, expected = ManualClock(), TABLE[name]
    controls = Controls(clock=clock, scenario=Scenario(name))
    clock.advance(700)
    found = module(controls)
    receiver, sync = found["tcr"], found["sync-status"]
    assert receiver["receiver-status"] == expected["receiver"]
    assert receiver["state"] == LOCKED_BITS | expected["bits"]
    assert named(receiver["pcps"]) == expected["pcps"]
    assert (receiver["signal"], receiver["agc"]) == expected.get("signal", (100, 142))
    assert receiver["ref-offs-configured"] is expected.get("configured", True)
    assert (*sync["clock-status"].values(), sync["est-time-quality"]) == expected["clock"]
    irig, ptp, _ = (each["status"] for each in found["mrs"])
    assert named(irig["status"]) == expected["source"]
    assert irig["soc"] == expected.get("soc", 0)
    assert ptp["status"]["is-master"] is ("reference" in expected)
    system = data(ask(controls, "/api/status/system/sync-status"))
    assert system["holdover-status"] == {
        "time-offset": 0,
        "time-elapsed": expected.get("held", 0),
        "tfom-out": expected["tfom-out"],
    }
    assert (system["reference"], system["ref-type"]) == expected.get("reference", ("clk1-tcr", "irig"))
    assert (system["clock-status"], system["est-time-quality"]) == (sync["clock-status"], sync["est-time-quality"])
    assert triggered(controls) == expected["events"] | ALWAYS


@pytest.mark.parametrize(("model", "reference"), [("M1000", "none"), ("M3000", "clk2-tcr")])
def test_module_pulled(model: str, reference: str) -> None:
    """A pulled module leaves a slot without module; the system follows the other clock, or none."""
    controls = Controls(model=model)
    controls.set_scenario("clk1", Scenario.MODULE_PULLED)
    controls.set_scenario("clk1", Scenario.MODULE_PULLED)
    assert "module" not in data(ask(controls, "/api/status/chassis0/slots/clk1"))
    assert data(ask(controls, "/api/status/system/sync-status"))["reference"] == reference
    assert {"refclock-1-not-responding", "ims-error"} < triggered(controls)


def test_module_comes_back_with_any_other_scenario() -> None:
    """The module that the scenario took out is put back by the next one; one that was pulled by hand is not."""
    controls = Controls()
    before = module(controls)["info"]
    controls.set_scenario("clk1", Scenario.MODULE_PULLED)
    assert control(controls, "set-scenario", slot="clk1", scenario="jitter").status == 200
    assert module(controls)["info"] == before
    assert module(controls)["tcr"]["state"]["tcap-exceeded"] is True
    assert "ims-ok" in triggered(controls)
    controls.pull("clk1")
    assert control(controls, "set-scenario", slot="clk1", scenario="locked").status == 422


@pytest.mark.parametrize("scenario", Scenario)
@pytest.mark.parametrize("api", sorted(API_VERSIONS))
def test_every_scenario_from_the_start_in_every_version(api: int, scenario: Scenario) -> None:
    """A scenario given at the start holds for every TCR, in every version of the API, and can be left again."""
    controls = Controls(model="M3000", api=api, scenario=scenario)
    whole = data(ask(controls, "/api/status"))
    states = {
        slot["slot-id"]: slot.get("module", {}).get("tcr", {}).get("receiver-status")
        for slot in whole["chassis0"]["slots"]
        if slot["slot-type"] == "clk"
    }
    expected = None if scenario is Scenario.MODULE_PULLED else TABLE[scenario]["receiver"]
    assert states == {"clk1": expected, "clk2": expected}
    controls.set_scenario("clk1", Scenario.LOCKED)
    assert module(controls)["tcr"]["receiver-status"] == "synchronized"


def test_every_loss_counts() -> None:
    """The IRIG source counts how often its signal was lost, whatever the loss was due to."""
    controls = Controls()
    for scenario in (Scenario.NO_SIGNAL, Scenario.WRONG_CODE, Scenario.LOCKED, Scenario.NO_SIGNAL_OTHER_SOURCE):
        controls.set_scenario("clk1", scenario)
    assert module(controls)["mrs"][0]["status"]["soc"] == 2


def events(controls: Controls) -> dict[str, tuple[int, str]]:
    """Return triggered and last-triggered of every event."""
    listed = data(ask(controls, "/api/status/notification/events"))
    return {each["object-id"]: (each["triggered"], each["last-triggered"]) for each in listed}


def test_events_are_raised_and_cleared() -> None:
    """An event is triggered while it holds, keeps the time at which it began, and its counterpart takes its place."""
    clock = ManualClock(1_700_000_000_000_000)
    controls = Controls(clock=clock)
    assert events(controls)["refclock-1-not-sync"] == (0, "never")
    assert events(controls)["xmr-ref-reconnect"] == (0, "never")
    clock.advance(10)
    controls.lose_signal("clk1")
    clock.advance(10)
    controls.set_scenario("clk1", Scenario.WRONG_CODE)
    lost = events(controls)
    assert lost["refclock-1-not-sync"] == lost["xmr-ref-disconnect"] == (1, "2023-11-14T22:13:30")
    assert lost["refclock-1-sync"] == (0, "2023-11-14T22:13:20")
    assert lost["normal-operation"][0] == 0
    clock.advance(10)
    controls.restore_signal("clk1")
    back = events(controls)
    assert back["refclock-1-not-sync"] == (0, "2023-11-14T22:13:30")
    assert back["refclock-1-sync"] == back["xmr-ref-reconnect"] == (1, "2023-11-14T22:13:50")
    assert back["normal-operation"] == (1, "2023-11-14T22:13:50")


@pytest.mark.parametrize(
    ("happen", "event"),
    [
        (lambda controls: controls.set_scenario("clk1", Scenario.NO_SIGNAL_OTHER_SOURCE), "xmr-ref-changed"),
        (lambda controls: controls.restart(), "system-reboot"),
    ],
)
def test_what_happens_in_a_moment_is_never_triggered(happen: Callable[[Controls], None], event: str) -> None:
    """A change of source and an action have a time, and nothing that lasts."""
    clock = ManualClock(1_700_000_000_000_000)
    controls = Controls(clock=clock)
    clock.advance(5)
    happen(controls)
    assert events(controls)[event] == (0, "2023-11-14T22:13:25")


@pytest.mark.parametrize(
    ("api", "there", "not_there"),
    [
        (10, {"leap-second-announced", "faillock:-user-banned"}, {"auto-update-avail", "leapsecond-announced"}),
        (20, {"leapsecond-announced", "faillock-user-banned", "auto-update-avail"}, {"leap-second-announced"}),
    ],
)
def test_event_ids_by_version(api: int, there: set[str], not_there: set[str]) -> None:
    """The ids of events are spelled as the two captured versions spell them."""
    found = set(events(Controls(api=api)))
    assert there <= found
    assert not_there & found == set()


def test_syncmon() -> None:
    """SyncMon lists the nodes it was given, tells when, and raises its alert while one is in alert."""
    clock = ManualClock(1_700_000_000_000_000)
    assert data(ask(Controls(), "/api/status/syncmon")) == {"last-updated": "never", "nodes": []}
    controls = Controls(clock=clock, syncmon_nodes=3)
    assert [each["protocol"] for each in data(ask(controls, "/api/status/syncmon"))["nodes"]] == ["ntp", "ntp", "ptp"]
    assert "sync-monitor-ok" in triggered(controls)
    clock.advance(60)
    nodes = [{"object-id": "a", "status": "alert", "offset": 0.5}, {"object-id": "b"}]
    assert control(controls, "set-syncmon", nodes=nodes).status == 200
    assert data(ask(controls, "/api/status/syncmon")) == {"last-updated": "2023-11-14T22:14:20", "nodes": nodes}
    assert "sync-monitor-alert" in triggered(controls)
    assert data(ask(controls, "/api/status/syncmon/nodes/a"))["offset"] == 0.5
    for wrong in ([{}], [{"object-id": ""}], [{"object-id": "a"}] * 2, "a", [7]):
        assert control(controls, "set-syncmon", nodes=wrong).status == 422


@pytest.mark.parametrize("model", ["gns181", "gnm181", "grc180", "pzf511"])
@pytest.mark.parametrize("api", sorted(API_VERSIONS))
def test_other_clocks(api: int, model: str) -> None:
    """Another receiver may be plugged: it reports what such modules were seen to report, and the system follows it."""
    controls = Controls(api=api)
    controls.pull("clk1")
    controls.plug("clk2", model=model)
    found = module(controls, "clk2")
    assert {"gns181": "gns", "gnm181": "gns", "grc180": "grc", "pzf511": "dcf77"}[model] in found
    assert "tcr" not in found
    assert data(ask(controls, "/api/status/system/sync-status"))["reference"].startswith("clk2-")
    assert control(controls, "set-scenario", slot="clk2", scenario="jitter").status == 422
    assert ask(controls, "/api/config/chassis0/slots/clk2/module").status == 404
