"""Opens the transport that a URL asks for."""

from broker.errors import SettingError
from broker.lifecycle.clock import Clock
from broker.settings import redacted
from broker.transport.memory.transport import MemoryTransport
from broker.transport.seam import Transport


def open_transport(broker_url: str, clock: Clock, connection_name: str = "interapp") -> Transport:
    """Return the transport for ``memory://``, ``amqp://`` or ``amqps://``, not started.

    Raises SettingError when the URL can never be right.
    """
    scheme = broker_url.partition(":")[0]
    if scheme == "memory":
        return MemoryTransport(clock)
    if scheme in ("amqp", "amqps"):
        # one process with memory:// needs no pika, and starts sooner without
        from broker.transport.rabbitmq.transport import RabbitMQTransport  # noqa: PLC0415

        return RabbitMQTransport(broker_url, clock, connection_name=connection_name)
    raise SettingError("INTERAPP_BROKER_URL", redacted(broker_url), "amqp://, amqps:// or memory://")
