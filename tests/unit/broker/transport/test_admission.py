"""How much may be on its way."""

from __future__ import annotations

from broker.messages.envelope import Envelope
from broker.transport.rabbitmq.admission import Admission


def envelopes(*sizes: int) -> list[Envelope]:
    """Return envelopes with bodies of these sizes."""
    return [Envelope(message_id="i", kind="k", body=bytes(size), destination="app") for size in sizes]


def test_as_many_as_fit_are_admitted_from_the_first_on() -> None:
    """Count and bytes are bounded; what has ended makes room again."""
    admission = Admission(most=3, most_bytes=100)
    assert admission.admit(envelopes(10, 10, 10, 10)) == 3
    assert admission.admit(envelopes(10)) == 0
    admission.release(envelopes(10, 10))
    assert admission.admit(envelopes(50, 50)) == 1


def test_one_alone_always_fits() -> None:
    """A message larger than the limit is let through when nothing else is on its way."""
    admission = Admission(most=3, most_bytes=100)
    assert admission.admit(envelopes(1000, 1)) == 1
    admission.release(envelopes(1000))
    assert admission.admit(envelopes(1, 1000)) == 1
