"""The promises of leases, workers' rows and proofs of death, kept on every database."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TypeVar

import pytest
import sqlalchemy as sa
from contract.databases import APP, KINDS, Background, Place, database_url

from broker.errors import Superseded, TableUnavailable
from broker.runtime.holding import Holding, Post
from broker.table.database import Database
from broker.table.leases import LeaseRow, Leases
from broker.table.liveness import Liveness, open_liveness
from broker.table.rows import Lease
from servers.processes import InterappProcess, eventually

HOLD = """
import sys
from broker.table.database import Database
from broker.table.liveness import open_liveness
liveness = open_liveness(Database(sys.argv[1]), sys.argv[2])
liveness.hold()
print("held", flush=True)
sys.stdin.read() if len(sys.argv) < 4 else liveness.release()
import time
time.sleep(600)
"""
A, B, C = "host:1/a", "host:2/b", "host:3/c"

Hold = Callable[..., InterappProcess]
LeaseT = TypeVar("LeaseT", Lease, Lease | None)


@pytest.fixture(params=KINDS)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    """A database with the tables, of each kind in turn."""
    with Place.opened(database_url(request.param, request, tmp_path)) as place:
        yield place


def look(place: Place) -> LeaseRow:
    """Return the lease of APP as it stands."""
    return place.leases.look([APP])[APP]


def worker_row(place: Place, lease: Lease) -> dict[str, object]:
    """Return the row of the worker that took a lease."""
    (row,) = place.select("SELECT * FROM workers WHERE id = :id", id=lease.worker)
    return dict(row)


# Taking.


def test_every_take_is_the_next_epoch(place: Place) -> None:
    """Whoever takes the lease gets an epoch that nobody had before, and the lease names the last taker."""
    first, second = place.lease(A), place.lease(B)
    assert second.epoch == first.epoch + 1
    assert (look(place).worker, look(place).epoch) == (second.worker, second.epoch)
    assert not place.leases.holds(first)
    assert place.leases.holds(second)


def test_takes_at_once_get_different_epochs(place: Place) -> None:
    """Workers that take one lease at the same moment never share an epoch, and the highest one holds it."""
    workers = [place.worker(f"host:{number}/w") for number in range(6)]
    takes = [Background(lambda worker=worker: place.leases.take(APP, worker)) for worker in workers]  # type: ignore[misc]
    leases = [take.result() for take in takes]
    assert sorted(lease.epoch for lease in leases) == [1, 2, 3, 4, 5, 6]
    assert [lease.epoch for lease in leases if place.leases.holds(lease)] == [6]


def test_a_lease_that_was_made_is_free(place: Place) -> None:
    """Making a lease offers it to whoever looks, and never takes one away."""
    place.leases.make([APP, "other"])
    assert look(place) == LeaseRow(APP, 0, "", 0)
    lease = place.lease(A)
    place.leases.make([APP])
    assert place.leases.holds(lease)


def test_an_unchanged_lease_is_taken_by_one(place: Place) -> None:
    """Of two workers that saw the same silent lease one gets it; the other learns that it was too late."""
    place.lease(A)
    seen = look(place)
    one, two = place.worker(B), place.worker(C)
    lease = place.leases.take_unchanged(seen, one)
    assert lease == Lease(APP, one, seen.epoch + 1)
    assert place.leases.take_unchanged(seen, two) is None
    assert look(place).worker == one
    (loser,) = place.select("SELECT epoch FROM workers WHERE id = :id", id=two)
    assert loser["epoch"] == 0


@pytest.mark.parametrize("sign", ["beat", "claim"])
def test_a_lease_whose_holder_gave_a_sign_is_not_taken(place: Place, sign: str) -> None:
    """A holder that renewed its lease since it was looked at, by heartbeat or by work, keeps it."""
    lease = place.lease(A)
    seen = look(place)
    if sign == "beat":
        place.leases.beat({lease.worker: ("active", "")}, [lease])
    else:
        place.claim(lease)
    assert place.leases.take_unchanged(seen, place.worker(B)) is None
    assert place.leases.holds(lease)


def test_a_sign_during_the_take_saves_the_lease(place: Place) -> None:
    """A holder's renewal that is committed while a standby takes the lease wins."""
    lease = place.lease(A)
    seen, standby = look(place), place.worker(B)
    renew = "UPDATE leases SET renewals = renewals + 1 WHERE app = :app"
    with place.meanwhile(renew, lambda: place.leases.take_unchanged(seen, standby), app=APP) as take:
        assert take.result() is None
    assert place.leases.holds(lease)


def test_a_holder_can_succeed_itself(place: Place) -> None:
    """Renewing the epoch keeps the lease and makes what was claimed before claimable again; a former holder cannot."""
    lease = place.lease(A)
    renewed = place.leases.renew_epoch(lease)
    assert (renewed.worker, renewed.epoch) == (lease.worker, lease.epoch + 1)
    assert worker_row(place, lease)["epoch"] == renewed.epoch
    with pytest.raises(Superseded):
        place.leases.renew_epoch(lease)
    place.lease(B)
    with pytest.raises(Superseded):
        place.leases.renew_epoch(renewed)


# Letting go.


def test_a_successor_sees_every_older_holder_that_has_not_let_go(place: Place) -> None:
    """Not only the last holder is waited for, but each one that may still run something; no younger one, no other app's."""
    leases = [place.lease(name) for name in (A, B, C)]
    place.lease("host:4/other", "other-app")
    assert {holder.worker for holder in place.leases.older_holders(leases[2])} == {leases[0].worker, leases[1].worker}
    assert {holder.worker for holder in place.leases.older_holders(leases[1])} == {leases[0].worker}
    assert place.leases.older_holders(leases[0]) == []
    place.leases.let_go(leases[0])
    assert [holder.worker for holder in place.leases.older_holders(leases[2])] == [leases[1].worker]
    place.leases.found_dead(leases[1].worker)
    assert place.leases.older_holders(leases[2]) == []


def test_a_holder_that_lives_is_told_by_its_beats(place: Place) -> None:
    """Each heartbeat changes what a successor sees of an older holder, so that a living one is never taken for silent."""
    old, new = place.lease(A), place.lease(B)
    (before,) = place.leases.older_holders(new)
    assert before.incarnation == A
    place.leases.beat({old.worker: ("active", "")}, [old])
    (after,) = place.leases.older_holders(new)
    assert after.beats > before.beats


def test_letting_go_late_takes_nothing_from_the_successor(place: Place) -> None:
    """A superseded worker that lets go, also offering its lease, does not touch the successor's lease."""
    old, new = place.lease(A), place.lease(B)
    place.leases.let_go(old, free=True)
    assert place.leases.holds(new)
    assert worker_row(place, old)["epoch"] == 0
    assert worker_row(place, new)["epoch"] == new.epoch


def test_a_lease_that_was_let_go_free_can_be_taken_at_once(place: Place) -> None:
    """A worker that stops offers its lease: the next look finds it free."""
    lease = place.lease(A)
    place.leases.let_go(lease, free=True)
    seen = look(place)
    assert seen.worker == ""
    assert not place.leases.holds(lease)
    assert place.leases.take_unchanged(seen, place.worker(B)) is not None


def test_letting_go_covers_a_take_nobody_knew_of(place: Place) -> None:
    """When the commit of a take was unclear, letting go of the earlier lease leaves no later epoch to be waited for."""
    lease = place.lease(A)
    place.leases.renew_epoch(lease)  # its answer was lost: the worker still has `lease`
    place.leases.let_go(lease)
    assert place.leases.older_holders(place.lease(B)) == []


# Workers' rows.


def test_a_beat_returns_the_leases_that_are_still_held(place: Place) -> None:
    """A process with several apps learns from its heartbeat which leases it has lost, and keeps the others alive."""
    mine, lost = place.lease(A, "app-a"), place.lease(A, "app-b")
    place.leases.take("app-b", place.worker(B, "app-b"))
    before = place.leases.look(["app-a", "app-b"])
    kept = place.leases.beat({mine.worker: ("active", ""), lost.worker: ("active", "a detail")}, [mine, lost])
    assert kept == [mine]
    after = place.leases.look(["app-a", "app-b"])
    assert after["app-a"].renewals > before["app-a"].renewals
    assert after["app-b"] == before["app-b"]
    assert (worker_row(place, lost)["status"], worker_row(place, lost)["detail"]) == ("active", "a detail")


def test_a_beat_shows_those_without_a_lease_too(place: Place) -> None:
    """Members of a pool and workers that stand by beat beside one that holds a lease; whatever their trouble says is shown."""
    mine, member = place.lease(A, "app-a"), place.worker(B, "pool")
    before = place.leases.look(["app-a"])
    trouble = "a\x00b \ud800 ü"
    assert place.leases.beat({member: ("standby", trouble), mine.worker: ("active", "")}, [mine]) == [mine]
    assert place.leases.look(["app-a"])["app-a"].renewals == before["app-a"].renewals + 1
    (row,) = place.select("SELECT beats, status, detail FROM workers WHERE id = :id", id=member)
    assert (row["beats"], row["status"], row["detail"]) == (1, "standby", "a\ufffdb ? ü")
    assert place.leases.beat({}, []) == []


def test_a_worker_that_lets_go_and_its_beat_do_not_wait_for_each_other(place: Place) -> None:
    """Whoever writes to a lease and to its worker takes the lease first: the other way round PostgreSQL would end one of two."""
    lease = place.lease(A)
    with place.another().database.write() as connection:
        connection.execute(sa.text("UPDATE leases SET renewals = renewals + 1"))
        letting_go = Background(lambda: place.leases.let_go(lease, free=True))
        eventually(lambda: place._waits(connection), what="it waits for the lease")
        connection.execute(sa.text("UPDATE workers SET beats = beats + 1"))
    letting_go.join()
    assert letting_go.result() is None
    assert place.leases.look([APP])[APP].worker == ""


def test_a_beat_of_an_earlier_epoch_renews_nothing(place: Place) -> None:
    """A worker that holds the lease under a newer epoch than it thinks is told so."""
    lease = place.lease(A)
    renewed = place.leases.renew_epoch(lease)
    assert place.leases.beat({lease.worker: ("active", "")}, [lease]) == []
    assert place.leases.beat({lease.worker: ("active", "")}, [renewed]) == [renewed]


def test_a_dead_worker_is_shown_as_dead(place: Place) -> None:
    """A worker that was found dead holds nothing, and its row says when that was seen."""
    lease = place.lease(A)
    place.clock.advance(5)
    place.leases.found_dead(lease.worker)
    row = worker_row(place, lease)
    assert (row["status"], row["epoch"], row["ended_us"]) == ("died", 0, place.clock.now_us())
    assert row["died"]


def test_a_worker_that_left_is_not_shown_as_dead(place: Place) -> None:
    """A worker that ended in good order stays so when its process is gone, though it did not wait for its last handler."""
    lease = place.lease(A)
    place.leases.leave(lease.worker)
    left = worker_row(place, lease)
    place.clock.advance(5)
    place.leases.found_dead(lease.worker)
    row = worker_row(place, lease)
    assert not row["died"]
    assert (row["status"], row["ended_us"], row["epoch"]) == ("stopped", left["ended_us"], 0)


def test_a_worker_can_enter_again(place: Place) -> None:
    """An app that is removed from a process and added again has one row, which says that it runs."""
    worker = place.worker(A)
    place.leases.leave(worker)
    place.clock.advance(1)
    assert place.worker(A) == worker
    (row,) = place.select("SELECT * FROM workers")
    assert (row["status"], row["ended_us"], row["started_us"]) == ("starting", None, place.clock.now_us())


# One worker's side of it.


class Locks:
    """Proofs of death that a test decides about."""

    proof_seconds = 1.5

    def __init__(self) -> None:
        self.dead: set[str] = set()

    def hold(self) -> None:
        """Do nothing: nobody asks."""

    def is_free(self, incarnation: str) -> bool:
        """Tell what the test said."""
        return incarnation in self.dead

    def release(self) -> None:
        """Do nothing."""


class Unclear(Leases):
    """Leases whose next commit comes through though its answer is lost."""

    lost: str = ""

    def take(self, app: str, worker: str) -> Lease:
        """Take, and say that the table is away."""
        return self._lose("take", super().take(app, worker))

    def take_unchanged(self, seen: LeaseRow, worker: str) -> Lease | None:
        """Take, and say that the table is away."""
        return self._lose("take_unchanged", super().take_unchanged(seen, worker))

    def renew_epoch(self, lease: Lease) -> Lease:
        """Renew, and say that the table is away."""
        return self._lose("renew_epoch", super().renew_epoch(lease))

    def _lose(self, what: str, lease: LeaseT) -> LeaseT:
        if self.lost == what:
            self.lost = ""
            raise TableUnavailable("the answer is lost")
        return lease


LEASE_SECONDS = 10.0


class Side:
    """One worker's side of APP's lease."""

    def __init__(self, place: Place, name: str, locks: Locks) -> None:
        self.worker = place.worker(name)
        self.leases = Unclear(place.database, place.clock)
        self.holding = Holding(
            APP, self.worker, leases=self.leases, liveness=locks, clock=place.clock, lease_seconds=LEASE_SECONDS
        )
        self._place = place

    def beat(self) -> None:
        """Show that it lives, and learn when its lease was taken."""
        held = [self.holding.lease] if self.holding.lease else []
        if self.leases.beat({self.worker: ("", "")}, held) != held:
            self.holding.superseded(channel=0)

    def look(self) -> None:
        """See how the lease stands."""
        self.holding.seen(look(self._place))

    def look_for(self, seconds: float) -> None:
        """See how the lease stands, again and again as a worker does, until that much time has passed."""
        ends = self._place.clock.monotonic() + seconds
        while self._place.clock.monotonic() < ends:
            self._place.clock.advance(min(1.0, ends - self._place.clock.monotonic()))
            self.look()
            self.work()

    def work(self) -> Post:
        """Do what a worker does at each turn, and return where it stands."""
        self.holding.pay_debts()
        try:
            self.holding.advance()
        except Superseded:
            self.holding.superseded(channel=0)
        return self.holding.post


@pytest.fixture
def locks() -> Locks:
    """Proofs of death: nobody is dead."""
    return Locks()


def test_the_first_worker_that_is_rung_is_active(place: Place, locks: Locks) -> None:
    """A worker that is rung takes the lease and, when nobody held it before, works at once."""
    one = Side(place, A, locks)
    assert one.work() is Post.STANDBY
    one.holding.rung(1)
    assert one.work() is Post.ACTIVE


def test_a_free_lease_is_taken_without_a_ring(place: Place, locks: Locks) -> None:
    """A worker that sees a free lease takes it: after a stop nobody needs to send anything first."""
    place.leases.make([APP])
    one, two = Side(place, A, locks), Side(place, B, locks)
    one.look()
    assert one.work() is Post.ACTIVE
    one.holding.drop(free=True)
    two.look()
    assert two.work() is Post.ACTIVE


def test_a_successor_works_when_the_old_holder_has_let_go(place: Place, locks: Locks) -> None:
    """A worker that took a lease starts nothing while the old holder lives and has not let go, however long that takes."""
    one, two = Side(place, A, locks), Side(place, B, locks)
    one.holding.rung(1)
    one.work()
    two.holding.rung(1)
    for _ in range(30):
        place.clock.advance(1.0)
        one.leases.beat({one.worker: ("", "")}, [])
        assert two.work() is Post.TAKING_OVER
    one.beat()
    assert one.holding.post is Post.STANDBY
    assert two.work() is Post.ACTIVE


@pytest.mark.parametrize("dead", [True, False])
def test_a_successor_does_not_wait_for_the_dead(place: Place, locks: Locks, dead: bool) -> None:
    """An old holder that is proven dead is not waited for; one that is only silent is, for the lease time."""
    one, two = Side(place, A, locks), Side(place, B, locks)
    one.holding.rung(1)
    one.work()
    locks.dead = {A} if dead else set()
    two.holding.rung(1)
    assert two.work() is Post.TAKING_OVER
    place.clock.advance(locks.proof_seconds)
    assert two.work() is (Post.ACTIVE if dead else Post.TAKING_OVER)
    two.look_for(LEASE_SECONDS - locks.proof_seconds)
    assert two.work() is Post.ACTIVE
    (row,) = place.select("SELECT died FROM workers WHERE id = :id", id=one.worker)
    assert bool(row["died"]) is dead, "what is not proven is not noted"


def test_a_lock_that_is_free_for_a_moment_proves_nothing(place: Place, locks: Locks) -> None:
    """A process whose database session was lost, and which shows a sign of life, is not taken for dead."""
    one, two = Side(place, A, locks), Side(place, B, locks)
    one.holding.rung(1)
    one.work()
    two.holding.rung(1)
    locks.dead = {A}
    for _ in range(5):
        assert two.work() is Post.TAKING_OVER
        place.clock.advance(1.0)
        one.leases.beat({one.worker: ("", "")}, [])


def test_a_silent_lease_is_taken_by_the_observers_clock(place: Place, locks: Locks) -> None:
    """A lease may be taken when it has not changed for the lease time since the observer first saw it so."""
    one, two = Side(place, A, locks), Side(place, B, locks)
    one.holding.rung(1)
    one.work()
    place.clock.advance(100.0)  # before the first look: proves nothing
    two.look()
    two.look_for(LEASE_SECONDS - 0.1)
    assert two.holding.lease is None
    one.beat()
    two.look()
    two.look_for(LEASE_SECONDS - 0.1)
    assert two.holding.lease is None
    two.look_for(0.1)
    assert two.holding.lease is not None


def test_what_nobody_looked_at_is_not_silence(place: Place, locks: Locks) -> None:
    """After an outage of the table, in which nobody could renew, a holder gets its whole lease time again."""
    one, two = Side(place, A, locks), Side(place, B, locks)
    one.holding.rung(1)
    one.work()
    two.look()
    two.look_for(LEASE_SECONDS - 1)
    place.clock.advance(60.0)
    two.look()
    assert two.holding.lease is None
    two.look_for(LEASE_SECONDS - 1)
    assert two.holding.lease is None
    two.look_for(1.0)
    assert two.holding.lease is not None


def test_two_that_wait_for_each_other_do_not_wait_for_ever(place: Place, locks: Locks) -> None:
    """A worker that lost the lease while it waited for another lets go, so that one of the two works."""
    one, two, three = Side(place, A, locks), Side(place, B, locks), Side(place, C, locks)
    one.holding.rung(1)
    one.work()
    two.holding.rung(1)
    three.holding.rung(1)
    one.holding.superseded(channel=1)
    assert three.work() is Post.TAKING_OVER
    assert two.work() is Post.STANDBY
    assert three.work() is Post.ACTIVE


def test_a_superseded_worker_is_not_rung_by_the_same_channel(place: Place, locks: Locks) -> None:
    """Deliveries that were in hand when the lease was lost are no reason to take it back; those of a new channel are."""
    one, two = Side(place, A, locks), Side(place, B, locks)
    one.holding.rung(1)
    one.work()
    two.holding.rung(1)
    one.holding.superseded(channel=1)
    one.holding.rung(1)
    assert one.holding.lease is None
    assert two.work() is Post.ACTIVE
    one.holding.rung(2)
    assert one.holding.lease is not None


@pytest.mark.parametrize("what", ["take", "take_unchanged", "renew_epoch"])
def test_an_unclear_take_holds_up_nobody(place: Place, locks: Locks, what: str) -> None:
    """When the answer to a take was lost, the worker lets go of what it may have taken: its successor does not wait."""
    place.leases.make([APP])
    one, two = Side(place, A, locks), Side(place, B, locks)
    one.leases.lost = what
    if what == "renew_epoch":
        one.holding.rung(1)
        one.work()
        assert one.holding.lease is not None
        with pytest.raises(TableUnavailable):
            one.holding.renew_epoch(one.holding.lease)
        with pytest.raises(Superseded):
            one.holding.renew_epoch(one.holding.lease)
        one.holding.superseded(channel=1)
    else:
        with pytest.raises(TableUnavailable):
            one.holding.rung(1) if what == "take" else one.look()
        assert one.work() is Post.STANDBY
    two.holding.rung(1)
    assert two.work() is Post.ACTIVE


def test_a_lease_left_over_in_the_own_name_is_taken_at_once(place: Place, locks: Locks) -> None:
    """A lease that names a worker which holds nothing, as after an unclear take, does not stand still for the lease time."""
    one = Side(place, A, locks)
    place.leases.make([APP])
    one.leases.lost = "take_unchanged"
    with pytest.raises(TableUnavailable):
        one.look()
    assert look(place).worker == one.worker
    one.work()
    one.look()
    assert one.work() is Post.ACTIVE


def test_what_could_not_be_let_go_is_let_go_later(place: Place, locks: Locks, monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker that stands by while the table is away lets go as soon as it answers, before it takes anything."""
    one, two = Side(place, A, locks), Side(place, B, locks)
    one.holding.rung(1)
    one.work()
    two.holding.rung(1)
    with monkeypatch.context() as patch:

        def away(*_args: object, **_more: object) -> None:
            raise TableUnavailable("away")

        patch.setattr(one.leases, "let_go", away)
        one.holding.superseded(channel=1)
        with pytest.raises(TableUnavailable):
            one.holding.pay_debts()
    assert two.work() is Post.TAKING_OVER
    assert one.work() is Post.STANDBY
    assert two.work() is Post.ACTIVE


# Proof of death.


@pytest.fixture
def hold(place: Place, tmp_path: Path) -> Iterator[Hold]:
    """Start a process that holds the lock of an incarnation: ``hold(incarnation)``."""
    with ExitStack() as stack:

        def begin(incarnation: str, *more: str) -> InterappProcess:
            command = (sys.executable, "-c", HOLD, place.url, incarnation, *more)
            process = stack.enter_context(InterappProcess(cwd=tmp_path, command=command))
            process.wait_for_line("^held$")
            return process

        yield begin


@pytest.fixture
def liveness(place: Place) -> Iterator[Liveness]:
    """The lock of this process, not held yet."""
    liveness = open_liveness(place.database, C)
    yield liveness
    liveness.release()


def test_a_killed_process_is_proven_dead(liveness: Liveness, hold: Hold) -> None:
    """While a process lives its lock is not free; after ``kill -9`` it is, at once and by itself."""
    process, other = hold(A), hold(B)
    assert not liveness.is_free(A)
    process.kill()
    eventually(lambda: liveness.is_free(A), timeout=5.0, what="the lock of the killed process is free")
    assert not liveness.is_free(B)
    assert other.running


def test_a_frozen_process_is_not_dead(liveness: Liveness, hold: Hold) -> None:
    """A process that was stopped by SIGSTOP keeps its lock: it may go on at any time."""
    process = hold(A)
    process.pause()
    with pytest.raises(AssertionError, match="the lock of the frozen process"):
        eventually(lambda: liveness.is_free(A), timeout=1.0, what="the lock of the frozen process")
    process.resume()
    assert not liveness.is_free(A)


def test_a_lock_that_was_let_go_is_free(liveness: Liveness, hold: Hold) -> None:
    """A process that ends in good order frees its lock before it is gone."""
    hold(A)
    process = hold(B, "let go")
    eventually(lambda: liveness.is_free(B), what="the lock that was let go is free")
    assert process.running
    assert not liveness.is_free(A)


def test_looking_at_locks_takes_none(place: Place, liveness: Liveness, hold: Hold) -> None:
    """Processes that look at one lock, even all the time, neither take it nor make a dead process look alive for ever."""
    process = hold(A)
    lookers = [open_liveness(place.database, f"host:{number}/looker") for number in range(3)]
    for looker in lookers:
        looker.hold()
    assert [looker.is_free(A) for looker in lookers] == [False] * 3
    process.kill()
    for looker in lookers:
        eventually(lambda looker=looker: looker.is_free(A), timeout=5.0)  # type: ignore[misc]
    assert [liveness.is_free(f"host:{number}/looker") for number in range(3)] == [False] * 3
    for looker in lookers:
        looker.release()
    assert [liveness.is_free(f"host:{number}/looker") for number in range(3)] == [True] * 3


def test_the_own_lock_can_be_held_again(place: Place, liveness: Liveness) -> None:
    """Holding twice is harmless, and after a release the lock is free for every look until it is held again."""
    looker = open_liveness(place.database, A)
    assert looker.is_free(C)
    liveness.hold()
    liveness.hold()
    assert not looker.is_free(C)
    liveness.release()
    liveness.release()
    assert looker.is_free(C)
    liveness.hold()
    assert not looker.is_free(C)


def test_a_lock_whose_session_ended_is_taken_again(ready_postgres_url: str) -> None:
    """A PostgreSQL session that the server ended, though the process lives, is replaced at the next beat."""
    with Place.opened(ready_postgres_url) as place:
        liveness = open_liveness(place.database, A)
        looker = place.another()
        look = open_liveness(looker.database, B)
        liveness.hold()
        assert not look.is_free(A)
        with looker.database.write() as connection:
            others = sa.text(
                "SELECT pg_terminate_backend(pid) FROM pg_locks JOIN pg_database ON database = pg_database.oid"
                " WHERE locktype = 'advisory' AND datname = current_database()"
            )
            assert connection.execute(others).scalars().all() == [True]
        eventually(lambda: look.is_free(A), what="the lock ended with its session")
        liveness.hold()
        assert not look.is_free(A)
        liveness.release()
        assert eventually(lambda: look.is_free(A))


def test_a_beat_never_waits_for_a_lock_of_its_own(ready_postgres_url: str) -> None:
    """While the server has not noticed that our old session is gone, a beat goes on; the lock is taken when it can be."""
    with Place.opened(ready_postgres_url) as place:
        zombie, liveness = open_liveness(place.database, A), open_liveness(place.database, A)
        zombie.hold()
        beat = Background(liveness.hold)
        beat.join(5.0)
        beat.result()
        zombie.release()
        looker = open_liveness(place.database, B)
        eventually(lambda: liveness.hold() or not looker.is_free(A), what="the lock is held by the new session")
        liveness.release()


def test_locks_of_dead_processes_are_swept_away(tmp_path: Path) -> None:
    """Lock files of processes that were killed do not pile up beside the SQLite database."""
    database = Database(f"sqlite:///{tmp_path / 'table.db'}")
    folder = tmp_path / "table.db-locks"
    folder.mkdir()
    for number in range(3):
        (folder / f"{number:016x}.lock").touch()
    one, two = open_liveness(database, A), open_liveness(database, B)
    one.hold()
    two.hold()
    assert len(list(folder.iterdir())) == 2
    assert not one.is_free(B)
    assert not two.is_free(A)
    one.release()
    two.release()
    assert list(folder.iterdir()) == []
    database.close()
