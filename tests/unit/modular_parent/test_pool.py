"""Who of a pool serves which slots: the decision alone, over every way in which members come, go and take leases."""

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lantime.contract import SlotPost
from modular_parent.pool import SlotView, assign

A, B, C, D, E = (f"host-{letter}:1/{letter * 8}" for letter in "abcde")
MEMBERS = (A, B, C, D, E)
SLOTS = tuple(f"clk{number}" for number in range(1, 7))
FIXED = "own:1/ffffffff"


def settle(
    living: set[str],
    posts: Mapping[str, SlotPost],
    *,
    slots: tuple[str, ...] = SLOTS,
    fixed: frozenset[str] = frozenset(),
) -> dict[str, SlotPost]:
    """Decide until nothing changes any more, each server taking its lease meanwhile; at most as often as anybody can move."""
    for _ in range(20):
        holders = {slot: post.server for slot, post in posts.items()}
        views = {
            slot: SlotView(
                posts.get(slot, SlotPost()),
                FIXED if slot in fixed else holders.get(slot),
                frozenset({FIXED} if slot in fixed else ()),
            )
            for slot in slots
        }
        after = assign(views, living)
        if after == posts:
            return after
        posts = after
    raise AssertionError(f"it never comes to rest: {posts}")


def served(posts: Mapping[str, SlotPost], member: str) -> int:
    """Return how many slots a member serves."""
    return sum(post.server == member for post in posts.values())


posts_of = st.builds(
    SlotPost, server=st.sampled_from([None, *MEMBERS, "gone"]), standby=st.sampled_from([None, *MEMBERS, "gone"])
)
views = st.dictionaries(
    st.sampled_from(SLOTS),
    st.builds(
        SlotView,
        post=posts_of,
        holder=st.sampled_from([None, *MEMBERS, "gone", FIXED]),
        fixed=st.sampled_from([frozenset[str](), frozenset({FIXED})]),
    ),
)
members = st.sets(st.sampled_from(MEMBERS))


@given(views, members, members)
def test_one_living_member_serves_each_slot(slots: dict[str, SlotView], living: set[str], unseen: set[str]) -> None:
    """Whatever was before: each slot has one server of those that are there, and nobody stands by for himself."""
    unseen -= living
    posts = assign(slots, living, unseen)
    assert posts.keys() == slots.keys()
    for slot, post in posts.items():
        assert set(post.members) <= living | unseen
        assert post.standby is None or post.standby != post.server
        if living and not slots[slot].fixed:
            assert post.server is not None


@given(views, members, members)
def test_who_is_not_known_to_live_is_given_nothing(
    slots: dict[str, SlotView], living: set[str], unseen: set[str]
) -> None:
    """A member that was not seen to live keeps slots that it had, and gets none."""
    posts = assign(slots, living, unseen - living)
    for slot, post in posts.items():
        assert set(post.members) - living <= set(slots[slot].post.members)


@given(views, members)
def test_a_slot_stays_where_it_is(slots: dict[str, SlotView], living: set[str]) -> None:
    """A member that lives and serves keeps a slot, unless it serves several and another one nothing."""
    posts = assign(slots, living)
    for slot, post in posts.items():
        before = slots[slot].post.server
        if before in living and slots[slot].holder == before and post.server != before:
            assert sum(before in {view.post.server, view.holder} for view in slots.values()) > 1
            assert post.server is not None
            assert all(view.post.server != post.server or view.holder != post.server for view in slots.values())


@given(views, members)
def test_it_comes_to_rest_and_spreads(slots: dict[str, SlotView], living: set[str]) -> None:
    """From any state it comes to rest; then nobody serves several while another serves none, and all have a standby."""
    names = tuple(sorted(slots))
    fixed = frozenset(slot for slot, view in slots.items() if view.fixed)
    posts = settle(living, {slot: view.post for slot, view in slots.items()}, slots=names, fixed=fixed)
    loads = [served(posts, member) for member in living]
    assert not loads or min(loads) > 0 or max(loads) <= 1
    for slot, post in posts.items():
        if len(living) > 1 or (living and slot in fixed):
            assert post.standby is not None


@given(st.integers(1, 5), st.integers(1, 6))
def test_from_nothing_it_is_spread_evenly(count: int, slots: int) -> None:
    """Members that come together serve equally many slots, and stand by for about equally many."""
    living = set(MEMBERS[:count])
    posts = settle(living, {}, slots=SLOTS[:slots])
    loads = [served(posts, member) for member in living]
    assert max(loads) - min(loads) <= 1
    if count >= 2 * slots:
        assert len({member for post in posts.values() for member in post.members}) == 2 * slots, "nobody has two"


@given(st.sampled_from(MEMBERS[:3]))
def test_a_lost_member_moves_nobody_else(lost: str) -> None:
    """When a member is lost its slot goes to its standby, and every other slot stays with its server."""
    before = settle({A, B, C}, {}, slots=("clk1", "clk2"))
    after = settle({A, B, C} - {lost}, before, slots=("clk1", "clk2"))
    for slot, post in before.items():
        assert after[slot].server == (post.standby if post.server == lost else post.server)


def test_three_members_and_two_slots() -> None:
    """With a member to spare, two serve a slot each, and the third stands by for both."""
    posts = settle({A, B, C}, {}, slots=("clk1", "clk2"))
    assert posts == {"clk1": SlotPost(server=A, standby=C), "clk2": SlotPost(server=B, standby=C)}


def test_members_that_come_one_after_the_other_end_up_alike() -> None:
    """The first has everything until others come: one takes a slot over, the next the standby's place."""
    slots = ("clk1", "clk2")
    alone = settle({A}, {}, slots=slots)
    assert alone == {slot: SlotPost(server=A) for slot in slots}
    two = settle({A, B}, alone, slots=slots)
    assert {post.server for post in two.values()} == {A, B}
    three = settle({A, B, C}, two, slots=slots)
    assert {slot: post.server for slot, post in three.items()} == {slot: post.server for slot, post in two.items()}
    assert C in {post.standby for post in three.values()}


def test_where_the_standby_took_over_it_serves() -> None:
    """The lease tells who serves: the two change places, and nobody is moved."""
    view = SlotView(SlotPost(server=A, standby=B), holder=B)
    assert assign({"clk1": view}, {A, B}) == {"clk1": SlotPost(server=B, standby=A)}


def test_a_standby_waits_until_the_slot_is_served() -> None:
    """Before the server holds the lease nobody stands by: it could be quicker than the one that should serve."""
    view = SlotView(SlotPost(server=A))
    assert assign({"clk1": view}, {A, B}) == {"clk1": SlotPost(server=A)}


@pytest.mark.parametrize(
    ("post", "holder", "fixed", "expected"),
    [
        (SlotPost(), FIXED, {FIXED}, SlotPost(standby=A)),
        (SlotPost(standby=B), FIXED, {FIXED}, SlotPost(standby=B)),
        (SlotPost(standby=B), B, {FIXED}, SlotPost(server=B)),
        (SlotPost(server=A, standby=B), A, {FIXED}, SlotPost(server=A)),
        (SlotPost(server=A), FIXED, {FIXED}, SlotPost(standby=A)),
        (SlotPost(standby=B), FIXED, {FIXED, "own:2/ee"}, SlotPost()),
        (SlotPost(standby=B), None, set(), SlotPost(server=B)),
    ],
    ids=["stands by", "stays", "took over", "goes on", "gave way", "two of its own", "alone again"],
)
def test_a_child_of_its_own_comes_first(
    post: SlotPost, holder: str | None, fixed: set[str], expected: SlotPost
) -> None:
    """A slot with a child of its own gets one of the pool beside it, which serves only while it holds the lease."""
    assert assign({"clk1": SlotView(post, holder, frozenset(fixed))}, {A, B}) == {"clk1": expected}


def test_the_standby_is_on_another_host() -> None:
    """A standby on the host of the one that serves would be lost with it: one elsewhere is taken first."""
    near, far = "one:2/aa", "other:1/bb"
    view = SlotView(SlotPost(server="one:1/cc"), holder="one:1/cc")
    assert assign({"clk1": view}, {"one:1/cc", near, far})["clk1"].standby == far
    assert assign({"clk1": view}, {"one:1/cc", near})["clk1"].standby == near
