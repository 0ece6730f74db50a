"""Promises 1 to 3 when a process dies right after each single step of a message's way."""

from bench import Bench

CHILD_STEPS = {
    "lease-taken": 1,
    "lease-locked": 3,
    "claimed": 2,
    "ran": 4,
    "outcome-committed": 2,
    "acknowledged": 2,
    "acknowledgement-sent": 1,
}
"""Which time that each is done is the last thing the process does."""

SENDER_STEPS = ("send-committed", "published")
EACH = 40


def test_a_child_that_dies_after_any_step(bench: Bench) -> None:
    """A child that dies right after any step of claiming, running, committing or acknowledging: nothing lost or overtaken."""
    sent = 0
    with bench.sender() as client:
        for step, count in CHILD_STEPS.items():
            # On PostgreSQL a lease is locked by a step of its own only where there is more to do than to write successes: at the
            # first claims, and for what is to be tried again.
            bench.send(client, range(sent, sent + EACH), fail_until=2 if step == "lease-locked" else 0)
            sent += EACH
            with bench.service(through=f"{step} exit {count}") as child:
                assert child.wait(40) == 9, f"it died after {step}: {child.output()}"
                bench.fault()
    with bench.service():
        rows = bench.check(range(sent))
        bench.check_no_overlap()
    # A death costs at most one attempt of what was claimed then, and each attempt that did not count is accounted for.
    for row in rows:
        history = bench.history(row)
        assert row.attempts == len(history) + 1, history
        deaths = [entry.who for entry in history if entry.what == "worker lost"]
        assert len(deaths) == len(set(deaths)), history
    # What ran and was not committed runs again; only two of the steps lie between.
    again = [entry.number for entry in bench.entries() if entry.what == "start" and entry.attempt > 1]
    assert again, "a run whose outcome was not committed is run again"


def test_a_sender_that_dies_after_any_step(bench: Bench) -> None:
    """A sender that dies right after a commit or a publish: what it accepted is handled, each once, in order."""
    accepted: list[int] = []
    sent = 0
    with bench.service() as child:
        child.wait_for_line("active")
        for step in SENDER_STEPS:
            with bench.sending_process(range(sent, sent + EACH), through=f"{step} exit {EACH // 2}") as sender:
                assert sender.wait(40) == 9, f"it died after {step}: {sender.output()}"
                bench.fault()
            printed = [int(line) for line in sender.stdout if line.isdigit()]
            accepted += printed
            # the last was committed, though its sender never heard of it
            sent += len(printed) + 1
        bench.check(range(sent))
    assert set(accepted) < set(range(sent))
