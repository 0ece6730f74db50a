"""Envelopes of any content that AMQP can carry."""

from __future__ import annotations

from hypothesis import strategies as st

from broker.messages.due import EARLIEST_MS, LATEST_MS
from broker.messages.envelope import Envelope
from broker.transport.rabbitmq.wire import MAX_SECONDS, MAX_VERSION


def fits(text: str) -> bool:
    """Tell whether a text fits an AMQP short string."""
    return len(text.encode()) <= 255


texts = st.text(st.characters(exclude_characters="\x00", exclude_categories=("Cs",)), max_size=80).filter(fits)
envelopes = st.builds(
    Envelope,
    message_id=texts.filter(bool),
    kind=texts,
    body=st.binary(max_size=200),
    destination=st.just("m1000-a.clk1"),
    source=texts,
    call_id=texts,
    correlation_id=texts,
    reply_to=texts,
    content_type=texts.filter(bool),
    version=st.integers(1, MAX_VERSION),
    deadline_ms=st.none() | st.integers(0, MAX_SECONDS * 1000),
    at_ms=st.none() | st.integers(EARLIEST_MS, LATEST_MS),
    priority=st.integers(0, 9),
    traceparent=texts,
    sent_us=st.integers(0, MAX_SECONDS).map(lambda seconds: seconds * 1_000_000),
    user=st.sampled_from(["", "m1000-a"]),
)
