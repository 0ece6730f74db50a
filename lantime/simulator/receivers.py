"""Clock modules that are no TCR: what they add to a module object. They are always locked; their values are synthetic."""

from collections.abc import Callable, Mapping
from typing import Any

_SATELLITES = {
    "gps-mode": "normal-operation",
    "good-satellites": 9,
    "satellites-in-view": 14,
    "position-x": 4341000.0,
    "position-y": 610000.0,
    "position-z": 4615000.0,
    "latitude": 47.0,
    "longitude": 8.0,
    "altitude": 500.0,
    "pdop": 0.0,
    "tdop": 1.06,
}

_IN_USE = {"gps": (1, 2, 17, 28), "galileo": (3, 7, 26)}


def _gnss() -> dict[str, Any]:
    """A GNS: ``gns`` and the list of satellites are known from a third party's code, the rest is as in a GRC180."""
    listed = [
        {"object-id": f"{system}{number}", "gnss-type": system, "satellite-number": number}
        for system, numbers in _IN_USE.items()
        for number in numbers
    ]
    return {
        "gns": {"ref-type": "gnss-receiver", "receiver-status": "synchronized", "antenna": _antenna()},
        "satellites": _SATELLITES | {"gnss": {"satellite-list": listed}},
    }


def _gps() -> dict[str, Any]:
    """A GRC180 (captured, with the reference type that does not fit)."""
    return {
        "grc": {
            "ref-type": "10mhz-freqin",
            "receiver-status": "synchronized",
            "antenna": _antenna(),
            "receiver": {"synchronized": True, "tracking": False, "warm-boot": False, "cold-boot": False},
        },
        "satellites": _SATELLITES | {"selected-satellites": [f"gps{number}" for number in _IN_USE["gps"]]},
    }


def _pzf() -> dict[str, Any]:
    """A PZF (captured)."""
    return {
        "mrs": [
            {
                "object-id": "priority0",
                "info": {"settings": {"bias": 0.0, "precision": 0.0, "id": {"type": "gps", "instance": 0}}},
            }
        ],
        "dcf77": {
            "ref-type": "dcf77-pzf-receiver",
            "type": "pzf",
            "correlation": 56,
            "field-strength": 40,
            "pcps": {
                "freer": False,
                "dl-enb": False,
                "syncd": True,
                "dl-ann": False,
                "utc": False,
                "ls-ann": False,
                "iftm": False,
                "invt": False,
            },
        },
    }


def _antenna() -> dict[str, bool]:
    return {"connected": True, "short-circuit": False}


RECEIVERS: Mapping[str, Callable[[], dict[str, Any]]] = {"gns": _gnss, "gnm": _gnss, "grc": _gps, "pzf": _pzf}
"""How a model begins, and what such a module adds."""
