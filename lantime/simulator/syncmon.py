"""Nodes that the simulated device's SyncMon watches. All of it is invented: both captures have an empty list."""

from collections.abc import Sequence
from typing import Any

from lantime.simulator.device import ControlError

Node = dict[str, Any]

_MOST_NODES = 1000


def invented_nodes(count: int) -> list[Node]:
    """Return so many nodes that are well; every third is watched by PTP, the others by NTP."""
    return [
        {
            "object-id": f"node{number}",
            "name": f"node{number}.time.example.com",
            "address": f"192.0.2.{100 + number % 100}",
            "protocol": "ptp" if number % 3 == 0 else "ntp",
            "status": "ok",
            "offset": number * 1e-06,
            "limit": 1e-03,
        }
        for number in range(1, _checked(count) + 1)
    ]


def checked_nodes(nodes: Sequence[Node]) -> list[Node]:
    """Return nodes of any form, as long as each has an object id of its own. Raises ControlError."""
    _checked(len(nodes))
    names = [node.get("object-id") for node in nodes]
    for name in names:
        if not isinstance(name, str) or not name or names.count(name) > 1:
            raise ControlError(f"nodes: object-id={name!r} is not allowed: a text, each node its own")
    return [dict(node) for node in nodes]


def _checked(count: int) -> int:
    if not 0 <= count <= _MOST_NODES:
        raise ControlError(f"syncmon nodes={count!r} is not allowed: 0 to {_MOST_NODES}")
    return count
