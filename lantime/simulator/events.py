"""The notification events of the simulated device: which there are, and which conditions hold. No state.

Ids and types are captured, except those of the source list and of missing modules, which are spelled after the traps
of the MIB (inferred), and the second clock's, which follow the first one's (inferred).
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class EventKind:
    """An event as the device lists it; ``before_17`` is its spelling on older versions, ``since_17`` that it is new."""

    event: str
    severity: str
    before_17: str | None = None
    since_17: bool = False


_KINDS = (
    EventKind("normal-operation", "info"),
    EventKind("ntp-not-sync", "error"),
    EventKind("ntp-sync", "info"),
    EventKind("ntp-stopped", "critical"),
    EventKind("ntp-offset-limit-exceeded", "error"),
    EventKind("ntp-offset-limit-ok", "info"),
    EventKind("system-reboot", "action"),
    EventKind("device-configuration-changed", "action"),
    EventKind("leapsecond-announced", "info", before_17="leap-second-announced"),
    EventKind("sync-monitor", "action"),
    EventKind("sync-monitor-alert", "error"),
    EventKind("sync-monitor-ok", "info"),
    EventKind("network-link-down", "error"),
    EventKind("network-link-up", "info"),
    EventKind("low-system-resources", "warning"),
    EventKind("sufficient-system-resources", "info"),
    EventKind("https-certificate-expired", "error"),
    EventKind("https-certificate-expire-warning", "warning"),
    EventKind("self-signed-https-certificate-in-use", "warning"),
    # Only the capture of a GRC180 has the two; that a TCR has them too is inferred, its oscillator warms up as well.
    EventKind("oscillator-adjusted", "info"),
    EventKind("oscillator-not-adjusted", "warning"),
    EventKind("xmr-ref-disconnect", "error"),
    EventKind("xmr-ref-reconnect", "info"),
    EventKind("xmr-ref-changed", "info"),
    EventKind("ims-error", "error"),
    EventKind("ims-ok", "info"),
    EventKind("cluster-master-changed", "info"),
    EventKind("cluster-falseticker-detected", "warning"),
    EventKind("cluster-falseticker-cleared", "info"),
    EventKind("faillock-user-banned", "action", before_17="faillock:-user-banned"),
    EventKind("auto-update-avail", "info", since_17=True),
    EventKind("auto-update-installed", "info", since_17=True),
    EventKind("auto-update-failed", "error", since_17=True),
)

_REFCLOCK = {"not-responding": "critical", "not-sync": "error", "sync": "info"}

_TROUBLES = frozenset({"error", "critical"})
_SEVERITIES = {kind.event: kind.severity for kind in _KINDS}


def kinds(refclocks: Iterable[int]) -> Iterator[EventKind]:
    """Yield every event that a device with these refclocks (1, 2) lists."""
    for number in refclocks:
        for what, severity in _REFCLOCK.items():
            yield EventKind(f"refclock-{number}-{what}", severity)
    yield from _KINDS


@dataclass(frozen=True, kw_only=True)
class Situation:
    """What the conditions depend on.

    ``refclocks`` maps a refclock's number to ``sync``, ``not-sync`` or ``not-responding``, ``clock`` is the state of
    the clock that the system follows, ``seen`` are the events that were ever triggered.
    """

    refclocks: dict[int, str]
    clock: str
    oscillators_warm: bool
    source_lost: bool
    module_missing: bool
    syncmon: Sequence[bool]
    seen: frozenset[str]


def conditions(now: Situation) -> frozenset[str]:
    """Return the events that are triggered now.

    A thing that went well all the time has its good event triggered where a capture shows it, else only once it was
    bad. Actions are never triggered, they only have a time (captured).
    """
    found = {f"refclock-{number}-{what}" for number, what in now.refclocks.items()}
    found |= {"network-link-up", "sufficient-system-resources", "self-signed-https-certificate-in-use"}
    found.add("ntp-not-sync" if now.clock == "not-synchronized" else "ntp-sync")
    found.add("oscillator-adjusted" if now.oscillators_warm else "oscillator-not-adjusted")
    for bad, good, is_bad in (
        ("xmr-ref-disconnect", "xmr-ref-reconnect", now.source_lost),
        ("ims-error", "ims-ok", now.module_missing),
        ("sync-monitor-alert", "sync-monitor-ok", any(now.syncmon)),
    ):
        if is_bad:
            found.add(bad)
        elif bad in now.seen or (good == "sync-monitor-ok" and now.syncmon):
            found.add(good)
    if not any(_severity(event) in _TROUBLES for event in found):
        found.add("normal-operation")
    return frozenset(found)


def _severity(event: str) -> str:
    return _SEVERITIES.get(event) or next(
        severity for what, severity in _REFCLOCK.items() if event.removeprefix("refclock-").partition("-")[2] == what
    )
