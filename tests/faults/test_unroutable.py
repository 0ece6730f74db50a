"""Promises 1 to 3 when messages reach ``interapp.unroutable`` instead of their queue, and come back from there later."""

import ledger_service
import pytest
from bench import APP, QUEUE, Bench
from integration.foreign import foreign_channel

from broker.errors import IllegalMove
from broker.lifecycle.clock import SystemClock
from broker.runtime.host import Host
from broker.settings import InterAppSettings
from broker.table import dead_letter_acts
from broker.table.dead_letters import DeadLetterRow, Fate, list_dead_letters
from broker.table.retention import Limits, Retention
from servers.processes import eventually
from servers.rabbitmq import RabbitMQAddress

UNROUTABLE = "interapp.unroutable"


def unroutable(bench: Bench) -> int:
    """Return how many messages reached no queue and lie where RabbitMQ keeps them."""
    with foreign_channel(bench.env["INTERAPP_BROKER_URL"]) as channel:
        return int(channel.queue_declare(UNROUTABLE, passive=True).method.message_count)


def letters(bench: Bench) -> list[DeadLetterRow]:
    """Return every dead letter."""
    return [row for rows in list_dead_letters(bench.database, every=True, limit=10_000) for row in rows]


def test_queue_deleted_while_nobody_consumes(bench: Bench, rabbitmq: RabbitMQAddress) -> None:
    """The queue of a child that is down deleted: what is sent meanwhile rings nobody, and the child finds all, in order."""
    with bench.sender() as client:
        bench.send(client, range(50))
        eventually(lambda: bench.unconfirmed() == 0, 20, "RabbitMQ has confirmed them")
        rabbitmq.management.delete_queue(bench.vhost, QUEUE)
        bench.fault()
        bench.send(client, range(50, 150))
        eventually(lambda: unroutable(bench) == 100, 20, "they are confirmed and in no queue of an app")
        eventually(lambda: bench.unconfirmed() == 0, 20, "they count as published")
        with bench.service() as child:
            bench.check(range(150))
            bench.send(client, range(150, 160))
            bench.check(range(160))
            bench.check_no_overlap()
            bench.wait_drained()
            assert child.terminate() == 0


@pytest.mark.parametrize("purged", [False, True])
def test_copies_replayed_after_their_messages_were_handled(
    bench: Bench, rabbitmq: RabbitMQAddress, purged: bool
) -> None:
    """Copies of handled messages replayed, also after a purge: recognised, or refused; nothing is handled twice."""
    with bench.sender() as client:
        bench.send(client, range(10))
        eventually(lambda: bench.unconfirmed() == 0, 20, "RabbitMQ has confirmed them")
        rabbitmq.management.delete_queue(bench.vhost, QUEUE)
        bench.fault()
        bench.send(client, range(10, 40))
        eventually(lambda: unroutable(bench) == 30, 20, "their messages reached no queue")
    with bench.service() as child:
        bench.check(range(40))
        if purged:
            assert sum(Retention(bench.database, SystemClock()).purge(Limits(before_us=2**62))) == 40
        settings = InterAppSettings(
            broker_url=bench.env["INTERAPP_BROKER_URL"], database_url=bench.env["INTERAPP_DATABASE_URL"]
        )
        with Host(settings, SystemClock()) as draining:
            draining.drain_dead_letters()
            eventually(lambda: len(letters(bench)) == 30, 30, "every copy is a dead letter")
        numbers = [letter.number for letter in letters(bench)]
        if purged:
            for number in numbers:
                with pytest.raises(IllegalMove, match=r"ended \(succeeded\) before and was purged"):
                    dead_letter_acts.replay(bench.database, SystemClock(), [number], "operator")
            assert {letter.state for letter in letters(bench)} == {Fate.KEPT}
        else:
            replayed = dead_letter_acts.replay(bench.database, SystemClock(), numbers, "operator")
            assert {each.standing for each in replayed} == {"succeeded"}
        # What is sent now is handled after whatever a replay may have brought.
        with bench.sender() as client:
            client.send(ledger_service.Note(number=40), to=APP)
        bench.wait_started(41)
        bench.wait_final(1 if purged else 41)
        assert child.terminate() == 0
    assert len(bench.rows()) == (1 if purged else 41)
    starts = [entry.number for entry in bench.entries() if entry.what == "start"]
    assert starts == list(range(41)), "each was handled once"
