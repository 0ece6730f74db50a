"""aio-pika on uvloop: 500 publishes in flight, each confirmed; prefetch 500, each message acknowledged."""

import asyncio
import time
from collections.abc import AsyncGenerator

import aio_pika
from aio_pika.abc import AbstractChannel, AbstractIncomingMessage, AbstractQueue

from benchmarks.job import Job
from benchmarks.payload import Status, body
from benchmarks.program import Details, percentiles_ms, run

IN_FLIGHT = 500


async def _queue(job: Job, channel: AbstractChannel) -> AbstractQueue:
    arguments = {"x-queue-type": "quorum"} if job.quorum else None
    return await channel.declare_queue(job.queue, durable=True, arguments=arguments)


def _message(**more: str) -> aio_pika.Message:
    return aio_pika.Message(body(), delivery_mode=aio_pika.DeliveryMode.PERSISTENT, type="status", **more)  # type: ignore[arg-type]


async def publish(job: Job) -> AsyncGenerator[Details, None]:
    """Send all messages, 500 at a time."""
    async with await aio_pika.connect(job.amqp_url) as connection:
        channel = await connection.channel(publisher_confirms=True)
        await _queue(job, channel)
        yield None
        exchange = channel.default_exchange
        for first in range(0, job.count, IN_FLIGHT):
            await asyncio.gather(
                *(exchange.publish(_message(), job.queue) for _ in range(min(IN_FLIGHT, job.count - first)))
            )
        yield None


async def handle(job: Job) -> AsyncGenerator[Details, None]:
    """Handle all messages."""
    done = asyncio.Event()
    handled = 0

    async def on_message(message: AbstractIncomingMessage) -> None:
        nonlocal handled
        Status.model_validate_json(message.body)
        await message.ack()
        handled += 1
        if handled == job.count:
            done.set()

    async with await aio_pika.connect(job.amqp_url) as connection:
        channel = await connection.channel()
        await channel.set_qos(prefetch_count=IN_FLIGHT)
        queue = await _queue(job, channel)
        yield None
        await queue.consume(on_message)
        await done.wait()
        yield None


async def serve(job: Job) -> AsyncGenerator[Details, None]:
    """Answer requests until the process is ended."""
    async with await aio_pika.connect(job.amqp_url) as connection:
        channel = await connection.channel()
        queue = await _queue(job, channel)

        async def on_request(message: AbstractIncomingMessage) -> None:
            status = Status.model_validate_json(message.body)
            answer = aio_pika.Message(status.model_dump_json().encode(), correlation_id=message.correlation_id)
            await channel.default_exchange.publish(answer, str(message.reply_to))
            await message.ack()

        await queue.consume(on_request)
        yield None
        await asyncio.Event().wait()


async def request(job: Job) -> AsyncGenerator[Details, None]:
    """Make round trips one after the other."""
    taken: list[float] = []
    answers: asyncio.Queue[AbstractIncomingMessage] = asyncio.Queue()
    async with await aio_pika.connect(job.amqp_url) as connection:
        channel = await connection.channel(publisher_confirms=True)
        own = await channel.declare_queue(exclusive=True)
        await own.consume(answers.put, no_ack=True)
        yield None
        for number in range(job.count):
            began = time.perf_counter()
            question = _message(reply_to=own.name, correlation_id=str(number))
            await channel.default_exchange.publish(question, job.queue)
            Status.model_validate_json((await answers.get()).body)
            taken.append(time.perf_counter() - began)
        yield percentiles_ms(taken)


if __name__ == "__main__":
    run({"publish": publish, "handle": handle, "serve": serve, "request": request})
