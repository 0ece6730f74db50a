"""What the handlers of one slot work on."""

from dataclasses import dataclass, field
from datetime import UTC, datetime

from broker.lifecycle.clock import Clock
from lantime.alarms.rules import DEFAULT_RULES, AlarmRules
from lantime.client import LantimeClient
from lantime.http_sessions.recorder import Recorder


@dataclass(frozen=True, slots=True)
class TcrSlot:
    """One TCR slot: its place, the device it can be read from, and the clock."""

    chassis: str
    """Address of the chassis' service."""
    slot: str
    device: LantimeClient | None
    """None when no address of the device is set: the service then knows what the chassis' service tells it."""
    clock: Clock
    recorder: Recorder = field(default_factory=Recorder)
    """Takes in what the slot's service and the device exchange."""
    rules: AlarmRules = DEFAULT_RULES
    """Of the slot's alarms."""

    def now(self) -> datetime:
        """Return the wall clock in UTC."""
        return datetime.fromtimestamp(self.clock.now_us() / 1_000_000, UTC)
