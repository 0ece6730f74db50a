"""Exchanges, queues and bindings of interapp, and nothing else: the wire format of ``docs/wire-format.md``.

Queue arguments can never be changed after the queue was made, so they are the type and the single active consumer only;
dead-lettering, limits and the rest are policies, which an operator can change at any time.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

EXCHANGE = "interapp"
EVENTS = "interapp.events"
UNROUTABLE = "interapp.unroutable"
DEAD = "interapp.dead"
DEAD_LETTERS = "interapp.dead-letters"


@dataclass(frozen=True, slots=True)
class Exchange:
    """A durable exchange."""

    name: str
    type: str
    arguments: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Queue:
    """A durable queue."""

    name: str
    arguments: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Binding:
    """What makes an exchange put messages with this routing key into a queue."""

    queue: str
    exchange: str
    routing_key: str = ""


Declaration = Exchange | Queue | Binding


def queue_of(address: str) -> str:
    """Return the name of an app's queue."""
    return f"{EXCHANGE}.{address}"


def doorbell_of(incarnation: str) -> str:
    """Return the name of a process's doorbell queue: its incarnation id in letters, digits, ``.`` and ``-``."""
    return f"{EXCHANGE}.replies.{re.sub(r'[^A-Za-z0-9.-]', '-', incarnation)}"


def foundation() -> tuple[Declaration, ...]:
    """Return what every app relies on, in the order in which it must be declared."""
    kept = {"x-queue-type": "quorum"}
    return (
        Exchange(UNROUTABLE, "fanout"),
        Queue(UNROUTABLE, kept),
        Binding(UNROUTABLE, UNROUTABLE),
        Exchange(DEAD, "fanout"),
        Queue(DEAD_LETTERS, kept),
        Binding(DEAD_LETTERS, DEAD),
        Exchange(EVENTS, "topic"),
        # last: what it cannot route must have a place before the first message comes
        Exchange(EXCHANGE, "direct", {"alternate-exchange": UNROUTABLE}),
    )


def mailbox(address: str) -> tuple[Declaration, ...]:
    """Return the queue of one app and its binding."""
    queue = queue_of(address)
    return (
        Queue(queue, {"x-queue-type": "quorum", "x-single-active-consumer": True}),
        Binding(queue, EXCHANGE, address),
    )
