"""The JSON answers of the simulated device: envelope, status tree, configuration tree and the way into them.

Envelope and status are captured on API 10 and 20, but for the TCR itself. The configuration tree and error bodies
are invented: none was ever captured.
"""

from typing import Any

from lantime.simulator.device import Device
from lantime.simulator.events import kinds
from lantime.simulator.modules import slot_object
from lantime.simulator.network import network, ntp, services
from lantime.simulator.staging import Place
from lantime.simulator.system import at_time, system


def envelope(device: Device, data: object, path: str, scheme: str) -> dict[str, Any]:
    """Return an answer: who speaks, the data, and ``links.self``, whose host is always localhost (captured)."""
    return {
        "system-information": {
            "API Version": f"LANTIME REST API V{device.api_version}",
            "version": f"fw_{device.firmware}",
            "serial-number": device.serial,
            "hostname": device.hostname,
            "time-stamp": at_time(device.clock.now_us()),
            "model": device.model,
        },
        "data": data,
        "changes": {"pending-changes": len(device.configuration.pending())},
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
        "system": system(device),
        "notification": {"events": _events(device)},
        "network": network(device),
        "services": services(device),
        "chassis0": _chassis(device),
        "ntp": ntp(device),
        "syncmon": _syncmon(device),
        "syncteam": _syncteam(device),
    }
    if not device.since_17:
        tree["chassis-xhe"] = [_xhe(bay.slot_id) for _, bay in device.refclocks]
    return tree


def config_tree(device: Device) -> dict[str, Any]:
    """Return the configuration object: the candidate configuration of every TCR."""
    slots = [
        {"object-id": bay.slot_id, "slot-id": bay.slot_id, "module": device.configuration.candidate(bay.slot_id)}
        for bay in device.bays.values()
        if bay.card is not None and bay.card.is_tcr
    ]
    return {"object-id": "config", "chassis0": {"object-id": "chassis0", "slots": slots}}


def listed(differences: dict[Place, tuple[Any, Any]], before: str, after: str) -> list[dict[str, Any]]:
    """Return differences of two configurations as a list: where, and both values."""
    return [
        {"path": "/".join((slot, *place)), before: values[0], after: values[1]}
        for (slot, place), values in differences.items()
    ]


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
        members = found if isinstance(found, list) else []
        named = [each for each in members if isinstance(each, dict) and each.get("object-id") == name]
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


def _events(device: Device) -> list[dict[str, Any]]:
    events = []
    for kind in kinds(number for number, _ in device.refclocks):
        if kind.since_17 and not device.since_17:
            continue
        at_us = device.events.get(kind.event)
        events.append(
            {
                "object-id": kind.event if device.since_17 else kind.before_17 or kind.event,
                "type": kind.severity,
                "triggered": int(kind.event in device.active),
                "last-triggered": "never" if at_us is None else at_time(at_us),
            }
        )
    return events


def _syncmon(device: Device) -> dict[str, Any]:
    at_us = device.syncmon_updated_us
    return {"last-updated": "never" if at_us is None else at_time(at_us), "nodes": device.syncmon_nodes}


def _syncteam(device: Device) -> dict[str, Any]:
    return {
        "operational-mode": "disabled",
        "time-quality": "unknown",
        "leapsecond-state": "no-leapsecond" if device.since_17 else "no-leap-second",
        "current-tfom": 15,
        "team-members": 0,
        "online-members": 0,
        "offline-members": 0,
        "reference": {"current-team-master": "unknown", "current-team-reference": "unknown"},
        "members": [],
    }


def _xhe(slot_id: str) -> dict[str, Any]:
    """Return the entry of a clock that has no external rubidium (captured on API 10)."""
    return {
        "object-id": slot_id,
        "xhe-info": {
            "status": "unknown",
            "osc-type": 0,
            "features": 0,
            "software-revision": "v0.00",
            "xhe-id": "",
            "rub-id": "",
        },
        "xhe-sys-status": {"temperature-sensors": {"chassis": 0.0, "xtal": 0.0, "cell": 0.0, "lamp": 0.0}},
        "xhe-psu-status": {"status": "unknown", "psu-status": {"psu1": "ok", "psu2": "ok"}},
    }
