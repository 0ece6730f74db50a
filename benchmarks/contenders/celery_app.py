"""Celery, as its docs advise for speed: no events, no rate limits, no gossip; acknowledged after the task."""

import threading
import time
from collections.abc import Generator

import psycopg
from celery import Celery
from celery.worker import WorkController

from benchmarks.job import Job
from benchmarks.payload import Status, body
from benchmarks.program import Details

LOOK_SECONDS = 0.02


def publish(job: Job, *, results: bool) -> Generator[Details, None, None]:
    """Send all messages."""
    app = _app(job, threading.Event(), results=results)
    task = app.tasks["status"]
    content = body().decode()
    with app.connection_for_write() as connection, app.amqp.Producer(connection) as producer:
        app.amqp.queues[job.queue](connection.default_channel).declare()
        yield None
        for _ in range(job.count):
            task.apply_async((content,), producer=producer)
        yield None


def handle(job: Job, *, results: bool, pool: str, concurrency: int) -> Generator[Details, None, None]:
    """Handle all messages; they count when the task ran or, with results, when each one's result is stored.

    The worker is made before and connects when it starts: told later of a queue, it takes up to ten seconds to look.
    """
    done = threading.Event()
    app = _app(job, done, results=results)
    worker = WorkController(
        app=app,
        pool_cls=pool,
        concurrency=concurrency,
        queues=[job.queue],
        without_heartbeat=True,
        without_mingle=True,
        without_gossip=True,
    )
    yield None
    threading.Thread(target=worker.start, daemon=True).start()
    if results:
        _until_stored(job)
    else:
        done.wait()
    yield None
    worker.stop()


def _app(job: Job, done: threading.Event, *, results: bool) -> Celery:
    backend = "db+" + job.database_url.replace("postgresql://", "postgresql+psycopg://") if results else None
    app = Celery("bench", broker=job.amqp_url.replace("amqp://", "pyamqp://"), backend=backend)
    app.conf.update(
        task_default_queue=job.queue,
        task_acks_late=True,
        task_ignore_result=not results,
        task_track_started=results,
        worker_prefetch_multiplier=0,
        worker_disable_rate_limits=True,
        worker_hijack_root_logger=False,
    )
    left = iter(range(job.count - 1, -1, -1))

    @app.task(name="status")
    def status(content: str) -> None:
        Status.model_validate_json(content)
        if not results and next(left) == 0:
            done.set()

    return app


def _until_stored(job: Job) -> None:
    with psycopg.connect(job.database_url, autocommit=True) as database:
        while True:
            try:
                found = database.execute("SELECT count(*) FROM celery_taskmeta WHERE status = 'SUCCESS'").fetchone()
            except psycopg.errors.UndefinedTable:
                found = None
            if found is not None and found[0] >= job.count:
                return
            time.sleep(LOOK_SECONDS)
