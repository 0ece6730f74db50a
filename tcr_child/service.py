"""The slot services: one slot as an app, and, with ``interapp up``, one app for every TCR slot that is discovered."""

import threading
from importlib.metadata import version

import structlog

from broker.errors import SettingError, TableError
from broker.lifecycle.clock import Clock, SystemClock
from broker.observe.health import Check
from broker.runtime.app import App, Shift
from broker.runtime.host import Host
from broker.table.documents import find_documents
from lantime.client import LantimeClient
from lantime.contract import SLOTS, SlotRecord, TcrReady, child_address
from lantime.settings import LantimeSettings
from tcr_child.configuring import Configuring
from tcr_child.handlers import handlers
from tcr_child.settings import AUTO, TcrSettings
from tcr_child.slot import TcrSlot

log = structlog.get_logger("interapp.slot")

LOOK_SECONDS = 0.5
"""How often the inventory is looked at for slots that need a service."""

READY_PAUSE_SECONDS = 3600.0


def slot_app(
    chassis: str, slot: str, device: LantimeClient | None, clock: Clock, configuring: Configuring
) -> App[TcrSlot]:
    """Return the app of one slot; it publishes that it is ready whenever it becomes the active one."""

    def say_ready(shift: Shift) -> None:
        shift.client.publish(TcrReady(slot=slot, interapp=version("lantime-interapp"), writing=configuring.shown))
        while not shift.wait(READY_PAUSE_SECONDS):
            continue

    return App(
        address=child_address(chassis, slot),
        registry=handlers,
        resource=TcrSlot(chassis, slot, device, clock, configuring),
        duty=say_ready,
    )


class SlotService:
    """Serves one slot. Without a slot id it is unassigned: it stays up, says what is missing, and handles nothing."""

    def __init__(self, settings: LantimeSettings, slot: str | None, clock: Clock) -> None:
        self._slots = _Slots(settings, clock)
        self._slot = slot

    def start(self, host: Host) -> None:
        """Begin to handle messages. Raises TableUnavailable."""
        if self._slot is None:
            missing = "TCR_SLOT_ID is not set: unassigned, nothing is handled"
            log.warning("unassigned", set="TCR_SLOT_ID, e.g. to clk1")
            host.health.add("assignment", lambda: Check(ok=False, detail=missing))
            return
        self._slots.say_what_is_missing()
        self._slots.serve(host, self._slot)

    def stop(self) -> None:
        """End the app, then close the connection to the device."""
        self._slots.stop()


class SlotPool:
    """Serves every TCR slot that the chassis' service discovers, each as an app of its own."""

    def __init__(self, settings: LantimeSettings, clock: Clock) -> None:
        self._chassis = settings.name
        self._slots = _Slots(settings, clock)
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self, host: Host) -> None:
        """Begin to look at the inventory."""
        self._slots.say_what_is_missing()
        self._thread = threading.Thread(target=self._look, args=(host,), name="slot pool", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Start no further app, end those that run, close the connection to the device."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join()
        self._slots.stop()

    def _look(self, host: Host) -> None:
        while not self._stopping.wait(LOOK_SECONDS):
            try:
                for document in find_documents(host.database, SLOTS, app=self._chassis):
                    record = SlotRecord.model_validate_json(document.body)
                    # A slot whose module was removed keeps its service: it says so to whoever asks.
                    if record.app is not None and record.app not in host.apps():
                        self._slots.serve(host, record.slot)
            except TableError as exc:
                # Said by whoever beats; the next look may find it again.
                log.debug("cannot look at the inventory", error=str(exc))


class _Slots:
    """The slots' apps of one process, and the device they share, where one is set."""

    def __init__(self, settings: LantimeSettings, clock: Clock) -> None:
        self._chassis = settings.name
        self._clock = clock
        self._device = LantimeClient.from_settings(settings, clock=clock) if settings.url else None
        self._configuring = Configuring.from_settings(settings)
        self._host: Host | None = None
        self._addresses: list[str] = []

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
        app = slot_app(self._chassis, slot, self._device, self._clock, self._configuring)
        self._host = host
        host.add(app)
        self._addresses.append(app.address)

    def stop(self) -> None:
        """End the apps, then close the connection to the device."""
        if self._host is not None:
            self._host.remove(*self._addresses)
        if self._device is not None:
            self._device.close()


def build() -> SlotService | SlotPool:
    """Return the service for ``interapp up``: one slot when TCR_SLOT_ID names it, else all. Raises SettingError."""
    settings, slot = LantimeSettings.load(), TcrSettings.load().slot_id
    if slot in (None, AUTO):
        return SlotPool(settings, SystemClock())
    return SlotService(settings, slot, SystemClock())


def build_child() -> SlotService:
    """Return the service for ``interapp child``. Raises SettingError."""
    settings, slot = LantimeSettings.load(), TcrSettings.load().slot_id
    if slot == AUTO:
        allowed = "the id of one slot, e.g. clk1; auto serves every slot with interapp up"
        raise SettingError("TCR_SLOT_ID", AUTO, allowed)
    return SlotService(settings, slot, SystemClock())
