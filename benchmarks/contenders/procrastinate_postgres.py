"""Procrastinate: PostgreSQL is queue and table; one worker, 10 jobs at a time."""

import asyncio
from collections.abc import AsyncGenerator

import procrastinate
import psycopg

from benchmarks.job import Job
from benchmarks.payload import Status, body
from benchmarks.program import Details, run

CONCURRENCY = 10
BATCH = 200
LOOK_SECONDS = 0.02


def _app(job: Job) -> procrastinate.App:
    app = procrastinate.App(connector=procrastinate.PsycopgConnector(conninfo=job.database_url))

    @app.task(name="status", queue=job.queue)
    async def status(content: str) -> None:
        Status.model_validate_json(content)

    return app


async def _apply_schema(app: procrastinate.App) -> None:
    try:
        await app.schema_manager.apply_schema_async()
    except procrastinate.exceptions.ConnectorException:
        # The other process of this run was first.
        await app.check_connection_async()


async def publish(job: Job) -> AsyncGenerator[Details, None]:
    """Defer all jobs, 200 in one statement."""
    app = _app(job)
    async with app.open_async():
        await _apply_schema(app)
        task = app.tasks["status"]
        content = body().decode()
        yield None
        for first in range(0, job.count, BATCH):
            await task.batch_defer_async(*({"content": content} for _ in range(min(BATCH, job.count - first))))
        yield None


async def handle(job: Job) -> AsyncGenerator[Details, None]:
    """Handle all jobs; they count when each is noted as succeeded."""
    app = _app(job)
    async with app.open_async(), await psycopg.AsyncConnection.connect(job.database_url, autocommit=True) as database:
        await _apply_schema(app)
        yield None
        work = app.run_worker_async(
            queues=[job.queue], concurrency=CONCURRENCY, wait=True, install_signal_handlers=False
        )
        worker = asyncio.create_task(work)
        query = "SELECT count(*) FROM procrastinate_jobs WHERE status = 'succeeded'"
        while True:
            found = await (await database.execute(query)).fetchone()
            if found is not None and found[0] >= job.count:
                break
            await asyncio.sleep(LOOK_SECONDS)
        yield None
        worker.cancel()
        await asyncio.gather(worker, return_exceptions=True)


if __name__ == "__main__":
    run({"publish": publish, "handle": handle})
