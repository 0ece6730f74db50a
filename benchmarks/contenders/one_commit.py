"""The plain way to be safe: one row, one commit and one confirm for each message, from one thread.

What a single ``send`` of interapp is measured against; psycopg and pika's blocking channel, nothing else.
"""

from collections.abc import Generator

import pika
import psycopg

from benchmarks.job import Job
from benchmarks.payload import body
from benchmarks.program import Details, run

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


if __name__ == "__main__":
    run({"publish": publish})
