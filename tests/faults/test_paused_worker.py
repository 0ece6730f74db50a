"""Promises 2 and 3 when a child is frozen, its standby takes over, and the frozen one goes on: it has nothing to say any more."""

from collections.abc import Iterator
from contextlib import contextmanager

from bench import Bench, Entry

from servers.processes import InterappProcess, eventually


@contextmanager
def pair(bench: Bench, seconds: float, through: str = "") -> Iterator[tuple[InterappProcess, InterappProcess]]:
    """Give two services that take so long for each message: the active one, and its standby."""
    with bench.service(seconds, through=through) as first:
        first.wait_for_line("active")
        with bench.service(seconds) as second:
            second.wait_for_line("ready")
            yield first, second


def pause_in_handler(bench: Bench, process: InterappProcess) -> int:
    """Freeze the process inside a handler, and outside a transaction of SQLite; return the number that it works on."""

    def paused() -> Entry | None:
        process.pause()
        last = bench.entries()[-1]
        if last.pid == process.pid and last.what == "start" and bench.writable():
            return last
        process.resume()
        return None

    return eventually(paused, 20, "it is frozen inside a handler").number


def test_frozen_in_a_handler_past_its_lease(bench: Bench) -> None:
    """Frozen in a handler until the standby took over, then continued: its outcome is refused, it says so and stands by."""
    with bench.sender() as client, pair(bench, seconds=0.25) as (first, second):
        bench.send(client, range(24))
        bench.wait_started(5)
        number = pause_in_handler(bench, first)
        bench.fault()
        epoch = bench.epoch()
        second.wait_for_line("active", timeout=40)
        second_run = eventually(
            lambda: [e for e in bench.entries() if e.number == number and e.pid == second.pid], 20, "it runs again"
        )
        assert second_run[0].attempt == 2
        first.resume()
        refused = first.wait_for_line("outcome refused")
        assert str(bench.rows()[number].id) in refused.string
        first.wait_for_line("superseded")
        rows = bench.check(range(24))
        assert bench.epoch() == epoch + 1, "the epoch changed once"
        assert rows[number].attempts == 2
        starts = [entry for entry in bench.entries() if entry.what == "start" and entry.pid == first.pid]
        assert starts[-1].number == number, "it started nothing after it was superseded"
        # It stands by: it goes on when the other is gone.
        second.kill()
        bench.fault()
        bench.send(client, range(24, 30))
        bench.check(range(30))


def test_frozen_with_deliveries_in_hand(postgresql_bench: Bench) -> None:
    """Frozen and continued twice under load with deliveries in hand: one change of epoch each, order kept, no overlap."""
    bench = postgresql_bench
    with bench.sender() as client, pair(bench, seconds=0.05) as (first, second):
        bench.send(client, range(150))
        active, standby = first, second
        for turn in range(2):
            bench.wait_started(20 + 60 * turn)
            seen = len(standby.lines)
            epoch = bench.epoch()
            pause_in_handler(bench, active)
            bench.fault()
            standby.wait_for_line("active", timeout=40, after=seen)
            seen = len(active.lines)
            active.resume()
            active.wait_for_line("superseded", after=seen)
            assert bench.epoch() == epoch + 1, "the continued process does not take the lease back"
            active, standby = standby, active
        bench.check(range(150))
        assert bench.epoch() == epoch + 1


def test_frozen_in_a_transaction(postgresql_bench: Bench) -> None:
    """Frozen while it holds the lease's row lock: the standby takes over all the same, and nothing of the frozen one counts."""
    bench = postgresql_bench
    with bench.sender() as client, pair(bench, seconds=0.005, through="lease-locked stop 12") as (first, second):
        # Outcomes that are to be tried again are transactions, which lock the lease first.
        bench.send(client, range(200), fail_until=2)
        eventually(lambda: bench.silent_seconds() > 1.0, 30, "the first has frozen itself")
        assert len(bench.started()) < 200
        bench.fault()
        second.wait_for_line("active", timeout=40)
        bench.wait_started(200)
        first.resume()
        first.wait_for_line("superseded")
        bench.check(range(200))
        bench.check_no_overlap()


def test_frozen_before_a_claim(postgresql_bench: Bench) -> None:
    """Frozen between an outcome and the next claim, continued while its successor works: it claims and starts nothing."""
    bench = postgresql_bench
    with bench.sender() as client, pair(bench, seconds=0.01, through="outcome-committed stop 6") as (first, second):
        bench.send(client, range(200))
        eventually(lambda: bench.silent_seconds() > 1.0, 30, "the first has frozen itself")
        count = sum(entry.pid == first.pid for entry in bench.entries())
        bench.fault()
        second.wait_for_line("active", timeout=40)
        eventually(lambda: bench.entries()[-1].pid == second.pid, 10, "the second works")
        first.resume()
        first.wait_for_line("superseded")
        bench.check(range(200))
        bench.check_no_overlap()
    assert sum(entry.pid == first.pid for entry in bench.entries()) == count
