"""A producer that is not ours: kombu where it can, raw AMQP where no library would."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pika
from pika.adapters.blocking_connection import BlockingChannel

FLAG_HEADERS = 1 << 13
FLAG_CONTENT_TYPE = 1 << 15
FLAG_CORRELATION_ID = 1 << 10
FLAG_MESSAGE_ID = 1 << 7
FLAG_TIMESTAMP = 1 << 6
FLAG_TYPE = 1 << 5


class RawProperties(pika.BasicProperties):  # type: ignore[misc]  # pika has no types
    """Properties exactly as these bytes: values by their flag, ``headers`` an encoded table without its length."""

    def __init__(self, values: dict[int, bytes] | None = None, headers: bytes | None = None) -> None:
        super().__init__()
        self._values = dict(values or {})
        if headers is not None:
            self._values[FLAG_HEADERS] = struct.pack(">L", len(headers)) + headers

    def encode(self) -> list[bytes]:
        """Return flags and values in the order of their flags."""
        flags = sum(self._values)
        return [struct.pack(">H", flags), *(self._values[flag] for flag in sorted(self._values, reverse=True))]


def short(value: bytes) -> bytes:
    """Encode a short string."""
    return bytes([len(value)]) + value


def header(name: bytes, kind: bytes, value: bytes) -> bytes:
    """Encode one header: its name, its AMQP type letter and its encoded value."""
    return short(name) + kind + value


def text(value: bytes) -> bytes:
    """Encode a long string."""
    return struct.pack(">L", len(value)) + value


def nested(depth: int) -> bytes:
    """Encode an array in an array in an array, and so on."""
    encoded = b""
    for _ in range(depth):
        encoded = b"A" + struct.pack(">L", len(encoded)) + encoded
    return encoded[1:]


HOSTILE: dict[str, RawProperties] = {
    "nothing at all": RawProperties(),
    "a time beyond any calendar": RawProperties(headers=header(b"when", b"T", struct.pack(">Q", 2**63))),
    "not a number": RawProperties(headers=header(b"ratio", b"d", struct.pack(">d", float("nan")))),
    "infinity": RawProperties(headers=header(b"ratio", b"f", struct.pack(">f", float("inf")))),
    "an array nested 3000 deep": RawProperties(headers=header(b"deep", b"A", nested(3000))),
    "a header name that is no text": RawProperties(headers=header(b"\xff\xfe", b"S", text(b"\xff"))),
    "an id that is no text": RawProperties({FLAG_MESSAGE_ID: short(b"\xff\xfe\x00")}),
    "an id with NUL": RawProperties({FLAG_MESSAGE_ID: short(b"a\x00b")}),
    "an id of 255 bytes": RawProperties({FLAG_MESSAGE_ID: short(b"i" * 255)}),
    "a kind that is no text": RawProperties({FLAG_TYPE: short(b"\xc3\x28")}),
    "a content type that is no text": RawProperties({FLAG_CONTENT_TYPE: short(b"\xff")}),
    "a timestamp beyond any calendar": RawProperties({FLAG_TIMESTAMP: struct.pack(">Q", 2**64 - 1)}),
    "version true": RawProperties(headers=header(b"x-version", b"t", b"\x01")),
    "version -3": RawProperties(headers=header(b"x-version", b"I", struct.pack(">i", -3))),
    "version abc": RawProperties(headers=header(b"x-version", b"S", text(b"abc"))),
    "version void": RawProperties(headers=header(b"x-version", b"V", b"")),
    "version 2**40": RawProperties(headers=header(b"x-version", b"l", struct.pack(">q", 2**40))),
    "version as a table": RawProperties(headers=header(b"x-version", b"F", text(header(b"a", b"t", b"\x01")))),
    "deadline soon": RawProperties(headers=header(b"x-deadline", b"S", text(b"soon"))),
    "deadline as a table": RawProperties(headers=header(b"x-deadline", b"F", text(b""))),
    "deadline far beyond": RawProperties(headers=header(b"x-deadline", b"l", struct.pack(">q", 2**62))),
    "due soon": RawProperties(headers=header(b"x-at", b"S", text(b"soon"))),
    "due in seconds": RawProperties(headers=header(b"x-at", b"l", struct.pack(">q", 1_800_000_000))),
    "call id as bytes": RawProperties(headers=header(b"x-call-id", b"x", text(b"\x00\x01"))),
    "trace of 100000 bytes": RawProperties(headers=header(b"traceparent", b"S", text(b"t" * 100_000))),
}
"""Properties that RabbitMQ takes and delivers, and that no reader expects."""

VISIBLY_UNUSABLE = {
    "a time beyond any calendar": ("version", -1),
    "not a number": ("version", -1),
    "infinity": ("version", -1),
    "an array nested 3000 deep": ("version", -1),
    "a content type that is no text": ("content_type", "application/octet-stream"),
    "version true": ("version", -1),
    "version -3": ("version", -1),
    "version abc": ("version", -1),
    "version void": ("version", -1),
    "version 2**40": ("version", -1),
    "version as a table": ("version", -1),
    "deadline soon": ("deadline_ms", -1),
    "deadline as a table": ("deadline_ms", -1),
    "deadline far beyond": ("deadline_ms", -1),
    "due soon": ("at_ms", -1),
    "due in seconds": ("at_ms", -1),
}
"""What must not be taken for absent: the envelope's field and its value."""


@contextmanager
def foreign_channel(url: str) -> Iterator[BlockingChannel]:
    """Give a channel of a foreign producer's own connection."""
    connection = pika.BlockingConnection(pika.URLParameters(url))
    try:
        yield connection.channel()
    finally:
        if connection.is_open:
            connection.close()


def publish_raw(url: str, address: str, messages: list[tuple[Any, bytes]]) -> None:
    """Publish properties and bodies to an app, confirmed."""
    with foreign_channel(url) as channel:
        channel.confirm_delivery()
        for properties, body in messages:
            channel.basic_publish("interapp", address, body, properties, mandatory=True)
