"""Promise 1 for foreign messages while the table is away and the worker is restarted again and again."""

import pika
import pytest
from bench import APP, QUEUE, Bench
from integration.foreign import publish_raw

from broker.lifecycle.state import State
from servers.postgresql import PostgreSQLServer
from servers.processes import eventually

pytestmark = pytest.mark.xdist_group("broken PostgreSQL")

DELIVERIES = 3
"""How often RabbitMQ delivers a message before it drops it, in this test; RabbitMQ 4 does so after 20."""


def test_foreign_messages_while_the_worker_is_restarted_without_its_table(
    table_bench: Bench, broken_postgresql: PostgreSQLServer
) -> None:
    """The table down, the worker killed 25 times with foreign messages at RabbitMQ: all are handled once the table is back."""
    bench = table_bench
    assert bench.rabbitmq is not None
    limit = {"delivery-limit": DELIVERIES}
    bench.rabbitmq.management.set_policy(bench.vhost, "limit", f"^{QUEUE}$", limit, "queues")
    letters = [
        (pika.BasicProperties(type="ledger.note", message_id=f"foreign-{n}", delivery_mode=2), b'{"number": %d}' % n)
        for n in range(100)
    ]
    with bench.supervised("serve") as child:
        child.wait_for_line("active")
        broken_postgresql.stop()
        child.wait_for_line("the table is away")
        # This one is given them, and cannot give them rows.
        publish_raw(bench.env["INTERAPP_BROKER_URL"], APP, letters)
        child.wait_for_line("waiting for the table")
        for _ in range(25):
            child.kill()
            bench.fault()
            child.wait_for_line("waiting for the table")
        eventually(lambda: bench.queue().get("messages_ready") == 100, 20, "RabbitMQ has them all")
        broken_postgresql.start()
        bench.database.close()
        rows = bench.wait_final(100)
        bench.wait_drained()
    assert child.kills == 25
    bench.check(range(100), ordered=False)
    assert {row.state for row in rows} == {State.SUCCEEDED}
    assert {row.id for row in rows} == {f"foreign-{n}" for n in range(100)}
