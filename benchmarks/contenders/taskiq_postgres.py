"""Taskiq on RabbitMQ (aio-pika, quorum queue) with every result stored in PostgreSQL (asyncpg)."""

import asyncio
from collections.abc import AsyncGenerator

import asyncpg
from taskiq.receiver import Receiver
from taskiq_aio_pika import AioPikaBroker, Queue, QueueType
from taskiq_pg.asyncpg import AsyncpgResultBackend

from benchmarks.job import Job
from benchmarks.payload import Status
from benchmarks.program import Details, run

IN_FLIGHT = 100
LOOK_SECONDS = 0.01
TABLE = "taskiq_results"


def _broker(job: Job) -> AioPikaBroker:
    results: AsyncpgResultBackend[None] = AsyncpgResultBackend(dsn=job.database_url, table_name=TABLE)
    queue = Queue(name=job.queue, type=QueueType.QUORUM)
    broker = AioPikaBroker(job.amqp_url, qos=IN_FLIGHT, task_queues=[queue], exchange_name="bench").with_result_backend(
        results
    )

    @broker.task(task_name="status")
    async def status(content: Status) -> None:
        """Taskiq parsed it."""

    return broker


async def publish(job: Job) -> AsyncGenerator[Details, None]:
    """Send all messages, 100 at a time."""
    broker = _broker(job)
    await broker.startup()
    task = broker.find_task("status")
    assert task is not None
    content = Status(number=0)
    yield None
    for first in range(0, job.count, IN_FLIGHT):
        await asyncio.gather(*(task.kiq(content) for _ in range(min(IN_FLIGHT, job.count - first))))
    yield None
    await broker.shutdown()


async def handle(job: Job) -> AsyncGenerator[Details, None]:
    """Handle all messages; they count when every result is stored."""
    broker = _broker(job)
    broker.is_worker_process = True
    await broker.startup()
    database = await asyncpg.connect(job.database_url)
    finish = asyncio.Event()
    receiver = Receiver(broker, max_async_tasks=IN_FLIGHT, run_startup=False)
    yield None
    listening = asyncio.create_task(receiver.listen(finish))
    while await database.fetchval(f"SELECT count(*) FROM {TABLE}") < job.count:  # noqa: ASYNC110, S608 the database tells nobody; a constant
        await asyncio.sleep(LOOK_SECONDS)
    yield None
    finish.set()
    await listening
    await database.close()
    await broker.shutdown()


if __name__ == "__main__":
    run({"publish": publish, "handle": handle})
