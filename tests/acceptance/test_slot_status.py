"""The status of modules as an operator sees it: the installed command, services in one process, the simulator over HTTP."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from acceptance.fleet import CHASSIS, Fleet


@pytest.fixture
def fleet(tmp_path: Path) -> Iterator[Fleet]:
    """An installation in one process, with a file as its database."""
    with Fleet(tmp_path, "memory://", f"sqlite:///{tmp_path / 'interapp.db'}") as fleet:
        yield fleet


def test_the_status_of_a_slot_is_shown(fleet: Fleet) -> None:
    """A TCR's whole status is shown from discovery on, follows the device, and stays, as the last one, when it is pulled."""
    simulator = fleet.simulator()
    fleet.service("up").wait_ready()
    fleet.wait_until(
        lambda: fleet.slot_rows().get("clk1", {}).get("clock") == "synchronized", "clk1 is listed with its clock"
    )
    fleet.wait_handlers(kind="tcr.module-status", destination=f"{CHASSIS}.clk1", state="succeeded")
    line = fleet.slots()["clk1"]
    assert (line["clock"], line["receiver"], line["time_quality"]) == ("synchronized", "synchronized", "< 10 us")
    assert fleet.slots()["cpu"]["clock"] is None
    text = fleet.run("slots", "show", "clk1")
    assert "0 irig ~" in text
    assert "no answer of a real TCR was available" in text

    simulator.control("lose-signal", slot="clk1")
    fleet.wait_until(lambda: fleet.slot_rows()["clk1"]["clock"] == "holdover", "the loss is listed")
    fleet.wait_handlers(kind="tcr.sync-changed", state="succeeded")
    shown = json.loads(fleet.run("slots", "show", f"{CHASSIS}.clk1", "--json"))
    assert shown["status"]["receiver"]["bits"]["data_available"] is False
    assert shown["stale"] == {}

    simulator.control("pull", slot="clk1")
    fleet.wait_until(lambda: not fleet.slot_rows()["clk1"]["present"], "the pulled module is gone")
    fleet.wait_until(lambda: not fleet.rows(state="waiting"), "its service was told")
    assert "empty; the last module was tcr180" in fleet.run("slots", "show", "clk1")
    fleet.run("slots", "show", "clk9", code=1)


def test_a_device_report_tells_nothing_of_whose_device_it_is(fleet: Fleet) -> None:
    """The report of a device holds its modules and states, and neither its serial numbers nor its name nor its addresses."""
    fleet.simulator()
    file = fleet.folder / "report.json"
    fleet.run("device-report", "--output", str(file))
    text = file.read_text(encoding="ascii")
    report = json.loads(text)
    assert report["modules"]["chassis0.clk1"]["states"] == {"clock": "synchronized", "receiver": "synchronized"}
    assert report["modules"]["chassis0.clk1"]["unknown keys"] == []
    secrets = [str(line["serial"]) for line in simulated_slots(fleet) if line["serial"]]
    assert secrets
    assert [secret for secret in (*secrets, "m3000", "127.0.0.1", "localhost") if secret in text] == []


def simulated_slots(fleet: Fleet) -> list[dict[str, object]]:
    """Return what the services discover of the same device."""
    fleet.service("up").wait_ready()
    fleet.wait_until(fleet.slot_rows, "the chassis is discovered")
    return list(fleet.slot_rows().values())
