"""The JSON answers of the simulated device: envelope, status tree and the way into it.

Envelope, ``system``, ``notification``, ``network`` and the frame of ``chassis0`` are captured on API 10 and 20.
Error bodies are invented: none was ever captured.
"""

from datetime import UTC, datetime
from typing import Any

from lantime.simulator.device import Bay, Device
from lantime.simulator.modules import quality, slot_object, tfom

_EVENT_TYPES = {
    "not-responding": "critical",
    "not-sync": "error",
    "sync": "info",
}
_FIXED_EVENTS = (
    ("ntp-sync", "info"),
    ("ntp-not-sync", "error"),
    ("ntp-stopped", "critical"),
    ("oscillator-adjusted", "info"),
    ("oscillator-not-adjusted", "warning"),
    ("device-configuration-changed", "action"),
    ("system-reboot", "action"),
    ("normal-operation", "info"),
)


def envelope(device: Device, data: object, path: str, scheme: str) -> dict[str, Any]:
    """Return an answer: who speaks, the data, and ``links.self``, whose host is always localhost (captured)."""
    return {
        "system-information": {
            "API Version": f"LANTIME REST API V{device.api_version}",
            "version": f"fw_{device.firmware}",
            "serial-number": device.serial,
            "hostname": device.hostname,
            "time-stamp": _time(device.clock.now_us()),
            "model": device.model,
        },
        "data": data,
        "changes": {"pending-changes": 0},
        "links": {"self": f"{scheme}://localhost{path}"},
    }


def error(code: int, message: str) -> dict[str, Any]:
    """Return the body of an error (invented)."""
    return {"system-information": {}, "error": {"code": code, "message": message}}


def status_tree(device: Device) -> dict[str, Any]:
    """Return the status object: what ``data`` is in the answer of ``/api/status``."""
    tree: dict[str, Any] = {
        "object-id": "status",
        "rest-api": {"api-version": device.api_version},
        "system": _system(device),
        "notification": {"events": _events(device)},
        "network": _network(device),
        "services": {"network": {"http": True, "https": True, "ssh": True}, "global": {}},
        "chassis0": _chassis(device),
        "ntp": [_ntp(device)],
        "syncmon": {"last-updated": "never", "nodes": []},
        "syncteam": {},
    }
    if not device.since_17:
        tree["chassis-xhe"] = []
    return tree


def resolve(tree: object, path: list[str]) -> tuple[bool, object]:
    """Follow a path into the tree; members of a list are addressed by their object id (vendor document).

    Returns whether it leads anywhere, and to what. A leaf comes as ``{name: value}`` (invented: what a device
    answers for a leaf is not known).
    """
    found: object = tree
    for name in path:
        if isinstance(found, dict) and name in found:
            found = found[name]
            continue
        named = [each for each in found if each.get("object-id") == name] if isinstance(found, list) else []
        if not named:
            return False, None
        found = named[0]
    return True, found if isinstance(found, dict | list) else {path[-1]: found}


def _chassis(device: Device) -> dict[str, Any]:
    bays = list(device.bays.values())
    if not device.since_17:
        # Before 17 the CPU comes before the clocks (captured on 10): nobody may rely on the order.
        bays.sort(key=lambda bay: {"pwr": 0, "cpu": 1}.get(bay.slot_type, 2))
    return {
        "model": device.model,
        "serial-number": device.serial if device.since_17 else device.serial.ljust(16),
        "backplane-revision": "V53",
        "firmware-image": f"fw_{device.firmware}",
        "slot-layout": device.layout,
        "slots": [slot_object(device, bay) for bay in bays],
    }


def _system(device: Device) -> dict[str, Any]:
    now = datetime.fromtimestamp(device.clock.now_us() / 1_000_000, UTC)
    system: dict[str, Any] = {
        "uptime": round(device.uptime_seconds, 2),
        "current-time": now.strftime("%Y-%m-%dT%H:%M:%S.%f000 UTC"),
        "current-time-iso": f"{now:%Y-%m-%dT%H:%M:%S}.{now.microsecond // 1000:03d}Z",
        "cpuload": "0.48 0.66 0.57 2/99 25157",
        "memory": "228428 kB total memory, 161732 kB free (70 %)",
        "last-config-change": 0.0,
        "sync-status": _sync_status(device, device.reference()),
        "front-leds": _leds(device),
    }
    if device.since_17:
        system["api-last-update"] = _time(device.clock.now_us())
    return system


def _sync_status(device: Device, bay: Bay | None) -> dict[str, Any]:
    clock = {"clock": "not-synchronized", "oscillator": "not-warmed-up"}
    status: dict[str, Any] = {"reference": "none", "ref-type": "none", "clock-idx": 0, "osc-type": "unknown"}
    held, seen_tfom, seen_quality = 0.0, 15, "unknown"
    if bay is not None:
        held = device.holdover_seconds(bay)
        seen_tfom, seen_quality = tfom(bay.effect, held), quality(bay.effect, held)
        clock = {"clock": bay.effect.clock, "oscillator": bay.effect.oscillator}
        source = "ptp" if bay.effect.other_source else "tcr"
        status = {
            "reference": f"{bay.slot_id}-{source}",
            "ref-type": "ptp-ieee1588" if bay.effect.other_source else "irig",
            "clock-idx": device.clock_bays.index(bay),
            "osc-type": "ocxo-sq",
        }
    return status | {
        "est-time-quality": seen_quality,
        _spelled(device, "leapsecond-announced"): False,
        "leapsecond-date": "",
        "clock-status": clock,
        "holdover-status": {"time-offset": 0, "time-elapsed": int(held), "tfom-out": seen_tfom},
    }


def _leds(device: Device) -> dict[str, Any]:
    bay = device.reference()
    synchronized = bay is not None and bay.effect.clock == "synchronized"
    dark = "none" if device.since_17 else "blue"
    return {
        "led-ref-time": _led("green" if synchronized else "red"),
        "led-time-service": _led("green"),
        "led-network": _led("green"),
        "led-alarm": _led(dark if synchronized else "red", lit=not synchronized),
    }


def _led(color: str, *, lit: bool = True) -> dict[str, Any]:
    return {
        f"{when}-{what}": value
        for when in ("current", "last")
        for what, value in (("color", color), ("state", lit), ("mode", "permanent"))
    }


def _events(device: Device) -> list[dict[str, Any]]:
    events = []
    for number, bay in enumerate(device.clock_bays, start=1):
        if bay.card is None and bay.last_card is None:
            continue
        now = device.refclock_state(bay)
        for what, kind in _EVENT_TYPES.items():
            events.append(_event(device, f"refclock-{number}-{what}", kind, triggered=now == what))
    for event, kind in _FIXED_EVENTS:
        events.append(_event(device, event, kind, triggered=event in device.events))
    events.append(_event(device, _spelled(device, "leapsecond-announced"), "info", triggered=False))
    return events


def _event(device: Device, event: str, kind: str, *, triggered: bool) -> dict[str, Any]:
    at_us = device.events.get(event)
    return {
        "object-id": event,
        "type": kind,
        "triggered": int(triggered),
        "last-triggered": "never" if at_us is None else _time(at_us),
    }


def _spelled(device: Device, word: str) -> str:
    return word if device.since_17 else word.replace("leapsecond-announced", "leap-second-announced")


def _network(device: Device) -> dict[str, Any]:
    port = {"object-id": "lan0", "link": True, "speed": "1000", "duplex": "full"}
    if device.since_17:
        port["port-available"] = True
    return {"ports": [port], "interfaces": [{"object-id": "lan0:0", "ipv4-address": "192.0.2.10"}]}


def _ntp(device: Device) -> dict[str, Any]:
    return {"object-id": "association0", "refid": "IRIG", "leap": 0 if device.since_17 else "0", "stratum": 1}


def _time(at_us: int) -> str:
    return datetime.fromtimestamp(at_us / 1_000_000, UTC).strftime("%Y-%m-%dT%H:%M:%S")
