"""The ``system`` object of the simulated device, in the shapes captured on API 10 and 20; values are synthetic."""

from datetime import UTC, datetime
from typing import Any

from lantime.simulator.bay import Bay
from lantime.simulator.device import Device
from lantime.simulator.modules import quality, tfom

_STORAGE = (
    ("rootfs", "/", 109_932, 34_452),
    ("var", "/var", 32_768, 4324),
    ("www", "/www", 16_384, 64),
    ("dev_sda7", "/data", 475_846, 211_164),
    ("dev_sda5", "/mnt/flash", 401_408, 323_560),
)
"""Object id, mount point, size and use in KiB."""

_POSITION = "47.000000, 8.000000"
_REFERENCE_TYPES = {"tcr": "irig", "gps": "gps", "pzf": "dcf77-pzf-receiver", "gns": "gnss-receiver"}


def at_time(at_us: int) -> str:
    """Return a time as the API writes most of them, in UTC without saying so (captured)."""
    return datetime.fromtimestamp(at_us / 1_000_000, UTC).strftime("%Y-%m-%dT%H:%M:%S")


def system(device: Device) -> dict[str, Any]:
    """Return ``system``.

    ``last-config-change`` is taken for the uptime at the last change: the captures fit that no worse than anything
    else (inferred).
    """
    now = datetime.fromtimestamp(device.clock.now_us() / 1_000_000, UTC)
    found: dict[str, Any] = {
        "uptime": round(device.uptime_seconds, 2),
        "current-time": now.strftime("%Y-%m-%dT%H:%M:%S.%f000 UTC"),
        "current-time-iso": f"{now:%Y-%m-%dT%H:%M:%S}.{now.microsecond // 1000:03d}Z",
        "cpuload": "0.48 0.66 0.57 2/99 25157",
        "memory": "228428 kB total memory, 161732 kB free (70 %)",
        "position": _POSITION,
        "last-position-update": "2026.02.11 21:53:08" if device.since_17 else "1970-01-01 00:00:00",
        "last-config-change": round(device.config_changed_seconds, 2),
        "sync-status": _sync_status(device, device.reference()),
        "front-leds": _leds(device),
        "storage": [_mount(*each) for each in _STORAGE],
        "firmware": _firmware(device),
    }
    if device.since_17:
        found["api-last-update"] = at_time(device.clock.now_us())
    return found


def _sync_status(device: Device, bay: Bay | None) -> dict[str, Any]:
    clock = {"clock": "not-synchronized", "oscillator": "not-warmed-up"}
    status: dict[str, Any] = {"reference": "none", "ref-type": "none", "clock-idx": 0, "osc-type": "unknown"}
    held, seen_tfom, seen_quality = 0.0, 15, "unknown"
    if bay is not None and bay.card is not None and bay.card.family is not None:
        held = device.holdover_seconds(bay)
        seen_tfom, seen_quality = tfom(bay.effect, held), quality(bay.effect, held)
        clock = {"clock": bay.effect.clock, "oscillator": bay.effect.oscillator}
        family = bay.card.family
        status = {
            "reference": f"{bay.slot_id}-{'ptp' if bay.effect.other_source else family}",
            "ref-type": "ptp-ieee1588" if bay.effect.other_source else _REFERENCE_TYPES[family],
            "clock-idx": device.clock_bays.index(bay),
            "osc-type": "ocxo-sq",
        }
    return status | {
        "est-time-quality": seen_quality,
        "leapsecond-announced": False,
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
        "led-time-service": _led("green" if "ntp-sync" in device.active else "red"),
        "led-network": _led("green"),
        "led-alarm": _led(dark if synchronized else "red", lit=not synchronized),
    }


def _led(color: str, *, lit: bool = True) -> dict[str, Any]:
    return {
        f"{when}-{what}": value
        for when in ("current", "last")
        for what, value in (("color", color), ("state", lit), ("mode", "permanent"))
    }


def _mount(object_id: str, mountpoint: str, size: int, used: int) -> dict[str, Any]:
    return {
        "object-id": object_id,
        "size": size,
        "used": used,
        "available": size - used,
        "used-percent": round(100 * used / size),
        "mountpoint": mountpoint,
    }


def _firmware(device: Device) -> dict[str, Any]:
    running = f"fw_{device.firmware}"
    return {
        "running": running,
        "selected": running,
        "fwimage": f"firmware-{device.firmware}-x32",
        "firmware": [{"object-id": running, "version": device.firmware, "type": "Compressed"}],
        "update": {
            "update-in-progress": False,
            "update-progress": 0,
            "last-update-successful": True,
            "last-update-started": "never",
            "last-update-ended": "never",
            "last-update-error": "none",
        },
        "packages": [{"object-id": "lantime", "version": device.firmware}],
    }
