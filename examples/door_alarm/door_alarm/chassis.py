"""The door alarm in the service of the chassis: a book of the doors that were opened."""

from pydantic import BaseModel, ConfigDict

from broker.handlers.context import Context
from broker.handlers.registry import HandlerRegistry
from door_alarm.messages import DoorOpened
from modular_parent.chassis import Chassis

BOOK = "door-book"
"""Collection with one Page per slot."""


class Page(BaseModel):
    """How often the door beside a slot was opened while it was armed."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    times: int = 0


handlers = HandlerRegistry[Chassis]("door-book", extends="chassis")


@handlers.handles(DoorOpened)
def write_down(event: DoorOpened, ctx: Context[Chassis]) -> None:
    """Count it."""
    page = ctx.documents.get(BOOK, event.slot, Page) or Page()
    ctx.documents.put(BOOK, event.slot, Page(times=page.times + 1))
