"""Keeps the alarms of an app and tells what changed, within the transaction of whoever looked."""

from datetime import UTC, datetime, timedelta
from typing import Protocol

import structlog

from broker.errors import Reject
from broker.handlers.context import Documents
from broker.messages.message import Command, Event
from lantime.alarms.finding import Finding, alarm_key
from lantime.alarms.rules import AlarmRules
from lantime.alarms.specs import SPECS, Side
from lantime.alarms.step import AlarmMemory, Place, Step, dismiss, end, step
from lantime.contract.alarms import (
    ALARM_HISTORY,
    ALARMS,
    ActiveAlarm,
    Alarm,
    AlarmCleared,
    AlarmRaised,
    EndedAlarm,
    SettleAlarms,
    Severity,
)

log = structlog.get_logger("interapp.alarms")

ALARM_MEMORY = "alarm-memory"
"""Collection with the app's AlarmMemory, for the app alone."""

KEPT_OF_ALARMS = (ALARMS, ALARM_MEMORY)
"""Collections that every look is compared with."""

HISTORY_LENGTH = 200
"""How many ended alarms an app keeps."""


class Effects(Protocol):
    """What is committed together: a handler's context, or a transaction of a client."""

    @property
    def documents(self) -> Documents:
        """The app's documents."""
        ...

    def publish(self, event: Event) -> str:
        """Add an event to all who subscribed."""
        ...

    def send(self, message: Command[None], *, to: str, at: datetime | None = None) -> str:
        """Add a message to one app, due at a time."""
        ...


def keep_alarms(
    effects: Effects,
    place: Place,
    look: list[Finding] | None,
    *,
    observed_at: datetime,
    now: datetime,
    rules: AlarmRules,
) -> None:
    """Take a look at ``observed_at``, or let time pass until then: keep and publish what follows.

    Where an alarm may be cleared later by time alone, the app sends itself a message for then. ``now`` is its own clock,
    which says when that is; it need not agree with the one that ``observed_at`` is from.
    """
    known, memory = _kept(effects, place)
    done = step(place, known, memory, look, now=observed_at, rules=rules)
    _write(effects, place, known, memory, done)
    until = _settling(effects, place, memory.settling_until, done.quiet_in, observed_at, now)
    kept = done.memory.model_copy(update={"settling_until": until})
    if kept != memory:
        effects.documents.put(ALARM_MEMORY, place.app, kept)


def dismiss_alarm(
    effects: Effects, place: Place, alarm: Alarm, slot: str | None, *, now: datetime, rules: AlarmRules
) -> None:
    """End an alarm by an operator's word. Raises Reject when it is not active."""
    known, memory = _kept(effects, place)
    key = alarm_key(alarm, slot)
    if key not in known:
        active = ", ".join(sorted(known)) or "none"
        raise Reject(f"{place.app} has no active alarm {key}; active are: {active}")
    done = dismiss(place, known, memory, key, now=now, rules=rules)
    _write(effects, place, known, memory, done)
    effects.documents.put(ALARM_MEMORY, place.app, done.memory)


def end_alarms(effects: Effects, place: Place, *, observed_at: datetime, rules: AlarmRules) -> None:
    """End all alarms: what they are of is gone for good."""
    known, memory = _kept(effects, place)
    if known:
        done = end(place, known, memory, now=observed_at, rules=rules)
        _write(effects, place, known, memory, done)
        effects.documents.put(ALARM_MEMORY, place.app, done.memory)


def _kept(effects: Effects, place: Place) -> tuple[dict[str, ActiveAlarm], AlarmMemory]:
    memory = effects.documents.get(ALARM_MEMORY, place.app, AlarmMemory)
    return effects.documents.all(ALARMS, ActiveAlarm), memory or AlarmMemory()


def _write(effects: Effects, place: Place, known: dict[str, ActiveAlarm], memory: AlarmMemory, done: Step) -> None:
    documents = effects.documents
    for key in known.keys() - done.alarms.keys():
        documents.delete(ALARMS, key)
    for key, alarm in done.alarms.items():
        if alarm != known.get(key):
            documents.put(ALARMS, key, alarm)
    ended = memory.ended
    for event in done.events:
        effects.publish(event)
        _say(place, event)
        if not isinstance(event, AlarmCleared):
            continue
        ended += 1
        effects.documents.put(ALARM_HISTORY, _number(ended), EndedAlarm.model_validate(event.model_dump()))
        if ended > HISTORY_LENGTH:
            effects.documents.delete(ALARM_HISTORY, _number(ended - HISTORY_LENGTH))


def _say(place: Place, event: AlarmRaised | AlarmCleared) -> None:
    if SPECS[event.alarm].side is Side.CHASSIS:
        # The chassis' service has a line for what happens to its slots and its device already.
        return
    fields = {"app": place.app, "alarm": str(event.alarm), "severity": str(event.severity)}
    if isinstance(event, AlarmCleared):
        how = "alarm dismissed" if event.dismissed else "alarm cleared"
        log.info(how, **fields, after=f"{event.duration_seconds:.1f} s")
    else:
        say = log.info if event.severity is Severity.INFO else log.warning
        say("alarm raised", **fields, text=event.text)


def _settling(
    effects: Effects,
    place: Place,
    under_way: datetime | None,
    quiet_in: timedelta | None,
    observed_at: datetime,
    now: datetime,
) -> datetime | None:
    """See to it that a message to settle is on its way, and return the time that it will say."""
    if under_way is not None and under_way <= observed_at:
        # It has come, or was lost: an operator may cancel it.
        under_way = None
    if quiet_in is None:
        return under_way
    until = _later(observed_at, quiet_in)
    if under_way is not None and under_way <= until:
        return under_way
    effects.send(SettleAlarms(until=until), to=place.app, at=_later(now, quiet_in))
    return until


def _number(count: int) -> str:
    # As text the numbers sort like numbers.
    return f"{count:012d}"


def _later(time: datetime, by: timedelta) -> datetime:
    try:
        return time + by
    except OverflowError:
        # A look can bear any date; the last one that there is will do.
        return datetime.max.replace(tzinfo=UTC)
