"""Plays the story against the running services."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from broker.errors import TableError
from broker.lifecycle.clock import Clock
from broker.runtime.client import Client
from broker.runtime.host import Host
from broker.table.documents import find_documents
from broker.table.queries import find_handler
from lantime.contract import CHASSIS, SLOTS, ChassisRecord, SlotRecord
from lantime.demo.story import Step
from lantime.simulator.controls import Controls

LOOK_SECONDS = 0.1

Wait = Callable[[float], bool]
"""Waits that many seconds, or until the demo is stopped; returns whether it is."""


@dataclass(slots=True)
class Player:
    """Does one step after the other, each at its time."""

    host: Host
    chassis: str
    device: Controls
    clock: Clock
    wait: Wait
    tell: Callable[[str], None]
    sent: list[str]
    """Ids of the commands that the story sent."""

    def play(self, steps: Sequence[Step], seconds: float) -> bool:
        """Play the story; return False when it was stopped, or a command was not final in the end."""
        began, began_us = self.clock.monotonic(), self.clock.now_us()
        if not self._until(lambda: self._discovered(began_us), began + seconds):
            return False
        client = self.host.client("operator")
        for step in steps:
            if self.wait(max(0.0, began + step.at * seconds - self.clock.monotonic())):
                return False
            self._do(step, client)
        # Every command gets the time it takes, the demo its full length.
        settled = self._until(self._settled, began + seconds + 10)
        return not self.wait(max(0.0, began + seconds - self.clock.monotonic())) and settled

    def _do(self, step: Step, client: Client) -> None:
        self.tell(step.text)
        if step.act is not None:
            step.act(self.device)
        if step.command is not None:
            self.sent.append(client.send(step.command, to=step.to))

    def _discovered(self, since_us: int) -> bool:
        """Tell whether this run has polled the chassis, and say what it found."""
        for document in find_documents(self.host.database, CHASSIS, app=self.chassis):
            record = ChassisRecord.model_validate_json(document.body)
            if record.last_poll is None or record.last_poll.timestamp() * 1_000_000 < since_us:
                return False
            slots = [
                SlotRecord.model_validate_json(found.body)
                for found in find_documents(self.host.database, SLOTS, app=self.chassis)
            ]
            served = ", ".join(f"{slot.slot} ({slot.model}, serial {slot.serial})" for slot in slots if slot.app)
            self.tell(
                f"{self.chassis} is a LANTIME {record.model}, firmware {record.firmware}, with {len(slots)} slots"
            )
            self.tell(f"Each time code receiver gets a service of its own: {served}")
            return True
        return False

    def _settled(self) -> bool:
        try:
            return all(find_handler(self.host.database, message_id).state.final for message_id in self.sent)
        except TableError:
            return False

    def _until(self, check: Callable[[], bool], deadline: float) -> bool:
        while not check():
            if self.clock.monotonic() > deadline or self.wait(LOOK_SECONDS):
                return False
        return True
