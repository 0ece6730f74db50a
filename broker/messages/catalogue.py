"""The catalogue: which class a kind stands for."""

from collections.abc import Iterable, Iterator

from broker.errors import UnknownKind
from broker.messages.message import Command, Event, Message


class Catalogue:
    """Kinds and their message classes. Two classes with one kind are refused, naming both."""

    def __init__(self, classes: Iterable[type[Message]] = ()) -> None:
        self._classes: dict[str, type[Message]] = {}
        for message_class in classes:
            self.add(message_class)

    def add(self, message_class: type[Message]) -> None:
        """Add a class; adding it twice is harmless.

        Raises TypeError when it has no kind or another class has the same.
        """
        kind = getattr(message_class, "kind", None)
        if kind is None:
            raise TypeError(f'{place(message_class)} has no kind: add kind: ClassVar[str] = "…"')
        present = self._classes.setdefault(kind, message_class)
        if present is not message_class:
            raise TypeError(f"kind {kind!r} is taken twice: by {place(present)} and by {place(message_class)}")

    def update(self, other: "Catalogue") -> None:
        """Add every class of another catalogue."""
        for message_class in other:
            self.add(message_class)

    def __getitem__(self, kind: str) -> type[Message]:
        """Return the class of a kind; raise UnknownKind naming the nearest way out."""
        try:
            return self._classes[kind]
        except KeyError:
            raise UnknownKind(f"no message class is known for kind {kind!r}; see interapp kinds") from None

    def __contains__(self, kind: object) -> bool:
        """Tell whether the kind is known."""
        return kind in self._classes

    def __iter__(self) -> Iterator[type[Message]]:
        """Iterate over the classes in the order of their kinds."""
        return iter(self._classes[kind] for kind in sorted(self._classes))


def sort_of(message_class: type[Message]) -> str:
    """Return which of the three sorts of message it is: ``command``, ``event`` or ``reply``."""
    if issubclass(message_class, Command):
        return "command"
    return "event" if issubclass(message_class, Event) else "reply"


def place(thing: type) -> str:
    """Return where a class is defined: ``package.module.Class``."""
    return f"{thing.__module__}.{thing.__qualname__}"
