"""The service of each chassis as one app: handlers, and the duty to poll."""

import random
from collections.abc import Sequence

import structlog

from broker.lifecycle.clock import Clock, SystemClock
from broker.runtime.app import App, Shift
from broker.runtime.host import Host
from broker.runtime.service import Service
from broker.runtime.together import Together
from lantime.alarms.rules import DEFAULT_RULES, AlarmRules, AlarmSettings
from lantime.chassis_list import load_chassis
from lantime.client import LantimeClient
from lantime.errors import DeviceError
from lantime.http_sessions.keeper import Keeper
from lantime.http_sessions.recorder import Recorder
from lantime.settings import LantimeSettings
from modular_parent.assigner import Assigner
from modular_parent.chassis import Chassis
from modular_parent.handlers import handlers

log = structlog.get_logger("interapp.chassis")

JITTER = 0.1
"""Part of the poll interval that is drawn by chance, so that many chassis are not polled in one instant."""

LEAST_REST = 0.1
"""Part of the poll interval for which a device is left alone between two polls, however long it takes to answer."""

RETRY_CEILING_SECONDS = 15.0
"""A device that gave no status is asked again after this long at the latest."""


def rest(period_seconds: float, took_seconds: float) -> float:
    """Return how long to wait after a poll, so that the next one begins a period after it began."""
    return max(LEAST_REST * period_seconds, period_seconds - took_seconds)


class ChassisService:
    """Runs one chassis' app in a host."""

    def __init__(self, settings: LantimeSettings, clock: Clock, rules: AlarmRules = DEFAULT_RULES) -> None:
        self._settings = settings
        self._rules = rules
        self._clock = clock
        self._recorder = Recorder()
        self._device = LantimeClient.from_settings(settings, on_exchange=self._recorder.record, clock=clock)
        self._host: Host | None = None

    def start(self, host: Host) -> None:
        """Begin to poll and to handle messages. Raises TableUnavailable."""
        self._host = host
        # Any process may; this one has the rights of the chassis, and runs wherever its children do.
        host.drain_dead_letters()
        address = self._settings.name
        client = host.client(address)
        chassis = Chassis(address, self._device, client, self._clock, recorder=self._recorder, rules=self._rules)

        def poll(shift: Shift) -> None:
            log.info("polling", app=address, url=self._settings.url, every=f"{self._settings.poll_seconds:g} s")
            pause = 0.0
            while not shift.wait(pause):
                began = self._clock.monotonic()
                period = self._settings.poll_seconds * random.uniform(1 - JITTER, 1 + JITTER)  # noqa: S311 no secret
                try:
                    chassis.refresh()
                    pause = rest(period, self._clock.monotonic() - began)
                except DeviceError:
                    # Noted where it happened; the device may come right.
                    pause = min(period, RETRY_CEILING_SECONDS)

        host.add(
            App(
                address=address,
                registry=handlers,
                resource=chassis,
                events_from=f"{address}.*",
                duty=poll,
                more_duties=(Keeper(address, self._recorder, host.database).keep,),
                checks={"device": chassis.check},
            )
        )

    def stop(self) -> None:
        """End the app, then close the connection to the device."""
        if self._host is not None:
            self._host.remove(self._settings.name)
        self._device.close()


class PoolService:
    """Assigns the slots of chassis to the members of their pools."""

    def __init__(self, chassis: Sequence[str], clock: Clock) -> None:
        self._chassis = chassis
        self._clock = clock
        self._assigner: Assigner | None = None

    def start(self, host: Host) -> None:
        """Begin to look at them."""
        self._assigner = Assigner(self._chassis, host, self._clock)
        self._assigner.start()

    def stop(self) -> None:
        """Look no more."""
        if self._assigner is not None:
            self._assigner.stop()


def build() -> Service:
    """Return the service of every chassis that the settings name, each an app of its own. Raises SettingError."""
    rules, listed = AlarmSettings.load().rules, load_chassis()
    chassis = [ChassisService(settings, SystemClock(), rules) for settings in listed]
    return Together([*chassis, PoolService([settings.name for settings in listed], SystemClock())])
