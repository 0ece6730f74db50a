"""Promises 1 to 3 under ``kill -9`` and SIGTERM: nothing lost, one outcome, order, one handler at a time."""

import random

from bench import Bench

from servers.processes import eventually


def test_a_child_killed_again_and_again_loses_nothing(bench: Bench) -> None:
    """A child killed at random moments under load, and its successors, handle every message once in the table, in order."""
    chance = random.Random(7)
    numbers = range(600)
    with bench.sender() as client:
        bench.send(client, numbers)
    done = 0
    for _ in range(8):
        with bench.service(seconds=0.002) as child:
            done = min(len(numbers), done + chance.randrange(1, 60))
            bench.wait_started(done)
            child.kill()
    with bench.service() as last:
        bench.check(numbers)
        bench.check_no_overlap()
        assert last.terminate() == 0


def test_a_standby_goes_on_after_kill(bench: Bench) -> None:
    """A hot standby takes over from a killed child within seconds: nothing lost, nothing overtaken, no overlap."""
    numbers = range(300)
    with bench.sender() as client, bench.service(seconds=0.005) as first:
        first.wait_for_line("active")
        with bench.service(seconds=0.005) as second:
            second.wait_for_line("ready")
            bench.send(client, numbers)
            bench.wait_started(50)
            first.kill()
            bench.check(numbers)
            bench.check_no_overlap()


def test_a_standby_goes_on_after_sigterm(bench: Bench) -> None:
    """A child that is told to stop finishes what runs and hands over: nothing lost, nothing run twice, nothing overtaken."""
    numbers = range(300)
    with bench.sender() as client, bench.service(seconds=0.005) as first:
        first.wait_for_line("active")
        with bench.service(seconds=0.005) as second:
            second.wait_for_line("ready")
            bench.send(client, numbers)
            bench.wait_started(50)
            assert first.terminate() == 0
            bench.check(numbers)
            bench.check_no_overlap()
    starts = [entry.number for entry in bench.entries() if entry.what == "start"]
    assert len(starts) == len(set(starts)), "a graceful stop runs nothing twice"


def test_a_killer_is_poison_and_its_neighbours_are_not(bench: Bench) -> None:
    """A message that takes its worker down again and again ends as failed (poison); the rows around it succeed."""
    with bench.sender() as client:
        bench.send(client, range(40))
        bench.send(client, [40], kill=True)
        bench.send(client, range(41, 100))
    for _ in range(12):
        with bench.service() as child:
            eventually(
                lambda child=child: not child.running or all(row.state.final for row in bench.rows()),
                40,
                "the child is taken down, or everything is final",
            )
        if all(row.state.final for row in bench.rows()):
            break
    rows = bench.wait_final(100)
    failed = [row for row in rows if row.state == "failed"]
    assert [(row.seq, row.reason) for row in failed] == [(rows[40].seq, "poison")]
    assert sum(row.state == "succeeded" for row in rows) == len(rows) - 1
