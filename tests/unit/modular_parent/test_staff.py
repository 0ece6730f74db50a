"""Who may serve slots, as one look at a pool and the apps of its slots tells."""

from broker.runtime.lookout import Attendee, Life, Muster
from modular_parent.assigner import STOPPING, Staff, staff_of

POOL, CLK1 = "m1000-a.pool", "m1000-a.clk1"


def there(app: str, incarnation: str, life: Life = Life.LIVING, status: str = "standby") -> Attendee:
    """Return a process that is there."""
    return Attendee(app, incarnation, life, status)


def staff(*attendees: Attendee) -> Staff:
    """Return who of these may serve."""
    return staff_of(Muster(attendees, {}), POOL)


def test_members_and_children_of_their_own_are_told_apart() -> None:
    """A process at a slot's app is a child of its own, unless it is a member of the pool; members are told by their life."""
    found = staff(
        there(POOL, "a"),
        there(POOL, "b", Life.UNSEEN),
        there(CLK1, "a"),
        there(CLK1, "own"),
        there(CLK1, "long-gone", Life.UNSEEN),
    )
    assert found == Staff(frozenset({"a"}), frozenset({"b"}), {CLK1: frozenset({"own"})})


def test_who_stops_is_given_nothing() -> None:
    """A member that was asked to end is no member any more, nor is what it still runs a child of its own; so with children."""
    found = staff(there(POOL, "a", status=STOPPING), there(CLK1, "a"), there(CLK1, "own", status=STOPPING))
    assert found == Staff(frozenset(), frozenset(), {})
