"""Messages to bytes and back. JSON, straight between bytes and model, without a dict in between."""

from typing import TypeVar

from pydantic import ValidationError

from broker.errors import InvalidMessage, UnsupportedVersion
from broker.messages.envelope import Envelope
from broker.messages.message import Message

CONTENT_TYPE = "application/json"

SHOWN_VALUE = 80
"""How many characters of a refused value an error shows."""

M = TypeVar("M", bound=Message)


def encode(message: Message) -> bytes:
    """Return the message as JSON in UTF-8."""
    return message.__pydantic_serializer__.to_json(message)


def decode(message_class: type[M], body: bytes) -> M:
    """Return the message that the bytes hold.

    Types are strict: ``"4"`` is no integer. Raises InvalidMessage that names each wrong field and its value.
    """
    try:
        return message_class.__pydantic_validator__.validate_json(body, strict=True)  # type: ignore[no-any-return] # the class's own validator
    except ValidationError as exc:
        raise InvalidMessage(f"{message_class.kind}: {problems(exc)}") from exc


def decode_envelope(message_class: type[M], envelope: Envelope) -> M:
    """Return the message in an envelope.

    Raises InvalidMessage when the content type is not JSON or the body does not fit, UnsupportedVersion when the
    body is of a newer version than the class.
    """
    if envelope.content_type not in (CONTENT_TYPE, ""):
        raise InvalidMessage(
            f"{envelope.kind}: content type {envelope.content_type!r} is not known, send {CONTENT_TYPE}"
        )
    if envelope.version > message_class.version:
        raise UnsupportedVersion(f"{envelope.kind}: version {envelope.version}, known up to {message_class.version}")
    return decode(message_class, envelope.body)


def problems(error: ValidationError, most: int = 5) -> str:
    """Return one clause a wrong field: its path, what is wrong, and the value."""
    found = error.errors(include_url=False)
    clauses = []
    for item in found[:most]:
        path = ".".join(map(str, item["loc"]))
        value = "" if item["type"] in ("missing", "json_invalid") else f" (got {_shown(item['input'])})"
        clauses.append(f"{path}: {item['msg']}{value}" if path else f"{item['msg']}{value}")
    if len(found) > most:
        clauses.append(f"and {len(found) - most} more")
    return "; ".join(clauses)


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= SHOWN_VALUE else text[:SHOWN_VALUE] + "…"
