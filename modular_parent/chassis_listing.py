"""How the chassis are shown: one line for each, for programs and for people."""

from datetime import datetime
from typing import Any

from broker.cli.plain import Cell
from broker.cli.words import age
from broker.lifecycle.clock import to_iso
from lantime.status.led import LedColour
from lantime.status.states import ClockState
from modular_parent.chassis_known import KnownChassis

TITLES = (
    *("CHASSIS", "MODEL", "SERIAL", "FIRMWARE", "API", "HOSTNAME"),
    *("REFERENCE", "CLOCK", "QUALITY", "LEDS", "LAST POLL", "PROBLEM", "WEB"),
)

CLOCK_STYLES = {ClockState.SYNCHRONIZED: "green", ClockState.HOLDOVER: "yellow", ClockState.NOT_SYNCHRONIZED: "red"}

_QUIET = (LedColour.GREEN, LedColour.OFF)


def chassis_line(known: KnownChassis) -> dict[str, Any]:
    """Return the JSON line of a chassis; what is not known is null."""
    record, system = known.record, known.system
    state, sync = (system.state, system.status.sync) if system else (None, None)
    return {
        "chassis": known.address,
        "model": record.model,
        "serial": record.serial,
        "firmware": record.firmware,
        "api_version": record.api_version,
        "api_supported": known.api_supported,
        "hostname": record.hostname,
        "reference": state.reference if state else None,
        "clock": state.clock if state and state.clock is not ClockState.UNKNOWN else None,
        "time_quality": sync.time_quality.raw if sync else None,
        "time_quality_seconds": sync.time_quality.bound_seconds if sync else None,
        "leds": {led.name: led.colour for led in state.leds} if state else {},
        "last_poll": to_iso(microseconds(record.last_poll)),
        "problem": record.problem,
        "problem_since": to_iso(microseconds(record.problem_since)) if record.problem else None,
        "warnings": list(record.warnings),
        "url": record.url,
    }


def chassis_cells(known: KnownChassis, now_us: int) -> list[Cell]:
    """Return the cells of a chassis' line for people."""
    record = known.record
    state = known.system.state if known.system else None
    quality = known.system.status.sync.time_quality.raw if known.system else None
    clock = state.clock if state else ClockState.UNKNOWN
    polled_us = microseconds(record.last_poll)
    return [
        Cell(known.address),
        Cell(record.model or "-"),
        Cell(record.serial or "-"),
        Cell(record.firmware or "-"),
        Cell(f"{record.api_version} (unknown)", "yellow")
        if known.api_supported is False
        else Cell(record.api_version or "-"),
        Cell(record.hostname or "-"),
        Cell((state and state.reference) or "-"),
        Cell("-" if clock is ClockState.UNKNOWN else clock, CLOCK_STYLES.get(clock, "")),
        Cell(quality or "-"),
        _leds(known),
        Cell("-" if polled_us is None else age(now_us - polled_us)),
        Cell(f"since {_since(record.problem_since, now_us)}", "red") if record.problem else Cell("-"),
        Cell(record.url or "-"),
    ]


def remarks(known: KnownChassis, now_us: int) -> list[str]:
    """Return what must be said of a chassis beside its line: its problem in full, and its warnings."""
    record = known.record
    said = [f"{known.address}: {warning}" for warning in record.warnings]
    if record.problem:
        since = _since(record.problem_since, now_us)
        said.insert(0, f"{known.address} gives no status since {since}: {record.problem}")
    return said


def microseconds(time: datetime | None) -> int | None:
    """Return a time in microseconds since 1970."""
    return None if time is None else round(time.timestamp() * 1_000_000)


def _leds(known: KnownChassis) -> Cell:
    leds = known.system.state.leds if known.system else ()
    loud = [led for led in leds if led.colour not in _QUIET]
    if loud:
        red = any(led.colour is LedColour.RED for led in loud)
        return Cell(", ".join(f"{led.name} {led.colour}" for led in loud), "red" if red else "yellow")
    return Cell("green", "green") if leds else Cell("-")


def _since(since: datetime | None, now_us: int) -> str:
    return "an unknown time" if since is None else age(now_us - round(since.timestamp() * 1_000_000))
