"""What the handlers of one slot work on."""

from dataclasses import dataclass, field
from datetime import UTC, datetime

from broker.lifecycle.clock import Clock
from lantime.alarms.rules import DEFAULT_RULES, AlarmRules
from lantime.client import LantimeClient
from lantime.http_sessions.recorder import Recorder
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
    configuring: Configuring = field(default_factory=Configuring, kw_only=True)
    """Whether and how its module is written; all slots of one device share it."""
    recorder: Recorder = field(default_factory=Recorder, kw_only=True)
    """Takes in what the slot's service and the device exchange."""
    rules: AlarmRules = field(default=DEFAULT_RULES, kw_only=True)
    """Of the slot's alarms."""

    def now(self) -> datetime:
        """Return the wall clock in UTC."""
        return datetime.fromtimestamp(self.clock.now_us() / 1_000_000, UTC)

    @property
    def device_url(self) -> str:
        """The device's address, for errors."""
        return "" if self.device is None else self.device.url
