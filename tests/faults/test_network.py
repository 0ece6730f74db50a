"""Promises 1 to 3 when the network between a child and its servers swallows everything, and when it comes back."""

import time

import ledger_service
import pytest
from bench import APP, Bench
from proxy import proxied

from broker.errors import TableUnavailable
from servers.processes import eventually

HEARTBEAT = "?heartbeat=2"
"""RabbitMQ's heartbeat in these tests; its default of 30 s is noticed the same way, later."""


def test_frozen_network_to_rabbitmq(postgresql_bench: Bench) -> None:
    """The network between a child and RabbitMQ frozen: the standby takes over, the child stands by and is used again later."""
    bench = postgresql_bench
    with (
        proxied(bench.env["INTERAPP_BROKER_URL"]) as (proxy, url),
        bench.sender() as client,
        bench.service(seconds=0.02, env={"INTERAPP_BROKER_URL": url + HEARTBEAT}) as first,
    ):
        first.wait_for_line("active")
        with bench.service(seconds=0.02) as second:
            second.wait_for_line("ready")
            bench.send(client, range(300))
            bench.wait_started(30)
            proxy.freeze()
            bench.fault()
            second.wait_for_line("active", timeout=30)
            first.wait_for_line("superseded", timeout=30)
            proxy.thaw()
            bench.check(range(300))
            bench.check_no_overlap()
            # The child consumes again: RabbitMQ hands over to it when the other is gone.
            eventually(lambda: bench.queue().get("consumers", 0) >= 2, 40, "the child is registered again")
            second.kill()
            bench.fault()
            bench.send(client, range(300, 320))
            bench.check(range(320))
            bench.wait_drained()


def test_frozen_network_to_rabbitmq_without_a_standby(postgresql_bench: Bench) -> None:
    """The network between the only child and RabbitMQ frozen: it goes on by the table, and consumes again afterwards."""
    bench = postgresql_bench
    with (
        proxied(bench.env["INTERAPP_BROKER_URL"]) as (proxy, url),
        bench.sender() as client,
        bench.service(seconds=0.005, env={"INTERAPP_BROKER_URL": url + HEARTBEAT}) as child,
    ):
        child.wait_for_line("active")
        bench.send(client, range(50))
        bench.wait_started(50)
        proxy.freeze()
        bench.fault()
        bench.send(client, range(50, 100))
        bench.check(range(100))
        proxy.thaw()
        bench.send(client, range(100, 120))
        bench.check(range(120))
        bench.wait_drained(40)
        assert child.terminate() == 0


def test_frozen_network_to_postgresql(postgresql_bench: Bench) -> None:
    """The network between child, sender and PostgreSQL frozen: the standby takes over, sends are refused in bounded time."""
    bench = postgresql_bench
    with (
        proxied(bench.env["INTERAPP_DATABASE_URL"]) as (proxy, url),
        bench.sender() as client,
        bench.sender(database_url=url) as frozen_client,
        bench.service(seconds=0.02, env={"INTERAPP_DATABASE_URL": url}) as first,
    ):
        first.wait_for_line("active")
        with bench.service(seconds=0.02) as second:
            second.wait_for_line("ready")
            bench.send(frozen_client, range(20))
            bench.send(client, range(20, 300))
            bench.wait_started(30)
            proxy.freeze()
            bench.fault()
            second.wait_for_line("active", timeout=40)
            began = time.monotonic()
            with pytest.raises(TableUnavailable):
                frozen_client.send(ledger_service.Note(number=999), to=APP)
            assert time.monotonic() - began < 25, "whoever sends is told, though nothing answers"
            bench.check(range(300))
            bench.check_no_overlap()
            proxy.thaw()
            first.wait_for_line("superseded", timeout=30)
            bench.send(frozen_client, range(300, 310))
            second.kill()
            bench.fault()
            bench.send(client, range(310, 320))
            eventually(lambda: 319 in {entry.number for entry in bench.entries()}, 40, "the last one is handled")
            # The statement of the one that was told so may have been on its way: it arrives with the thaw.
            late = [999] if 999 in {entry.number for entry in bench.entries()} else []
            bench.check([*range(300), *late, *range(300, 320)])
