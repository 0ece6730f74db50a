"""The story that the demo tells: what happens to the chassis, and when."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from broker.messages.message import Command
from lantime.contract import GetInventory, GetSlotStatus, PollSlotNow, child_address
from lantime.simulator.controls import Controls


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that happens, at a part (0 to 1) of the demo's time."""

    at: float
    text: str
    act: Callable[[Controls], None] | None = None
    command: Command[Any] | None = None
    to: str = ""


def story(chassis: str) -> list[Step]:
    """Return the steps in order of time; ``chassis`` is the address of the chassis' service."""
    clk1, clk2 = child_address(chassis, "clk1"), child_address(chassis, "clk2")
    return [
        Step(0.12, "An operator asks the chassis for its inventory", command=GetInventory(), to=chassis),
        Step(0.17, "An operator asks clk1 for its status", command=GetSlotStatus(), to=clk1),
        Step(0.24, "The time code at clk1 is lost: holdover", act=lambda device: device.lose_signal("clk1")),
        Step(0.40, "The time code at clk1 is back", act=lambda device: device.restore_signal("clk1")),
        Step(0.52, "The module in clk2 is pulled", act=lambda device: device.pull("clk2")),
        Step(0.62, "clk2 is told to read its module now: rejected, there is none", command=PollSlotNow(), to=clk2),
        Step(0.70, "A module is plugged into clk2", act=lambda device: device.plug("clk2")),
        Step(
            0.80,
            "clk1 is told to read its module now, and the device answers with an error once: the second attempt succeeds",
            act=lambda device: device.fail_requests(1, status=500),
            command=PollSlotNow(),
            to=clk1,
        ),
    ]
