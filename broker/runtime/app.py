"""An app: a participant with an address, its handlers, and what they work on."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Generic, Protocol

from broker.handlers.context import ResourceT
from broker.handlers.registry import HandlerRegistry
from broker.lifecycle.address import checked_address
from broker.messages.catch_up import CatchUp
from broker.messages.message import Event
from broker.observe.health import Check
from broker.runtime.client import Client


class Shift(Protocol):
    """What a duty is given: a client whose transactions are refused once the worker is superseded, and when to end."""

    client: Client

    def wait(self, seconds: float) -> bool:
        """Wait that long, or until the duty must end; return whether it must end."""
        ...


Duty = Callable[[Shift], None]
"""Runs in a thread of its own while this worker is the active one of its app, e.g. to poll a device."""


@dataclass(frozen=True, kw_only=True)
class App(Generic[ResourceT]):
    """One participant, as the host runs it."""

    address: str
    registry: HandlerRegistry[ResourceT]
    resource: ResourceT
    events_from: str = "#"
    """Topic pattern of the source addresses whose events it gets, for the events that its registry handles."""
    catch_up: CatchUp = CatchUp.NOTHING
    """What it gets of the events that were published before it first subscribed to them."""
    duty: Duty | None = None
    more_duties: tuple[Duty, ...] = ()
    """Further duties, each in a thread of its own, for as long as ``duty``."""
    checks: Mapping[str, Callable[[], Check]] = field(default_factory=dict)
    """Health checks of what it works on, by name."""

    def __post_init__(self) -> None:
        """Refuse an address that no app can have, and what is no choice of older events."""
        checked_address(self.address)
        if not isinstance(self.catch_up, CatchUp):
            raise ValueError(f"{self.address}: catch_up={self.catch_up!r} must be CatchUp.NOTHING or CatchUp.LAST")  # noqa: TRY004 as for every other value here

    def subscriptions(self) -> set[str]:
        """Return the topic patterns of the events that it handles."""
        return {
            f"{self.events_from}.{handler.message.kind}"
            for handler in self.registry
            if issubclass(handler.message, Event)
        }
