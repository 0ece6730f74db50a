"""A claimed batch, shared by the thread that runs handlers and the one that watches it."""

import sys
import threading
from collections.abc import Iterator

import pytest

from broker.lifecycle.state import State
from broker.messages.envelope import Envelope
from broker.runtime.running import Batch, Running
from broker.table.rows import Claimed, Lease, Settlement

LEASE = Lease("app", "worker", 1)


def claimed(seq: int) -> Claimed:
    """Return a claimed row."""
    envelope = Envelope(message_id=str(seq), kind="test.note", body=b"", destination="app")
    return Claimed(seq=seq, envelope=envelope, doorbell="", attempt=1, claims=1, generation=0)


def outcome(row: Claimed) -> Settlement:
    """Return that the row's handler ended well."""
    return Settlement(row=row, state=State.SUCCEEDED)


def batch(count: int) -> Batch:
    """Return a batch with rows 0, 1, …."""
    return Batch(LEASE, [claimed(seq) for seq in range(count)], 0.0, counts=list[Settlement]().append)


def start(made: Batch) -> Running:
    """Start the next row, which is there."""
    running = made.start_next(1.0)
    assert running is not None
    return running


def test_rows_are_started_in_order_and_end() -> None:
    """Rows are started one after the other in the order of the claim; then there is none left."""
    made = batch(3)
    for seq in range(3):
        running = start(made)
        assert (running.row.seq, running.since) == (seq, 1.0)
        assert made.running() is running
        assert made.finish(outcome(running.row))
        assert made.running() is None
    assert made.start_next(1.0) is None
    done, rest = made.hand_over()
    assert [item.row.seq for item in done] == [0, 1, 2]
    assert rest == []


def test_what_was_handed_over_is_nobody_elses() -> None:
    """Outcomes and rows go to whoever asked first; the running row is in nobody's hand but its thread's."""
    made = batch(4)
    made.finish(outcome(start(made).row))
    running = start(made)
    done, rest = made.hand_over()
    assert ([item.row.seq for item in done], [row.seq for row in rest]) == ([0], [2, 3])
    assert made.hand_over() == ([], [])
    assert made.start_next(1.0) is None
    assert made.finish(outcome(running.row))
    assert [item.row.seq for item in made.hand_over()[0]] == [1]


def test_what_could_not_be_committed_is_taken_back_in_order() -> None:
    """After a hand-over that failed, outcomes are before later ones and rows before later rows, as they were."""
    made = batch(4)
    made.finish(outcome(start(made).row))
    running = start(made)
    handed = made.hand_over()
    made.finish(outcome(running.row))
    made.take_back(*handed)
    assert start(made).row.seq == 2
    done, rest = made.hand_over()
    assert ([item.row.seq for item in done], [row.seq for row in rest]) == ([0, 1], [3])


def test_a_thread_that_was_given_up_counts_no_more() -> None:
    """After its handler was given up, a thread neither keeps an outcome nor starts a row, and its handler is told."""
    made = batch(3)
    running = start(made)
    assert made.give_up(running)
    assert running.cancelled
    assert not made.finish(outcome(running.row))
    assert made.start_next(2.0) is None
    done, rest = made.hand_over()
    assert ([item.row.seq for item in done], [row.seq for row in rest]) == ([], [1, 2])
    assert not made.give_up(running), "only once"


def test_only_the_handler_that_runs_is_given_up() -> None:
    """A handler that has ended meanwhile is not given up, and the next one is not given up in its place."""
    made = batch(2)
    first = start(made)
    made.finish(outcome(first.row))
    assert not made.give_up(first)
    second = start(made)
    assert not made.give_up(first)
    assert made.finish(outcome(second.row))
    assert [item.row.seq for item in made.hand_over()[0]] == [0, 1]


def test_a_cancel_reaches_the_handler_that_runs() -> None:
    """Asking the running handler to stop sets its flag, and does nothing when none runs."""
    made = batch(2)
    made.cancel_running()
    running = start(made)
    assert not running.cancelled
    made.cancel_running()
    assert running.cancelled
    made.finish(outcome(running.row))
    assert not start(made).cancelled


@pytest.fixture
def hectic() -> Iterator[None]:
    """Let threads take turns as often as they can."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


def test_no_row_is_lost_or_doubled_between_two_threads(hectic: None) -> None:
    """While one thread runs rows and another hands over and takes back, every row ends in one pair of hands."""
    count = 3000
    made = batch(count)
    kept: list[int] = []
    ended = threading.Event()

    def run() -> None:
        misses = 0
        while misses < 1000:
            running = made.start_next(0.0)
            if running is None:
                misses += 1
                continue
            misses = 0
            made.finish(outcome(running.row))
        ended.set()

    thread = threading.Thread(target=run)
    thread.start()
    turn = 0
    while not ended.is_set():
        done, rest = made.hand_over()
        turn += 1
        if turn % 3:
            made.take_back(done, rest)
        else:
            kept += [item.row.seq for item in done]
            made.take_back([], rest)
    thread.join()
    done, rest = made.hand_over()
    kept += [item.row.seq for item in done] + [row.seq for row in rest]
    assert sorted(kept) == list(range(count))


def test_either_the_outcome_or_the_giving_up_counts(hectic: None) -> None:
    """When a handler ends at the very moment in which it is given up, exactly one of the two happens."""
    for _ in range(500):
        made = batch(1)
        running = start(made)
        ready = threading.Barrier(2)
        kept: list[bool] = []

        def finish(made: Batch = made, running: Running = running, ready: threading.Barrier = ready) -> None:
            ready.wait()
            kept.append(made.finish(outcome(running.row)))  # noqa: B023 this turn's list

        thread = threading.Thread(target=finish)
        thread.start()
        ready.wait()
        given_up = made.give_up(running)
        thread.join()
        assert kept == [not given_up]


def test_rows_that_may_not_start_yet_are_passed_over() -> None:
    """A row that must wait is not started but handed over with its time; a later one that need not wait starts."""
    made = batch(4)
    running = made.start_next(1.0, lambda row: 77 if row.seq != 2 else None)
    assert running is not None
    assert running.row.seq == 2
    made.finish(outcome(running.row))
    assert made.start_next(1.0, lambda _row: 88) is None
    done, rest = made.hand_over()
    assert [item.row.seq for item in done] == [2]
    assert [(row.seq, row.due_us) for row in rest] == [(0, 77), (1, 77), (3, 88)]
    assert made.hand_over() == ([], [])
    made.take_back(done, rest)
    assert made.start_next(1.0) is None, "they still wait"
    assert [(row.seq, row.due_us) for row in made.hand_over()[1]] == [(0, 77), (1, 77), (3, 88)]


def test_rows_that_are_added_come_last() -> None:
    """What was claimed after these rows is started after them, and given back after them."""
    made = batch(2)
    made.add([claimed(2), claimed(3)])
    for seq in range(3):
        made.finish(outcome(start(made).row))
        assert not made.gave_back, seq
    _, rest = made.hand_over()
    assert [row.seq for row in rest] == [3]
    assert made.gave_back


def test_outcomes_alone_give_nothing_back() -> None:
    """A batch whose outcomes are taken early has still given nothing back."""
    made = batch(1)
    made.finish(outcome(start(made).row))
    made.hand_over()
    assert not made.gave_back
