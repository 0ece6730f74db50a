"""FastStream on RabbitMQ: 500 publishes in flight, prefetch 500, its own acknowledgements and request."""

import asyncio
import logging
import time
from collections.abc import AsyncGenerator

from faststream.rabbit import Channel, QueueType, RabbitBroker, RabbitQueue

from benchmarks.job import Job
from benchmarks.payload import Status
from benchmarks.program import Details, percentiles_ms, run

IN_FLIGHT = 500


def _broker(job: Job) -> RabbitBroker:
    # Its access log would be most of the work.
    return RabbitBroker(
        job.amqp_url, default_channel=Channel(prefetch_count=IN_FLIGHT), logger=logging.getLogger("quiet"), log_level=0
    )


def _queue(job: Job) -> RabbitQueue:
    return RabbitQueue(job.queue, queue_type=QueueType.QUORUM, durable=True)


async def publish(job: Job) -> AsyncGenerator[Details, None]:
    """Send all messages, 500 at a time."""
    broker = _broker(job)
    await broker.connect()
    await broker.declare_queue(_queue(job))
    status = Status(number=0)
    yield None
    for first in range(0, job.count, IN_FLIGHT):
        count = min(IN_FLIGHT, job.count - first)
        await asyncio.gather(*(broker.publish(status, job.queue, persist=True) for _ in range(count)))
    yield None
    await broker.stop()


async def handle(job: Job) -> AsyncGenerator[Details, None]:
    """Handle all messages."""
    broker, done = _broker(job), asyncio.Event()
    handled = 0

    @broker.subscriber(_queue(job))
    async def on_status(_status: Status) -> None:
        nonlocal handled
        handled += 1
        if handled == job.count:
            done.set()

    await broker.connect()
    yield None
    await broker.start()
    await done.wait()
    yield None
    await broker.stop()


async def serve(job: Job) -> AsyncGenerator[Details, None]:
    """Answer requests until the process is ended."""
    broker = _broker(job)

    @broker.subscriber(_queue(job))
    async def on_status(status: Status) -> Status:
        return status

    await broker.start()
    yield None
    await asyncio.Event().wait()


async def request(job: Job) -> AsyncGenerator[Details, None]:
    """Make round trips one after the other."""
    broker = _broker(job)
    await broker.start()
    taken: list[float] = []
    yield None
    for _ in range(job.count):
        began = time.perf_counter()
        answer = await broker.request(Status(number=0), job.queue, timeout=30, persist=True)
        Status.model_validate_json(answer.body)
        taken.append(time.perf_counter() - began)
    yield percentiles_ms(taken)
    await broker.stop()


if __name__ == "__main__":
    run({"publish": publish, "handle": handle, "serve": serve, "request": request})
