"""What reached no app is readable afterwards, whatever it was."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from pika import BasicProperties
from pika.spec import Basic

from broker.transport.rabbitmq.lost import MAX_HEADERS, to_lost

UNROUTABLE = "interapp.unroutable"
DEAD_LETTERS = "interapp.dead-letters"


def method(routing_key: object = "m1000-a.clk1") -> Basic.Deliver:
    """Return a delivery with this routing key."""
    return Basic.Deliver(consumer_tag="c", delivery_tag=1, exchange="", routing_key=routing_key)


def death(**fields: Any) -> dict[str, Any]:
    """Return headers as RabbitMQ makes them for a dead letter."""
    first = {
        "queue": "interapp.m1000-a.clk1",
        "reason": "expired",
        "count": 1,
        "time": datetime(2026, 1, 1, tzinfo=UTC),
    }
    return {"x-death": [first | fields, {"queue": "interapp.other", "reason": "maxlen"}]}


def test_what_has_no_queue_names_the_address() -> None:
    """An unroutable message says which address has no queue; that is where it was to go."""
    envelope, origin = to_lost(UNROUTABLE, method(), BasicProperties(message_id="1", type="a.b"), b"{}")
    assert (envelope.destination, envelope.message_id, envelope.body) == ("m1000-a.clk1", "1", b"{}")
    assert (origin.queue, origin.reason) == (UNROUTABLE, "no queue for 'm1000-a.clk1'")
    assert (origin.routing_key, origin.headers) == ("m1000-a.clk1", "{}")


def test_a_message_without_an_id_gets_none() -> None:
    """An id that is made at each delivery would make a new letter of each."""
    assert to_lost(UNROUTABLE, method(), BasicProperties(), b"")[0].message_id == ""


@pytest.mark.parametrize("routing_key", ["", "No Address", "unroutable", "a" * 250, b"\xff"])
def test_what_was_sent_to_no_address_has_no_destination(routing_key: object) -> None:
    """What no app can be called is no destination; it stays visible as the routing key."""
    envelope, origin = to_lost(UNROUTABLE, method(routing_key), BasicProperties(), b"")
    assert envelope.destination == ""
    assert origin.routing_key == str(routing_key)


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({}, "expired in its queue: interapp.m1000-a.clk1"),
        ({"count": 3}, "expired in its queue: interapp.m1000-a.clk1, 3 times"),
        ({"reason": "rejected"}, "rejected by its consumer: interapp.m1000-a.clk1"),
        ({"reason": "delivery_limit"}, "given up after too many deliveries: interapp.m1000-a.clk1"),
        ({"reason": "of its own"}, "of its own: interapp.m1000-a.clk1"),
        ({"reason": None, "count": "odd"}, "dead: interapp.m1000-a.clk1"),
    ],
)
def test_a_dead_letter_says_why_and_where(fields: dict[str, Any], reason: str) -> None:
    """RabbitMQ's newest note tells where it died and why; the queue's app is where it was to go."""
    envelope, origin = to_lost(DEAD_LETTERS, method("other"), BasicProperties(headers=death(**fields)), b"")
    assert (envelope.destination, origin.reason) == ("m1000-a.clk1", reason)
    assert json.loads(origin.headers)["x-death"][1] == {"queue": "interapp.other", "reason": "maxlen"}


@pytest.mark.parametrize("headers", [{"x-death": "odd"}, {"x-death": []}, {"x-death": [1]}, {"x-death": [{}]}, None])
def test_without_a_note_of_rabbitmq_it_was_published_there(headers: dict[str, Any] | None) -> None:
    """A message that has no (usable) note of its death was put there by somebody; its routing key is the address."""
    envelope, origin = to_lost(DEAD_LETTERS, method(), BasicProperties(headers=headers), b"")
    assert (envelope.destination, origin.reason) == ("m1000-a.clk1", "published to interapp.dead-letters itself")


def test_a_queue_that_is_not_ours_leaves_the_routing_key() -> None:
    """What died in a queue of somebody else was to go where its routing key says."""
    envelope, _ = to_lost(DEAD_LETTERS, method("one"), BasicProperties(headers=death(queue="their.queue")), b"")
    assert envelope.destination == "one"


def test_any_headers_become_json() -> None:
    """Bytes, times, numbers beyond JSON, deep and large headers are all readable."""
    deep: list[Any] = []
    for _ in range(3000):
        deep = [deep]
    headers = {
        b"n": b"\xff",
        "t": datetime(2026, 1, 1, tzinfo=UTC),
        "f": float("nan"),
        "half": "\ud800",
        "deep": deep,
        "no": None,
    }
    found = json.loads(to_lost(UNROUTABLE, method(), BasicProperties(headers=headers), b"")[1].headers)
    assert (found["t"], found["f"], found["no"], found["half"]) == ("2026-01-01 00:00:00+00:00", "nan", None, "\ud800")
    large = BasicProperties(headers={"a": "x" * MAX_HEADERS})
    assert json.loads(to_lost(UNROUTABLE, method(), large, b"")[1].headers) == {
        "left out": f"headers of {MAX_HEADERS + 9} characters"
    }
