"""The kinds that installed packages know: their message classes, and which handler each has."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from pydantic.fields import FieldInfo

from broker.cli import plugins
from broker.errors import InterAppError
from broker.handlers.registry import HandlerRegistry
from broker.messages.catalogue import Catalogue
from broker.messages.message import Command, Event, Message
from broker.messages.priority import LOWEST

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
    fields: tuple[KnownField, ...]
    reply: str | None
    handlers: tuple[str, ...]
    """Usually one; an event may have one in each sort of app."""
    package: str
    summary: str


def load_registries() -> tuple[list[HandlerRegistry[Any]], list[str]]:
    """Return the registries of the installed packages, and one line for each that cannot be loaded."""
    registries: list[HandlerRegistry[Any]] = []
    problems: list[str] = []
    for name in plugins.names(plugins.HANDLERS):
        try:
            registry = plugins.load(plugins.HANDLERS, name)
        except InterAppError as exc:
            problems.append(str(exc))
            continue
        if isinstance(registry, HandlerRegistry):
            registries.append(registry)
        else:
            problems.append(f"{name!r} ({plugins.HANDLERS}) is no HandlerRegistry but a {type(registry).__name__}")
    return registries, problems


def catalogue_of(registries: Iterable[HandlerRegistry[Any]]) -> Catalogue:
    """Return every kind of the registries. Raises InterAppError when two classes have one kind, naming both."""
    catalogue = Catalogue()
    for registry in registries:
        try:
            catalogue.update(registry.catalogue)
        except TypeError as exc:
            raise InterAppError(f"{exc}; uninstall one of the packages, or rename its kind") from exc
    return catalogue


def known_kinds(registries: Iterable[HandlerRegistry[Any]]) -> list[KnownKind]:
    """Return what is shown of every kind, in the order of the kinds. Raises as ``catalogue_of``."""
    registries = list(registries)
    return [_known(message, registries) for message in catalogue_of(registries)]


def priority_of(kind: str) -> int:
    """Return what messages of a kind are sent with by themselves; the lowest when no installed package knows the kind."""
    catalogue = catalogue_of(load_registries()[0])
    return catalogue[kind].priority if kind in catalogue else LOWEST


def sort_of(message: type[Message]) -> str:
    """Return which of the three sorts of message it is."""
    if issubclass(message, Command):
        return "command"
    return "event" if issubclass(message, Event) else "reply"


def _known(message: type[Message], registries: list[HandlerRegistry[Any]]) -> KnownKind:
    handlers = [handler for registry in registries if (handler := registry.get(message.kind))]
    reply = message.reply_class() if issubclass(message, Command) else None
    return KnownKind(
        kind=message.kind,
        sort=sort_of(message),
        version=message.version,
        fields=tuple(_field(name, field) for name, field in message.model_fields.items()),
        reply=reply.kind if reply is not None else None,
        handlers=tuple(handler.name for handler in handlers),
        package=message.__module__.partition(".")[0],
        summary=(message.__doc__ or "").strip().split("\n")[0],
    )


def _field(name: str, field: FieldInfo) -> KnownField:
    annotation = field.annotation
    plain = isinstance(annotation, type) and not getattr(annotation, "__args__", ())
    shown = annotation.__name__ if plain and annotation is not None else MODULE.sub("", str(annotation))
    default = None if field.is_required() else field.get_default(call_default_factory=False)
    return KnownField(field.alias or name, shown, field.is_required(), default)
