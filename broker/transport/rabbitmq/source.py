"""What a consumer consumes: an app's queue, or one of those for what reached no app."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from pika import BasicProperties
from pika.spec import Basic

from broker.lifecycle.address import checked_address
from broker.messages.envelope import Envelope
from broker.transport.rabbitmq.declarer import Declared, Declarer
from broker.transport.rabbitmq.lost import to_lost
from broker.transport.rabbitmq.topology import EXCHANGE, queue_of
from broker.transport.rabbitmq.wire import to_envelope
from broker.transport.seam import Origin, Reserved


@dataclass(frozen=True, slots=True)
class Source:
    """A queue, how it is declared, and how what lies in it is read."""

    name: str
    """As logs and RabbitMQ's listings call its consumer."""
    queue: str
    declare: Callable[[Declarer, Declared], None]
    read: Callable[[Basic.Deliver, BasicProperties, bytes], tuple[Envelope, Origin | None]]


def app_source(address: str) -> Source:
    """Return the queue of an app. Raises ValueError for what is no address."""
    checked = checked_address(address)
    return Source(
        checked,
        queue_of(checked),
        lambda declarer, done: declarer.declare_mailbox(checked, done),
        lambda _method, properties, body: (to_envelope(properties, body, checked), None),
    )


def reserved_source(queue: Reserved) -> Source:
    """Return one of the queues for what reached no app."""
    name = f"{EXCHANGE}.{queue}"
    return Source(queue.value, name, lambda declarer, done: declarer.declare_foundation(done), partial(to_lost, name))
