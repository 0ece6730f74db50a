"""Promises 1 to 3 and 6 while RabbitMQ stops, dies, forgets and refuses: the table is the order, RabbitMQ only rings."""

import time

import ledger_service
import pytest
from bench import QUEUE, Bench

from servers.processes import eventually
from servers.rabbitmq import RabbitMQServer

pytestmark = pytest.mark.xdist_group("broken RabbitMQ")

CONSUMING = "consuming"


@pytest.mark.parametrize("fault", ["stop", "kill", "kill and wipe"])
def test_rabbitmq_away_under_load(rabbitmq_bench: Bench, broken_rabbitmq: RabbitMQServer, fault: str) -> None:
    """RabbitMQ stopped, killed or wiped under load: sending and handling go on, in order, and it is used again when it is back."""
    bench = rabbitmq_bench
    with bench.sender() as client, bench.service(seconds=0.01) as child:
        child.wait_for_line("active")
        bench.send(client, range(100))
        bench.wait_started(20)
        eventually(lambda: bench.queue().get("consumers"), 20, "RabbitMQ lists the consumer")
        bench.fault()
        if fault == "stop":
            broken_rabbitmq.stop()
        else:
            broken_rabbitmq.kill()
        bench.send(client, range(100, 150))
        bench.wait_started(150)
        if "wipe" in fault:
            broken_rabbitmq.wipe()
        broken_rabbitmq.start()
        bench.send(client, range(150, 200))
        rows = bench.check(range(200))
        bench.wait_drained()
        # Its ring is used again: a row that is sent now is published, confirmed and delivered.
        bench.send(client, [200])
        bench.wait_final(201)
        bench.wait_drained()
        assert len(rows) == 200
        bench.check_no_overlap()


def test_rabbitmq_wiped_while_messages_wait(rabbitmq_bench: Bench, broken_rabbitmq: RabbitMQServer) -> None:
    """RabbitMQ's disk wiped while commands and events wait for a child that is down: the child finds every one, in order."""
    bench = rabbitmq_bench
    with bench.service() as child:
        child.wait_for_line("active")  # it has subscribed
    with bench.sender() as client:
        bench.send(client, range(150))
        for number in range(150, 200):
            client.publish(ledger_service.Noticed(number=number))
        eventually(lambda: bench.queue().get("messages") == 200, 20, "RabbitMQ has all messages")
        broken_rabbitmq.kill()
        broken_rabbitmq.wipe()
        broken_rabbitmq.start()
        assert not bench.queue(), "RabbitMQ has forgotten the queue"
    bench.fault()
    with bench.service() as child:
        bench.check(range(200))
        assert child.terminate() == 0


def test_connections_closed_one_by_one(rabbitmq_bench: Bench, broken_rabbitmq: RabbitMQServer) -> None:
    """Every connection closed by an administrator, one after another, under load with a standby: nothing lost or overtaken."""
    bench = rabbitmq_bench
    with bench.sender() as client, bench.service(seconds=0.01) as first:
        first.wait_for_line("active")
        with bench.service(seconds=0.01) as second:
            second.wait_for_line("ready")
            bench.send(client, range(300))
            # the sender only publishes
            names = eventually(lambda: found if len(found := bench.connections()) >= 5 else [], 20, "5 connections")
            for number, name in enumerate(names):
                bench.wait_started(20 + 20 * number)
                bench.fault()
                broken_rabbitmq.management.close_connection(name)
            bench.check(range(300))
            bench.check_no_overlap()
            bench.wait_drained()


def test_memory_alarm(rabbitmq_bench: Bench, broken_rabbitmq: RabbitMQServer) -> None:
    """A memory alarm blocks publishing, not the slot: messages are accepted and handled, and rung for again when it ends."""
    bench = rabbitmq_bench
    with bench.sender() as client, bench.service(seconds=0.005) as child:
        child.wait_for_line("active")
        bench.send(client, range(50))
        bench.wait_started(50)
        bench.fault()
        broken_rabbitmq.rabbitmqctl("set_vm_memory_high_watermark", "0")
        try:
            bench.send(client, range(50, 150))
            bench.wait_started(150)
            states = broken_rabbitmq.rabbitmqctl("list_connections", "state")
            assert "blocked" in states, "publishing was blocked"
        finally:
            broken_rabbitmq.rabbitmqctl("set_vm_memory_high_watermark", "0.4")
        bench.check(range(150))
        child.kill()
        # Confirms show that RabbitMQ takes messages again: nobody handles them now.
        bench.send(client, range(150, 160))
        eventually(lambda: bench.unconfirmed() == 0, 30, "new rows are confirmed")
    with bench.service():
        bench.check(range(160))


@pytest.mark.parametrize("fault", ["delete", "purge"])
def test_queue_deleted_or_purged_under_a_consumer(
    rabbitmq_bench: Bench, broken_rabbitmq: RabbitMQServer, fault: str
) -> None:
    """A queue deleted or purged under a running consumer: what was in it is handled, and the consumer is rung again."""
    bench = rabbitmq_bench
    management = broken_rabbitmq.management
    with bench.sender() as client, bench.service(seconds=0.005) as child:
        child.wait_for_line("active")
        # more than the prefetch of 200: a part of them is with RabbitMQ
        bench.send(client, range(400))
        bench.wait_started(50)
        bench.fault()
        if fault == "delete":
            management.delete_queue(bench.vhost, QUEUE)
        else:
            management.purge_queue(bench.vhost, QUEUE)
        bench.send(client, range(400, 450))
        bench.check(range(450))
        bench.wait_drained()
        bench.send(client, range(450, 460))
        bench.check(range(460))
        bench.wait_drained()
        bench.check_no_overlap()


def test_no_overlap_when_rabbitmq_closes_the_active_connection(
    rabbitmq_bench: Bench, broken_rabbitmq: RabbitMQServer
) -> None:
    """The active child's connection closed during a 5 s handler, then its successor killed: no two handlers overlap."""
    bench = rabbitmq_bench
    with bench.sender() as client, bench.service() as first:
        first.wait_for_line("active")
        names = eventually(lambda: bench.connections(CONSUMING), 20, "RabbitMQ lists the active child's connection")
        with bench.service() as second:
            second.wait_for_line("ready")
            eventually(lambda: bench.queue().get("consumers", 0) >= 2, 20, "the standby is registered")
            bench.send(client, [0], seconds=5.0)
            bench.send(client, range(1, 40))
            bench.wait_started(1)
            began = time.monotonic()
            bench.fault()
            for name in names:
                broken_rabbitmq.management.close_connection(name)
            second.wait_for_line("took the lease")
            assert time.monotonic() - began < 4.0, "the standby was rung while the handler ran"
            second.wait_for_line("active", timeout=20)
            second.kill()
            bench.fault()
            with bench.service() as third:
                bench.check(range(40))
                bench.check_no_overlap()
                third.kill()
