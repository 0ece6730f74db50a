"""The NTP service of a device: itself, and the sources that it follows."""

from itertools import islice

from lantime.status.model import StatusModel
from lantime.status.values import flag, integer, members, number, pick, raw, text

_MOST_ENTRIES = 64
"""Two are captured; further servers may be configured."""


class NtpEntry(StatusModel):
    """One entry of ``ntp``: the service itself (``sys``) or a source (``ref_1``, …), both captured."""

    name: str
    """Its object id."""
    host: str | None = None
    """Captured key ``name``, e.g. ``127.127.8.0`` for the clock module."""
    refid: str | None = None
    """What it refers to; "GPS" and "PZF" are captured, what a TCR makes of it ("IRIG"?) is not known."""
    stratum: int | None = None
    """Captured: 1 for the service, 0 for the clock."""
    leap: str | None = None
    """Leap indicator; captured as text "0" on API 10 and as number 0 on API 20."""
    source: str | None = None
    """Kind of the service's source (captured key ``status-sys-clock-source``: "uhf-radio", "lf-radio")."""
    selection: str | None = None
    """What became of a source (captured key ``status-peer-selection``: "pps-peer")."""
    reachable: bool | None = None
    """Whether a source answers (captured key ``status-peer-reach-ok``)."""
    offset_seconds: float | None = None
    """Captured on sources; that it is seconds is inferred."""
    poll_status: str | None = None
    """The last eight polls as the device writes them, ``11111111 [377]`` (captured on API 20, not there on 10)."""


def read_ntp(value: object) -> tuple[NtpEntry, ...]:
    """Read ``ntp``, a list of entries (captured). Never raises."""
    return tuple(
        NtpEntry(
            name=name or "unknown",
            host=text(pick(entry, "name")),
            refid=text(pick(entry, "refid")),
            stratum=integer(pick(entry, "stratum")),
            leap=raw(pick(entry, "leap")),
            source=text(pick(entry, "status-sys-clock-source")),
            selection=text(pick(entry, "status-peer-selection")),
            reachable=flag(pick(entry, "status-peer-reach-ok")),
            offset_seconds=number(pick(entry, "offset")),
            poll_status=text(pick(entry, "poll-status")),
        )
        for name, entry in islice(members(value), _MOST_ENTRIES)
    )
