"""Promises 1 to 3 for requests: the reply is in the request's row, and its doorbell passes nobody's queue."""

import signal
from pathlib import Path

from asking_service import Ask
from bench import APP, Bench

from broker.lifecycle.state import State
from broker.table.queries import find_handler
from servers.processes import InterappProcess, eventually

PARENT, CHILD = "parent", APP


KILLS = 3

NEVER = "1000"
"""Seconds between two looks at the table: only a doorbell wakes a request."""


def asking(bench: Bench, app: str, other: str, *look_seconds: str) -> tuple[InterappProcess, Path]:
    """Return a service whose handlers ask the other app, not started, and its ledger."""
    ledger = bench.folder / f"{app}-ledger"
    return bench.script("asking_service.py", app, other, str(ledger), *look_seconds), ledger


def started(ledger: Path) -> list[int]:
    """Return the numbers of the runs that were started, in order."""
    lines = ledger.read_text().splitlines() if ledger.exists() else []
    return [int(line.split()[1]) for line in lines if line.startswith("start")]


def test_a_requester_killed_while_its_request_is_handled(bench: Bench) -> None:
    """A parent killed in a handler that asks its child: started again, it gets the reply to the request it had made, 3 times."""
    with bench.service() as child, bench.sender() as client:
        child.wait_for_line("active")
        asks = []
        for number in range(KILLS):
            parent, parent_ledger = asking(bench, PARENT, CHILD)
            with parent:
                asks.append(client.send(Ask(number=number, seconds=0.5), to=PARENT))
                bench.wait_started(number + 1)
                parent.kill()
                bench.fault()
        parent, _ = asking(bench, PARENT, CHILD)
        with parent:
            rows = bench.wait_final(2 * KILLS)
            assert parent.terminate() == 0
    assert {row.state for row in rows} == {State.SUCCEEDED}
    assert [find_handler(bench.database, each).reply for each in asks] == [f'{{"number":{n}}}' for n in range(KILLS)]
    notes = [entry.number for entry in bench.entries() if entry.what == "start"]
    assert notes == list(range(KILLS)), "every request was handled once, though it was made twice"
    runs = started(parent_ledger)
    assert sorted(set(runs)) == list(range(KILLS))
    assert len(runs) > KILLS, "the parent asked again"


def test_a_standby_asks_its_own_app(bench: Bench) -> None:
    """The standby of an app requests something of that app: the active one handles it, the standby gets the reply."""
    with bench.service(0.01) as active, bench.sender() as client:
        active.wait_for_line("active")
        standby, standby_ledger = asking(bench, APP, PARENT, NEVER)
        with standby:
            standby.wait_for_line("ready")
            # it asks behind others, of which the queue is full
            bench.send(client, range(1, 200))
            standby.send_signal(signal.SIGUSR1)
            standby.wait_for_line("its reply: 0", timeout=40)  # unrung, it looks at the table after 60 s
            bench.wait_final(200)
            assert bench.epoch() == 1, "the standby is one still"
            standby.kill()
    bench.check([*range(1, 200), 0], ordered=False)
    assert not started(standby_ledger), "the active one handled it"


def test_a_handler_asks_while_its_slot_is_busy_with_it(bench: Bench) -> None:
    """A child's handlers ask the parent, whose handlers work a while, with the child's queue full: every reply arrives."""
    child, child_ledger = asking(bench, CHILD, PARENT, NEVER)
    parent, parent_ledger = asking(bench, PARENT, CHILD, NEVER)
    with child, parent, bench.sender() as client:
        child.wait_for_line("active")
        parent.wait_for_line("active")
        client.send_call([Ask(number=n, seconds=0.05) for n in range(30)], to=CHILD)
        rows = bench.wait_final(60)
        eventually(lambda: len(started(child_ledger)) == 30, 5, "the ledger is written")
        assert child.terminate() == parent.terminate() == 0
    assert {row.state for row in rows} == {State.SUCCEEDED}
    assert {row.attempts for row in rows} == {1}
    assert started(child_ledger) == started(parent_ledger) == list(range(30))
