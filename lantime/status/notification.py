"""The notifications of a device: a fixed list of things that can happen, and when each last did."""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from functools import partial
from itertools import islice
from typing import Self

from lantime.status.memory import Memory
from lantime.status.model import StatusModel
from lantime.status.moment import read_moment
from lantime.status.values import flag, mapping, members, pick, plain, raw, text

MOST_NOTIFICATIONS = 300
"""More than 30 are captured; what comes beyond this many is no list of a device."""


class Severity(StrEnum):
    """How serious a notification is. All but ``unknown`` are captured."""

    INFO = "info"
    WARNING = "warning"
    ERROR = "error"
    CRITICAL = "critical"
    ACTION = "action"
    """Something was done, e.g. the configuration changed (the meaning is inferred from which ones have it)."""
    UNKNOWN = "unknown"

    @classmethod
    def read(cls, value: object) -> Self:
        """Return the severity for a word of the device; ``UNKNOWN`` for anything else."""
        word = plain(raw(value) or "")
        return cls(word) if word in set(cls) else cls("unknown")


class Notification(StatusModel):
    """One notification."""

    id: str
    """As the device spells it, e.g. ``refclock-1-not-sync`` (captured); the spelling drifts between versions (captured)."""
    severity: Severity = Severity.UNKNOWN
    """Captured key ``type``."""
    triggered: bool | None = None
    """Whether it holds now (captured as 0 or 1; that it means "now" is inferred)."""
    last_triggered: datetime | None = None
    """When it last happened (captured, in seconds); None where the device says "never"."""

    @property
    def key(self) -> str:
        """The id as it is compared: letters and digits only."""
        return plain(self.id)

    @property
    def text(self) -> str:
        """The id in words. The device reports no other text."""
        return " ".join(self.id.replace("-", " ").replace("_", " ").split())


def read_notifications(
    answer: Mapping[str, object], *, memory: Memory[tuple[Notification, ...]] | None = None
) -> tuple[Notification, ...] | None:
    """Read ``notification.events`` of a status answer (captured); None when it has no such list. Never raises."""
    data = mapping(answer.get("data"))
    holder = mapping(pick(data, "notification") or pick(mapping(data.get("status")), "notification"))
    reported = pick(holder, "events")
    if not isinstance(reported, list | Mapping):
        return None
    return (memory or Memory()).read("events", reported, partial(_events, reported))


def _events(reported: object) -> tuple[Notification, ...]:
    found: dict[str, Notification] = {}
    for name, entry in islice(members(reported), MOST_NOTIFICATIONS):
        if name and plain(name):
            one = Notification(
                id=name,
                severity=Severity.read(pick(entry, "type")),
                triggered=flag(pick(entry, "triggered")),
                last_triggered=read_moment(text(pick(entry, "last-triggered"))),
            )
            found.setdefault(one.key, one)
    return tuple(found.values())
