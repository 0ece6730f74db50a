"""Promises 1, 3 and 6 when RabbitMQ's consumer timeout is shorter than a handler, or than the wait behind a backlog."""

from collections import Counter
from collections.abc import Iterator, Sequence

import ledger_service
import pytest
import sqlalchemy as sa
from bench import APP, QUEUE, Bench
from integration.foreign import foreign_channel

from broker.lifecycle.clock import SystemClock
from broker.lifecycle.ids import new_id
from broker.lifecycle.state import Reason, State
from broker.messages.codec import encode
from broker.messages.effects import Effects
from broker.messages.envelope import Envelope
from broker.table import operator_acts
from broker.table.queries import find_handler, read_letter
from broker.table.store import HandlerTable
from servers.processes import eventually
from servers.rabbitmq import RabbitMQServer

EARLY = {"LEDGER_ACK_AFTER_SECONDS": "1"}
"""As the product's minute is to the smallest timeout that RabbitMQ recommends: acknowledged long before."""

PREFETCH = 200
"""INTERAPP_PREFETCH, unless it is set."""

pytestmark = pytest.mark.xdist_group("broken RabbitMQ")

TIMED_OUT = "delivery acknowledgement on channel"
"""RabbitMQ's words when it closes a channel for its consumer timeout."""

SET = "application:set_env(rabbit, consumer_timeout, {}), application:set_env(rabbit, channel_tick_interval, {})."


@pytest.fixture(scope="module")
def impatient(_rabbitmq_to_break: RabbitMQServer) -> Iterator[None]:
    """Let RabbitMQ close, on connections from now on, channels that leave a delivery unacknowledged for 3 s."""
    server = _rabbitmq_to_break
    server.start()
    server.rabbitmqctl("eval", SET.format(3_000, 500))
    yield
    server.rabbitmqctl("eval", SET.format(1_800_000, 60_000))


def test_a_handler_longer_than_the_consumer_timeout(rabbitmq_bench: Bench, impatient: None) -> None:
    """RabbitMQ closes the channel while a handler runs: its outcome counts, nothing overlaps, and the slot is rung again."""
    bench = rabbitmq_bench
    with bench.sender() as client, bench.service() as child:
        child.wait_for_line("active")
        bench.send(client, [0], seconds=6.0)
        bench.send(client, range(1, 60))
        child.wait_for_line(TIMED_OUT, timeout=40)
        bench.fault()
        assert bench.started() == {0}, "it was closed while the handler ran"
        rows = bench.check(range(60))
        bench.wait_drained()
        bench.send(client, [60])
        bench.check(range(61))
        bench.wait_drained()
        bench.check_no_overlap()
    assert {row.attempts for row in rows} == {1}


def test_a_handler_longer_than_the_consumer_timeout_beside_a_standby(rabbitmq_bench: Bench, impatient: None) -> None:
    """What is committed is acknowledged while a handler runs: no channel is closed, and the standby does not take over for ever."""
    bench = rabbitmq_bench
    with bench.sender() as client, bench.service(env=EARLY) as first:
        first.wait_for_line("active")
        with bench.service(env=EARLY) as second:
            second.wait_for_line("ready")
            bench.send(client, [0], seconds=8.0)
            bench.send(client, range(1, 60))
            bench.wait_started(1)
            # in the middle of the handler, with a delivery of its own
            bench.send(client, range(60, 80))
            rows = bench.check(range(80))
            bench.check_no_overlap()
            bench.wait_drained()
        assert TIMED_OUT not in first.output() + second.output()
        assert bench.epoch() == 1, "nobody took over"
    assert {row.attempts for row in rows} == {1}


def test_twenty_thousand_rows_behind_slow_handlers(rabbitmq_bench: Bench, impatient: None) -> None:
    """The prefetch full of rows that wait behind 20,000 slow ones: no channel is closed, and a new row still rings."""
    bench = rabbitmq_bench
    count = 20_000
    with bench.sender() as client, bench.service(seconds=0.3, env=EARLY) as slow:
        slow.wait_for_line("active")
        for first in range(0, count, 2_000):
            insert(bench, range(first, first + 2_000))
        (*_, behind) = bench.send(client, range(count, count + PREFETCH))
        eventually(lambda: published(bench, behind), 30, "RabbitMQ has the last ones' messages")
        # for longer than RabbitMQ's timeout and its pause between two looks
        bench.wait_started(len(bench.started()) + 15)
        (last,) = bench.send(client, [count + PREFETCH])
        eventually(lambda: published(bench, last), 20, "RabbitMQ has the new row's message")
        eventually(lambda: undelivered(bench) == 0, 20, "the slow child was given it")
        assert find_handler(bench.database, last).state is State.WAITING
        assert TIMED_OUT not in slow.output()
        assert slow.terminate() == 0
        # Nobody has the hours that the rest would take.
        rest = [row.seq for row in bench.rows()[:count] if not row.state.final]
        operator_acts.cancel(bench.database, SystemClock(), rest, "operator")
        with bench.service():
            eventually(lambda: not still_open(bench), 60, "every row is final")
            bench.check_no_overlap()
            bench.wait_drained()
    rows = bench.rows()
    first_runs = list(dict.fromkeys(entry.number for entry in bench.entries()))
    assert first_runs == [n for n, row in enumerate(rows) if row.state is State.SUCCEEDED], "in order"
    assert first_runs[-PREFETCH - 1 :] == [*range(count, count + PREFETCH + 1)], "none behind them is lost"
    assert Counter(row.reason for row in rows) == {Reason.CANCELLED: len(rest), None: len(first_runs)}


def insert(bench: Bench, numbers: Sequence[int]) -> None:
    """Commit rows at once, and ring nobody."""
    notes = (ledger_service.Note(number=number) for number in numbers)
    sent = tuple(
        Envelope(message_id=new_id(), kind=note.kind, body=encode(note), destination=APP, call_id="bulk")
        for note in notes
    )
    HandlerTable(bench.database, SystemClock()).accept(Effects(sent=sent), app="bulk")


def published(bench: Bench, message_id: str) -> bool:
    """Tell whether RabbitMQ has confirmed a message."""
    return read_letter(bench.database, find_handler(bench.database, message_id).seq).published


def still_open(bench: Bench) -> int:
    """Return how many rows are not final."""
    with bench.database.read() as connection:
        return int(connection.execute(sa.text("SELECT count(*) FROM messages WHERE open")).scalar_one())


def undelivered(bench: Bench) -> int:
    """Return how many messages of the app's queue were given to nobody, as RabbitMQ counts now."""
    with foreign_channel(bench.env["INTERAPP_BROKER_URL"]) as channel:
        return int(channel.queue_declare(QUEUE, passive=True).method.message_count)
