"""The plain way to be safe: one row, one commit and one confirm for each message, from one thread.

What a single ``send`` of interapp and the wake-up of its child are measured against; psycopg and pika, nothing else.
"""

import time
from collections.abc import Generator

import pika
import psycopg
from pika.channel import Channel
from pika.spec import Basic, BasicProperties

from benchmarks.contenders.raw_pika import Link
from benchmarks.job import Job
from benchmarks.payload import Status, body
from benchmarks.program import Details, idle, run

TABLE = """
    CREATE TABLE sent (
        seq bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, id text UNIQUE, destination text, state text, body bytea
    )
"""
INSERT = "INSERT INTO sent (id, destination, state, body) VALUES (%s, %s, 'waiting', %s)"
PERSISTENT = 2


def publish(job: Job) -> Generator[Details, None, None]:
    """Commit a row, publish it, wait for the confirm; then the next one."""
    with (
        psycopg.connect(job.database_url) as database,
        pika.BlockingConnection(pika.URLParameters(job.amqp_url)) as connection,
    ):
        database.execute(TABLE)
        database.commit()
        channel = connection.channel()
        channel.queue_declare(job.queue, durable=True, arguments={"x-queue-type": "quorum"})
        channel.confirm_delivery()
        properties = pika.BasicProperties(delivery_mode=PERSISTENT)
        yield None
        for number in range(job.count):
            database.execute(INSERT, (str(number), job.queue, body()))
            database.commit()
            channel.basic_publish("", job.queue, body(), properties, mandatory=True)
        yield None


def handle(job: Job) -> Generator[Details, None, None]:
    """Be idle; parse what comes, commit a row, acknowledge."""
    link = Link(job)
    at: list[float] = []
    with psycopg.connect(job.database_url) as database:
        database.execute(TABLE)
        database.commit()

        def on_message(channel: Channel, deliver: Basic.Deliver, _properties: BasicProperties, content: bytes) -> None:
            Status.model_validate_json(content)
            database.execute(INSERT, (str(len(at)), job.queue, content))
            database.commit()
            at.append(time.perf_counter())
            channel.basic_ack(deliver.delivery_tag)
            if len(at) == job.count:
                link.stop()

        link.channel.basic_consume(job.queue, on_message)
        yield None
        link.run()
        yield {"at": at}
        link.close()


def send(job: Job) -> Generator[Details, None, None]:
    """Publish one message at a time to an idle consumer, confirmed."""
    at: list[float] = []
    with pika.BlockingConnection(pika.URLParameters(job.amqp_url)) as connection:
        channel = connection.channel()
        channel.confirm_delivery()
        properties = pika.BasicProperties(delivery_mode=PERSISTENT)
        yield None
        for number in range(job.count):
            idle(number)
            at.append(time.perf_counter())
            channel.basic_publish("", job.queue, body(), properties, mandatory=True)
        yield {"at": at}


if __name__ == "__main__":
    run({"publish": publish, "handle": handle, "send": send})
