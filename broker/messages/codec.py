"""Messages to bytes and back. JSON, straight between bytes and model, without a dict in between.

Only an older version and another content type make the detour over plain values, which end as JSON here too: so one
check, just as strict, and one limit of depth hold for whatever comes in.
"""

import re
from typing import TypeVar

from pydantic import ValidationError
from pydantic_core import ErrorDetails, from_json, to_json

from broker.errors import ContractError, InvalidMessage
from broker.messages.codecs import JSON_ONLY, Codec, Codecs
from broker.messages.envelope import Envelope
from broker.messages.message import JSON, Message
from broker.messages.versions import check_known, lifted

MAX_DEPTH = 200
"""How deep objects and lists may be nested, the body itself counted. It is the limit of pydantic's parser."""

SHOWN_VALUE = 80
"""How many characters of a refused value an error shows."""

_BRANCH = re.compile(r"(function-[a-z]+|literal)\[.*\]")
"""How pydantic names the branch of a union in the path of an error."""

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


def encode_as_said(message: Message, codecs: Codecs) -> bytes:
    """Return the message as its class says that it is sent: as JSON, or by the codec of its content type.

    Raises InvalidMessage when the codec is not there, or cannot encode it.
    """
    if message.content_type == JSON:
        return encode(message)
    codec = codecs.of(type(message))
    if codec is None:
        return encode(message)
    try:
        return bytes(codec.encode(message))
    except Exception as exc:
        raise InvalidMessage(
            f"{message.kind}: cannot be sent as {codec.content_type}: {type(exc).__name__}: {exc}"
        ) from exc


def decode_envelope(message_class: type[M], envelope: Envelope, codecs: Codecs = JSON_ONLY) -> M:
    """Return the message in an envelope; an older version is lifted.

    Raises InvalidMessage when the content type is neither JSON nor one of the codecs', the body does not fit or an
    upcaster fails on it; UnsupportedVersion when the body's version is newer, or older than any upcaster takes.
    """
    version, content_type = envelope.version, envelope.content_type
    codec = None
    if content_type not in (JSON, ""):
        codec = codecs.get(content_type)
        if codec is None:
            raise InvalidMessage(f"{envelope.kind}: content type {content_type!r} is not known, send {codecs.known()}")
    if codec is None and version == message_class.version:
        return decode(message_class, envelope.body)
    return _decode_by_values(message_class, envelope.body, version, codec)


def decode_reply(reply_class: type[M], body: bytes, version: int) -> M:
    """Return a reply as the table keeps it: JSON, of that version. Raises as ``decode_envelope``."""
    if version == reply_class.version:
        return decode(reply_class, body)
    return _decode_by_values(reply_class, body, version, None)


def _decode_by_values(message_class: type[M], body: bytes, version: int, codec: Codec | None) -> M:
    kind = message_class.kind
    check_known(kind, version, message_class.version, message_class.upcasters)
    values: object
    try:
        values = from_json(body) if codec is None else codec.decode(message_class, body)
    except ContractError:
        raise
    except Exception as exc:
        what = "JSON" if codec is None else codec.content_type
        raise InvalidMessage(f"{kind}: the body cannot be read as {what}: {_said(exc)}") from exc
    if version != message_class.version:
        values = lifted(kind, values, version, message_class.version, message_class.upcasters)
    try:
        plain = to_json(values)
    except Exception as exc:
        raise InvalidMessage(
            f"{kind}: the body holds what JSON cannot say, or is nested deeper than {MAX_DEPTH}: {_said(exc)}"
        ) from exc
    return decode(message_class, plain)


def problems(error: ValidationError, most: int = 5) -> str:
    """Return one clause a wrong field: its path, what is wrong, and the value."""
    every = error.errors(include_url=False)
    # A list whose items are wrong is called too short as well: it has as many as were sent.
    found = [item for item in every if item["type"] != "too_short" or not _has_worse(item["loc"], every)]
    clauses = []
    for item in found[:most]:
        # Of a union pydantic names the branch as well: a type of ours, and no place in the body.
        path = ".".join(part for each in item["loc"] if not _BRANCH.fullmatch(part := str(each)))
        value = "" if item["type"] in ("missing", "json_invalid") else f" (got {_shown(item['input'])})"
        clauses.append(f"{path}: {item['msg']}{value}" if path else f"{item['msg']}{value}")
    if len(found) > most:
        clauses.append(f"and {len(found) - most} more")
    return "; ".join(clauses)


def _has_worse(place: tuple[int | str, ...], errors: list[ErrorDetails]) -> bool:
    return any(len(each["loc"]) > len(place) and each["loc"][: len(place)] == place for each in errors)


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= SHOWN_VALUE else text[:SHOWN_VALUE] + "…"


def _said(error: Exception) -> str:
    return str(error) if type(error) is ValueError else f"{type(error).__name__}: {error}"
