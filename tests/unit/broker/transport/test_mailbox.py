"""One address of the memory transport."""

from __future__ import annotations

from broker.messages.envelope import Envelope
from broker.transport.memory.mailbox import Channel, Mailbox


def envelope(name: str, size: int = 1) -> Envelope:
    """Return an envelope."""
    return Envelope(message_id=name, kind="k", body=bytes(size), destination="app")


def dealt(mailbox: Mailbox) -> tuple[int, str, list[int]]:
    """Return channel, ids and tags of what is dealt now."""
    channel, given = mailbox.deal() or (Channel(0, 0), ())
    return channel.number, "".join(kept.envelope.message_id for _, kept in given), [tag for tag, _ in given]


def test_only_the_first_channel_is_dealt_to() -> None:
    """The longest open channel gets all that its prefetch allows; the next one only after it closed."""
    mailbox, active, standby = Mailbox(), Channel(1, 2), Channel(2, 10)
    mailbox.open(active)
    mailbox.open(standby)
    for name in "abcd":
        assert mailbox.put(envelope(name))
    assert dealt(mailbox) == (1, "ab", [1, 2])
    assert mailbox.deal() is None
    mailbox.ack(active, 1)
    assert dealt(mailbox) == (1, "c", [3])
    mailbox.close(active)
    assert dealt(mailbox) == (2, "bcd", [1, 2, 3])


def test_what_is_handed_back_comes_first_and_marked() -> None:
    """Unacknowledged messages return in order before the others, as redelivered, the others not."""
    mailbox, first = Mailbox(), Channel(1, 2)
    mailbox.open(first)
    for name in "abc":
        mailbox.put(envelope(name))
    mailbox.deal()
    mailbox.close(first)
    mailbox.close(first)
    mailbox.open(Channel(2, 10))
    _, given = mailbox.deal() or (None, ())
    assert [(kept.envelope.message_id, kept.redelivered) for _, kept in given] == [
        ("a", True),
        ("b", True),
        ("c", False),
    ]


def test_it_is_bounded_until_something_is_acknowledged() -> None:
    """Count and bytes are bounded, delivered or not; an acknowledgement makes room; one alone always fits."""
    mailbox, channel = Mailbox(most=2, most_bytes=100), Channel(1, 10)
    mailbox.open(channel)
    assert mailbox.put(envelope("a", 1000))
    assert not mailbox.put(envelope("b"))
    mailbox.deal()
    assert not mailbox.put(envelope("b"))
    mailbox.ack(channel, 1)
    assert [mailbox.put(envelope(name)) for name in "bcd"] == [True, True, False]
