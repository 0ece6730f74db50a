"""The door alarm in the service of a slot: what it does with commands."""

from pydantic import BaseModel, ConfigDict

from broker.errors import Reject
from broker.handlers.context import Context
from broker.handlers.executor import MessageExecutor
from broker.handlers.registry import HandlerRegistry
from door_alarm.messages import ArmDoor, Armed, DoorOpened, ReportDoor
from tcr_child.slot import TcrSlot

DOORS = "doors"
"""Collection with one DoorRecord, under FRONT."""

FRONT = "front"


class DoorRecord(BaseModel):
    """What is known of the door. Kept as a document: committed with the outcome, or not at all."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    armed: bool = False
    open: bool = False


handlers = HandlerRegistry[TcrSlot]("door-alarm", extends="tcr")
handlers.sends(DoorOpened)


@handlers.handles(ArmDoor, timeout=10.0)
class Arm(MessageExecutor[ArmDoor, TcrSlot]):
    """Arm or disarm; what is as it should be is left alone."""

    def gather(self) -> None:
        """Read how it stands."""
        self.known = self.ctx.documents.get(DOORS, FRONT, DoorRecord) or DoorRecord()

    def validate(self) -> bool:
        """Return whether anything is to be changed. An open door cannot be armed."""
        if self.message.armed and self.known.open:
            raise Reject("the door is open: close it first")
        return self.known.armed is not self.message.armed

    def apply(self) -> None:
        """Change it."""
        self.ctx.documents.put(DOORS, FRONT, self.known.model_copy(update={"armed": self.message.armed}))

    def reply(self) -> Armed:
        """Say how it stands now."""
        return Armed(armed=self.message.armed, changed=self.applied)


@handlers.handles(ReportDoor)
def report(command: ReportDoor, ctx: Context[TcrSlot]) -> None:
    """Keep what the contact says; tell everybody when the door of an armed rack opens."""
    known = ctx.documents.get(DOORS, FRONT, DoorRecord) or DoorRecord()
    ctx.documents.put(DOORS, FRONT, known.model_copy(update={"open": command.open}))
    if known.armed and command.open and not known.open:
        ctx.publish(DoorOpened(slot=ctx.resource.slot))
