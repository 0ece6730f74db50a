"""The slot services of one process: of one slot that was set, or of those that the chassis' service gives to a pool's member."""

import structlog

from broker.lifecycle.clock import Clock, SystemClock
from broker.observe.health import Check
from broker.runtime.host import Host
from broker.runtime.service import Service
from broker.runtime.together import Together
from lantime.alarms.rules import DEFAULT_RULES, AlarmRules, AlarmSettings
from lantime.chassis_list import load_chassis, load_one_chassis
from lantime.settings import LantimeSettings
from tcr_child.pool import PoolMember
from tcr_child.serving import Slots
from tcr_child.settings import AUTO, TcrSettings

log = structlog.get_logger("interapp.slot")


class SlotService:
    """Serves one slot. Without a slot id it is unassigned: it stays up, says what is missing, and handles nothing."""

    def __init__(
        self, settings: LantimeSettings, slot: str | None, clock: Clock, rules: AlarmRules = DEFAULT_RULES
    ) -> None:
        self._slots = Slots(settings, clock, rules)
        self._slot = slot

    def start(self, host: Host) -> None:
        """Begin to handle messages. Raises TableUnavailable."""
        if self._slot is None:
            missing = "TCR_SLOT_ID is not set: unassigned, nothing is handled"
            log.warning("unassigned", set="TCR_SLOT_ID, e.g. to clk1, or to auto for whichever slot needs a service")
            host.health.add("assignment", lambda: Check(ok=False, detail=missing))
            return
        self._slots.say_what_is_missing()
        self._slots.serve(host, self._slot)

    def stop(self) -> None:
        """End the app, then close the connection to the device."""
        self._slots.stop()


def build() -> Service:
    """Return the service for ``interapp up``: one slot when TCR_SLOT_ID names it, else a member of each chassis' pool.

    Alone in its pool, a member is given every slot. Raises SettingError.
    """
    slot, rules = TcrSettings.load().slot_id, AlarmSettings.load().rules
    if slot in (None, AUTO):
        return Together([PoolMember(settings, SystemClock(), rules) for settings in load_chassis()])
    return SlotService(load_one_chassis(), slot, SystemClock(), rules)


def build_child() -> SlotService | PoolMember:
    """Return the service for ``interapp child``: one slot, or with ``auto`` a pool's member. Raises SettingError."""
    settings, slot = load_one_chassis(), TcrSettings.load().slot_id
    rules = AlarmSettings.load().rules
    if slot == AUTO:
        return PoolMember(settings, SystemClock(), rules)
    return SlotService(settings, slot, SystemClock(), rules)
