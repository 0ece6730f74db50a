"""Messages that are no JSON, their codec, and a handler that can be imported by name."""

from __future__ import annotations

import struct
from typing import Any, ClassVar

from broker.handlers.context import Context
from broker.messages.message import Command, Event, Message


class Packed:
    """Integers by field, eight bytes each, in the order of the fields: what a small device might speak."""

    content_type = "application/x-packed"

    def encode(self, message: Message) -> bytes:
        values = list(message.model_dump(mode="json").values())
        return struct.pack(f"!{len(values)}q", *values)

    def decode(self, message_class: type[Message], body: bytes) -> object:
        return dict(zip(message_class.model_fields, struct.unpack(f"!{len(body) // 8}q", body), strict=True))


class Measured(Command[None]):
    kind: ClassVar[str] = "test.measured"
    content_type: ClassVar[str] = Packed.content_type
    number: int
    offset_ns: int


class Passed(Event):
    kind: ClassVar[str] = "test.passed"
    content_type: ClassVar[str] = Packed.content_type
    number: int


def pass_on(message: Measured, ctx: Context[Any]) -> None:
    """Pass the number on, in a process of its own."""
    ctx.publish(Passed(number=message.number))
