"""Who lives, as somebody sees it who gives out work to processes: kept on every database."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from contract.databases import APP, KINDS, Place, database_url

from broker.messages.envelope import Envelope
from broker.runtime.holding import BLIND_SECONDS
from broker.runtime.lookout import Life, Lookout, Muster
from broker.table.attendance import apps_with_open_rows

POOL = "m1000-a.pool"
OWN, A, B = "here:1/own", "host:1/a", "host:2/b"
LEASE_SECONDS = 10.0
PROOF_SECONDS = 1.5


class Locks:
    """The locks of processes: held, unless a test says that one is free."""

    proof_seconds = PROOF_SECONDS

    def __init__(self) -> None:
        self.free: set[str] = set()

    def hold(self) -> None:
        """Take none."""

    def is_free(self, incarnation: str) -> bool:
        """Tell what the test said."""
        return incarnation in self.free

    def release(self) -> None:
        """Free none."""


class Scene:
    """One observer, and processes that beat when a test lets them."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self.locks = Locks()
        self.lookout = self.observer()

    def observer(self) -> Lookout:
        """Return an observer that has seen nothing yet."""
        return Lookout(
            self.place.database,
            leases=self.place.leases,
            liveness=self.locks,
            clock=self.place.clock,
            lease_seconds=LEASE_SECONDS,
            own=OWN,
        )

    def enter(self, incarnation: str, app: str = POOL) -> None:
        """Let a process come."""
        self.place.worker(incarnation, app)

    def beat(self, incarnation: str, status: str = "unassigned") -> None:
        """Let a process beat."""
        self.place.leases.beat({f"{POOL}@{incarnation}": (status, "")}, [])

    def look(self, *apps: str) -> Muster:
        """Look at the pool, and at more apps."""
        return self.lookout.look([POOL, *apps])

    def lives(self) -> dict[str, Life]:
        """Look, and return who is there."""
        return {each.incarnation: each.life for each in self.look().attendees}

    def pass_seconds(self, seconds: float, *beating: str) -> dict[str, Life]:
        """Let time pass with a look every second, while these processes beat; return who is there at the end."""
        lives = self.lives()
        for _ in range(int(seconds)):
            self.place.clock.advance(1.0)
            for incarnation in beating:
                self.beat(incarnation)
            lives = self.lives()
        return lives


@pytest.fixture(params=KINDS)
def scene(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Scene]:
    """A database with the tables, of each kind in turn, and nobody there."""
    with Place.opened(database_url(request.param, request, tmp_path)) as place:
        yield Scene(place)


def test_who_was_there_before_the_first_look_must_beat(scene: Scene) -> None:
    """A row that the first look finds may be of a process that is long gone: it counts as living when it beats."""
    scene.enter(A)
    assert scene.lives() == {A: Life.UNSEEN}
    assert scene.pass_seconds(2) == {A: Life.UNSEEN}
    assert scene.pass_seconds(1, A) == {A: Life.LIVING}


def test_who_comes_while_somebody_looks_lives(scene: Scene) -> None:
    """A row that was not there at the look before is of a process that lives; the observer's own process always does."""
    scene.enter(OWN)
    assert scene.lives() == {OWN: Life.LIVING}
    scene.enter(A)
    assert scene.lives() == {OWN: Life.LIVING, A: Life.LIVING}


def test_the_rows_of_an_app_that_was_not_looked_at_did_not_come_since(scene: Scene) -> None:
    """When another app is looked at too, the rows that are there already prove nothing."""
    scene.lives()
    scene.enter(A, APP)
    assert [each.life for each in scene.look(APP).attendees] == [Life.UNSEEN]


def test_a_free_lock_proves_death(scene: Scene) -> None:
    """A process whose lock is free and that does not beat is dead as soon as that is a proof, and its row says so."""
    scene.enter(A)
    scene.pass_seconds(1, A)
    scene.locks.free.add(A)
    assert scene.pass_seconds(1) == {A: Life.LIVING}, "too early: its session may only have ended"
    assert scene.pass_seconds(1) == {}
    (row,) = scene.place.select("SELECT status, ended_us FROM workers")
    assert row["status"] == "died"
    assert row["ended_us"] is not None


def test_silence_is_gone_only_after_the_lease_time(scene: Scene) -> None:
    """Without proof a silent process counts as gone after the lease time by the observer's clock, and lives when it beats again."""
    scene.enter(A)
    scene.enter(B)
    assert scene.pass_seconds(3, A, B) == {A: Life.LIVING, B: Life.LIVING}
    assert scene.pass_seconds(LEASE_SECONDS - 1, B) == {A: Life.LIVING, B: Life.LIVING}
    assert scene.pass_seconds(1, B) == {B: Life.LIVING}
    assert scene.pass_seconds(1, A, B) == {A: Life.LIVING, B: Life.LIVING}


def test_an_observer_that_saw_nothing_meanwhile_concludes_nothing(scene: Scene) -> None:
    """After a time in which the observer could not look, nobody is gone: it begins to count anew."""
    scene.enter(A)
    scene.pass_seconds(1, A)
    scene.place.clock.advance(LEASE_SECONDS + BLIND_SECONDS)
    assert scene.lives() == {A: Life.LIVING}
    scene.place.clock.advance(1.0)
    assert scene.lives() == {A: Life.LIVING}


def test_who_ended_is_not_there(scene: Scene) -> None:
    """A process that left in good order is not listed; one that stops is, and says so."""
    scene.enter(A)
    scene.enter(B)
    scene.beat(A, "stopping")
    scene.place.leases.leave(f"{POOL}@{B}")
    assert [(each.incarnation, each.status) for each in scene.look().attendees] == [(A, "stopping")]


def test_who_holds_a_lease_is_told(scene: Scene) -> None:
    """For every app the process that holds its lease is named; a free lease has no holder."""
    scene.place.lease(A)
    scene.place.leases.make(["m1000-a.clk2"])
    assert scene.look(APP, "m1000-a.clk2").holders == {APP: A}


def test_what_is_left_to_do_is_told(scene: Scene) -> None:
    """An app has something to do while a row of it is in processing, or waits and is due; a later one may wait."""
    place, now_us = scene.place, scene.place.clock.now_us()
    later_ms = now_us // 1000 + 3_600_000
    place.send(
        Envelope(message_id="1", kind="t", body=b"{}", destination=APP),
        Envelope(message_id="2", kind="t", body=b"{}", destination="later", at_ms=later_ms),
    )
    apps = [APP, "later", "none"]
    assert apps_with_open_rows(place.database, apps, now_us) == {APP}
    (claimed,) = place.claim(place.lease(A))
    assert apps_with_open_rows(place.database, apps, now_us) == {APP}, "in processing"
    assert claimed.envelope.message_id == "1"
    assert apps_with_open_rows(place.database, apps, later_ms * 1000 + 1) == {APP, "later"}
    assert apps_with_open_rows(place.database, [], now_us) == set()
