"""Who may be in one transaction with whom."""

from contract.databases import message, messages

from broker.messages.effects import Effects
from broker.runtime.group_commit import MOST_MESSAGES, Sender, joined, together


def sender(count: int = 1, doorbell: str = "") -> Sender:
    """Return a sender of so many messages."""
    return Sender(Effects(tuple(messages(count))), doorbell)


def test_all_who_wait_are_together() -> None:
    """All who wait are in one transaction, in the order in which they came."""
    queue = [sender(), sender(3), sender()]
    assert together(queue) == (queue, [])


def test_another_doorbell_waits_for_the_next_transaction() -> None:
    """A transaction has one doorbell, that of whoever is first; the others keep their order."""
    first, other, same, last = queue = [sender(doorbell="a"), sender(), sender(doorbell="a"), sender()]
    assert together(queue) == ([first, same], [other, last])


def test_a_transaction_has_an_end() -> None:
    """A transaction takes no more than so many messages; whoever is first is always in it."""
    first, too_much, fits = queue = [sender(MOST_MESSAGES - 1), sender(2), sender()]
    assert together(queue) == ([first, fits], [too_much])
    assert together([too_much]) == ([too_much], [])


def test_a_group_sends_in_the_order_in_which_it_came() -> None:
    """The messages and the events of a group are in the order of their senders, each sender's own in its order."""
    one = Effects((message("a"), message("b")), (message("e", destination=""),))
    two = Effects((message("c"),), (message("f", destination=""),))
    effects = joined([Sender(one, ""), Sender(two, "")])
    assert [envelope.message_id for envelope in effects.sent] == ["a", "b", "c"]
    assert [event.message_id for event in effects.events] == ["e", "f"]
