"""The services of slots as apps of one process, and the device they share."""

import threading
from importlib.metadata import version

import structlog

from broker.lifecycle.clock import Clock
from broker.runtime.app import App, Shift
from broker.runtime.host import Host
from broker.table.database import Database
from lantime.alarms.rules import DEFAULT_RULES, AlarmRules
from lantime.client import LantimeClient
from lantime.contract import TcrReady, child_address
from lantime.http_sessions.keeper import Keeper
from lantime.http_sessions.recorder import Recorder
from lantime.settings import LantimeSettings
from tcr_child.configuring import Configuring
from tcr_child.handlers import handlers
from tcr_child.slot import TcrSlot

log = structlog.get_logger("interapp.slot")

READY_PAUSE_SECONDS = 3600.0


def slot_app(
    chassis: str,
    slot: str,
    device: LantimeClient | None,
    clock: Clock,
    database: Database,
    *,
    configuring: Configuring,
    rules: AlarmRules = DEFAULT_RULES,
) -> App[TcrSlot]:
    """Return the app of one slot; it publishes that it is ready whenever it becomes the active one.

    ``device`` may be shared by the apps of several slots: each keeps its own HTTP sessions.
    """
    address, recorder = child_address(chassis, slot), Recorder()
    own_view = device and device.reporting_to(recorder.record)

    def say_ready(shift: Shift) -> None:
        shift.client.publish(TcrReady(slot=slot, interapp=version("lantime-interapp"), writing=configuring.shown))
        while not shift.wait(READY_PAUSE_SECONDS):
            continue

    return App(
        address=address,
        registry=handlers,
        resource=TcrSlot(chassis, slot, own_view, clock, configuring=configuring, recorder=recorder, rules=rules),
        duty=say_ready,
        more_duties=() if device is None else (Keeper(address, recorder, database).keep,),
    )


class Slots:
    """The slots' apps of one process, and the device they share, where one is set."""

    def __init__(self, settings: LantimeSettings, clock: Clock, rules: AlarmRules = DEFAULT_RULES) -> None:
        self.chassis = settings.name
        self._clock = clock
        self._rules = rules
        self._device = LantimeClient.from_settings(settings, clock=clock) if settings.url else None
        self._configuring = Configuring.from_settings(settings)
        self._host: Host | None = None
        self._served: set[str] = set()
        self._ending: dict[str, threading.Thread] = {}

    def say_what_is_missing(self) -> None:
        """Warn when there is no way to the device: the services then know only what the chassis' service tells them.

        Where they may write, that is said too.
        """
        if self._configuring.enabled:
            log.info("may write to the device", profile=self._configuring.profile.name, save=self._configuring.save)
        if self._device is None or self._device.credentials_missing:
            log.warning(
                "no login for the device: tcr.poll-now is rejected",
                set="LANTIME_URL, LANTIME_USERNAME and LANTIME_PASSWORD",
            )

    def serve(self, host: Host, slot: str) -> None:
        """Run the app of a slot. Raises TableUnavailable."""
        self._host = host
        app = slot_app(
            self.chassis,
            slot,
            self._device,
            self._clock,
            host.database,
            configuring=self._configuring,
            rules=self._rules,
        )
        host.add(app)
        self._served.add(slot)

    def change(self, host: Host, wanted: set[str]) -> None:
        """Run the apps of these slots and no others; one that must end finishes its handler meanwhile.

        Raises TableUnavailable.
        """
        for slot in sorted(self._served - wanted):
            self._served.discard(slot)
            # In a thread of its own: a handler may take long, and the other slots do not wait for it.
            thread = threading.Thread(target=host.remove, args=(child_address(self.chassis, slot),), name=f"end {slot}")
            self._ending[slot] = thread
            thread.start()
        self._ending = {slot: thread for slot, thread in self._ending.items() if thread.is_alive()}
        for slot in sorted(wanted - self._served - self._ending.keys()):
            self.serve(host, slot)

    def stop(self) -> None:
        """End the apps, then close the connection to the device."""
        if self._host is not None:
            self._host.remove(*(child_address(self.chassis, slot) for slot in sorted(self._served)))
        for thread in self._ending.values():
            thread.join()
        if self._device is not None:
            self._device.close()
