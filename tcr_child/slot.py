"""What the handlers of one slot work on."""

from dataclasses import dataclass, field
from datetime import UTC, datetime

from broker.lifecycle.clock import Clock
from lantime.client import LantimeClient
from tcr_child.configuring import Configuring


@dataclass(frozen=True, slots=True)
class TcrSlot:
    """One TCR slot: its place, the device it can be read from, and the clock."""

    chassis: str
    """Address of the chassis' service."""
    slot: str
    device: LantimeClient | None
    """None when no address of the device is set: the service then knows what the chassis' service tells it."""
    clock: Clock
    configuring: Configuring = field(default_factory=Configuring)
    """Whether and how its module is written; all slots of one device share it."""

    def now(self) -> datetime:
        """Return the wall clock in UTC."""
        return datetime.fromtimestamp(self.clock.now_us() / 1_000_000, UTC)

    @property
    def device_url(self) -> str:
        """The device's address, for errors."""
        return "" if self.device is None else self.device.url
