"""Message classes: what is refused when a class is written."""

from typing import ClassVar, Generic, TypeVar

import pytest
from pydantic import ValidationError

from broker.messages.message import KIND_MAX_LENGTH, Command, Event, Message, Reply

T = TypeVar("T", bound=Reply | None)


class Done(Reply):
    kind: ClassVar[str] = "test.done"


class Do(Command[Done]):
    kind: ClassVar[str] = "test.do"
    n: int = 0


class DoMore(Do):
    kind: ClassVar[str] = "test.do-more"


class Quiet(Command[None]):
    kind: ClassVar[str] = "test.quiet"


class Base(Command[T], Generic[T]):
    """A base class without a kind, generic itself."""

    common: str = ""


class Specific(Base[Done]):
    kind: ClassVar[str] = "test.specific"


@pytest.mark.parametrize(
    "kind",
    ["", "one", "Two.words", "a.", ".a", "a..b", "a b.c", "a_b.c", "ä.b", "a.b\n", "a." + "b" * KIND_MAX_LENGTH],
)
def test_a_kind_that_cannot_be_one_is_refused_with_its_class(kind: str) -> None:
    """A class whose kind cannot go on the wire is refused when it is written, naming class and kind."""
    with pytest.raises(TypeError, match=r"Wrong\.kind = ") as caught:
        type("Wrong", (Event,), {"kind": kind, "__annotations__": {"kind": ClassVar[str]}, "__module__": __name__})
    assert repr(kind) in str(caught.value)


@pytest.mark.parametrize("kind", ["a.b", "tcr.set-output", "1.2.3", "a." + "b" * (KIND_MAX_LENGTH - 2)])
def test_a_kind_is_words_joined_by_dots(kind: str) -> None:
    """Two or more words of lower-case letters, digits and hyphens are a kind."""
    made = type("Right", (Event,), {"kind": kind, "__annotations__": {"kind": ClassVar[str]}, "__module__": __name__})
    assert issubclass(made, Event)
    assert made.kind == kind


@pytest.mark.filterwarnings("ignore:Field name:UserWarning")  # pydantic says it too, and lets it pass
@pytest.mark.parametrize("name", ["kind", "version", "upcasters", "content_type"])
def test_a_field_cannot_have_the_name_of_a_class_attribute(name: str) -> None:
    """A field called kind or version would never reach the wire: it is refused, naming class and field."""
    namespace = {name: "x", "__annotations__": {name: str}, "__module__": __name__, "__qualname__": "Wrong"}
    with pytest.raises(TypeError, match=rf"Wrong\.{name} is a field"):
        type("Wrong", (Event,), namespace)


@pytest.mark.parametrize(
    ("command", "reply"), [(Do, Done), (DoMore, Done), (Quiet, None), (Specific, Done), (Base[None], None)]
)
def test_a_command_knows_what_answers_it(command: type[Command[None]], reply: type[Reply] | None) -> None:
    """The reply class is what the command was declared with, also through base classes."""
    assert command.reply_class() is reply


def test_a_command_must_say_what_answers_it() -> None:
    """A bare Command tells nobody what comes back: asking for its reply class names the class and the way out."""

    class Bare(Command):  # type: ignore[type-arg]
        kind: ClassVar[str] = "test.bare"

    with pytest.raises(TypeError, match=r"Bare must say what answers it: Command\[SomeReply\] or Command\[None\]"):
        Bare.reply_class()


def test_a_message_is_frozen_and_refuses_what_it_does_not_know() -> None:
    """A message cannot be changed after it was made, and an unknown field is an error, not silence."""
    message = Do(n=1)
    with pytest.raises(ValidationError):
        message.n = 2  # type: ignore[misc]
    with pytest.raises(ValidationError):
        Do(m=1)  # type: ignore[call-arg]


def test_a_version_is_one_unless_said_otherwise() -> None:
    """A class that says nothing of its version is of version 1."""
    assert Message.version == Do.version == 1
