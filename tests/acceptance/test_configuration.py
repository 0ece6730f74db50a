"""An operator configures a module from the command line, the services being processes of their own."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from acceptance.fleet import CHASSIS, Fleet
from integration.configurable_device import ConfigurableDevice

CLK1 = f"{CHASSIS}.clk1"
CLK2 = f"{CHASSIS}.clk2"
PULSE = '{"output":2,"mode":"pulse-per-min","pulse_length_ms":500}'
OUTPUT2 = "programmable-outputs/output2/settings"
ADMIN = {"LANTIME_USERNAME": "admin", "LANTIME_PASSWORD": "admin"}


@pytest.fixture
def device() -> Iterator[ConfigurableDevice]:
    """A device that can be configured."""
    with ConfigurableDevice() as device:
        yield device


@pytest.fixture
def fleet(tmp_path: Path, amqp_url: str, postgres_url: str, device: ConfigurableDevice) -> Iterator[Fleet]:
    """An installation at that device, without any process yet."""
    with Fleet(tmp_path, amqp_url, postgres_url) as fleet:
        fleet.env["LANTIME_URL"] = device.url
        yield fleet


def shown(fleet: Fleet, kind: str, **fields: object) -> dict[str, Any]:
    """Return the one line of `interapp handlers` for a kind, with what `show` adds."""
    [line] = fleet.handlers(kind=kind, **fields)
    return {**json.loads(fleet.run("handlers", "show", line["id"], "--json")), **line}


@pytest.mark.timeout(300)  # some twenty commands, each a process
def test_an_output_is_configured(fleet: Fleet, device: ConfigurableDevice) -> None:
    """Shown by a dry run, written, not written twice, rejected and rolled back: each has its row with what was on the device."""
    (fleet.folder / "field.toml").write_text('name = "field"\n', encoding="utf-8")
    parent = fleet.parent()
    child = fleet.child("clk1", LANTIME_WRITE="true", LANTIME_WRITE_PROFILE="field.toml", **ADMIN)
    reader = fleet.child("clk2")
    for service in (parent, child, reader):
        service.wait_ready()

    dry = json.loads(fleet.run("send", CLK1, "tcr.set-output", PULSE[:-1] + ',"dry_run":true}', "--wait", "20"))
    assert (dry["changed"], dry["difference"]) == (
        False,
        [{"field": "pulse_length_ms", "before": 200, "after": 500}],
    )
    assert device.writes == []

    reply = json.loads(fleet.run("send", CLK1, "tcr.set-output", PULSE, "--wait", "20"))
    assert (reply["changed"], reply["now"]["pulse_length_ms"], reply["pending_changes"]) == (True, 500, 0)
    assert device.running(OUTPUT2)["pulse-length"] == 0.5
    again = json.loads(fleet.run("send", CLK1, "tcr.set-output", PULSE, "--wait", "20"))
    assert (again["changed"], again["difference"], len(device.writes)) == (False, [], 2)

    # refused before anything is sent; rejected by the child; rejected by a child that only reads
    fleet.run("send", CLK1, "tcr.set-output", '{"output":2,"pulse_length_ms":15}', code=2)
    fleet.run("send", CLK1, "tcr.set-output", '{"output":2,"mode":"havequick"}', "--wait", "20", code=1)
    fleet.run("send", CLK2, "tcr.set-output", PULSE, "--wait", "20", code=1)
    read = json.loads(fleet.run("send", CLK2, "tcr.get-configuration", "--wait", "20"))
    assert (read["writing"], read["configuration"]["receiver"]["code"]) == ("read-only", "b122-b123")

    # fails at the commit, is rolled back
    device.fail_next("PUT", "/api/commit", 500)
    fleet.run("send", CLK1, "tcr.set-output", '{"output":2,"pulse_length_ms":1000}', "--wait", "20", code=1)
    assert device.running(OUTPUT2)["pulse-length"] == 0.5
    assert device.pending == 0

    table = fleet.handlers(kind="tcr.set-output")
    assert [(line["destination"], line["state"], line["reason"]) for line in table] == [
        (CLK1, "succeeded", None),
        (CLK1, "succeeded", None),
        (CLK1, "succeeded", None),
        (CLK1, "failed", "rejected"),
        (CLK2, "failed", "rejected"),
        (CLK1, "failed", "error"),
    ]
    assert table[1]["reply"] == reply
    assert "mode='havequick' is not allowed: this device supports idle, timer" in table[3]["error"]
    assert "LANTIME_WRITE=true" in table[4]["error"]
    for said in (
        "step 'commit' failed",
        "rolled back: true",
        "on the device now: pulse_length_ms=500, 0 changes pending",
    ):
        assert said in table[5]["error"]
    assert (table[5]["phase"], table[5]["attempts"]) == ("apply", 1)

    slots = fleet.slots()
    assert (slots["clk1"]["writing"], slots["clk2"]["writing"]) == ("field", "read-only")
    assert "WRITING" in fleet.run("slots")


COMMANDS: list[tuple[str, dict[str, Any], str, object]] = [
    (
        "tcr.set-receiver",
        {"code": "ieee1344", "ignore_tfom": True, "delay_compensation": {"b1xx_ns": 1500}},
        "receiver/delay-compensation/b1xx/value",
        1.5e-6,
    ),
    (
        "tcr.set-mrs",
        {"sources": [{"source": "ptp-ieee1588", "precision_ns": 100}, {"source": "irig", "precision_ns": 10_000}]},
        "mrs/priority0/info/settings/id/type",
        "ptp-ieee1588",
    ),
    ("tcr.set-time-code-output", {"local_time": True}, "time-code-output/local-time", True),
    ("tcr.set-holdover", {"pulses": "always"}, "enable-flags/pulses", "always"),
    ("tcr.set-serial-port", {"port": 3, "baud_rate": 9600}, "serial-ports/com3/baudrate", 9600),
    ("tcr.set-synthesizer", {"frequency_decihertz": 100_000_000}, "synthesizer/frequency", 10e6),
]
"""Each further command with its body, and what is then at a path of the device's configuration."""


@pytest.mark.timeout(300)  # as above
def test_every_command_succeeds_is_rejected_fails_and_is_rolled_back(fleet: Fleet, device: ConfigurableDevice) -> None:
    """Each command, sent as an operator sends it, has a row for each of its ends, and the device is as the row says."""
    fleet.child("clk1", LANTIME_WRITE="true", **ADMIN).wait_ready()
    for number, (kind, body, path, value) in enumerate(COMMANDS, start=1):
        before = device.running(path)
        assert before != value
        device.fail_next("PUT", "/api/commit", 500)
        fleet.run("send", CLK1, kind, json.dumps(body), "--wait", "20", code=1)
        assert device.running(path) == before
        device.fail_next("PUT", "/api/config", 422)
        fleet.run("send", CLK1, kind, json.dumps(body), "--wait", "20", code=1)
        reply = json.loads(fleet.run("send", CLK1, kind, json.dumps({**body, "save": True}), "--wait", "20"))
        assert device.running(path) == value
        assert (reply["changed"], reply["saved"], device.saves) == (True, True, number)
    table = fleet.handlers()
    for kind, *_ in COMMANDS:
        failed, rejected, done = (line for line in table if line["kind"] == kind)
        assert (failed["reason"], rejected["reason"], done["state"]) == ("error", "rejected", "succeeded")
        assert "rolled back: true; on the device now: " in failed["error"]
        assert "asked to fail" in rejected["error"]


def test_two_children_of_one_chassis(fleet: Fleet, device: ConfigurableDevice) -> None:
    """Commands to two children at once, each a process of its own, both end as wanted: who meets the other waits."""
    children = [fleet.child(slot, LANTIME_WRITE="true", **ADMIN) for slot in ("clk1", "clk2")]
    for child in children:
        child.wait_ready()
    for app in (CLK1, CLK2):
        for length in (500, 600, 700):
            fleet.run("send", app, "tcr.set-output", json.dumps({"output": 2, "pulse_length_ms": length}))
    fleet.wait_until(lambda: fleet.final() == 6, "all are handled", timeout=60.0)
    lines = fleet.handlers(kind="tcr.set-output")
    assert {line["state"] for line in lines} == {"succeeded"}
    assert device.pending == 0
    assert {device.running(OUTPUT2, slot)["pulse-length"] for slot in ("clk1", "clk2")} <= {0.5, 0.6, 0.7}


def test_a_killed_child_leaves_nothing_half_done(fleet: Fleet, device: ConfigurableDevice) -> None:
    """A child killed between writing and commit leaves a staged change, which its successor does not put in force unasked."""
    child = fleet.child("clk1", LANTIME_WRITE="true", **ADMIN).wait_ready()
    device.after_next_do("PUT", "/api/config", child.kill)
    fleet.run("send", CLK1, "tcr.set-output", PULSE)
    fleet.wait_until(lambda: not child.running, "the child was killed")
    assert (device.pending, device.running(OUTPUT2)["pulse-length"]) == (1, 0.2)
    fleet.child("clk1", LANTIME_WRITE="true", **ADMIN).wait_ready()
    fleet.wait_handlers(kind="tcr.set-output", state="failed", reason="rejected", timeout=60.0)
    line = shown(fleet, "tcr.set-output")
    assert "pending-changes=1" in line["error"]
    assert device.running(OUTPUT2)["pulse-length"] == 0.2
    dropped = json.loads(fleet.run("send", CLK1, "tcr.rollback-configuration", "--wait", "20"))
    assert (dropped["pending_before"], dropped["pending_changes"]) == (1, 0)
    fleet.run("handlers", "retry", line["id"])
    fleet.wait_handlers(kind="tcr.set-output", state="succeeded")
    assert device.running(OUTPUT2)["pulse-length"] == 0.5


@pytest.mark.parametrize(
    ("content", "says"),
    [(None, "missing.toml"), ('verb = "GET"\n', "verb"), ("verb", "TOML")],
    ids=["missing", "verb", "no TOML"],
)
def test_a_write_profile_that_cannot_be_ends_the_process(fleet: Fleet, content: str | None, says: str) -> None:
    """A wrong profile ends the service at once with exit code 2 and one line that names setting, file and reason."""
    file = fleet.folder / ("missing.toml" if content is None else "profile.toml")
    if content is not None:
        file.write_text(content, encoding="utf-8")
    child = fleet.child("clk1", LANTIME_WRITE_PROFILE=str(file))
    assert child.wait() == 2
    assert "LANTIME_WRITE_PROFILE" in child.output()
    assert says in child.output()
