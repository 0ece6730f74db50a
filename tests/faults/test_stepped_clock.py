"""Promises 1 to 3 when the wall clock of one side is set an hour forward or back while it works: only monotonic time counts."""

import signal

import ledger_service
import pytest
from bench import APP, Bench

from servers.processes import eventually

STEPS = {"forward": signal.SIGUSR1, "back": signal.SIGUSR2}


@pytest.mark.parametrize("way", STEPS)
def test_clock_of_the_active_child_stepped(bench: Bench, way: str) -> None:
    """The active child's clock jumps while retries wait and a standby watches: all in order, each retried, no takeover."""
    with bench.sender() as client, bench.service(0.01, stepped=True) as first:
        first.wait_for_line("active")
        with bench.service(0.01) as second:
            second.wait_for_line("ready")
            # the third attempt of the ordered one succeeds: it waits twice, and everything behind it
            bench.send(client, range(50))
            bench.send(client, range(50, 60), fail_until=3)
            client.send(ledger_service.NoteInOrder(number=60, fail_until=3), to=APP)
            bench.send(client, range(61, 100))
            eventually(
                lambda: any(e.number == 60 and e.what == "end" for e in bench.entries()), 30, "it has failed once"
            )
            first.send_signal(STEPS[way])
            bench.fault()
            first.wait_for_line("clock stepped")
            bench.wait_started(70)
            # and again in the middle of handlers, with nothing to wait for
            first.send_signal(STEPS[way])
            rows = bench.check(range(100))
            bench.check_no_overlap()
            bench.wait_looked(second)
            assert bench.epoch() == 1, "nobody took over"
            assert {row.attempts for row in rows[50:61]} == {3}
            # What the stepped one leaves, retries included, its standby goes on with.
            bench.send(client, range(100, 110), fail_until=2)
            bench.send(client, range(110, 150))
            bench.wait_started(120)
            first.kill()
            bench.fault()
            bench.check(range(150))
            bench.check_no_overlap()


@pytest.mark.parametrize("way", STEPS)
def test_clock_of_the_standby_stepped(bench: Bench, way: str) -> None:
    """The standby's clock jumps: it does not take over, and when the active child is killed it goes on, retries included."""
    with bench.sender() as client, bench.service(0.01) as first:
        first.wait_for_line("active")
        with bench.service(0.01, stepped=True) as second:
            second.wait_for_line("ready")
            bench.send(client, range(30))
            bench.send(client, range(30, 40), fail_until=3)
            bench.send(client, range(40, 60))
            bench.wait_started(20)
            second.send_signal(STEPS[way])
            bench.fault()
            second.wait_for_line("clock stepped")
            bench.check(range(60))
            bench.wait_looked(second)
            assert bench.epoch() == 1, "nobody took over"
            client.send(ledger_service.NoteInOrder(number=60, fail_until=3), to=APP)
            bench.send(client, range(61, 100))
            eventually(
                lambda: any(e.number == 60 and e.what == "end" for e in bench.entries()), 30, "it has failed once"
            )
            first.kill()
            bench.fault()
            bench.check(range(100))
            bench.check_no_overlap()
