"""The promises of ``broker/transport/seam.py``, kept by every transport."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace

import pytest
from contract.transports import (
    PATIENCE_S,
    QUIET_S,
    Bell,
    Carrier,
    Inbox,
    MemoryCarrier,
    RabbitMQCarrier,
    Settlements,
    letter,
    publish,
    registered,
    wait_until,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from broker.errors import ConnectionLost, NotConfirmed
from broker.messages.envelope import Envelope
from broker.transport.seam import Consumer, Reserved, Transport

Consume = Callable[..., Consumer]


@pytest.fixture(params=["memory", "rabbitmq"])
def carrier(request: pytest.FixtureRequest) -> Iterator[Carrier]:
    """Each transport in turn."""
    with ExitStack() as stack:
        if request.param == "memory":
            yield MemoryCarrier(stack)
        else:
            yield RabbitMQCarrier(stack, request.getfixturevalue("amqp_url"))


@pytest.fixture
def sender(carrier: Carrier) -> Transport:
    """The transport of a process that sends."""
    return carrier.open()


@pytest.fixture
def consume(carrier: Carrier) -> Consume:
    """Consume an address in a process of its own: ``consume(address, inbox, prefetch=…)``."""

    def begin(address: str, inbox: Inbox, prefetch: int = 200) -> Consumer:
        return registered(carrier.open().consume(address, inbox, prefetch=prefetch))

    return begin


def test_every_envelope_ends_exactly_once(sender: Transport) -> None:
    """Promise 1: however envelopes are handed over, each ends once, confirmed."""
    letters = [letter(sender, f"app-{number % 3}", number) for number in range(600)]
    settlements = Settlements()
    for start in range(0, 600, 70):
        sender.publish(letters[start : start + 70], settlements)
    settlements.confirmed(600)
    sender.close()
    assert sorted(envelope.message_id for envelope, _ in settlements.ended) == sorted(one.message_id for one in letters)


def test_what_never_can_be_published_ends_with_the_reason(sender: Transport) -> None:
    """Promise 1: a destination that is no address ends its own envelope with its name, and no other."""
    settlements = Settlements()
    good, bad, reserved = letter(sender, "app"), letter(sender, "No Address"), letter(sender, "dead-letters")
    sender.publish([bad, good, reserved], settlements)
    settlements.wait(3)
    outcomes = {envelope.message_id: error for envelope, error in settlements.ended}
    assert outcomes[good.message_id] is None
    assert isinstance(outcomes[bad.message_id], NotConfirmed)
    assert "No Address" in str(outcomes[bad.message_id])
    assert "reserved" in str(outcomes[reserved.message_id])


def test_publishing_nothing_calls_nobody(sender: Transport) -> None:
    """Promise 1: without envelopes nothing ends."""
    settlements, after = Settlements(), Settlements()
    sender.publish([], settlements)
    sender.publish([letter(sender, "app")], after)
    after.confirmed(1)
    assert not settlements.ended


def test_more_than_fits_is_refused_at_once(sender: Transport) -> None:
    """Promise 1: a flood is bounded: what does not fit ends as blocked, the rest is confirmed."""
    body = bytes(600 * 1024)
    letters = [letter(sender, "app", body=body) for _ in range(150)]
    settlements = Settlements()
    sender.publish(letters, settlements)
    errors = [type(error).__name__ for error in settlements.wait(150) if error is not None]
    assert 0 < len(errors) < 150
    assert set(errors) == {"Blocked"}


def test_a_callback_that_raises_harms_nobody(sender: Transport) -> None:
    """Promise 1: a defect in one publisher's callback keeps no outcome from another."""

    def defect(*_: object) -> None:
        raise RuntimeError("defect of the test")

    settlements = Settlements()
    sender.publish([letter(sender, "app")], defect)
    sender.publish([letter(sender, "app")], settlements)
    settlements.confirmed(1)


def test_a_callback_may_publish(sender: Transport) -> None:
    """Promise 1: publishing from a callback works and does not wait for itself."""
    settlements = Settlements()
    sender.publish([letter(sender, "app")], lambda *_: sender.publish([letter(sender, "app")], settlements))
    settlements.confirmed(1)


def test_a_consumer_that_starts_later_gets_it(sender: Transport, consume: Consume) -> None:
    """Promise 2: what was confirmed waits for a consumer that is not up yet."""
    letters = [letter(sender, "late", number) for number in range(20)]
    publish(sender, letters)
    inbox = Inbox()
    consume("late", inbox)
    assert inbox.wait_ids(20) == [one.message_id for one in letters]


def test_addresses_do_not_mix(sender: Transport, consume: Consume) -> None:
    """Promise 2: a consumer gets what is for its address and nothing else, also with a common prefix."""
    inboxes = {address: Inbox() for address in ("m1", "m1.clk1", "m1.clk10")}
    for address, inbox in inboxes.items():
        consume(address, inbox)
    letters = {address: letter(sender, address) for address in inboxes}
    publish(sender, list(letters.values()))
    for address, inbox in inboxes.items():
        assert inbox.wait_ids(1) == [letters[address].message_id]
        inbox.stays_at(1)


def test_what_is_acknowledged_never_comes_again(sender: Transport, consume: Consume) -> None:
    """Promise 2: an acknowledgement covers its tag and everything before it, and nothing after it."""
    letters = [letter(sender, "app", number) for number in range(10)]
    publish(sender, letters)
    inbox, later = Inbox(), Inbox()
    consumer = consume("app", inbox)
    sixth = inbox.wait(10)[5]
    consumer.ack(sixth.channel, sixth.tag)
    consumer.close()
    consume("app", later)
    assert later.wait_ids(4) == [one.message_id for one in letters[6:]]
    later.stays_at(4)


def test_acknowledging_too_much_or_too_late_is_harmless(sender: Transport, consume: Consume) -> None:
    """Promise 6: a tag never delivered, one acknowledged before, and one of another channel change nothing."""
    publish(sender, [letter(sender, "app", number) for number in range(3)])
    inbox, later = Inbox(), Inbox()
    consumer = consume("app", inbox)
    first = inbox.wait(3)[0]
    consumer.ack(first.channel, first.tag)
    consumer.ack(first.channel, first.tag)
    consumer.ack(first.channel + 7, 3)
    consumer.ack(first.channel, 0)
    assert consumer.probe(PATIENCE_S) == first.channel
    consumer.close()
    consumer.ack(first.channel, 3)
    consume("app", later)
    later.wait(2)
    later.stays_at(2)


def test_a_standby_gets_nothing_while_the_active_one_lives(sender: Transport, consume: Consume) -> None:
    """Promise 3: of two consumers only one is active, even when its prefetch is used up."""
    active, standby = Inbox(), Inbox()
    consume("app", active, prefetch=5)
    consume("app", standby, prefetch=5)
    publish(sender, [letter(sender, "app", number) for number in range(20)])
    active.wait(5)
    active.stays_at(5)
    standby.stays_at(0)


def test_a_standby_goes_on_after_the_active_one_closed(sender: Transport, consume: Consume) -> None:
    """Promises 3 and 4: the standby gets the rest and everything that was not acknowledged, the latter as redelivered."""
    active, standby = Inbox(), Inbox()
    first = consume("app", active, prefetch=5)
    consume("app", standby)
    letters = [letter(sender, "app", number) for number in range(12)]
    publish(sender, letters)
    second_delivery = active.wait(5)[1]
    first.ack(second_delivery.channel, second_delivery.tag)
    wait_until(lambda: len(active.deliveries) == 7, "two more, as two were acknowledged")
    first.close()
    delivered = standby.wait(10)
    standby.stays_at(10)
    active.stays_at(7)
    redelivered = {delivery.envelope.message_id for delivery in delivered if delivery.redelivered}
    assert redelivered == {one.message_id for one in letters[2:7]}
    assert {delivery.envelope.message_id for delivery in delivered} == {one.message_id for one in letters[2:]}


def test_a_rebuilt_consumer_goes_behind_the_others(sender: Transport, consume: Consume) -> None:
    """Promises 3 and 6: after a rebuild the other consumer is active, and the rebuilt one stands by on a new channel."""
    rebuilt, other = Inbox(), Inbox()
    first = consume("app", rebuilt)
    second = consume("app", other)
    before = first.probe(PATIENCE_S)
    assert before is not None
    first.rebuild()
    wait_until(lambda: (first.probe(PATIENCE_S) or 0) > before, "a new channel number")
    letters = [letter(sender, "app", number) for number in range(5)]
    publish(sender, letters)
    assert other.wait_ids(5) == [one.message_id for one in letters]
    rebuilt.stays_at(0)
    second.close()
    assert {delivery.channel for delivery in rebuilt.wait(5)} == {first.probe(PATIENCE_S)}


def test_a_rebuild_hands_back_what_was_not_acknowledged(sender: Transport, consume: Consume) -> None:
    """Promises 4 and 6: alone, a rebuilt consumer gets everything again, redelivered, tags from 1, on a later channel."""
    letters = [letter(sender, "app", number) for number in range(4)]
    publish(sender, letters)
    inbox = Inbox()
    consumer = consume("app", inbox)
    before = inbox.wait(4)
    assert not any(delivery.redelivered for delivery in before)
    consumer.rebuild()
    again = inbox.wait(8)[4:]
    assert [delivery.envelope for delivery in again] == [delivery.envelope for delivery in before]
    assert all(delivery.redelivered for delivery in again)
    assert [delivery.tag for delivery in again] == [1, 2, 3, 4]
    assert min(delivery.channel for delivery in again) > before[0].channel


def test_a_consumer_tells_what_waits_behind_its_prefetch(sender: Transport, consume: Consume) -> None:
    """Consumer: the backlog is what nobody was given yet, and cannot be told once it is closed."""
    publish(sender, [letter(sender, "app", number) for number in range(5)])
    inbox = Inbox()
    consumer = consume("app", inbox, prefetch=2)
    first = inbox.wait(2)[0]
    wait_until(lambda: consumer.backlog(PATIENCE_S) == 3, "three wait behind a prefetch of two")
    consumer.ack(first.channel, first.tag)
    inbox.wait(3)
    wait_until(lambda: consumer.backlog(PATIENCE_S) == 2, "one less")
    consumer.close()
    assert consumer.backlog(PATIENCE_S) is None


def test_an_acknowledgement_of_an_older_channel_does_nothing(sender: Transport, consume: Consume) -> None:
    """Promise 6: after a rebuild the tags of the channel before mean nothing."""
    publish(sender, [letter(sender, "app", number) for number in range(3)])
    inbox, later = Inbox(), Inbox()
    consumer = consume("app", inbox)
    old = inbox.wait(3)[2]
    consumer.rebuild()
    inbox.wait(6)
    consumer.ack(old.channel, old.tag)
    consumer.close()
    consume("app", later)
    later.wait(3)


def test_fresh_deliveries_come_in_order(sender: Transport, consume: Consume) -> None:
    """Promise 5: within one channel the order is that of publishing, through many batches and acknowledgements."""
    inbox = Inbox()
    consumer = consume("app", inbox, prefetch=50)
    letters = [letter(sender, "app", number) for number in range(1000)]
    settlements = Settlements()
    for start in range(0, 1000, 37):
        sender.publish(letters[start : start + 37], settlements)
    seen = 0
    while seen < 1000:
        deliveries = inbox.wait(seen + 1)
        seen = len(deliveries)
        consumer.ack(deliveries[-1].channel, deliveries[-1].tag)
    assert inbox.wait_ids(1000) == [one.message_id for one in letters]
    assert [delivery.tag for delivery in inbox.deliveries] == list(range(1, 1001))


def test_no_more_than_the_prefetch_is_unacknowledged(sender: Transport, consume: Consume) -> None:
    """Consume: the prefetch bounds what is delivered and not acknowledged, and an acknowledgement makes room."""
    inbox = Inbox()
    consumer = consume("app", inbox, prefetch=7)
    publish(sender, [letter(sender, "app", number) for number in range(30)])
    seventh = inbox.wait(7)[6]
    inbox.stays_at(7)
    consumer.ack(seventh.channel, seventh.tag - 4)
    inbox.wait(10)
    inbox.stays_at(10)


def test_callbacks_run_on_the_transports_own_thread(sender: Transport, consume: Consume) -> None:
    """Promise 7: neither sink nor callback is ever called on the thread that handed the work over."""
    inbox, settlements = Inbox(), Settlements()
    consume("app", inbox)
    sender.publish([letter(sender, "app")], settlements)
    settlements.confirmed(1)
    inbox.wait(1)
    assert threading.current_thread() not in inbox.threads | settlements.threads


def test_a_sink_that_raises_harms_nobody(sender: Transport, carrier: Carrier) -> None:
    """Promise 7: a defect in a sink stops neither the transport nor that consumer."""
    failures = threading.Semaphore(0)

    def defect(_: object) -> None:
        failures.release()
        raise RuntimeError("defect of the test")

    consumer = registered(carrier.open().consume("app", defect, prefetch=10))
    publish(sender, [letter(sender, "app")])
    assert failures.acquire(timeout=PATIENCE_S)
    publish(sender, [letter(sender, "app")])
    assert failures.acquire(timeout=PATIENCE_S)
    assert consumer.probe(PATIENCE_S) is not None


@pytest.mark.parametrize(
    "body",
    [b"", b"\x00\xff\xfe no text", "±20 ms · Zeitüberschreitung · 時刻".encode(), bytes(range(256)) * 4096],
    ids=["empty", "binary", "unicode", "1 MB"],
)
def test_bodies_arrive_as_they_are(sender: Transport, consume: Consume, body: bytes) -> None:
    """Promise 8: a body is bytes, of any content and size, and arrives unchanged."""
    inbox = Inbox()
    consume("app", inbox)
    sent = letter(sender, "app", body=body)
    publish(sender, [sent])
    assert inbox.wait(1)[0].envelope == sent


def test_every_field_arrives(sender: Transport, consume: Consume) -> None:
    """Envelope: every field arrives as it was sent; the time of sending in whole seconds."""
    inbox = Inbox()
    consume("m1000-a.clk1", inbox)
    sent = replace(
        letter(sender, "m1000-a.clk1"),
        kind="tcr.set-output",
        source="m1000-a",
        call_id="c" * 36,
        correlation_id="e" * 36,
        reply_to="desk.7",
        content_type="text/plain; charset=utf-8",
        version=3,
        deadline_ms=1_800_000_000_123,
        traceparent="00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        sent_us=1_700_000_000_000_000,
    )
    publish(sender, [sent])
    delivery = inbox.wait(1)[0]
    assert delivery.envelope == sent
    assert delivery.received_us > sent.sent_us
    assert (delivery.channel, delivery.tag, delivery.redelivered) == (1, 1, False)


def test_the_same_envelope_twice_arrives_twice(sender: Transport, consume: Consume) -> None:
    """Promise 2: the transport does not compare; who receives knows duplicates by their id."""
    inbox = Inbox()
    consume("app", inbox)
    sent = letter(sender, "app")
    publish(sender, [sent, sent])
    assert inbox.wait_ids(2) == [sent.message_id] * 2


def test_a_probe_tells_a_living_channel_from_a_closed_one(consume: Consume) -> None:
    """Consumer: a probe makes a round trip and returns the channel's number, and None once it is closed."""
    consumer = consume("app", Inbox())
    assert consumer.probe(PATIENCE_S) == 1
    assert consumer.link().up
    consumer.close()
    assert consumer.probe(PATIENCE_S) is None
    assert not consumer.link().up
    assert consumer.link().detail


def test_a_closed_consumer_hears_nothing_more(sender: Transport, consume: Consume) -> None:
    """Consumer: when close returns, its sink is not called again; closing again is harmless."""
    inbox = Inbox()
    consumer = consume("app", inbox)
    publish(sender, [letter(sender, "app")])
    inbox.wait(1)
    consumer.close()
    consumer.close()
    publish(sender, [letter(sender, "app")])
    inbox.stays_at(1)


def test_a_consumer_may_be_closed_from_its_own_sink(sender: Transport, carrier: Carrier) -> None:
    """Promise 7: what a sink asks of its consumer never waits for itself."""
    closed = threading.Event()
    later = Inbox()
    transport = carrier.open()

    def sink(_: object) -> None:
        consumer.probe(PATIENCE_S)
        consumer.close()
        closed.set()

    consumer = registered(transport.consume("app", sink, prefetch=1))
    publish(sender, [letter(sender, "app")])
    assert closed.wait(PATIENCE_S)
    transport.consume("app", later, prefetch=1)
    later.wait(1)


def test_only_addresses_can_be_consumed(sender: Transport) -> None:
    """Consume: what is no address is refused by name, before anything happens."""
    with pytest.raises(ValueError, match="'Not An Address' is no address"):
        sender.consume("Not An Address", Inbox(), prefetch=1)
    with pytest.raises(ValueError, match="reserved"):
        sender.consume("unroutable", Inbox(), prefetch=1)


def test_a_doorbell_is_heard(carrier: Carrier) -> None:
    """Listen and ring: who listens hears every id that others ring, and may have several listeners."""
    listening, ringing = carrier.open(), carrier.open()
    bell, other = Bell(), Bell()
    name = listening.listen(bell)
    assert listening.listen(other) == name
    ids = [f"id-{number}" for number in range(2500)]

    def rung() -> bool:
        ringing.ring(name, ["first"])
        return bell.heard(1, QUIET_S)

    wait_until(rung, "the doorbell is heard")
    heard = len(bell.ids)
    ringing.ring(name, ids)
    assert bell.heard(heard + 2500)
    assert set(bell.ids) == {"first", *ids}
    assert other.heard(len(bell.ids))


def test_ringing_nobody_is_harmless(sender: Transport) -> None:
    """Ring: a doorbell whose process is gone is not heard, and nothing else suffers."""
    sender.ring("interapp.replies.nobody-1-2", ["id"])
    sender.ring("", ["id"])
    publish(sender, [letter(sender, "app")])
    assert sender.link().up


def test_announcing_to_nobody_is_harmless(sender: Transport) -> None:
    """Announce: without foreign listeners nothing happens, whatever the event looks like."""
    sender.announce(
        [letter(sender, "app", source="m1", kind="x" * 300), letter(sender, "app", source="m1"), letter(sender, "app")]
    )
    publish(sender, [letter(sender, "app")])
    assert sender.link().up


def test_closing_is_idempotent_and_final(carrier: Carrier) -> None:
    """Close: it may be repeated; afterwards publishing ends with the reason, on another thread, and nothing is up."""
    transport = carrier.open()
    consumer = registered(transport.consume("app", Inbox(), prefetch=1))
    transport.close()
    transport.close()
    assert not transport.link().up
    assert not consumer.link().up
    assert consumer.probe(1.0) is None
    settlements = Settlements()
    transport.publish([letter(transport, "app")], settlements)
    assert isinstance(settlements.wait(1)[0], ConnectionLost)
    assert threading.current_thread() not in settlements.threads
    consumer.ack(1, 1)
    consumer.rebuild()
    consumer.close()
    transport.ring("nobody", ["id"])
    transport.announce([])


def test_closing_lets_what_was_handed_over_be_confirmed(sender: Transport) -> None:
    """Close: everything handed over has ended when close returns, and what a calm carrier took is confirmed."""
    settlements = Settlements()
    for number in range(50):
        sender.publish([letter(sender, f"app-{number % 2}", number) for _ in range(10)], settlements)
    sender.close()
    assert [error for _, error in settlements.ended] == [None] * 500


def test_closing_without_starting_is_harmless(carrier: Carrier) -> None:
    """Close: a transport that was never started ends what was handed over, and closes."""
    transport = carrier.unstarted()
    settlements = Settlements()
    transport.publish([letter(transport, "app")], settlements)
    transport.close()
    assert len(settlements.wait(1)) == 1


@given(
    changes=st.lists(
        st.sampled_from(["publish", "publish", "ack", "rebuild", "close", "consume"]), min_size=3, max_size=25
    )
)
@settings(max_examples=60, deadline=None)
def test_memory_loses_nothing_whatever_consumers_do(changes: list[str]) -> None:
    """Promises 2 to 4: whatever comes and goes, what was confirmed and not acknowledged is delivered in the end."""
    with ExitStack() as stack:
        transport = MemoryCarrier(stack).open()
        acked: set[str] = set()
        sent: list[Envelope] = []
        inbox = Inbox()
        consumer: Consumer | None = None
        for change in changes:
            if change == "publish":
                one = letter(transport, "app", len(sent))
                publish(transport, [one])
                sent.append(one)
            elif change == "consume" and consumer is None:
                consumer = transport.consume("app", inbox, prefetch=2)
            elif change == "rebuild" and consumer is not None:
                consumer.rebuild()
            elif change == "ack" and consumer is not None and consumer.probe(PATIENCE_S) and inbox.deliveries:
                last = inbox.deliveries[-1]
                if last.channel == consumer.probe(PATIENCE_S):
                    consumer.ack(last.channel, last.tag)
                    acked |= {
                        d.envelope.message_id
                        for d in inbox.deliveries
                        if (d.channel, d.tag) <= (last.channel, last.tag) and d.channel == last.channel
                    }
            elif change == "close" and consumer is not None:
                consumer.close()
                consumer, inbox = None, Inbox()
        if consumer is not None:
            consumer.close()
        rest = Inbox()
        transport.consume("app", rest, prefetch=1000)
        expected = [one.message_id for one in sent if one.message_id not in acked]
        assert rest.wait_ids(len(expected)) == expected


# What reached no app.


@pytest.mark.parametrize("queue", list(Reserved))
def test_what_reached_no_app_can_be_consumed(carrier: Carrier, queue: Reserved) -> None:
    """A reserved queue has any number of consumers, each is registered and closes; what has an app is not in it."""
    transport, inboxes = carrier.open(), [Inbox(), Inbox()]
    consumers = [registered(transport.consume_reserved(queue, inbox, prefetch=5)) for inbox in inboxes]
    child = Inbox()
    registered(transport.consume("child", child, prefetch=5))
    publish(transport, [letter(transport, "child")])
    assert child.wait(1)[0].origin is None
    for inbox, consumer in zip(inboxes, consumers, strict=True):
        inbox.stays_at(0)
        consumer.close()
