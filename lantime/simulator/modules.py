"""The JSON of slots and modules, in the shape that an API version gives them.

The frame of slot, ``info``, ``mrs`` and ``sync-status`` is captured on other clock modules; the ``tcr`` object and
all its keys are inferred; which version lacks what is captured for other modules where said, else inferred.
"""

from typing import Any

from lantime.simulator.bay import Bay, Card
from lantime.simulator.device import Device
from lantime.simulator.receivers import RECEIVERS
from lantime.simulator.scenario import Effect
from lantime.simulator.schema import STRING_TYPES

_STATE = {
    "warmed-up": True,
    "pulses-enabled": True,
    "invalid-sysconf": False,
    "data-available": True,
    "telegram-error": False,
    "lock-on": True,
    "tcap-exceeded": False,
    "invalid-utc-parameter": False,
}
"""State bits of a locked module."""

_PCPS = ("freer", "dl-enb", "syncd", "dl-ann", "utc", "ls-ann", "iftm", "invt")

_SOURCE_FLAGS = (
    "not-supported",
    "no-connection",
    "no-signal",
    "is-master",
    "is-locked",
    "is-accurate",
    "not-settled",
    "phase-not-locked",
    "number-sources-exceeds-limit",
    "is-external",
    "low-jitter",
    "itu-limit-violated",
    "trs-limit-violated",
)

_DECAY = (
    (0.0, "less-than-10us"),
    (60.0, "less-than-25us"),
    (600.0, "less-than-100us"),
    (3600.0, "less-than-1ms"),
    (86_400.0, "less-than-10ms"),
)
"""Seconds of holdover from which on a quality is reported (invented)."""

_PADDED_SERIAL = 16
"""Characters to which versions before 17 pad a serial number with blanks (captured on 10)."""


def slot_object(device: Device, bay: Bay) -> dict[str, Any]:
    """Return one member of ``slots``; an empty slot has no ``module`` key, an unused power bay one without info."""
    slot: dict[str, Any] = {
        "object-id": bay.slot_id,
        "slot-id": bay.slot_id,
        "slot-type": bay.slot_type,
        "slot-position": bay.position,
        "slot-orientation": "vertical",
    }
    if bay.slot_type == "pwr":
        fitted = bay.card is not None
        slot["module"] = {"power-available": fitted, "power-capacity": 50.0 if fitted else 0.0}
        if bay.card is not None:
            slot["module"]["info"] = _info(bay.card, device) | {"firmware-image": ""}
    elif bay.card is not None and bay.slot_type == "clk" and bay.card.family is not None:
        slot["module"] = clock_module(device, bay, bay.card)
    elif bay.card is not None and bay.slot_type == "cpu":
        cpu = {"firmware-image": f"fw_{device.firmware}", "sensors": {"temperature-1": 49.0}}
        slot["module"] = {"info": _info(bay.card, device) | cpu}
    elif bay.card is not None:
        slot["module"] = {"info": _info(bay.card, device)}
    return slot


def clock_module(device: Device, bay: Bay, card: Card) -> dict[str, Any]:
    """Return the module object of a clock as it stands now: a TCR, or a receiver that is always locked."""
    effect, held = bay.effect, device.holdover_seconds(bay)
    # Floats are noisy on API 10 (captured), so the simulated sensor's is too.
    warm = 41.5 if device.since_17 else 41.50000000000001
    module: dict[str, Any] = {"dac-cal": None, "dac-val": None} if device.since_17 else {}
    module["info"] = _info(card, device) | {"sensors": {"temperature-1": warm, "temperature-2": 0.0}}
    if device.since_17:
        module["supported-string-types"] = [
            {"object-id": name, "value": value, "description": name} for value, name in enumerate(STRING_TYPES)
        ]
    elif device.since_10:
        module["supported-string-types"] = []
    if card.is_tcr:
        module["mrs"] = _mrs(device, bay)
    module["sync-status"] = {
        "clock-idx": "selected",
        "osc-type": "ocxo-sq",
        "est-time-quality": quality(effect, held),
        "clock-status": {"clock": effect.clock, "oscillator": effect.oscillator},
    }
    if card.is_tcr:
        module["tcr"] = _receiver(device, bay, held)
        return module
    return module | next(parts() for start, parts in RECEIVERS.items() if card.model.startswith(start))


def quality(effect: Effect, held_seconds: float) -> str:
    """Return the estimated time quality: it decays in holdover."""
    if effect.clock == "not-synchronized":
        return "unknown"
    return next(name for start, name in reversed(_DECAY) if held_seconds >= start)


def tfom(effect: Effect, held_seconds: float) -> int:
    """Return the time figure of merit, 0 (locked) to 15 (failed): it rises in holdover (steps invented)."""
    if effect.clock == "not-synchronized":
        return 15
    if not effect.holds_over:
        return 0
    return 4 + sum(1 for start, _ in _DECAY if 0 < start <= held_seconds)


def _info(card: Card, device: Device) -> dict[str, Any]:
    serial = card.serial if device.since_17 or not card.serial else card.serial.ljust(_PADDED_SERIAL)
    return {"model": card.model, "serial-number": serial, "software-revision": card.software}


def _receiver(device: Device, bay: Bay, held_seconds: float) -> dict[str, Any]:
    effect, configured = bay.effect, device.configuration.running(bay.slot_id)["receiver"]
    set_flags = effect.pcps | {"utc"}
    receiver: dict[str, Any] = {
        "ref-type": "irig",
        "receiver-status": effect.receiver,
        "type": "dcls" if configured["icode"].endswith("-dcls") else "am",
        "icode": configured["icode"],
        "ignore-tfom": configured["ignore-tfom"],
        "ref-offs": configured["ref-offs"],
        "ref-offs-configured": configured["ref-offs-configured"],
        "tfom": tfom(effect, held_seconds),
        "agc": effect.agc,
        "drift": 0,
        "signal": effect.signal_percent,
        "state": _STATE | effect.bits,
        "pcps": {name: name in set_flags for name in _PCPS},
    }
    return receiver | {"ctrl-bits": "0x00000000"} if device.since_17 else receiver


def _mrs(device: Device, bay: Bay) -> list[dict[str, Any]]:
    """Return the source list: settings as configured, status as the scenario has it.

    When another source takes over it is the first configured one that is no time code (invented).
    """
    configured = device.configuration.running(bay.slot_id)["mrs"]
    kinds = [each["info"]["settings"]["id"]["type"] for each in configured]
    successor = next((position for position, kind in enumerate(kinds) if kind != "irig"), None)
    entries = []
    for position, each in enumerate(configured):
        entry: dict[str, Any] = {"object-id": each["object-id"], "info": each["info"]}
        if device.since_10:
            flags, offset = _source(bay.effect, kinds[position], leads=position == successor)
            entry["status"] = {
                "id": each["info"]["settings"]["id"],
                "status": {name: name in flags for name in _SOURCE_FLAGS},
                "offset": offset,
                "ssm": 0,
                "soc": bay.losses if kinds[position] == "irig" else 0,
            }
        entries.append(entry)
    return entries


def _source(effect: Effect, kind: str, *, leads: bool) -> tuple[frozenset[str], float]:
    """Return the flags that are set for a kind of source, and its offset in seconds."""
    if kind == "irig":
        return effect.source, -2.3e-07 if effect.receiver == "synchronized" else 0.0
    if effect.other_source and leads:
        return frozenset({"is-external", "is-master", "is-locked", "is-accurate", "low-jitter"}), 0.0
    if kind == "ntp":
        return frozenset({"is-external"}), 1.9e-05
    return frozenset({"is-external", "no-connection", "no-signal"}), 0.0
