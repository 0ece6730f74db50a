"""Keeps the alarms of an app and tells what changed, within the transaction of whoever looked."""

from datetime import UTC, datetime, timedelta
from typing import Protocol

import structlog

from broker.handlers.context import Documents
from broker.messages.message import Command, Event
from lantime.alarms.finding import Finding
from lantime.alarms.rules import AlarmRules
from lantime.alarms.step import AlarmMemory, Place, Step, step
from lantime.contract.alarms import ALARM_HISTORY, ALARMS, ActiveAlarm, AlarmCleared, EndedAlarm, SettleAlarms

log = structlog.get_logger("interapp.alarms")

ALARM_MEMORY = "alarm-memory"
"""Collection with the app's AlarmMemory, for the app alone."""

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
) -> Step:
    """Take a look at ``observed_at``, or let time pass until then: keep and publish what follows.

    Where an alarm may be cleared later by time alone, the app sends itself a message for then. ``now`` is its own clock,
    which says when that is; it need not agree with the one that ``observed_at`` is from.
    """
    documents = effects.documents
    known = documents.all(ALARMS, ActiveAlarm)
    memory = documents.get(ALARM_MEMORY, place.app, AlarmMemory) or AlarmMemory()
    done = step(place, known, memory, look, now=observed_at, rules=rules)

    for key in known.keys() - done.alarms.keys():
        documents.delete(ALARMS, key)
    for key, alarm in done.alarms.items():
        if alarm != known.get(key):
            documents.put(ALARMS, key, alarm)
    _tell(effects, place, memory, done)
    kept = done.memory.model_copy(
        update={"settling_until": _settling(effects, place, memory.settling_until, done.quiet_in, observed_at, now)}
    )
    if kept != memory:
        documents.put(ALARM_MEMORY, place.app, kept)
    return done


def _tell(effects: Effects, place: Place, memory: AlarmMemory, done: Step) -> None:
    ended = memory.ended
    for event in done.events:
        effects.publish(event)
        fields = {"app": place.app, "alarm": str(event.alarm), "slot": event.slot, "severity": str(event.severity)}
        if not isinstance(event, AlarmCleared):
            log.warning("alarm raised", text=event.text, flapping=event.flapping, **fields)
            continue
        ended += 1
        effects.documents.put(ALARM_HISTORY, _number(ended), EndedAlarm.model_validate(event.model_dump()))
        if ended > HISTORY_LENGTH:
            effects.documents.delete(ALARM_HISTORY, _number(ended - HISTORY_LENGTH))
        log.info("alarm cleared", after=f"{event.duration_seconds:g} s", **fields)


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
