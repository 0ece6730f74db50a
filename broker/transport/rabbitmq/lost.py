"""What reached no app, as RabbitMQ tells it: pure functions. Whatever arrives is readable afterwards; nothing raises."""

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from pika import BasicProperties
from pika.spec import Basic

from broker.lifecycle.address import checked_address
from broker.messages.envelope import Envelope
from broker.transport.rabbitmq.topology import EXCHANGE, UNROUTABLE
from broker.transport.rabbitmq.wire import to_envelope
from broker.transport.seam import Origin

WORDS: Final[Mapping[str, str]] = {
    "delivery_limit": "given up after too many deliveries",
    "expired": "expired in its queue",
    "maxlen": "its queue was full",
    "rejected": "rejected by its consumer",
}
"""RabbitMQ's reasons, in words."""

MAX_HEADERS: Final = 64 * 1024
"""How many characters of headers are kept; more than that is noted and left out."""

MAX_DEPTH: Final = 20


def to_lost(queue: str, method: Basic.Deliver, properties: BasicProperties, body: bytes) -> tuple[Envelope, Origin]:
    """Return what lay in a reserved queue, and how it got there."""
    headers: dict[Any, Any] = properties.headers or {}
    deaths = headers.get("x-death")
    first = deaths[0] if isinstance(deaths, list) and deaths and isinstance(deaths[0], dict) else {}
    routing_key = str(method.routing_key or "")
    died_in = str(first.get("queue") or "")
    destination = _address(died_in.removeprefix(f"{EXCHANGE}.")) if died_in.startswith(f"{EXCHANGE}.") else ""
    envelope = to_envelope(properties, body, destination or _address(routing_key))
    if not properties.message_id:
        envelope = replace(envelope, message_id="")
    return envelope, Origin(queue, _reason(queue, routing_key, first, died_in), routing_key, _as_json(headers))


def _reason(queue: str, routing_key: str, death: Mapping[Any, Any], died_in: str) -> str:
    if death:
        why = str(death.get("reason") or "")
        count = death.get("count")
        times = f", {count} times" if isinstance(count, int) and count > 1 else ""
        return f"{WORDS.get(why, why or 'dead')}: {died_in or 'no queue named'}{times}"
    if queue == UNROUTABLE:
        return f"no queue for {routing_key!r}"
    return f"published to {queue} itself"


def _address(name: str) -> str:
    try:
        return checked_address(name)
    except ValueError:
        return ""


def _as_json(headers: Mapping[Any, Any]) -> str:
    text = json.dumps(_plain(headers))
    return text if len(text) <= MAX_HEADERS else json.dumps({"left out": f"headers of {len(text)} characters"})


def _plain(value: object, depth: int = 0) -> object:
    if depth > MAX_DEPTH:
        return "…"
    match value:
        case dict():
            return {str(name): _plain(item, depth + 1) for name, item in value.items()}
        case list():
            return [_plain(item, depth + 1) for item in value]
        case bool() | None:
            return value
        case int():
            # pika's own subclass would show itself as "1L".
            return int(value)
    return str(value)
