"""Dramatiq on RabbitMQ with 8 worker threads and without the middleware that is not needed; its publishes are not confirmed."""

import threading
from collections.abc import Generator

import dramatiq
from dramatiq.brokers.rabbitmq import RabbitmqBroker

from benchmarks.job import Job
from benchmarks.payload import Status, body
from benchmarks.program import Details, run

THREADS = 8


def _actor(job: Job, done: threading.Event) -> tuple[RabbitmqBroker, dramatiq.Actor[[str], None]]:
    broker = RabbitmqBroker(url=job.amqp_url, middleware=[])
    left = iter(range(job.count - 1, -1, -1))
    lock = threading.Lock()

    @dramatiq.actor(broker=broker, queue_name=job.queue, actor_name="status")
    def status(content: str) -> None:
        Status.model_validate_json(content)
        with lock:
            if next(left) == 0:
                done.set()

    broker.declare_queue(job.queue, ensure=True)
    return broker, status


def publish(job: Job) -> Generator[Details, None, None]:
    """Send all messages."""
    broker, status = _actor(job, threading.Event())
    content = body().decode()
    yield None
    for _ in range(job.count):
        status.send(content)
    yield None
    broker.close()


def handle(job: Job) -> Generator[Details, None, None]:
    """Handle all messages."""
    done = threading.Event()
    broker, _ = _actor(job, done)
    worker = dramatiq.Worker(broker, worker_threads=THREADS)
    yield None
    worker.start()
    done.wait()
    broker.join(job.queue)
    yield None
    worker.stop()
    broker.close()


if __name__ == "__main__":
    run({"publish": publish, "handle": handle})
