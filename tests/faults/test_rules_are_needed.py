"""Each rule of delivery is needed: without it a short schedule breaks a promise that it keeps with it.

The rules and their names are those of the executable model, with the product's own about lost answers and claims ahead.
The schedules run the real worker and table, with one rule taken away from outside (``rules_switched_off``).

Where the product has a second net below a rule, or the simulation's database allows less than a server's, a *setting*
takes that away in both runs, so that the rule alone decides:

- ``fence_attempt``: the product refuses a late thread's outcome already in memory; the fence in the table is for the thread
  that is writing at that moment.
- ``no_mutual``: the beat tells a worker that it lost the lease, one second later, which ends the wait of two for each other.
- ``recheck_state``: SQLite lets nobody in between the look for candidates and the claim. The schema is one more net: it
  refuses a row that is processing and has a reason, so that the claim ends in an error.

Not here, since the model shows no promise that breaks without them: ``take_once``, ``unclaim_runner``, ``read_lease``,
``ack_prefix`` and ``drain``. ``probe`` has a test of its own: without it no promise breaks, but work is done twice.
"""

from collections.abc import Callable
from dataclasses import dataclass

import pytest
import rules_switched_off as off
from rules_switched_off import Patch
from simulated_moves import Move, Script, play

from broker.table.database import Database


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """What happens, and the promise that breaks without the rule."""

    rule: Callable[[Patch], None]
    script: Script
    broken: str
    """A part of what the ledger says of it."""
    setting: Callable[[Patch], None] = lambda _patch: None
    workers: int = 2


FAILOVER: Script = [("close_channel",), ("deliver",)]
"""The broker closes the active consumer's channel and rings the next."""


def rung(kinds: str, until: str) -> list[Move]:
    """Send messages, and let the worker that is rung go on until the log says so."""
    return [("send", "x", kinds), ("deliver",), ("run_until", 0, until)]


def lease_time(worker: int) -> list[Move]:
    """Let more than the lease time pass, and one worker look on."""
    return [("advance", 2.5), ("run", worker, 8)] * 5


SCHEDULES = [
    Schedule(
        rule=off.lease_locked,
        script=[*rung("ok", "epoch 1"), ("run", 0, 6), *FAILOVER, ("run_until", 1, "epoch 2"), ("run", 0, 5)],
        broken="does not hold the lease",
    ),
    Schedule(
        rule=off.recheck_state,
        setting=off.claims_as_in_postgresql,
        script=[*rung("ok", "epoch 1"), ("run", 0, 6), ("cancel", 0), ("run", 0, 4)],
        broken="CHECK constraint failed",
    ),
    Schedule(
        rule=off.fence_attempt,
        setting=off.late_threads_write,
        script=[
            *rung("hangs", "starts x0"),
            ("advance", 2.5),
            ("run_until", 0, "x0 processing -> waiting"),
            ("advance", 5.0),
            ("run_until", 0, "starts x0"),
            ("run", 0, 40, False),
        ],
        broken="without a run of claim 2",
    ),
    Schedule(
        rule=off.let_go,
        script=[*rung("slow", "starts x0"), *FAILOVER, ("run", 1, 20)],
        broken="two handlers at once",
    ),
    Schedule(
        rule=off.all_olds,
        workers=3,
        script=[
            *rung("slow", "starts x0"),
            *FAILOVER,
            ("run", 1, 20),
            *FAILOVER,
            ("run", 2, 20),
            ("beat", 1),
            ("run", 1, 20),
            ("advance", 0.3),
            ("run", 2, 20),
        ],
        broken="two handlers at once",
    ),
    Schedule(
        rule=off.no_mutual,
        setting=off.beats_notice_nothing,
        script=[
            *rung("slow", "epoch 1"),
            *FAILOVER,
            ("run_until", 1, "epoch 2"),
            ("run", 0, 20),
            ("run", 1, 20),
        ],
        broken="not final at the end",
    ),
    Schedule(
        rule=off.start_check,
        script=[
            *rung("slow ok", "starts x0"),
            ("freeze", 0),
            *FAILOVER,
            ("run", 1, 20),
            *lease_time(1),
            ("run", 1, 2),
            ("thaw",),
            ("run", 0, 20),
        ],
        broken="two handlers at once",
    ),
    Schedule(
        rule=off.no_mark,
        script=[
            ("send", "x", "slow ok", False),
            ("advance", 2.5),
            ("run_until", 0, "starts x0"),
            ("advance", 0.3),
            ("send", "x", "ok"),
            ("deliver",),
            ("run", 0, 40),
        ],
        broken="overtaken: x2 is handled before x1",
    ),
    Schedule(
        rule=off.merge_recovery,
        script=[*rung("in-order ok", "starts x0"), ("kill", 0), ("deliver",), ("run", 0, 60)],
        broken="x1 starts before x0, which asked to be waited for",
    ),
    Schedule(
        rule=off.suspects,
        script=[
            ("send", "x", "kills ok"),
            *[("deliver",), ("run_until", 0, "is dead"), ("advance", 2.5)] * 3,
            ("deliver",),
            ("run", 0, 40),
        ],
        broken="innocent row poisoned: x1",
    ),
    Schedule(
        rule=off.no_dc,
        script=[
            *rung("in-order ok", "x1 processing -> waiting"),
            ("run", 0, 10),
            *[*FAILOVER, ("run", 0, 10), ("run", 1, 10)] * 3,
            ("advance", 5.0),
            ("run", 0, 10),
        ],
        broken="innocent row poisoned: x1",
    ),
    Schedule(
        rule=off.cancel_flag,
        script=[*rung("ok", "starts x0"), ("cancel", 0)],
        broken="became failed by an operator while its handler ran",
    ),
    Schedule(
        rule=off.unclear_claim,
        script=[("fault", 0, "claim"), *rung("ok", "x0 waiting -> processing"), ("run", 0, 10)],
        broken="not final at the end",
    ),
    Schedule(
        rule=off.unclear_take,
        workers=3,
        script=[
            *rung("slow", "starts x0"),
            *FAILOVER,
            ("fault", 1, "after"),
            ("run_until", 1, "epoch 2"),
            ("run", 1, 2),
            *FAILOVER,
            ("run", 2, 20),
        ],
        broken="not final at the end",
    ),
    Schedule(
        rule=off.call_off,
        script=rung("ok ok in-order ok ok ok", "starts x3"),
        broken="x3 starts before x2, which asked to be waited for",
    ),
    Schedule(
        rule=off.gave_back,
        script=[
            *rung("slow ok ok ok ok ok", "x3 waiting -> processing"),
            ("run", 0, 2, False),
            ("advance", 0.15),
            ("run", 0, 60),
        ],
        broken="overtaken: x3 is handled before x1",
    ),
]


@pytest.fixture(params=SCHEDULES, ids=lambda schedule: schedule.rule.__name__)
def schedule(request: pytest.FixtureRequest, monkeypatch: Patch) -> Schedule:
    """Each schedule in turn, in its setting."""
    found: Schedule = request.param
    found.setting(monkeypatch)
    return found


def test_with_the_rule_every_promise_is_kept(schedule: Schedule, simulated_table: Database) -> None:
    """The schedule breaks nothing while the rule is on."""
    ledger = play(simulated_table, schedule.workers, schedule.script).ledger
    assert not ledger.wrong, "\n".join(ledger.log)


def test_without_the_rule_a_promise_breaks(schedule: Schedule, simulated_table: Database, monkeypatch: Patch) -> None:
    """The same schedule breaks the promise when exactly this rule is switched off."""
    schedule.rule(monkeypatch)
    ledger = play(simulated_table, schedule.workers, schedule.script).ledger
    assert schedule.broken in "\n".join(ledger.wrong), "\n".join(ledger.log)


@pytest.mark.parametrize(("probing", "runs"), [(True, 1), (False, 2)])
def test_a_stale_delivery_takes_no_lease(
    simulated_table: Database, monkeypatch: Patch, probing: bool, runs: int
) -> None:
    """Who was given a message on a channel that is closed by now leaves the lease to the worker that is rung."""
    if not probing:
        off.probe(monkeypatch)
    stale = [
        ("send", "x", "slow"),
        ("deliver",),
        *FAILOVER,
        ("run_until", 1, "starts x0"),
        ("run", 0, 20),
        ("run", 1, 20),
    ]
    ledger = play(simulated_table, 2, stale).ledger
    assert not ledger.wrong
    assert sum("w starts x0" in line for line in ledger.log) == runs


def test_every_rule_that_is_switched_off_has_its_schedule() -> None:
    """Every rule that can be switched off here is one that a schedule needs."""
    settings = {off.claims_as_in_postgresql, off.late_threads_write, off.beats_notice_nothing}
    public = {each for name, each in vars(off).items() if not name.startswith("_") and _of_rules(each)}
    assert public - settings == {schedule.rule for schedule in SCHEDULES} | {off.probe}


def _of_rules(each: object) -> bool:
    return callable(each) and getattr(each, "__module__", "") == off.__name__ and not isinstance(each, type)
