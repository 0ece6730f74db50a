"""The decision of alarms: what is active, one look, and what follows from it. Pure; the time is passed in.

All times are those of the looks (``observed_at``), by one clock that may be set back: nothing lasts less than no time, and
what was seen later than now was seen now.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from pydantic import Field

from lantime.alarms.finding import Finding
from lantime.alarms.rules import AlarmRules
from lantime.alarms.specs import SPECS
from lantime.contract.alarms import ActiveAlarm, AlarmCleared, AlarmRaised
from lantime.contract.document import ContractDocument

NO_TIME = timedelta(0)


class AlarmMemory(ContractDocument):
    """What must be remembered of an app's alarms beside the active ones."""

    raised: int = 0
    """How many were ever raised: the last one's number."""
    ended: int = 0
    """How many have ever ended: the last one's number in the history."""
    recent: Mapping[str, tuple[datetime, ...]] = Field(default_factory=dict)
    """When each was raised of late."""
    values: Mapping[str, str] = Field(default_factory=dict)
    """The last value of each occurrence."""
    dismissed: tuple[str, ...] = ()
    """What an operator ended although it is still so: not raised again before it was good once."""
    settling_until: datetime | None = None
    """The earliest time for which a message to settle is on its way."""


@dataclass(frozen=True, kw_only=True)
class Place:
    """Whose alarms these are."""

    app: str
    chassis: str


@dataclass(frozen=True, kw_only=True)
class Step:
    """What follows from one look."""

    alarms: Mapping[str, ActiveAlarm]
    memory: AlarmMemory
    events: tuple[AlarmRaised | AlarmCleared, ...]
    quiet_in: timedelta | None
    """After how long the next alarm may be cleared, should nothing else happen; None: none can."""


def step(
    place: Place,
    known: Mapping[str, ActiveAlarm],
    memory: AlarmMemory,
    look: Iterable[Finding] | None,
    *,
    now: datetime,
    rules: AlarmRules,
) -> Step:
    """Return what a look at ``now`` means; without a look only what was quiet until ``now`` is cleared."""
    course = _Course(place, known, memory, now, rules)
    course.settle()
    if look is not None:
        course.take(look)
        # An occurrence is over at once, and so is what needs no quiet time.
        course.settle()
    return course.result()


def dismiss(
    place: Place, known: Mapping[str, ActiveAlarm], memory: AlarmMemory, key: str, *, now: datetime, rules: AlarmRules
) -> Step:
    """Return what an operator's word that an alarm is over means. KeyError when it is not active."""
    course = _Course(place, known, memory, now, rules)
    course.dismiss(key)
    return course.result()


class _Course:
    """One step while it is made."""

    def __init__(
        self, place: Place, known: Mapping[str, ActiveAlarm], memory: AlarmMemory, now: datetime, rules: AlarmRules
    ) -> None:
        self._place = place
        self._alarms = dict(known)
        self._raised, self._ended = memory.raised, memory.ended
        self._recent, self._values = dict(memory.recent), dict(memory.values)
        self._dismissed = set(memory.dismissed)
        self._memory = memory
        self._now = now
        self._rules = rules
        self._events: list[AlarmRaised | AlarmCleared] = []

    def dismiss(self, key: str) -> None:
        alarm = self._alarms.pop(key)
        self._ended += 1
        self._events.append(_cleared(alarm, alarm.gone_since or self._now, dismissed=True))
        if alarm.standing:
            self._dismissed.add(key)

    def settle(self) -> None:
        """Clear what has been quiet for long enough."""
        for key, alarm in sorted(self._alarms.items()):
            remaining = self._remaining(alarm)
            if alarm.gone_since is not None and remaining is not None and remaining <= NO_TIME:
                self._ended += 1
                self._events.append(_cleared(alarm, alarm.gone_since))
                del self._alarms[key]

    def take(self, look: Iterable[Finding]) -> None:
        """Raise, keep or let go what the look says; what it does not mention is not confirmed."""
        findings = {finding.key: finding for finding in look}
        for key in sorted({*self._alarms, *findings}):
            alarm = self._alarms.get(key)
            finding = findings.get(key)
            if finding is None:
                if alarm is not None:
                    self._alarms[key] = self._unconfirmed(alarm)
                continue
            finding, occurred = self._occurrence(finding)
            if alarm is not None:
                self._alarms[key] = self._changed(alarm, finding, occurred=occurred)
            elif (finding.bad and key not in self._dismissed) or occurred:
                self._alarms[key] = self._raise(finding)
            elif not finding.bad and not finding.silent:
                self._dismissed.discard(key)

    def result(self) -> Step:
        remaining = [left for alarm in self._alarms.values() if (left := self._remaining(alarm)) is not None]
        return Step(
            alarms=self._alarms,
            memory=self._memory.model_copy(
                update={
                    "raised": self._raised,
                    "ended": self._ended,
                    "recent": self._recent,
                    "values": self._values,
                    "dismissed": tuple(sorted(self._dismissed)),
                }
            ),
            events=tuple(self._events),
            quiet_in=min(remaining, default=None),
        )

    def _remaining(self, alarm: ActiveAlarm) -> timedelta | None:
        """Return how much longer an alarm must be quiet; None while it is not."""
        if alarm.gone_since is None:
            return None
        needed = NO_TIME if SPECS[alarm.alarm].occurrence else self._rules.clear_after
        if alarm.flapping:
            needed = max(needed, self._rules.flapping_window)
        return needed - (self._now - alarm.gone_since)

    def _occurrence(self, finding: Finding) -> tuple[Finding, bool]:
        """Remember the value of a finding; return the finding with what it was before, and whether that is another."""
        before, after = self._values.get(finding.key), finding.value
        if after is None or after == before:
            return finding, False
        self._values[finding.key] = after
        if before is None:
            return finding, False
        details = finding.details.model_copy(update={"before": before, "after": after})
        note = finding.note or f"{before} before, {after} now"
        changed = Finding(alarm=finding.alarm, slot=finding.slot, value=after, details=details, note=note)
        return changed, True

    def _raise(self, finding: Finding) -> ActiveAlarm:
        spec, now, key = SPECS[finding.alarm], self._now, finding.key
        self._raised += 1
        recent = [each for each in self._recent.get(key, ()) if NO_TIME <= now - each < self._rules.flapping_window]
        self._recent[key] = (*recent, now)[-self._rules.flapping_raises :]
        facts = tuple(sorted(finding.bad))
        alarm = ActiveAlarm(
            chassis=self._place.chassis,
            slot=finding.slot,
            alarm=finding.alarm,
            severity=spec.severity,
            text=_text(finding),
            # The number alone would begin again in a new database, the time alone may come twice.
            correlation_key=f"{self._place.app}/{key}/{now:%Y%m%dT%H%M%S}/{self._raised}",
            raised_at=now,
            flapping=len(recent) >= self._rules.flapping_raises,
            details=finding.details.model_copy(update={"facts": facts}),
            standing=facts,
            gone_since=None if facts else now,
        )
        self._events.append(AlarmRaised.model_validate(alarm.model_dump(include=set(AlarmRaised.model_fields))))
        return alarm

    def _changed(self, alarm: ActiveAlarm, finding: Finding, *, occurred: bool) -> ActiveAlarm:
        bad = finding.bad
        standing = tuple(sorted(bad | (finding.silent & set(alarm.standing)) | self._unsaid(alarm, finding)))
        update: dict[str, object] = {"standing": standing}
        if bad:
            update["text"] = _text(finding)
            update["details"] = finding.details.model_copy(update={"facts": standing})
            update["unconfirmed_since"] = None
        elif occurred:
            update["text"] = _text(finding)
            update["details"] = finding.details
        elif standing:
            update["unconfirmed_since"] = alarm.unconfirmed_since or self._now
        if occurred or (standing and alarm.gone_since is not None):
            update["returns"] = alarm.returns + 1
        if occurred:
            update["gone_since"] = self._now
        elif standing:
            update["gone_since"] = None
        else:
            update["gone_since"] = min(alarm.gone_since or self._now, self._now)
            update["unconfirmed_since"] = None
        return alarm.model_copy(update=update)

    def _unsaid(self, alarm: ActiveAlarm, finding: Finding) -> frozenset[str]:
        # A later version may know other facts: what this one does not look at stays as it was.
        return frozenset(alarm.standing) - finding.facts.keys()

    def _unconfirmed(self, alarm: ActiveAlarm) -> ActiveAlarm:
        if not alarm.standing or alarm.unconfirmed_since is not None:
            return alarm
        return alarm.model_copy(update={"unconfirmed_since": self._now})


def _text(finding: Finding) -> str:
    said = SPECS[finding.alarm].text
    return f"{said}: {finding.note}" if finding.note else said


def _cleared(alarm: ActiveAlarm, gone_since: datetime, *, dismissed: bool = False) -> AlarmCleared:
    cleared_at = max(gone_since, alarm.raised_at)
    shared = alarm.model_dump(include=set(AlarmRaised.model_fields) | {"returns"})
    return AlarmCleared(
        **shared,
        cleared_at=cleared_at,
        duration_seconds=(cleared_at - alarm.raised_at).total_seconds(),
        dismissed=dismissed,
    )
