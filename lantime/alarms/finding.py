"""What one look at a device says of one alarm."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from lantime.contract.alarms import Alarm, AlarmDetails


def alarm_key(alarm: Alarm, slot: str | None) -> str:
    """Return an alarm's name among those of its app."""
    return str(alarm) if slot is None else f"{alarm}.{slot}"


@dataclass(frozen=True, kw_only=True)
class Finding:
    """The facts that one alarm rests on, as one look saw them.

    A fact is True when it is bad, False when it is good and None when it is not reported: then it neither raises nor
    clears. ``value`` is for an occurrence: another value than the last one is what occurs, None is not reported.
    ``note`` makes the alarm's text more exact.
    """

    alarm: Alarm
    slot: str | None = None
    facts: Mapping[str, bool | None] = field(default_factory=dict)
    value: str | None = None
    details: AlarmDetails = field(default_factory=AlarmDetails)
    note: str = ""

    @property
    def key(self) -> str:
        """The alarm's name among those of its app."""
        return alarm_key(self.alarm, self.slot)

    @property
    def bad(self) -> frozenset[str]:
        """The facts that are bad."""
        return frozenset(name for name, bad in self.facts.items() if bad)

    @property
    def silent(self) -> frozenset[str]:
        """The facts that are not reported."""
        return frozenset(name for name, bad in self.facts.items() if bad is None)
