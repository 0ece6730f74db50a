"""pika and nothing else, as fast as its own API allows: the limit that a tracked message is measured against.

``SelectConnection``, 1,000 unconfirmed messages at most, acknowledgements in batches of 100, every message parsed by pydantic.
"""

import time
from collections.abc import Callable, Generator
from functools import partial
from typing import Any

import pika
from pika.channel import Channel
from pika.spec import Basic, BasicProperties

from benchmarks.job import Job
from benchmarks.payload import Status, body
from benchmarks.program import Details, percentiles_ms, run

WINDOW = 1_000
PREFETCH = 1_000
ACK_EVERY = 100
PERSISTENT = 2


class Link:
    """One connection with one channel on pika's own loop, and the queue declared."""

    def __init__(self, job: Job) -> None:
        self.job = job
        self.channel: Channel
        self._connection = pika.SelectConnection(pika.URLParameters(job.amqp_url), on_open_callback=self._opened)
        self.run()

    def run(self) -> None:
        """Run the loop until ``stop``."""
        self._connection.ioloop.start()

    def stop(self) -> None:
        """End the loop after what runs now."""
        self._connection.ioloop.stop()

    def close(self) -> None:
        """Close the connection and see it through."""
        self._connection.add_on_close_callback(lambda *_: self.stop())
        self._connection.close()
        self.run()

    def _opened(self, connection: pika.SelectConnection) -> None:
        connection.channel(on_open_callback=self._channel_opened)

    def _channel_opened(self, channel: Channel) -> None:
        self.channel = channel
        arguments = {"x-queue-type": "quorum"} if self.job.quorum else {}
        channel.queue_declare(self.job.queue, durable=True, arguments=arguments, callback=lambda _frame: self.stop())


class Publisher:
    """Publishes with a window of unconfirmed messages."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self._left = link.job.count
        self._open = 0
        self._confirmed = 0
        self._properties = BasicProperties(content_type="application/json", delivery_mode=PERSISTENT, type="status")
        link.channel.confirm_delivery(self._answered, callback=lambda _frame: link.stop())
        link.run()

    def publish_all(self) -> None:
        """Publish every message and wait until RabbitMQ confirmed the last one."""
        self._fill()
        self._link.run()

    def _fill(self) -> None:
        content, publish, queue = body(), self._link.channel.basic_publish, self._link.job.queue
        while self._left and self._open < WINDOW:
            publish("", queue, content, self._properties, mandatory=True)
            self._left -= 1
            self._open += 1

    def _answered(self, frame: Any) -> None:
        method: Basic.Ack | Basic.Nack = frame.method
        if isinstance(method, Basic.Nack):
            raise RuntimeError("RabbitMQ refused a message")  # noqa: TRY004 no programming error
        confirmed = method.delivery_tag - self._confirmed if method.multiple else 1
        self._confirmed += confirmed
        self._open -= confirmed
        if self._confirmed == self._link.job.count:
            self._link.stop()
        elif self._open < WINDOW // 2:
            self._fill()


def publish(job: Job) -> Generator[Details, None, None]:
    """Send all messages, confirmed."""
    link = Link(job)
    publisher = Publisher(link)
    yield None
    publisher.publish_all()
    yield None
    link.close()


def handle(job: Job) -> Generator[Details, None, None]:
    """Handle all messages: parse, count, acknowledge."""
    link = Link(job)
    handled = 0

    def on_message(channel: Channel, deliver: Basic.Deliver, _properties: BasicProperties, content: bytes) -> None:
        nonlocal handled
        Status.model_validate_json(content)
        handled += 1
        if handled % ACK_EVERY == 0 or handled == job.count:
            channel.basic_ack(deliver.delivery_tag, multiple=True)
        if handled == job.count:
            link.stop()

    link.channel.basic_qos(prefetch_count=PREFETCH)
    yield None
    link.channel.basic_consume(job.queue, on_message)
    link.run()
    yield None
    link.close()


def serve(job: Job) -> Generator[Details, None, None]:
    """Answer requests until the process is ended."""
    link = Link(job)

    def on_request(channel: Channel, deliver: Basic.Deliver, properties: BasicProperties, content: bytes) -> None:
        status = Status.model_validate_json(content)
        answer = BasicProperties(correlation_id=properties.correlation_id)
        channel.basic_publish("", str(properties.reply_to), status.model_dump_json().encode(), answer)
        channel.basic_ack(deliver.delivery_tag)

    link.channel.basic_consume(job.queue, on_request)
    yield None
    link.run()


def request(job: Job) -> Generator[Details, None, None]:
    """Make round trips one after the other: a durable request, an answer on an own exclusive queue."""
    link = Link(job)
    taken: list[float] = []
    own: list[str] = []

    def declared(frame: Any) -> None:
        own.append(frame.method.queue)
        link.stop()

    link.channel.queue_declare("", exclusive=True, callback=declared)
    link.run()
    began = 0.0

    def ask() -> None:
        nonlocal began
        began = time.perf_counter()
        properties = BasicProperties(delivery_mode=PERSISTENT, reply_to=own[0], correlation_id=str(len(taken)))
        link.channel.basic_publish("", job.queue, body(), properties, mandatory=True)

    def on_answer(_channel: Channel, _deliver: Basic.Deliver, _properties: BasicProperties, content: bytes) -> None:
        Status.model_validate_json(content)
        taken.append(time.perf_counter() - began)
        if len(taken) == job.count:
            link.stop()
        else:
            ask()

    consume: Callable[..., Any] = partial(link.channel.basic_consume, own[0], on_answer, auto_ack=True)
    consume(callback=lambda _frame: link.stop())
    link.run()
    yield None
    ask()
    link.run()
    yield percentiles_ms(taken)
    link.close()


if __name__ == "__main__":
    run({"publish": publish, "handle": handle, "serve": serve, "request": request})
