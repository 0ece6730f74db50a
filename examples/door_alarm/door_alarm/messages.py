"""The messages of the door alarm. ``kind`` is the name on the wire: keep it for ever."""

from typing import ClassVar

from pydantic import Field

from broker.messages.message import Command, Event, Reply


class Armed(Reply):
    """How the alarm stands now."""

    kind: ClassVar[str] = "door.armed"
    armed: bool
    changed: bool
    """Whether the command changed anything."""


class ArmDoor(Command[Armed]):
    """Arm or disarm the alarm of a rack's door."""

    kind: ClassVar[str] = "door.arm"
    armed: bool
    reason: str = Field(default="", max_length=200)


class ReportDoor(Command[None]):
    """What the door's contact says, from whatever reads it."""

    kind: ClassVar[str] = "door.report"
    open: bool


class DoorOpened(Event):
    """The door of an armed rack was opened."""

    kind: ClassVar[str] = "door.opened"
    slot: str
