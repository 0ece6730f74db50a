"""The kinds as an AsyncAPI 3.0 document: what may be sent where over RabbitMQ, and what comes back."""

from collections.abc import Iterable
from typing import Any

from broker.handlers.registry import HandlerRegistry
from broker.messages.catalogue import sort_of
from broker.messages.message import JSON, Command, Message
from broker.messages.schemas import as_draft_07, shared_schemas
from broker.runtime.registries import catalogue_of
from broker.transport.rabbitmq.topology import EVENTS, EXCHANGE, Exchange, foundation

Document = dict[str, Any]

BINDINGS = "0.3.0"
"""Version of AsyncAPI's AMQP bindings."""

SCHEMAS = "#/components/schemas/"
ABOUT = (
    "Durable messages between a Meinberg LANTIME chassis and its slots, over AMQP 0-9-1. Actions are those of the apps:"
    " what an app receives, others may send to it."
)
HEADERS: Document = {
    "x-call-id": {"type": "string", "maxLength": 255, "description": "The same for all messages of one call."},
    "x-deadline": {"type": "integer", "description": "Milliseconds since 1970; after it no handler is started."},
    "traceparent": {"type": "string", "maxLength": 255, "description": "W3C trace context."},
}


def asyncapi(registries: Iterable[HandlerRegistry[Any]], version: str) -> Document:
    """Return the document for what the registries send and handle.

    Raises InterAppError when two classes have one kind, or a class cannot be said as JSON Schema.
    """
    registries = list(registries)
    classes = list(catalogue_of(registries))
    by_sort = {sort: [each for each in classes if sort_of(each) == sort] for sort in ("command", "event", "reply")}
    handled = {handler.message.kind for registry in registries for handler in registry}
    names, schemas = shared_schemas(classes, f"{SCHEMAS}{{model}}")
    return {
        "asyncapi": "3.0.0",
        "info": {"title": "interapp", "version": version, "description": ABOUT},
        "defaultContentType": JSON,
        "channels": _channels(by_sort),
        "operations": _operations(by_sort, handled),
        "components": {
            "messages": {each.kind: _message(each, names[each.kind]) for each in classes},
            "schemas": {name: as_draft_07(each) for name, each in schemas.items()},
        },
    }


def _channels(by_sort: dict[str, list[type[Message]]]) -> Document:
    address = {"description": "Address of the app: m1000-a is a chassis, m1000-a.clk1 the service of its slot clk1."}
    channels = {
        "app": {
            "address": "{app}",
            "title": "Messages to one app",
            "description": f"The routing key is the app's address. The app consumes its queue, {EXCHANGE}.<address>.",
            "parameters": {"app": address},
            "messages": _refs_by_kind(by_sort["command"] + by_sort["event"]),
            "bindings": _through(EXCHANGE),
        },
        "reply": {
            "address": None,
            "title": "Replies",
            "description": "Sent only to the address in the request's reply_to, with the request's message_id as"
            " correlation_id. Every reply is kept in the request's row, too.",
            "messages": _refs_by_kind(by_sort["reply"]),
            "bindings": _through(EXCHANGE),
        },
    }
    for event in by_sort["event"]:
        channels[f"event.{event.kind}"] = {
            "address": f"{{app}}.{event.kind}",
            "title": f"Copies of {event.kind} for foreign listeners",
            "parameters": {"app": {"description": "Address of the app that published it."}},
            "messages": _refs_by_kind([event]),
            "bindings": _through(EVENTS),
        }
    return channels


def _operations(by_sort: dict[str, list[type[Message]]], handled: set[str]) -> Document:
    operations: Document = {}
    for message in by_sort["command"] + by_sort["event"]:
        operation: Document = {
            "action": "receive" if message.kind in handled else "send",
            "channel": {"$ref": "#/channels/app"},
            "summary": _summary(message),
            "messages": [{"$ref": f"#/channels/app/messages/{message.kind}"}],
            "bindings": {"amqp": {"deliveryMode": 2, "bindingVersion": BINDINGS}},
        }
        reply = message.reply_class() if issubclass(message, Command) else None
        if reply is not None:
            operation["reply"] = {
                "address": {
                    "location": "$message.header#/reply_to",
                    "description": "The AMQP property reply_to: the address of an app.",
                },
                "channel": {"$ref": "#/channels/reply"},
                "messages": [{"$ref": f"#/channels/reply/messages/{reply.kind}"}],
            }
        if sort_of(message) == "command" or message.kind in handled:
            operations[f"{operation['action']}.{message.kind}"] = operation
    for event in by_sort["event"]:
        operations[f"publish.{event.kind}"] = {
            "action": "send",
            "channel": {"$ref": f"#/channels/event.{event.kind}"},
            "summary": _summary(event),
            "messages": [{"$ref": f"#/channels/event.{event.kind}/messages/{event.kind}"}],
            "bindings": {"amqp": {"deliveryMode": 1, "bindingVersion": BINDINGS}},
        }
    return operations


def _message(message: type[Message], schema: str) -> Document:
    oldest = message.oldest_version()
    versions = {
        "type": "integer",
        "minimum": oldest,
        "maximum": message.version,
        "description": "Version of the body; 1 is assumed without it. The schema is that of the newest.",
    }
    return {
        "name": message.kind,
        "title": message.kind,
        "summary": _summary(message),
        "contentType": message.content_type,
        "correlationId": {
            "location": "$message.header#/correlation_id",
            "description": "The AMQP property correlation_id: id of the message that this one follows from.",
        },
        "headers": {
            "type": "object",
            "properties": {"x-version": versions, **HEADERS},
            # Without it a body counts as of version 1, which is not understood any more.
            **({"required": ["x-version"]} if oldest > 1 else {}),
        },
        "payload": {"$ref": f"{SCHEMAS}{schema}"},
        "bindings": {"amqp": {"messageType": message.kind, "bindingVersion": BINDINGS}},
        "x-interapp-sort": sort_of(message),
        "x-interapp-version": message.version,
    }


def _through(name: str) -> Document:
    exchange = next(each for each in foundation() if isinstance(each, Exchange) and each.name == name)
    return {
        "amqp": {
            "is": "routingKey",
            "exchange": {"name": exchange.name, "type": exchange.type, "durable": True, "autoDelete": False},
            "bindingVersion": BINDINGS,
        }
    }


def _refs_by_kind(classes: list[type[Message]]) -> Document:
    return {each.kind: {"$ref": f"#/components/messages/{each.kind}"} for each in classes}


def _summary(message: type[Message]) -> str:
    return (message.__doc__ or message.kind).strip().partition("\n")[0]
