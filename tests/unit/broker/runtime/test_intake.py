"""What a consumer was given and has not acknowledged yet."""

from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.lifecycle.state import State
from broker.messages.envelope import Envelope
from broker.runtime.intake import ACK_AFTER_SECONDS, RECENT, Intake
from broker.table.rows import Standing
from broker.transport.seam import Delivery

NOW_US = 1_000_000
FINAL = Standing(State.SUCCEEDED, 0)
DUE = Standing(State.WAITING, 0)
RUNNING = Standing(State.PROCESSING, 0)
LATER = Standing(State.WAITING, NOW_US + 1)


def delivery(tag: int, message_id: str = "", *, channel: int = 1, call_id: str = "call", user: str = "") -> Delivery:
    """Return a delivery of message ``m<tag>``, unless another is named."""
    name = message_id or f"m{tag}"
    envelope = Envelope(message_id=name, kind="test.note", body=b"", destination="app", call_id=call_id, user=user)
    return Delivery(envelope, channel, tag, redelivered=False, received_us=1000 + tag)


def intake(tags: Iterable[int]) -> Intake:
    """Return an intake that was given these tags."""
    made = Intake()
    made.add(delivery(tag) for tag in tags)
    return made


def learn(made: Intake, monotonic: float = 0.0, **standings: Standing) -> None:
    """Note where rows stand."""
    made.learn({(name, ""): standing for name, standing in standings.items()}, now_us=NOW_US, monotonic=monotonic)


def test_only_a_prefix_is_acknowledged() -> None:
    """A delivery is acknowledged when it and all before it may be; the first that may not holds up the rest."""
    made = intake([1, 2, 3, 4])
    learn(made, m1=FINAL, m2=FINAL, m4=FINAL)
    assert made.acknowledge(monotonic=0.0) == (1, 2)
    assert made.acknowledge(monotonic=0.0) is None
    assert len(made) == 2
    learn(made, m3=FINAL)
    assert made.acknowledge(monotonic=0.0) == (1, 4)
    assert len(made) == 0


@pytest.mark.parametrize(
    ("standing", "acknowledged"), [(FINAL, True), (LATER, True), (DUE, False), (RUNNING, False), (None, False)]
)
def test_what_may_be_acknowledged(standing: Standing | None, acknowledged: bool) -> None:
    """Final rows and rows that wait for a later time are acknowledged at once; due, running and unseen ones are not."""
    made = intake([1])
    if standing is not None:
        learn(made, m1=standing)
    assert (made.acknowledge(monotonic=0.0) == (1, 1)) is acknowledged


def test_a_committed_row_is_acknowledged_after_a_minute() -> None:
    """A backlog neither fills the prefetch nor meets RabbitMQ's consumer timeout: its rows are in the table."""
    made = intake([1, 2])
    learn(made, 100.0, m1=DUE)
    learn(made, 130.0, m1=DUE, m2=DUE)
    assert made.acknowledge(monotonic=100.0 + ACK_AFTER_SECONDS - 0.1) is None
    assert made.acknowledge(monotonic=100.0 + ACK_AFTER_SECONDS) == (1, 1)
    assert made.acknowledge(monotonic=130.0 + ACK_AFTER_SECONDS) == (1, 2)


def test_a_row_that_was_not_seen_is_never_acknowledged() -> None:
    """However long a delivery lies there: without a row it is all there is of its message."""
    made = intake([1, 2])
    learn(made, m2=FINAL)
    assert made.acknowledge(monotonic=1e9) is None
    assert made.unknown_count() == 1


def test_a_claim_shows_that_the_row_is_committed() -> None:
    """A claimed row need not be looked up, and counts as committed from the claim on."""
    made = intake([1])
    made.claimed([("m1", "")], monotonic=50.0)
    assert made.unknown(foreign_only=False) == []
    assert made.acknowledge(monotonic=50.0) is None
    made.settled([("m1", "")], monotonic=51.0)
    assert made.acknowledge(monotonic=51.0) == (1, 1)


def test_a_newer_channel_forgets_the_older_one() -> None:
    """Deliveries of a lost channel were given back: they are neither acknowledged on the new one nor taken in late."""
    made = intake([1, 2, 3])
    learn(made, m1=FINAL, m2=FINAL)
    made.add([delivery(1, "m3", channel=2)])
    assert (made.channel, len(made)) == (2, 1)
    made.add([delivery(4, channel=1)])
    assert len(made) == 1
    assert made.acknowledge(monotonic=0.0) is None
    learn(made, m3=FINAL)
    assert made.acknowledge(monotonic=0.0) == (2, 1)


def test_a_ring_that_comes_after_the_outcome_is_acknowledged() -> None:
    """A row may be settled before its delivery arrives, the table being the order: the late ring needs no look."""
    made = Intake()
    made.settled([("m1", "")], monotonic=0.0)
    made.add([delivery(1)])
    assert made.unknown(foreign_only=False) == []
    assert made.acknowledge(monotonic=0.0) == (1, 1)


def test_only_so_many_settled_rows_are_remembered() -> None:
    """The memory of what was settled does not grow for ever; a forgotten row's ring is looked up."""
    made = Intake()
    made.settled([("old", "")], monotonic=0.0)
    made.settled([(f"n{number}", "") for number in range(RECENT)], monotonic=0.0)
    made.add([delivery(1, "old"), delivery(2, "n0")])
    assert [envelope.message_id for envelope in made.unknown(foreign_only=False)] == ["old"]


def test_a_message_delivered_twice_is_acknowledged_twice() -> None:
    """Both deliveries of one message end with its one row."""
    made = Intake()
    made.add([delivery(1, "same"), delivery(2, "same"), delivery(3, "else")])
    made.settled([("same", "")], monotonic=0.0)
    assert made.acknowledge(monotonic=0.0) == (1, 2)
    made.settled([("else", ""), ("same", "")], monotonic=0.0)
    assert made.acknowledge(monotonic=0.0) == (1, 3)


def test_users_ids_are_told_apart() -> None:
    """The outcome of one user's message does not acknowledge another user's with the same id."""
    made = Intake()
    made.add([delivery(1, "17", user="one"), delivery(2, "17", user="two")])
    made.settled([("17", "two")], monotonic=0.0)
    assert made.acknowledge(monotonic=0.0) is None
    made.settled([("17", "one")], monotonic=0.0)
    assert made.acknowledge(monotonic=0.0) == (1, 2)


def test_a_foreign_message_needs_its_row_first() -> None:
    """What our own senders publish has its row; what comes without a call is a foreign producer's and needs one now."""
    made = Intake()
    made.add([delivery(1), delivery(2, call_id=""), delivery(3)])
    assert [envelope.message_id for envelope in made.unknown(foreign_only=True)] == ["m2"]
    assert [envelope.message_id for envelope in made.unknown(foreign_only=False)] == ["m1", "m2", "m3"]
    assert made.unknown_count() == 3


def test_what_is_settled_stays_settled() -> None:
    """A look that was on its way while the outcome was committed does not reopen a delivery."""
    made = intake([1])
    made.settled([("m1", "")], monotonic=0.0)
    learn(made, m1=RUNNING)
    assert made.acknowledge(monotonic=0.0) == (1, 1)


def test_arrivals_tell_when_each_delivery_came() -> None:
    """The table shows when a message was received: each delivery's own time, by message id and user."""
    assert intake([1, 2]).arrivals() == {("m1", ""): 1001, ("m2", ""): 1002}


EVENTS = st.lists(
    st.tuples(st.sampled_from(["arrive", "settle", "see", "ack", "repair"]), st.integers(0, 5)), max_size=40
)


@given(EVENTS)
def test_no_delivery_is_acknowledged_before_its_row_is_safe(events: list[tuple[str, int]]) -> None:
    """In whatever order things happen, every tag that is acknowledged belongs to a row that was settled or seen long ago."""
    made, channel, tag, now = Intake(), 1, 0, 0.0
    given_out: dict[int, str] = {}
    settled: set[str] = set()
    seen: dict[str, float] = {}
    acknowledged = 0
    for what, number in events:
        now += 25.0
        name = f"m{number}"
        if what == "arrive":
            tag += 1
            given_out[tag] = name
            made.add([delivery(tag, name, channel=channel)])
        elif what == "settle":
            settled.add(name)
            made.settled([(name, "")], monotonic=now)
        elif what == "see":
            seen.setdefault(name, now)
            learn(made, now, **{name: DUE})
        elif what == "repair":
            channel, tag, acknowledged = channel + 1, 1, 0
            given_out = {1: name}
            made.add([delivery(1, name, channel=channel)])
        elif last := made.acknowledge(monotonic=now):
            assert last[0] == channel
            assert last[1] > acknowledged
            for one in range(acknowledged + 1, last[1] + 1):
                of = given_out[one]
                assert of in settled or now - seen.get(of, now) >= ACK_AFTER_SECONDS
            acknowledged = last[1]
    assert len(made) == tag - acknowledged


def test_deliveries_of_rows_that_were_settled_lately_are_no_news() -> None:
    """A claim takes rows before all of their deliveries have come: those are no reason to claim again, any other is."""
    made = intake([1])
    made.settled([("m1", ""), ("m2", "")], monotonic=0.0)
    assert not made.add([delivery(2), delivery(1)])
    assert made.add([delivery(3), delivery(2)])
    assert not made.add([])
    assert made.add([delivery(2, user="another")])
