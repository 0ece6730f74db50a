"""Promises 1 to 4 where several act on one row at once: operators, late threads, retries, dying workers, foreign producers."""

import json
import threading
import time
from itertools import islice, takewhile
from pathlib import Path

import ledger_service
import pika
import pytest
import sqlalchemy as sa
from bench import APP, QUEUE, Bench
from integration.foreign import foreign_channel, publish_raw

from broker.errors import RequestFailed
from broker.lifecycle.clock import SystemClock
from broker.lifecycle.state import Reason, State
from broker.messages.codec import encode
from broker.messages.effects import Effects
from broker.messages.envelope import Envelope
from broker.table import operator_acts
from broker.table.queries import find_handler
from broker.table.schema import messages
from broker.table.store import HandlerTable
from servers.management import Permissions
from servers.processes import eventually
from servers.rabbitmq import RabbitMQAddress

POLICIES = Path(__file__).parents[2] / "deploy/rabbitmq/policies.json"
BLOCKED = sa.text(
    "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
)


def wait_blocked(bench: Bench) -> None:
    """Wait until somebody waits for a lock of PostgreSQL."""

    def blocked() -> bool:
        with bench.database.read() as connection:
            return connection.execute(BLOCKED).scalar_one() > 0

    eventually(blocked, 20, "somebody waits for the lock")


@pytest.mark.parametrize("act", ["edit, takeover", "cancel"])
def test_row_lock_of_an_operator_during_a_claim(postgresql_bench: Bench, act: str) -> None:
    """An operator's transaction holds a row while it is claimed; the claimer may die meanwhile: order kept, a cancel obeyed."""
    bench = postgresql_bench
    with bench.sender() as client, bench.service(seconds=0.002) as first:
        first.wait_for_line("active")
        bench.send(client, range(20))
        bench.wait_final(20)
        with bench.service(seconds=0.002) as second:
            second.wait_for_line("ready")
            first.pause()  # or it would be quicker than the operator
            ids = bench.send(client, range(20, 60))
            row = find_handler(bench.database, ids[10])
            with bench.database.write() as connection:
                locked = operator_acts._locked(connection, [row.seq])
                first.resume()
                wait_blocked(bench)
                bench.fault()
                if act == "cancel":
                    operator_acts._cancel(connection, locked, "operator", SystemClock().now_us())
                else:
                    first.kill()
                    connection.execute(
                        sa.update(messages).where(messages.c.seq == row.seq).values(traceparent="edited")
                    )
            rows = bench.wait_final(60)
            bench.check_no_overlap()
        assert "unexpected" not in first.output()
    failed = [row.seq] if act == "cancel" else []
    assert [each.seq for each in rows if each.state is State.FAILED] == failed
    first_runs = list(dict.fromkeys(entry.number for entry in bench.entries() if entry.what == "start"))
    assert first_runs == [number for number in range(60) if not (failed and number == 30)], "in order, none cancelled"


def test_late_thread_after_a_timeout(bench: Bench) -> None:
    """A handler that hangs past its timeout is given up and tried again; what its thread says later is refused, and said so."""
    with bench.sender() as client, bench.service() as child:
        child.wait_for_line("active")
        bench.send(client, range(10))
        hanging = client.send(ledger_service.NoteInTime(number=10, hang=2.0), to=APP)
        bench.send(client, range(11, 60))
        bench.check(range(60))
        refused = child.wait_for_line("refused", timeout=20)
        assert hanging in refused.string
        row = find_handler(bench.database, hanging)
        assert (row.state, row.attempts) == (State.SUCCEEDED, 2), "the second attempt's outcome stands"
        assert [entry.what for entry in bench.history(row)] == ["retry"]


def test_reply_after_an_operators_retry(bench: Bench) -> None:
    """A request fails, an operator retries it, and it succeeds: the second reply reaches the requester that asks again."""
    closed = bench.folder / "closed"
    closed.touch()
    answers: list[object] = []
    with bench.sender() as client, bench.service() as child:
        child.wait_for_line("active")
        with pytest.raises(RequestFailed, match="closed"):
            client.request(ledger_service.NoteWhenOpen(number=1), to=APP, timeout=20)
        (row,) = bench.rows()
        closed.unlink()
        operator_acts.retry(bench.database, SystemClock(), [row.seq], "operator")
        envelope = Envelope(message_id=row.id, kind=row.kind, body=b"", destination=APP, user=row.amqp_user)
        asking = threading.Thread(
            target=lambda: answers.append(client.await_answer(envelope, time.monotonic() + 20, threading.Event()))
        )
        asking.start()
        asking.join(25)
        (answer,) = answers
        assert (answer.state, answer.reply) == (State.SUCCEEDED, '{"number":1}')  # type: ignore[attr-defined]
        (row,) = bench.rows()
        assert [entry.what for entry in bench.history(row)] == ["failed (rejected)", "operator retry"]


def test_ordered_retry_in_a_batch_then_kill(bench: Bench) -> None:
    """An ordered retry in the middle of a batch, its worker killed while it waits: what comes after it still waits for it."""
    with bench.sender() as client:
        bench.send(client, range(30))
        client.send(ledger_service.NoteInOrder(number=30, fail_until=3), to=APP)
        bench.send(client, range(31, 80))
        with bench.service() as child:
            eventually(
                lambda: any(e.number == 30 and e.what == "end" for e in bench.entries()), 20, "it has failed once"
            )
            child.kill()
            bench.fault()
        assert max(bench.started()) == 30, "nothing passed it"
        with bench.service():
            bench.check(range(80))
    starts = [entry.number for entry in bench.entries() if entry.what == "start"]
    last = len(starts) - 1 - starts[::-1].index(30)
    assert starts[last + 1] == 31, "the next began only after its last attempt"
    assert min(index for index, number in enumerate(starts) if number > 30) > last


def lose_deliveries(bench: Bench) -> list[int]:
    """Take up to 200 deliveries and lose the connection with all of them in hand; return RabbitMQ's delivery counts."""
    with foreign_channel(bench.env["INTERAPP_BROKER_URL"]) as channel:
        channel.basic_qos(prefetch_count=200)
        deliveries = channel.consume(QUEUE, inactivity_timeout=5)
        in_hand = takewhile(lambda delivery: delivery[0] is not None, islice(deliveries, 200))
        return [properties.headers.get("x-delivery-count", 0) for _, properties, _ in in_hand]


@pytest.mark.parametrize("policies", ["deployed", "none"])
def test_lost_connections_make_nobody_poison(postgresql_bench: Bench, rabbitmq: RabbitMQAddress, policies: str) -> None:
    """30 consumers lose their connection with 200 deliveries in hand: RabbitMQ's delivery count makes nobody poison.

    Without the deployed policies RabbitMQ 4 drops what it has delivered 20 times: it is handled from the table.
    """
    bench = postgresql_bench
    if policies == "deployed":
        definitions = json.loads(POLICIES.read_text(encoding="utf-8"))
        rabbitmq.management.request("POST", "definitions", bench.vhost, json=definitions)
    with bench.sender() as client:
        bench.send(client, range(200))
        eventually(lambda: bench.queue().get("messages") == 200, 20, "RabbitMQ has all messages")
    rounds = 0
    while rounds < 30 and (counts := lose_deliveries(bench)):
        bench.fault()
        assert counts == [rounds] * 200
        rounds += 1
    if rounds < 30:
        assert (policies, rounds) == ("none", 21), "RabbitMQ gave up after its own limit"
        eventually(lambda: bench.queue().get("messages") == 0, 20, "RabbitMQ has dropped all messages")
    with bench.service():
        rows = bench.check(range(200))
        bench.wait_drained()
    assert {row.attempts for row in rows} == {1}


def test_two_producers_with_the_same_ids(postgresql_bench: Bench, rabbitmq: RabbitMQAddress) -> None:
    """Two foreign producers number their messages alike and send each twice: one row and one outcome per producer and id."""
    bench = postgresql_bench
    users = {name: f"{name}-{bench.vhost}" for name in ("first", "second")}
    for user in users.values():
        rabbitmq.management.create_user(user, "secret", {bench.vhost: Permissions()})
    try:
        with bench.service() as child:
            child.wait_for_line("active")
            for base, user in zip((0, 100), users.values(), strict=True):
                url = rabbitmq.url_of(bench.vhost, user, "secret")
                letters = [
                    (
                        pika.BasicProperties(type="ledger.note", message_id=str(n), user_id=user, delivery_mode=2),
                        f'{{"number": {base + n}}}'.encode(),
                    )
                    for n in range(50)
                ]
                publish_raw(url, APP, letters + letters)
            rows = bench.wait_final(100)
            bench.wait_drained()
            assert len(bench.rows()) == 100
    finally:
        for user in users.values():
            rabbitmq.management.delete_user(user)
    assert {row.state for row in rows} == {State.SUCCEEDED}
    assert len({(row.id, row.amqp_user) for row in rows}) == 100
    starts = [entry.number for entry in bench.entries() if entry.what == "start"]
    assert sorted(starts) == [*range(50), *range(100, 150)], "each ran once"


def test_cancel_of_what_waits_and_of_what_runs(bench: Bench) -> None:
    """Rows cancelled behind a running one never run; the running one's outcome wins over its cancel."""
    with bench.sender() as client, bench.service() as child:
        child.wait_for_line("active")
        ids = bench.send(client, [0], seconds=1.5) + bench.send(client, range(1, 20))
        bench.wait_started(1)
        seqs = [find_handler(bench.database, each).seq for each in ids]
        # What was claimed beside it is given back within a tenth of a second.
        eventually(lambda: all(row.state is State.WAITING for row in bench.rows()[1:]), 5, "the rest waits")
        after = operator_acts.cancel(bench.database, SystemClock(), seqs[:10], "operator")
        assert after[seqs[0]] is State.PROCESSING
        rows = bench.wait_final(20)
    assert rows[0].state is State.SUCCEEDED
    assert [row.reason for row in rows[1:10]] == [Reason.CANCELLED] * 9
    assert bench.started() == {0, *range(10, 20)}


def test_a_late_commit_is_not_passed_over(postgresql_bench: Bench) -> None:
    """A sender's COMMIT is delayed while another overtakes it: its message, though its number is lower, is handled all the same."""
    bench = postgresql_bench
    note = ledger_service.Note(number=0)
    late = Envelope(message_id="late", kind=note.kind, body=encode(note), destination=APP, call_id="late")
    with bench.sender() as client, bench.service() as child:
        child.wait_for_line("active")
        with bench.database.write() as connection:
            HandlerTable(bench.database, SystemClock())._add(connection, Effects(sent=(late,)), app="late")
            bench.send(client, range(1, 100))
            bench.wait_started(99)
        bench.fault()
        rows = bench.check(range(100), ordered=False)
    assert rows[0].id == "late"
    starts = [entry.number for entry in bench.entries() if entry.what == "start"]
    assert starts == [*range(1, 100), 0]
