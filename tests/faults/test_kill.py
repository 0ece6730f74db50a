"""Promises 1 to 3 under ``kill -9`` and SIGTERM: nothing lost, one outcome, order, one handler at a time."""

import random
import time

import pytest
from bench import Bench, Supervised
from supervisor import PER_START

from servers.processes import eventually

EACH = 60
"""How many messages a sender sends unless it is killed before."""


@pytest.mark.timeout(
    240
)  # half a minute on its own; PostgreSQL alone makes a successor wait 1.5 s for the proof of death
def test_a_child_killed_thirty_times_loses_nothing(bench: Bench) -> None:
    """A child killed at 30 random moments under load, at work, while it starts or takes over: all handled once, in order."""
    chance = random.Random(7)
    numbers = range(1200)
    with bench.sender() as client:
        bench.send(client, numbers)
    # With SQLite a successor works at once, and three that die in a row over one message that is alone make it poison.
    successors = 1 if bench.database.is_sqlite else 2
    with bench.supervised("serve", 0.005) as child:
        while child.kills < 30:
            bench.wait_started(min(len(bench.started()) + chance.randrange(1, 20), len(numbers)))
            time.sleep(chance.uniform(0, 0.01))
            child.kill()
            bench.fault()
            for _ in range(successors):
                child.wait_for_line(chance.choice(["child", "took the lease"]))
                time.sleep(chance.uniform(0, 0.2))
                child.kill()
        assert len(bench.started()) < len(numbers), "it was killed under load"
    assert child.kills == 30
    with bench.service() as last:
        bench.check(numbers)
        bench.check_no_overlap()
        assert last.terminate() == 0


def test_a_parent_and_its_child_killed_again_and_again(bench: Bench) -> None:
    """A sending process killed at random moments, 8 times, 4 of them with its child: what it was told is accepted is handled."""
    chance = random.Random(11)
    with bench.supervised("serve", 0.002) as child:
        with bench.supervised("send", EACH) as parent:
            for turn in range(8):
                accepted = len(printed(parent))
                enough = chance.randrange(1, EACH // 2)
                eventually(lambda count=accepted + enough: len(printed(parent)) >= count, 40, "it goes on sending")
                if turn % 2:
                    bench.wait_started(len(bench.started()) + 1)
                    child.kill()
                    bench.fault()
                time.sleep(chance.uniform(0, 0.005))
                parent.kill()
        told = printed(parent)
        bench.wait_started(len(told))
        rows = bench.wait_final(len(told))
        handled = bench.started()
    assert (parent.kills, child.kills) == (8, 4)
    assert len(rows) == len(handled)
    # Of each sender the one message more that was committed, and its sender killed before it heard so.
    unheard = {
        max([n for n in told if n // PER_START == start], default=start * PER_START - 1) + 1 for start in range(9)
    }
    assert told <= handled <= told | unheard
    bench.check(sorted(handled))
    bench.check_no_overlap()


def printed(parent: Supervised) -> set[int]:
    """Return the numbers that a sending process was told are accepted."""
    return {int(line) for line in parent.process.stdout if line.isdigit()}


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
    """A child told to stop under load finishes what runs and hands over within 5 s: nothing lost, run twice or overtaken."""
    numbers = range(300)
    patient = {"INTERAPP_LEASE_SECONDS": "60"}  # or its silence would be a reason to go on, too
    with bench.sender() as client, bench.service(seconds=0.005, env=patient) as first:
        first.wait_for_line("active")
        with bench.service(seconds=0.005, env=patient) as second:
            second.wait_for_line("ready")
            bench.send(client, numbers)
            bench.wait_started(50)
            bench.fault()
            assert first.terminate() == 0
            bench.check(numbers)
            bench.check_no_overlap()
    starts = [entry.number for entry in bench.entries() if entry.what == "start"]
    assert len(starts) == len(set(starts)), "a graceful stop runs nothing twice"
    last = max(entry.at_ns for entry in bench.entries() if entry.pid == first.pid)
    gap_ns = min(entry.at_ns for entry in bench.entries() if entry.pid == second.pid) - last
    assert 0 < gap_ns < 5e9, "the standby goes on within 5 s"


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
