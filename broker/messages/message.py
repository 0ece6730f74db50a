"""The three sorts of message: a Command asks one app, an Event states a fact, a Reply answers a Command."""

import re
from collections.abc import Mapping
from functools import cache
from typing import Any, ClassVar, Generic, TypeVar, get_args

from pydantic import BaseModel, ConfigDict

from broker.messages.priority import LOWEST, checked_priority
from broker.messages.versions import Upcaster, check_versions, oldest

KIND = re.compile(r"[a-z0-9-]+(\.[a-z0-9-]+)+")
"""A kind is two or more words joined by dots, e.g. ``tcr.set-output``."""

KIND_MAX_LENGTH = 120

JSON = "application/json"
"""Content type of a message that says nothing else."""

RESERVED_FIELDS = frozenset({"kind", "version", "upcasters", "content_type", "priority"})
"""Attributes of the class, not of its body."""


class Message(BaseModel):
    """A typed payload. Frozen; a field that the class does not know is refused.

    ``kind`` is the stable name on the wire, chosen by you and never derived from the class name.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: ClassVar[str]
    version: ClassVar[int] = 1
    """Version of the body's shape, sent in the header ``x-version``."""
    upcasters: ClassVar[Mapping[int, Upcaster]] = {}
    """Key ``n`` lifts a body of version ``n`` to ``n + 1``. The lowest key is the oldest version that is understood."""
    content_type: ClassVar[str] = JSON
    """What the body is sent as. Another than JSON needs a codec: ``HandlerRegistry(name, codecs=[…])``."""
    priority: ClassVar[int] = LOWEST
    """What it is sent with unless its sender says otherwise, 0 to 9: of what waits for an app, the highest goes first."""

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: Any) -> None:
        """Refuse a class whose kind cannot be one, when the class is made."""
        super().__pydantic_init_subclass__(**kwargs)
        shadowed = RESERVED_FIELDS & cls.model_fields.keys()
        if shadowed:
            raise TypeError(
                f"{cls.__qualname__}.{min(shadowed)} is a field, but every message class has that attribute"
            )
        kind = cls.__dict__.get("kind")
        if kind is not None and (not KIND.fullmatch(kind) or len(kind) > KIND_MAX_LENGTH):
            raise TypeError(
                f"{cls.__qualname__}.kind = {kind!r}: a kind is two or more words of a-z, 0-9 and '-', joined by dots"
            )
        check_versions(cls.__qualname__, cls.version, cls.upcasters)
        try:
            checked_priority(cls.priority, f"{cls.__qualname__}.priority")
        except ValueError as exc:
            raise TypeError(str(exc)) from exc

    @classmethod
    def oldest_version(cls) -> int:
        """Return the oldest version of the body that the class understands."""
        return oldest(cls.version, cls.upcasters)


class Reply(Message):
    """The answer to a Command, stored in the Command's row with its outcome. Always JSON."""

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: Any) -> None:
        """Refuse a class that cannot be one, when it is made."""
        super().__pydantic_init_subclass__(**kwargs)
        if cls.content_type != JSON:
            raise TypeError(
                f"{cls.__qualname__}.content_type = {cls.content_type!r}: a Reply is kept as JSON in the Command's row"
            )


class Event(Message):
    """A fact, told to every app that subscribed to it."""

    keep_last: ClassVar[bool] = False
    """Whether the newest one of each source is kept for apps that subscribe later. It makes each publish a little dearer."""

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: Any) -> None:
        """Refuse a class whose body would hide whether its events are kept."""
        super().__pydantic_init_subclass__(**kwargs)
        if "keep_last" in cls.model_fields:
            raise TypeError(f"{cls.__qualname__}.keep_last is a field, but every event class has that attribute")


ReplyT = TypeVar("ReplyT", bound="Reply | None")


class Command(Message, Generic[ReplyT]):
    """Asks one app to do something. ``Command[OutputSet]`` is answered by an ``OutputSet``, ``Command[None]`` by nothing."""

    @classmethod
    def reply_class(cls) -> type[Reply] | None:
        """Return the class of the answer; None when the command has none.

        Raises TypeError when the class does not say which it is.
        """
        return _reply_class(cls)


@cache
def _reply_class(command: type[Command[Any]]) -> type[Reply] | None:
    # Kept: it is asked for with every message.
    for base in command.__mro__:
        args = getattr(base, "__pydantic_generic_metadata__", {}).get("args") or get_args(base)
        if args:
            return None if args[0] is type(None) or args[0] is None else args[0]
    raise TypeError(f"{command.__qualname__} must say what answers it: Command[SomeReply] or Command[None]")
