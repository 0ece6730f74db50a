"""The network ports of a device."""

from itertools import islice

from lantime.status.model import StatusModel
from lantime.status.values import flag, members, pick, text

_MOST_PORTS = 128
"""Two and more are captured; a chassis full of network modules has tens."""


class NetworkPort(StatusModel):
    """One port."""

    name: str
    """Captured: ``lan0``, ``lan1``, …"""
    available: bool | None = None
    """Whether the port is there at all (captured on API 20, not there on 10)."""
    link: bool | None = None
    """Whether a link is up (captured)."""
    speed: str | None = None
    """As the device writes it; "100" is captured, its unit Mbit/s is inferred."""
    duplex: str | None = None
    """"full" is captured."""


def read_ports(value: object) -> tuple[NetworkPort, ...]:
    """Read ``network.ports``, a list (captured). Never raises."""
    return tuple(
        NetworkPort(
            name=name or "unknown",
            available=flag(pick(entry, "port-available")),
            link=flag(pick(entry, "link")),
            speed=text(pick(entry, "speed")),
            duplex=text(pick(entry, "duplex")),
        )
        for name, entry in islice(members(value), _MOST_PORTS)
    )
