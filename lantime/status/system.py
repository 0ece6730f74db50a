"""The chassis as a system: what it follows, its LEDs, its services. From the answer of ``GET /api/status``."""

from collections.abc import Mapping
from datetime import datetime

from lantime.status.led import Led, read_leds
from lantime.status.model import StatusModel
from lantime.status.moment import read_moment
from lantime.status.network import NetworkPort, read_ports
from lantime.status.ntp import NtpEntry, read_ntp
from lantime.status.quality import TimeQuality, read_time_quality
from lantime.status.states import ClockState, OscillatorState
from lantime.status.syncmon import SyncMonNode, read_nodes
from lantime.status.values import flag, integer, mapping, number, pick, raw, text


class Holdover(StatusModel):
    """What the system says of its holdover. The keys are captured, always with 0; their meanings are the SDK header's."""

    time_offset: float | None = None
    """Unit not known."""
    elapsed_seconds: float | None = None
    """That it is seconds is inferred."""
    tfom_out: int | None = None
    """The time figure of merit that outputs carry."""


class SyncStatus(StatusModel):
    """``system.sync-status``: what the system follows. Where it is not said otherwise, the keys are captured."""

    reference: str | None = None
    """Slot and source, ``clk1-gps`` (captured); what a TCR is called there ("clk1-tcr"?) is not known."""
    ref_type: str | None = None
    """The source's type as the device names it; a capture of a module shows it contradicting the rest."""
    clock_index: str | None = None
    """Number of the clock; captured as 0."""
    clock: ClockState = ClockState.UNKNOWN
    clock_raw: str | None = None
    oscillator: OscillatorState = OscillatorState.UNKNOWN
    oscillator_raw: str | None = None
    oscillator_type: str | None = None
    """"ocxo-lq" and "tcxo" are captured."""
    antenna: str | None = None
    """"connected" is captured; a system that follows a TCR may have none."""
    time_quality: TimeQuality = TimeQuality()
    leap_second_announced: bool | None = None
    """Captured as false."""
    leap_second_date: str | None = None
    """As the device writes it; captured empty only."""
    holdover: Holdover = Holdover()


class SystemStatus(StatusModel):
    """What a device reports of itself. A fresh one (``SystemStatus()``) is a device that reports nothing."""

    reported: bool = False
    """Whether the answer had a ``system`` object at all."""
    sync: SyncStatus = SyncStatus()
    leds: tuple[Led, ...] = ()
    ntp: tuple[NtpEntry, ...] = ()
    ports: tuple[NetworkPort, ...] = ()
    syncmon_nodes: tuple[SyncMonNode, ...] = ()
    syncmon_updated: datetime | None = None
    """Captured; None where the device says "never"."""
    uptime_seconds: float | None = None
    """Captured; that it is seconds is inferred from its size."""
    current_time: datetime | None = None
    """The device's own time at the moment of the answer (captured)."""
    cpu_load: str | None = None
    """As the device writes it; the captured form is that of Linux: three loads, processes, last process id."""
    memory: str | None = None
    """As the device writes it (captured)."""
    api_last_update: datetime | None = None
    """When the device last gathered what the API answers (captured on API 20, not there on 10; meaning inferred)."""
    last_config_change: str | None = None
    """As the device writes it; captured numbers do not tell what they count."""


def parse_system(answer: Mapping[str, object]) -> SystemStatus:
    """Read the system part of a status answer. Never raises, whatever JSON object comes in.

    The parts are looked for in ``data`` (captured) and in ``data.status`` (seen in a third party's code).
    """
    data = mapping(answer.get("data"))
    status = data if isinstance(pick(data, "system"), Mapping) else mapping(data.get("status")) or data
    system = mapping(pick(status, "system"))
    syncmon = mapping(pick(status, "syncmon"))
    return SystemStatus(
        reported=bool(system),
        sync=_sync(mapping(pick(system, "sync-status"))),
        leds=read_leds(pick(system, "front-leds")),
        ntp=read_ntp(pick(status, "ntp")),
        ports=read_ports(pick(mapping(pick(status, "network")), "ports")),
        syncmon_nodes=read_nodes(pick(syncmon, "nodes")),
        syncmon_updated=read_moment(pick(syncmon, "last-updated")),
        uptime_seconds=number(pick(system, "uptime")),
        current_time=read_moment(pick(system, "current-time-iso")) or read_moment(pick(system, "current-time")),
        cpu_load=text(pick(system, "cpuload")),
        memory=text(pick(system, "memory")),
        api_last_update=read_moment(pick(system, "api-last-update")),
        last_config_change=raw(pick(system, "last-config-change")),
    )


def _sync(sync: Mapping[str, object]) -> SyncStatus:
    states = mapping(pick(sync, "clock-status"))
    holdover = mapping(pick(sync, "holdover-status"))
    return SyncStatus(
        # Not ``text``: "none" is a value here, it says that nothing is followed.
        reference=raw(pick(sync, "reference")),
        ref_type=raw(pick(sync, "ref-type")),
        clock_index=raw(pick(sync, "clock-idx")),
        clock=ClockState.read(pick(states, "clock")),
        clock_raw=raw(pick(states, "clock")),
        oscillator=OscillatorState.read(pick(states, "oscillator")),
        oscillator_raw=raw(pick(states, "oscillator")),
        oscillator_type=text(pick(sync, "osc-type")),
        antenna=text(pick(states, "antenna")),
        time_quality=read_time_quality(pick(sync, "est-time-quality")),
        leap_second_announced=flag(pick(sync, "leapsecond-announced")),
        leap_second_date=text(pick(sync, "leapsecond-date")),
        holdover=Holdover(
            time_offset=number(pick(holdover, "time-offset")),
            elapsed_seconds=number(pick(holdover, "time-elapsed")),
            tfom_out=integer(pick(holdover, "tfom-out")),
        ),
    )
