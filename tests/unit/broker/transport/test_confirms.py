"""The window of unconfirmed envelopes."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from broker.messages.envelope import Envelope
from broker.transport.rabbitmq.confirms import Confirms, Sent


def ignore(*_: object) -> None:
    """Listen to nothing."""


def sent(number: int, destination: str = "app") -> Sent:
    """Return what was published."""
    return Sent(envelope=Envelope(message_id=str(number), kind="k", body=b"", destination=destination), settled=ignore)


def numbers(taken: list[Sent]) -> list[int]:
    """Return which were taken."""
    return [int(one.envelope.message_id) for one in taken]


def window(count: int) -> Confirms:
    """Return a window in which ``count`` are published, one a second."""
    confirms = Confirms()
    for number in range(1, count + 1):
        confirms.sent(sent(number), float(number))
    return confirms


def test_single_and_multiple_answers() -> None:
    """An answer takes its tag, or all up to it that are left, in order; a repeated or unknown one takes nothing."""
    confirms = window(6)
    assert numbers(confirms.taken(2, multiple=False)) == [2]
    assert numbers(confirms.taken(4, multiple=True)) == [1, 3, 4]
    assert numbers(confirms.taken(4, multiple=True)) == []
    assert numbers(confirms.taken(2, multiple=False)) == []
    assert numbers(confirms.taken(99, multiple=True)) == [5, 6]
    assert len(confirms) == 0


@given(st.integers(1, 40), st.lists(st.tuples(st.integers(0, 50), st.booleans()), max_size=40))
def test_each_is_taken_exactly_once(count: int, answers: list[tuple[int, bool]]) -> None:
    """Whatever answers come, in whatever order, each envelope is taken once, by an answer or at the end."""
    confirms = window(count)
    taken = [number for tag, multiple in answers for number in numbers(confirms.taken(tag, multiple=multiple))]
    taken += numbers(list(confirms.abandon()))
    assert sorted(taken) == list(range(1, count + 1))


def test_a_return_is_told_once_for_each() -> None:
    """A basic.return is matched by id and destination, and counted when two are alike."""
    confirms = window(1)
    one, elsewhere = sent(1), sent(1, "other")
    assert confirms.why_returned(one) is None
    confirms.returned("1", "app", "312 NO_ROUTE")
    confirms.returned("1", "app", "312 NO_ROUTE")
    assert confirms.why_returned(elsewhere) is None
    assert [confirms.why_returned(one) for _ in range(3)] == ["312 NO_ROUTE", "312 NO_ROUTE", None]


def test_what_is_overdue_is_taken_and_its_late_answer_ignored() -> None:
    """What has no answer for too long ends; an answer that comes later changes nothing."""
    confirms = window(4)
    assert numbers(confirms.overdue(3.0)) == [1, 2]
    assert numbers(confirms.taken(3, multiple=True)) == [3]
    assert numbers(confirms.overdue(3.0)) == []
    assert len(confirms) == 1
