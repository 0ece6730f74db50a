"""The test servers keep their own promises: what a test is given is its own, real and durable."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pika
import psycopg
import pytest
from pika.exceptions import ChannelClosedByBroker

from servers import process_tree
from servers.postgresql import PostgreSQLAddress, PostgreSQLServer
from servers.rabbitmq import RabbitMQAddress, RabbitMQServer


def declare_and_fill(url: str, queue: str) -> None:
    """Put one persistent, confirmed message into a durable queue."""
    with pika.BlockingConnection(pika.URLParameters(url)) as connection:
        channel = connection.channel()
        channel.confirm_delivery()
        channel.queue_declare(queue, durable=True, arguments={"x-queue-type": "quorum"})
        channel.basic_publish("", queue, b"kept", pika.BasicProperties(delivery_mode=2), mandatory=True)


def take(url: str, queue: str) -> bytes | None:
    """Take one message out of the queue."""
    with pika.BlockingConnection(pika.URLParameters(url)) as connection:
        body: bytes | None = connection.channel().basic_get(queue, auto_ack=True)[2]
        return body


def count_rows(url: str) -> int:
    """Count the rows of table `kept`."""
    with psycopg.connect(url) as connection:
        row = connection.execute("SELECT count(*) FROM kept").fetchone()
        assert row is not None
        return int(row[0])


def fill_table(url: str) -> None:
    """Create table `kept` with one committed row."""
    with psycopg.connect(url) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 1 AS one")


def test_virtual_hosts_are_separate(rabbitmq: RabbitMQAddress, amqp_url: str) -> None:
    """What one test puts into RabbitMQ another test cannot see, and nothing is left of it afterwards."""
    declare_and_fill(amqp_url, "mine")
    with rabbitmq.fresh_vhost() as other, pytest.raises(ChannelClosedByBroker, match="no queue 'mine'"):
        take(other, "mine")
    assert other.rpartition("/")[2] not in rabbitmq.management.list_vhosts()
    assert take(amqp_url, "mine") == b"kept"


def test_databases_are_separate(postgresql: PostgreSQLAddress, postgres_url: str) -> None:
    """What one test writes into PostgreSQL another test cannot see, and a forgotten connection keeps no database."""
    fill_table(postgres_url)
    with postgresql.fresh_database() as other:
        forgotten = psycopg.connect(other)
        with pytest.raises(psycopg.errors.UndefinedTable):
            count_rows(other)
    with pytest.raises(psycopg.OperationalError):
        forgotten.execute("SELECT 1")
    forgotten.close()
    with pytest.raises(psycopg.OperationalError, match="does not exist"):
        psycopg.connect(other)


def test_rabbitmq_of_a_test(private_rabbitmq: RabbitMQServer) -> None:
    """A RabbitMQ keeps address and confirmed messages over restart and `kill -9`, and loses them when wiped."""
    url = private_rabbitmq.url
    declare_and_fill(url, "kept")
    private_rabbitmq.restart()
    assert take(url, "kept") == b"kept"

    # the same queue: RabbitMQ itself forgets a quorum queue that was declared in the half second before a kill
    declare_and_fill(url, "kept")
    private_rabbitmq.kill()
    assert not private_rabbitmq.address.answers()
    private_rabbitmq.start()
    assert take(url, "kept") == b"kept"

    private_rabbitmq.pause()
    assert not private_rabbitmq.address.answers()
    private_rabbitmq.resume()
    assert [queue["name"] for queue in private_rabbitmq.management.list_queues("interapp")] == ["kept"]

    private_rabbitmq.kill()
    private_rabbitmq.wipe()
    private_rabbitmq.start()
    assert private_rabbitmq.url == url
    assert private_rabbitmq.management.list_queues("interapp") == []


def test_postgresql_of_a_test(private_postgresql: PostgreSQLServer) -> None:
    """A PostgreSQL keeps address and committed rows over restart and `kill -9`, and loses them when wiped."""
    url = private_postgresql.url
    fill_table(url)
    private_postgresql.restart()
    assert count_rows(url) == 1

    private_postgresql.kill()
    assert not private_postgresql.address.answers()
    private_postgresql.start()
    assert count_rows(url) == 1

    private_postgresql.pause()
    assert not private_postgresql.address.answers()
    private_postgresql.resume()
    assert count_rows(url) == 1

    private_postgresql.kill()
    private_postgresql.wipe()
    private_postgresql.start()
    assert private_postgresql.url == url
    with pytest.raises(psycopg.errors.UndefinedTable):
        count_rows(url)


BUSY_THREADS = """
import hashlib, sys, threading
def work():
    while True: hashlib.sha256(bytes(10_000_000)).digest()
for _ in range(8): threading.Thread(target=work, daemon=True).start()
print("busy", flush=True)
sys.stdin.read()
"""


def test_a_frozen_process_stands_still_at_once() -> None:
    """When freezing returns no thread runs any more: a server that works on for a moment would still answer."""
    command = [sys.executable, "-c", BUSY_THREADS]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as busy:
        try:
            assert busy.stdout is not None
            assert busy.stdout.readline() == "busy\n"
            process = process_tree.identify(busy.pid)
            assert process is not None
            for _ in range(10):
                process_tree.freeze([process])
                threads = list(Path(f"/proc/{busy.pid}/task").iterdir())
                assert len(threads) == 9
                assert {(thread / "stat").read_text().rpartition(")")[2].split()[0] for thread in threads} == {"T"}
                process_tree.send([process], signal.SIGCONT)
        finally:
            busy.kill()
