"""Transports for the contract suite, and what listens to them: everything waits with a limit, nothing sleeps."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import Protocol

from broker.errors import TransportError
from broker.lifecycle.clock import SystemClock
from broker.lifecycle.ids import new_id
from broker.messages.envelope import Envelope
from broker.transport.opening import open_transport
from broker.transport.seam import Consumer, Delivery, Transport
from servers.processes import eventually

PATIENCE_S = 15.0
QUIET_S = 0.3
"""How long nothing must happen before a test believes that nothing happens."""


class Carrier(Protocol):
    """What carries messages between processes, or within one."""

    def open(self) -> Transport:
        """Return the started transport of a process."""
        ...

    def unstarted(self) -> Transport:
        """Return a transport that was not started."""
        ...


class MemoryCarrier:
    """One process: every caller gets the same transport."""

    def __init__(self, stack: ExitStack) -> None:
        self._transport = open_transport("memory://", SystemClock())
        self._transport.start()
        stack.callback(self._transport.close)

    def open(self) -> Transport:
        """Return the one transport."""
        return self._transport

    def unstarted(self) -> Transport:
        """Return another transport that was not started."""
        return open_transport("memory://", SystemClock())


class RabbitMQCarrier:
    """Several processes: every caller gets a transport of its own."""

    def __init__(self, stack: ExitStack, url: str) -> None:
        self._stack = stack
        self._url = url

    def open(self) -> Transport:
        """Return a new transport that is connected."""
        transport = open_transport(self._url, SystemClock(), "contract")
        transport.start()
        self._stack.callback(transport.close)
        wait_until_up(transport)
        return transport

    def unstarted(self) -> Transport:
        """Return a new transport that was not started."""
        return open_transport(self._url, SystemClock(), "contract")


class Settlements:
    """Listens to how published envelopes end."""

    def __init__(self) -> None:
        self.ended: list[tuple[Envelope, TransportError | None]] = []
        self.threads: set[threading.Thread] = set()
        self._changed = threading.Condition()

    def __call__(self, envelopes: Sequence[Envelope], error: TransportError | None) -> None:
        with self._changed:
            self.threads.add(threading.current_thread())
            self.ended += [(envelope, error) for envelope in envelopes]
            self._changed.notify_all()

    def wait(self, count: int) -> list[TransportError | None]:
        """Return the outcomes of the first ``count`` envelopes that ended."""
        with self._changed:
            assert self._changed.wait_for(lambda: len(self.ended) >= count, PATIENCE_S), f"{len(self.ended)} of {count}"
            return [error for _, error in self.ended]

    def confirmed(self, count: int) -> None:
        """Wait for ``count`` outcomes and assert that each is a confirm."""
        assert self.wait(count) == [None] * count


class Inbox:
    """A sink of deliveries."""

    def __init__(self) -> None:
        self.deliveries: list[Delivery] = []
        self.threads: set[threading.Thread] = set()
        self._changed = threading.Condition()

    def __call__(self, deliveries: Sequence[Delivery]) -> None:
        with self._changed:
            self.threads.add(threading.current_thread())
            self.deliveries += deliveries
            self._changed.notify_all()

    def wait(self, count: int) -> list[Delivery]:
        """Return what was delivered when there are at least ``count`` deliveries."""
        with self._changed:
            arrived = self._changed.wait_for(lambda: len(self.deliveries) >= count, PATIENCE_S)
            assert arrived, f"{len(self.deliveries)} of {count} deliveries"
            return list(self.deliveries)

    def wait_ids(self, count: int) -> list[str]:
        """Return the ids of what was delivered when there are at least ``count`` deliveries."""
        return [delivery.envelope.message_id for delivery in self.wait(count)]

    def stays_at(self, count: int) -> None:
        """Assert that there are ``count`` deliveries and that no other comes for a moment."""
        with self._changed:
            more = self._changed.wait_for(lambda: len(self.deliveries) > count, QUIET_S)
            assert not more, f"{len(self.deliveries)} deliveries, {count} expected"
            assert len(self.deliveries) == count


class Bell:
    """Listens to a doorbell."""

    def __init__(self) -> None:
        self.ids: list[str] = []
        self._changed = threading.Condition()

    def __call__(self, message_ids: Sequence[str]) -> None:
        with self._changed:
            self.ids += message_ids
            self._changed.notify_all()

    def heard(self, count: int, timeout_s: float = PATIENCE_S) -> bool:
        """Tell whether at least ``count`` ids were heard in time."""
        with self._changed:
            return self._changed.wait_for(lambda: len(self.ids) >= count, timeout_s)


def letter(transport: Transport, destination: str, number: int = 0, **fields: object) -> Envelope:
    """Return an envelope with a fresh id."""
    values = {"kind": "test.letter", "body": f'{{"n":{number}}}'.encode(), "user": transport.user, **fields}
    return Envelope(message_id=new_id(), destination=destination, **values)  # type: ignore[arg-type]


def publish(transport: Transport, envelopes: Sequence[Envelope]) -> None:
    """Publish and wait until all is confirmed."""
    settlements = Settlements()
    transport.publish(envelopes, settlements)
    settlements.confirmed(len(envelopes))


def registered(consumer: Consumer) -> Consumer:
    """Return the consumer when it is registered."""
    eventually(lambda: consumer.link().up, PATIENCE_S, "the consumer is registered")
    return consumer


def wait_until_up(transport: Transport) -> None:
    """Wait until publishing works."""
    eventually(lambda: transport.link().up, PATIENCE_S, "publishing works")


def wait_until(check: Callable[[], object], what: str, timeout_s: float = PATIENCE_S) -> None:
    """Wait until the check is true."""
    eventually(check, timeout_s, what)
