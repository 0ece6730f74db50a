"""Compares two looks at the chassis as a system. Pure: it decides what is kept and which events are published."""

from collections.abc import Sequence
from datetime import UTC, datetime

from lantime.contract import NotificationsRecord, NotificationTriggered, SystemChanged, SystemRecord, SystemState
from lantime.status.led import MOST_LEDS, Led, LedColour
from lantime.status.notification import MOST_NOTIFICATIONS, Notification
from lantime.status.states import ClockState
from lantime.status.system import SystemStatus

_NEVER = datetime.fromtimestamp(0, UTC)


def system_seen(known: SystemRecord | None, status: SystemStatus, now: datetime) -> SystemRecord | None:
    """Return the record after a look; what was known stays when the device reports nothing of its system."""
    if not status.reported:
        return known
    return SystemRecord(observed_at=now, state=_told(known.state if known else SystemState(), status), status=status)


def system_change(known: SystemRecord | None, after: SystemRecord) -> SystemChanged | None:
    """Return the event of a change, if there is one.

    A first look is no change, and neither is what a device tells for the first time.
    """
    if known is None:
        return None
    before = known.state
    leds = {led.name: led for led in before.leds}
    changed = (
        (before.reference is not None and before.reference != after.state.reference)
        or (before.clock is not ClockState.UNKNOWN and before.clock is not after.state.clock)
        or any(led.name in leds and leds[led.name] != led for led in after.state.leds)
    )
    return SystemChanged(before=before, after=after.state, observed_at=after.observed_at) if changed else None


def notifications_seen(known: NotificationsRecord | None, seen: Sequence[Notification]) -> NotificationsRecord:
    """Return the record after a look: what is listed now, and what was listed before and is not any more.

    What the device does not tell of a notification this time stays as it was.
    """
    before = {one.key: one for one in known.entries} if known else {}
    now = {one.key: _still(before.get(one.key), one) for one in seen}
    gone = [one for key, one in before.items() if key not in now]
    return NotificationsRecord(entries=(*now.values(), *gone)[:MOST_NOTIFICATIONS])


def newly_triggered(
    known: NotificationsRecord | None, after: NotificationsRecord, now: datetime
) -> list[NotificationTriggered]:
    """Return an event for each notification that was triggered since the last look, in the order of their times.

    None at the first look, nor when nothing was listed so far: what a device lists then is old.
    """
    if known is None or not known.entries:
        return []
    before = {one.key: one for one in known.entries}
    newest = max((one.last_triggered or _NEVER for one in known.entries), default=_NEVER)
    new = [one for one in after.entries if _is_new(before.get(one.key), one, newest)]
    return [
        NotificationTriggered(
            id=one.id,
            severity=one.severity,
            text=one.text,
            triggered=one.triggered,
            triggered_at=one.last_triggered,
            observed_at=now,
        )
        for one in sorted(new, key=lambda one: (one.last_triggered or now, one.id))
    ]


def _told(before: SystemState, status: SystemStatus) -> SystemState:
    clock_told = status.sync.clock is not ClockState.UNKNOWN or status.sync.clock_raw is not None
    told = {led.name: led.steady for led in status.leds if _is_told(led)}
    leds = list((told | {led.name: led for led in before.leds if led.name not in told}).values())[:MOST_LEDS]
    return SystemState(
        reference=status.sync.reference or before.reference,
        clock=status.sync.clock if clock_told else before.clock,
        leds=tuple(sorted(leds, key=lambda led: led.name)),
    )


def _is_told(led: Led) -> bool:
    return led.colour is not LedColour.UNKNOWN or led.colour_raw is not None


def _still(before: Notification | None, seen: Notification) -> Notification:
    if before is None:
        return seen
    triggered = before.triggered if seen.triggered is None else seen.triggered
    last_triggered = seen.last_triggered or before.last_triggered
    if (triggered, last_triggered) == (seen.triggered, seen.last_triggered):
        return seen
    return seen.model_copy(update={"triggered": triggered, "last_triggered": last_triggered})


def _is_new(before: Notification | None, after: Notification, newest: datetime) -> bool:
    if before is None:
        # An id that was not listed before, as after an update of the device: its past is old.
        return bool(after.triggered) if after.last_triggered is None else after.last_triggered > newest
    # Not "later than": a device whose clock was set back triggers, too.
    moved = after.last_triggered != before.last_triggered
    return moved or (before.triggered is False and after.triggered is True)
