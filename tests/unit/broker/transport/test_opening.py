"""Choosing the transport."""

from __future__ import annotations

import subprocess
import sys

import pytest

from broker.errors import SettingError
from broker.lifecycle.clock import SystemClock
from broker.transport.memory.transport import MemoryTransport
from broker.transport.opening import open_transport
from broker.transport.rabbitmq.transport import RabbitMQTransport


@pytest.mark.parametrize(
    ("url", "kind", "user"),
    [
        ("memory://", MemoryTransport, ""),
        ("amqp://m1:secret@localhost/", RabbitMQTransport, "m1"),
        ("amqps://localhost", RabbitMQTransport, "guest"),
    ],
)
def test_the_scheme_chooses(url: str, kind: type, user: str) -> None:
    """memory:// stays in the process, amqp:// and amqps:// go to RabbitMQ; nothing connects before start."""
    transport = open_transport(url, SystemClock(), "test")
    assert isinstance(transport, kind)
    assert transport.user == user
    assert not transport.link().up
    transport.close()


def test_another_scheme_is_refused() -> None:
    """What is no transport is refused by name, without its password."""
    with pytest.raises(SettingError, match=r"amqp://.*memory://") as caught:
        open_transport("kafka://u:secret@h/", SystemClock())
    assert "secret" not in str(caught.value)


def test_memory_needs_no_pika() -> None:
    """A process with memory:// does not import pika."""
    program = (
        "import sys; from broker.lifecycle.clock import SystemClock; from broker.transport.opening import open_transport; "
        "open_transport('memory://', SystemClock()); sys.exit('pika' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
