"""Promises 1 to 3 while PostgreSQL dies, closes sessions, freezes, or commits without saying so."""

import time
from collections import Counter

import ledger_service
import psycopg
import pytest
from bench import APP, Bench
from proxy import COMMITTED, Proxy, proxied
from table_away import LateSender, check_nothing_acknowledged, check_nothing_ran_twice

from broker.errors import TableUnavailable
from servers.postgresql import PostgreSQLServer
from servers.processes import eventually

pytestmark = pytest.mark.xdist_group("broken PostgreSQL")

CLAIMED, SETTLED = b"taken AS (SELECT", b"attempts = t.attempts - "
INSERTED = b"C\x00\x00\x00\x0fINSERT 0 1\x00"
"""PostgreSQL's CommandComplete for a send, which is a transaction by itself."""
UPDATED = b"C\x00\x00\x00\rUPDATE 1\x00"
"""PostgreSQL's answer to the claim of a message that comes alone, or to its outcome, each a transaction by itself."""

SESSIONS = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'interapp' AND datname = %s"


def test_postgresql_killed_and_started(table_bench: Bench, broken_postgresql: PostgreSQLServer) -> None:
    """PostgreSQL killed under load: senders are told or wait, nothing is acknowledged meanwhile, all is handled once it is back."""
    bench = table_bench
    with bench.sender() as client, bench.service(seconds=0.03) as child:
        child.wait_for_line("active")
        bench.send(client, range(150))
        bench.wait_started(30)
        bench.fault()
        broken_postgresql.kill()
        child.wait_for_line("table")
        with pytest.raises(TableUnavailable):
            client.send(ledger_service.Note(number=999), to=APP)
        waiting = LateSender(client, 150, wait_seconds=60)
        child.wait_for_line("waiting for the table", timeout=15)
        check_nothing_acknowledged(bench, 150)
        broken_postgresql.start()
        bench.database.close()
        bench.fault()
        waiting.join(30)
        assert waiting.error is None
        bench.check(range(151))
        bench.check_no_overlap()
        check_nothing_ran_twice(bench)
        bench.wait_drained()
        assert child.terminate() == 0


def test_sessions_terminated_again_and_again(table_bench: Bench, broken_postgresql: PostgreSQLServer) -> None:
    """Every session terminated ten times under load, with a standby: nothing lost, nothing overtaken, no overlap."""
    bench = table_bench
    database = bench.env["INTERAPP_DATABASE_URL"].rpartition("/")[2]
    with bench.sender() as client, bench.service(seconds=0.005) as first:
        first.wait_for_line("active")
        with (
            bench.service(seconds=0.005) as second,
            psycopg.connect(broken_postgresql.url, autocommit=True) as administrator,
        ):
            second.wait_for_line("ready")
            bench.send(client, range(400))
            for number in range(10):
                bench.wait_started(20 + 30 * number)
                bench.fault()
                administrator.execute(SESSIONS, [database])
            bench.database.close()
            bench.check(range(400))
            bench.check_no_overlap()
            bench.wait_drained()


def test_postgresql_frozen_for_ten_seconds(table_bench: Bench, broken_postgresql: PostgreSQLServer) -> None:
    """PostgreSQL frozen for 10 s: nothing is acknowledged, no send hangs for ever, and all goes on when it thaws."""
    bench = table_bench
    with bench.sender() as client, bench.service(seconds=0.01) as first:
        first.wait_for_line("active")
        with bench.service(seconds=0.01) as second:
            second.wait_for_line("ready")
            bench.send(client, range(300))
            bench.wait_started(50)
            broken_postgresql.pause()
            began = time.monotonic()
            waiting = LateSender(client, 300, wait_seconds=60)
            # what was claimed before may still end
            eventually(lambda: bench.silent_seconds() > 3.0, 9, "no handler is started")
            settled = len(bench.started())
            check_nothing_acknowledged(bench, 300)
            eventually(lambda: time.monotonic() - began >= 10, 12, "10 s have passed")
            assert len(bench.started()) == settled, "nothing was started while the table was away"
            broken_postgresql.resume()
            bench.fault()
            waiting.join(30)
            assert waiting.error is None
            bench.check(range(301))
            bench.check_no_overlap()
            bench.wait_drained()


@pytest.fixture
def proxied_database(postgresql_bench: Bench) -> object:
    """A proxy in front of the bench's database, and the database's URL by way of it."""
    with proxied(postgresql_bench.env["INTERAPP_DATABASE_URL"]) as (proxy, url):
        yield proxy, url


@pytest.mark.parametrize("what", ["claim", "outcome"])
def test_commit_answer_lost_for_a_worker(
    postgresql_bench: Bench, proxied_database: tuple[Proxy, str], what: str
) -> None:
    """A claim or an outcome is committed and the answer lost, 5 times: nothing lost, no outcome twice, one line of history each."""
    bench, (proxy, url) = postgresql_bench, proxied_database
    # A claim of rows that only wait is one statement; an outcome that is to be tried again is a transaction.
    asked, answer = (CLAIMED, b"UPDATE ") if what == "claim" else (SETTLED, COMMITTED)
    with bench.sender() as client, bench.service(seconds=0.002, env={"INTERAPP_DATABASE_URL": url}) as child:
        child.wait_for_line("active")
        # Before they are sent: what a session has prepared is asked for without its text.
        loss = proxy.lose(asked, answer)
        bench.send(client, range(240), fail_until=2)
        for number in range(5):
            if number:
                loss = proxy.lose(asked, answer)
            eventually(loss.happened.is_set, 20, "an answer was lost")
            bench.fault()
        rows = bench.check(range(240))
        bench.check_no_overlap()
    failed = Counter(entry.number for entry in bench.entries() if entry.what == "end" and entry.attempt < 2)
    for number, row in enumerate(rows):
        retries = [entry for entry in bench.history(row) if entry.what == "retry"]
        assert len(retries) == failed[number], f"{number}: {bench.history(row)}"
        # A lost claim counts, as what it took may have run for all that others know; a lost outcome costs nothing.
        assert row.attempts <= (7 if what == "claim" else 2), f"{number}: {bench.history(row)}"


@pytest.mark.parametrize("what", ["claim", "outcome"])
def test_answer_lost_for_a_message_that_comes_alone(
    postgresql_bench: Bench, proxied_database: tuple[Proxy, str], what: str
) -> None:
    """A claim or an outcome that is one statement is committed and the answer lost: nothing lost, one run each."""
    bench, (proxy, url) = postgresql_bench, proxied_database
    with bench.sender() as client, bench.service(env={"INTERAPP_DATABASE_URL": url}) as child:
        child.wait_for_line("active")
        bench.send(client, [0])
        bench.wait_final(1)
        bench.wait_drained()
        # On new connections: what a session has prepared is asked for without its text.
        proxy.cut()
        lost: list[int] = []
        for number in range(1, 20):
            loss = proxy.lose(CLAIMED if what == "claim" else SETTLED, UPDATED)
            bench.send(client, [number])
            bench.wait_final(number + 1)
            # Not when the worker's own look at the table came before the ring: then it did not come alone.
            if loss.happened.is_set():
                bench.fault()
                lost.append(number)
            if len(lost) == 4:
                break
        rows = bench.check(range(number + 1))
        bench.check_no_overlap()
    assert len(lost) == 4
    # It was committed: a lost claim counts, as what it took may have run; after a lost outcome nothing runs again.
    again = lost if what == "claim" else []
    assert [row.attempts for row in rows] == [2 if place in again else 1 for place in range(number + 1)]
    assert len([entry for entry in bench.entries() if entry.what == "start"]) == number + 1


def test_commit_answer_lost_for_a_sender(postgresql_bench: Bench, proxied_database: tuple[Proxy, str]) -> None:
    """A send is committed and the answer lost: the sender is told the table is away, or tries again and has sent it once."""
    bench, (proxy, url) = postgresql_bench, proxied_database
    with bench.sender(database_url=url) as client, bench.service() as child:
        child.wait_for_line("active")
        bench.send(client, range(20))
        loss = proxy.lose(b"INSERT INTO messages", INSERTED)
        with pytest.raises(TableUnavailable):
            client.send(ledger_service.Note(number=20), to=APP)
        assert loss.happened.is_set()
        loss = proxy.lose(b"INSERT INTO messages", INSERTED)
        client.send(ledger_service.Note(number=21), to=APP, wait_for_table=20)
        assert loss.happened.is_set()
        bench.check(range(22))
