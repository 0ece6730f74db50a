"""Decides which members of a pool serve which slots. Pure.

The rules, in the order in which they count:

1. A slot is served by one member. While that one lives it stays, except as rule 5 says.
2. The lease tells who serves: where the standby took over, the two change places.
3. A child that was set up for a slot needs no member of the pool beside it but a standby.
4. What nobody serves goes to the member with the least to do.
5. A member that serves several slots hands one over to a member that serves none.
6. Every slot has a standby as soon as it is served and there is a second member: one that serves nothing rather than one
   that does, one on another host rather than one on the same, and of these the one with the least to do.
"""

from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field

from lantime.contract import SlotPost


@dataclass(frozen=True, slots=True)
class SlotView:
    """How one slot that needs a service stands."""

    post: SlotPost = field(default_factory=SlotPost)
    """Who was assigned so far."""
    holder: str | None = None
    """The process that holds the lease of the slot's service."""
    fixed: frozenset[str] = frozenset()
    """Living processes that were set up for this slot."""


def assign(
    slots: Mapping[str, SlotView], living: AbstractSet[str], unseen: AbstractSet[str] = frozenset()
) -> dict[str, SlotPost]:
    """Return who serves each slot from now on, for every slot that needs a service.

    ``living`` members may be given something; ``unseen`` ones, of which nobody knows yet whether they live, keep what they
    have.
    """
    staff = living | unseen
    plan = _Plan(slots, {slot: _standing(view, staff) for slot, view in sorted(slots.items())}, living)
    plan.fill()
    plan.hand_over()
    plan.give_standbys()
    plan.relieve_standbys()
    return plan.posts


def _standing(view: SlotView, staff: AbstractSet[str]) -> SlotPost:
    """Return what is left of a slot's post: without those who are lost, and as the lease tells."""
    server = view.post.server if view.post.server in staff else None
    standby = view.post.standby if view.post.standby in staff and view.post.standby != server else None
    if view.fixed:
        return _beside_fixed(view, [member for member in (server, standby) if member is not None])
    if server is None or (standby is not None and view.holder == standby):
        server, standby = standby, server
    return SlotPost(server=server, standby=standby)


def _beside_fixed(view: SlotView, members: list[str]) -> SlotPost:
    """Return the post beside children that were set up for the slot: whoever works goes on, one more is enough."""
    if view.holder in members:
        return SlotPost(server=view.holder)
    if len(view.fixed) > 1 or not members:
        return SlotPost()
    return SlotPost(standby=members[0])


class _Plan:
    """The posts while they are decided, and how much each member has to do."""

    def __init__(self, slots: Mapping[str, SlotView], posts: dict[str, SlotPost], living: AbstractSet[str]) -> None:
        self.posts = posts
        self._slots = slots
        self._living = sorted(living)

    def fill(self) -> None:
        """Give every slot that nobody serves to the member with the least to do."""
        for slot, post in self.posts.items():
            if post.server is None and not self._slots[slot].fixed and self._living:
                server = min(self._living, key=lambda member: (len(self._served(member)), self._load(member), member))
                self.posts[slot] = SlotPost(server=server)

    def hand_over(self) -> None:
        """Let members that serve several slots hand one over to each that serves none."""
        for idle in [member for member in self._living if not self._served(member)]:
            busiest = max(self._servers(), key=lambda member: (len(self._served(member)), member), default=idle)
            served = self._served(busiest)
            if len(served) > 1:
                # Where the idle one stands by already, it takes over at once. Nobody else stays: the one that hands over
                # or another standby might take the lease instead.
                slot = max(served, key=lambda slot: (self.posts[slot].standby == idle, slot))
                self.posts[slot] = SlotPost(server=idle)

    def give_standbys(self) -> None:
        """Give a standby to every slot that is served and has none. Not before: the standby might take its place."""
        for slot in self._settled():
            if len(self.posts[slot].members) + len(self._slots[slot].fixed) == 1:
                able = [member for member in self._living if member not in self.posts[slot].members]
                if able:
                    standby = min(able, key=lambda member: self._fitness(member, slot))
                    self.posts[slot] = self.posts[slot].model_copy(update={"standby": standby})

    def relieve_standbys(self) -> None:
        """Let each member that has nothing to do stand by for a slot in place of one that also serves."""
        for idle in [member for member in self._living if not self._load(member)]:
            doubled = [slot for slot in self._settled() if self._served(self.posts[slot].standby)]
            if doubled:
                slot = max(doubled, key=lambda slot: (self._load(self.posts[slot].standby), slot))
                self.posts[slot] = self.posts[slot].model_copy(update={"standby": idle})

    def _settled(self) -> Iterator[str]:
        """Return the slots whose service works, by whom it should."""
        for slot, post in self.posts.items():
            view = self._slots[slot]
            if view.holder is not None and (view.holder == post.server or view.holder in view.fixed):
                yield slot

    def _servers(self) -> set[str]:
        return {post.server for post in self.posts.values() if post.server is not None}

    def _served(self, member: str | None) -> list[str]:
        return [slot for slot, post in self.posts.items() if member is not None and post.server == member]

    def _load(self, member: str | None) -> int:
        return sum(member in post.members for post in self.posts.values())

    def _fitness(self, member: str, slot: str) -> tuple[bool, bool, int, str]:
        view = self._slots[slot]
        beside = {_host_of(process) for process in (self.posts[slot].server, *view.fixed) if process is not None}
        return bool(self._served(member)), _host_of(member) in beside, self._load(member), member


def _host_of(incarnation: str) -> str:
    """Return the host that an incarnation, ``host:pid/random``, names."""
    return incarnation.partition(":")[0]
