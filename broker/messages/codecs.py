"""Codecs: how a message becomes bytes where it is not JSON. Which one is meant is said by the content type."""

import re
from collections.abc import Iterable, Iterator
from typing import Protocol

from broker.errors import InvalidMessage
from broker.messages.message import JSON, Message

CONTENT_TYPE = re.compile(r"[a-z0-9][a-z0-9!#$&^_.+-]*/[a-z0-9][a-z0-9!#$&^_.+-]*")
CONTENT_TYPE_MAX_LENGTH = 120
NEVER = re.compile(r"pickle|marshal|python-serialize")
"""Reading these runs whatever code the bytes name."""


class Codec(Protocol):
    """Messages of one content type to bytes and back. One object serves all kinds and all threads.

    Handlers that are isolated run in a process of their own, which gets a pickled copy of it.
    """

    @property
    def content_type(self) -> str:
        """What the AMQP property ``content_type`` says, e.g. ``application/cbor``."""
        ...

    def encode(self, message: Message) -> bytes:
        """Return the message's bytes; ``message.model_dump(mode="json")`` gives its values as JSON has them."""
        ...

    def decode(self, message_class: type[Message], body: bytes) -> object:
        """Return the values that the bytes hold, by field: a dict of what JSON can say.

        What it returns is checked against the class as JSON is, strictly, after upcasters have lifted an older version; so
        it may be anything, and may raise anything: both end as ``failed (invalid)``.
        """
        ...


class Codecs:
    """The codecs of one app beside JSON, by content type. Cannot be changed; ``|`` joins two."""

    def __init__(self, codecs: Iterable[Codec] = ()) -> None:
        """Take codecs. Raises TypeError when two have one content type, or one has none that can be."""
        self._by_type: dict[str, Codec] = {}
        for codec in codecs:
            content_type = codec.content_type
            _check(codec, content_type)
            present = self._by_type.setdefault(content_type, codec)
            # Two packages may each make one of the same class.
            if present is not codec and type(present) is not type(codec):
                raise TypeError(f"content type {content_type!r} has two codecs: {_name(present)} and {_name(codec)}")

    def get(self, content_type: str) -> Codec | None:
        """Return the codec of a content type, or None."""
        return self._by_type.get(content_type)

    def known(self) -> str:
        """Return the content types that are understood, JSON first, as an error names them."""
        return ", ".join([JSON, *sorted(self._by_type)])

    def of(self, message_class: type[Message]) -> Codec | None:
        """Return the codec that a class is sent with; None for JSON. Raises InvalidMessage when it is not here."""
        wanted = message_class.content_type
        if wanted == JSON:
            return None
        codec = self._by_type.get(wanted)
        if codec is None:
            raise InvalidMessage(
                f"{message_class.kind}: it is sent as {wanted}, but known here are {self.known()};"
                " give its codec to the registry: HandlerRegistry(name, codecs=[…])"
            )
        return codec

    def __or__(self, other: "Codecs") -> "Codecs":
        """Return the codecs of both. Raises TypeError when two differ about a content type."""
        return Codecs([*self, *other])

    def __iter__(self) -> Iterator[Codec]:
        """Iterate over the codecs."""
        return iter(self._by_type.values())


JSON_ONLY = Codecs()
"""No codec beside JSON."""


def _check(codec: Codec, content_type: object) -> None:
    name = _name(codec)
    if not isinstance(content_type, str) or not CONTENT_TYPE.fullmatch(content_type):
        raise TypeError(
            f"{name}.content_type = {content_type!r}: it must be two lower-case words as in application/cbor"
        )
    if len(content_type) > CONTENT_TYPE_MAX_LENGTH:
        raise TypeError(f"{name}.content_type has {len(content_type)} characters, at most {CONTENT_TYPE_MAX_LENGTH}")
    if content_type == JSON:
        raise TypeError(f"{name}.content_type = {JSON!r}: JSON is built in and cannot be replaced")
    if NEVER.search(content_type):
        raise TypeError(f"{name}.content_type = {content_type!r}: whoever may send could run any code here")


def _name(codec: object) -> str:
    return f"{type(codec).__module__}.{type(codec).__qualname__}"
