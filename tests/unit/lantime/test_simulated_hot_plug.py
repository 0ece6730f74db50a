"""The simulated device's modules that change places, and another chassis in its place."""

import pytest

from broker.lifecycle.clock import ManualClock
from lantime.answer import DeviceAnswer
from lantime.simulator.answers import envelope, status_tree
from lantime.simulator.controls import Controls
from lantime.simulator.device import ControlError
from lantime.simulator.scenario import Scenario
from lantime.status import ClockState
from lantime.status.chassis import ChassisStatus


@pytest.fixture
def sim() -> Controls:
    """A simulated M3000, with a TCR in clk1 and in clk2."""
    return Controls(model="M3000", clock=ManualClock())


def status(sim: Controls) -> ChassisStatus:
    """Return the chassis as a client reads it."""
    tree = envelope(sim.device, status_tree(sim.device), "/api/status", "http")
    (chassis,) = DeviceAnswer(url="http://device", body=tree).chassis()
    return chassis


def serials(sim: Controls) -> dict[str, str | None]:
    """Return the serial number of the module in each slot that holds one."""
    return {slot.slot_id: slot.module.serial for slot in status(sim).slots if slot.module}


def test_modules_change_places(sim: Controls) -> None:
    """A module that is moved to a taken slot changes places with the one there, and what happens to it goes along."""
    before = serials(sim)
    sim.set_scenario("clk1", Scenario.NO_SIGNAL)
    sim.perform("move", {"slot": "clk1", "to": "clk2"})
    assert serials(sim) == before | {"clk1": before["clk2"], "clk2": before["clk1"]}
    clocks = {slot.slot_id: slot.status.clock for slot in status(sim).slots if slot.status}
    assert clocks == {"clk1": ClockState.SYNCHRONIZED, "clk2": ClockState.HOLDOVER}


def test_a_module_moves_to_an_empty_slot(sim: Controls) -> None:
    """A module that is moved to an empty slot leaves its own empty."""
    sim.pull("clk2")
    before = serials(sim)
    sim.move("clk1", "clk2")
    after = serials(sim)
    assert (after["clk2"], "clk1" in after) == (before["clk1"], False)


@pytest.mark.parametrize(("slot", "to"), [("clk1", "clk1"), ("clk1", "io1"), ("clk1", "clk9"), ("io5", "io6")])
def test_a_move_that_cannot_be_changes_nothing(sim: Controls, slot: str, to: str) -> None:
    """A module stays when the other slot is the same, of another type or unknown, or when there is no module to move."""
    before = serials(sim)
    with pytest.raises(ControlError):
        sim.move(slot, to)
    assert serials(sim) == before


def test_another_chassis_has_other_modules(sim: Controls) -> None:
    """After a swap the chassis and every module that has a serial number have another one, all of them different."""
    before, chassis = serials(sim), status(sim).serial
    sim.perform("swap-chassis", {"serial": "030111009777"})
    after = serials(sim)
    assert (status(sim).serial, chassis != status(sim).serial) == ("030111009777", True)
    assert after.keys() == before.keys()
    numbers = [serial for serial in after.values() if serial is not None]
    assert len(set(numbers)) == len(numbers) == sum(serial is not None for serial in before.values())
    assert not set(numbers) & set(before.values())


@pytest.mark.parametrize("serial", ["", " ", "030111009003"])
def test_no_swap_without_another_serial_number(sim: Controls, serial: str) -> None:
    """A chassis is swapped for one with another serial number only."""
    with pytest.raises(ControlError, match="serial="):
        sim.swap_chassis(serial)
