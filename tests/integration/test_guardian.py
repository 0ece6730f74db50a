"""A consumer that went deaf: noticed, rebuilt, and in the end the process says that only a restart helps."""

import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from broker.handlers.registry import HandlerRegistry
from broker.lifecycle.clock import ManualClock, SystemClock
from broker.messages.envelope import Envelope
from broker.runtime.app import App
from broker.runtime.guardian import Guardian
from broker.runtime.host import Host
from broker.runtime.service import run_services
from broker.settings import InterAppSettings
from broker.transport.memory.transport import MemoryTransport
from broker.transport.seam import Consumer, Deliveries, Delivery
from servers.processes import eventually


class DeafTransport(MemoryTransport):
    """RabbitMQ as it is when it has lost a consumer and nobody noticed: the channel is open, and nothing comes by it."""

    def __init__(self) -> None:
        super().__init__(SystemClock())
        self.rebuilt = 0

    def consume(self, address: str, deliveries: Deliveries, *, prefetch: int) -> Consumer:
        """Consume with room for nothing."""

        def lost(_deliveries: Sequence[Delivery]) -> None:
            raise AssertionError("a deaf consumer delivers nothing")

        consumer = super().consume(address, lost, prefetch=0)
        rebuild = consumer.rebuild

        def count() -> None:
            self.rebuilt += 1
            rebuild()

        consumer.rebuild = count  # type: ignore[method-assign] # counted, and done
        return consumer


@pytest.fixture
def settings(tmp_path: Path) -> InterAppSettings:
    """Settings of a process of its own."""
    return InterAppSettings(database_url=f"sqlite:///{tmp_path}/interapp.db")


@pytest.fixture
def deaf_host(settings: InterAppSettings) -> Iterator[tuple[Host, DeafTransport]]:
    """A host whose consumers go deaf, with one active worker and one message that waits at the carrier."""
    transport = DeafTransport()
    with Host(settings, SystemClock(), transport=transport) as host:
        host.add(App(address="app", registry=HandlerRegistry[None]("empty"), resource=None))
        transport.publish([Envelope(message_id="1", kind="a.b", body=b"{}", destination="app")], lambda *_: None)
        eventually(host.workers()[0].tenure.active, 10, "the worker is active")
        yield host, transport


def test_a_deaf_consumer_is_rebuilt_then_given_up(deaf_host: tuple[Host, DeafTransport]) -> None:
    """Messages that wait and never arrive turn health red within 30 s, have the consumer rebuilt, and end the process."""
    host, transport = deaf_host
    clock, given_up = ManualClock(), []
    guardian = Guardian(clock, host.workers, given_up.append)
    for _ in range(6):
        guardian.look()
        clock.advance(5.0)
    assert transport.rebuilt == 1
    _, checks = host.health.ready()
    assert checks["worker app"].detail == "1 messages wait at RabbitMQ and none is delivered"
    for _ in range(12):
        guardian.look()
        clock.advance(5.0)
    assert transport.rebuilt == 2
    assert given_up[0] == (
        "app: 1 messages wait at RabbitMQ and none is delivered; rebuilding its consumer did not help"
    )


def test_a_process_that_nothing_helps_ends_with_exit_code_1(settings: InterAppSettings) -> None:
    """When only a restart helps, the process ends by itself, in order and not with 0, so that its supervisor restarts it."""
    alive: list[bool] = []

    def fail(host: Host) -> None:
        host.fail("the consumer is deaf")
        alive.append(host.health.alive()[0])

    ended: list[int] = []
    assert threading.current_thread() is threading.main_thread()
    ended.append(run_services(settings, [], ready=fail))
    assert ended == [1]
    assert alive == [False]
