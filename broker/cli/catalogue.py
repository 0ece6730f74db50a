"""The kinds that installed packages know: their message classes, and which handler each has."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from types import NoneType, UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic.fields import FieldInfo

from broker.handlers.registry import HandlerRegistry
from broker.messages.catalogue import sort_of
from broker.messages.message import Command, Message
from broker.runtime.registries import catalogue_of

MODULE = re.compile(r"\b(?:\w+\.)+(?=\w)")


@dataclass(frozen=True, slots=True)
class KnownField:
    """One field of a kind, as it is shown."""

    name: str
    type: str
    required: bool
    default: Any


@dataclass(frozen=True, slots=True)
class KnownKind:
    """One kind, as it is shown."""

    kind: str
    sort: str
    """``command``, ``event`` or ``reply``."""
    version: int
    oldest_version: int
    """The oldest version that is understood."""
    fields: tuple[KnownField, ...]
    reply: str | None
    handlers: tuple[str, ...]
    """Usually one; a kind may have one in each sort of app."""
    package: str
    summary: str


def known_kinds(registries: Iterable[HandlerRegistry[Any]]) -> list[KnownKind]:
    """Return what is shown of every kind, in the order of the kinds. Raises InterAppError when two classes have one kind."""
    registries = list(registries)
    return [_known(message, registries) for message in catalogue_of(registries)]


def _known(message: type[Message], registries: list[HandlerRegistry[Any]]) -> KnownKind:
    handlers = [handler for registry in registries if (handler := registry.get(message.kind))]
    reply = message.reply_class() if issubclass(message, Command) else None
    return KnownKind(
        kind=message.kind,
        sort=sort_of(message),
        version=message.version,
        oldest_version=message.oldest_version(),
        fields=tuple(_field(name, field) for name, field in message.model_fields.items()),
        reply=reply.kind if reply is not None else None,
        handlers=tuple(handler.name for handler in handlers),
        package=message.__module__.partition(".")[0],
        summary=(message.__doc__ or "").strip().split("\n")[0],
    )


def _shown(annotation: Any) -> str:
    """Return a type as people write it; limits, which JSON Schema tells, are left out."""
    if get_origin(annotation) is Annotated:
        return _shown(get_args(annotation)[0])
    if get_origin(annotation) in (Union, UnionType):
        return " | ".join("None" if each is NoneType else _shown(each) for each in get_args(annotation))
    if isinstance(annotation, type) and not getattr(annotation, "__args__", ()):
        return annotation.__name__
    return MODULE.sub("", str(annotation))


def _field(name: str, field: FieldInfo) -> KnownField:
    default = None if field.is_required() else field.get_default(call_default_factory=False)
    return KnownField(field.alias or name, _shown(field.annotation), field.is_required(), default)
