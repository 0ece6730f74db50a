"""Keeps what a poll saw of the chassis as a system, within the poll's transaction."""

from datetime import datetime

import structlog

from broker.runtime.client import Transaction
from lantime.contract import NOTIFICATIONS, SYSTEM, NotificationsRecord, SystemRecord
from modular_parent.look import ChassisLook
from modular_parent.sparing import worth_writing
from modular_parent.system import newly_triggered, notifications_seen, system_change, system_seen

log = structlog.get_logger("interapp.chassis")


def keep_system(tx: Transaction, chassis: str, look: ChassisLook, now: datetime, *, sparing: bool) -> None:
    """Keep what the system reports and publish what of it changed; ``sparing``: write only what is worth it."""
    known = tx.documents.get(SYSTEM, chassis, SystemRecord)
    after = system_seen(known, look.system, now)
    if after is None:
        return
    changed = system_change(known, after)
    if changed is not None:
        log.info(
            "system changed",
            app=chassis,
            reference=f"{changed.before.reference} -> {changed.after.reference}",
            clock=f"{changed.before.clock} -> {changed.after.clock}",
            leds=", ".join(f"{led.name} {led.colour}" for led in changed.after.leds),
        )
        tx.publish(changed)
    # Only a change of the state must be kept at once: load, uptime and offsets differ with every poll.
    same_status = known and known.model_copy(update={"status": after.status})
    if not sparing or worth_writing(same_status, after, "observed_at"):
        tx.documents.put(SYSTEM, chassis, after)


def keep_notifications(tx: Transaction, chassis: str, look: ChassisLook, now: datetime) -> None:
    """Keep the device's notifications and publish those that were triggered since they were kept last.

    Record and events are committed together: each is published once, whatever is restarted.
    """
    if look.notifications is None:
        return
    known = tx.documents.get(NOTIFICATIONS, chassis, NotificationsRecord)
    after = notifications_seen(known, look.notifications)
    if known == after:
        return
    for event in newly_triggered(known, after, now):
        log.info("notification", app=chassis, id=event.id, severity=event.severity.value, holds=event.triggered)
        tx.publish(event)
    tx.documents.put(NOTIFICATIONS, chassis, after)
