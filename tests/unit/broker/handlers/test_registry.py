"""The registry: what is wrong with a handler is said when it is registered."""

from collections.abc import Callable
from typing import Any, ClassVar

import pytest

from broker.errors import InvalidMessage
from broker.handlers.context import Context
from broker.handlers.registry import HandlerRegistry
from broker.handlers.retry import Backoff
from broker.messages.message import Command, Event, Message, Reply


class Answer(Reply):
    kind: ClassVar[str] = "test.answer"


class OtherAnswer(Reply):
    kind: ClassVar[str] = "test.other-answer"


class Neither(Message):
    kind: ClassVar[str] = "test.neither"


class Ask(Command[Answer]):
    kind: ClassVar[str] = "test.ask"


class AskMore(Ask):
    kind: ClassVar[str] = "test.ask-more"


class Order(Command[None]):
    kind: ClassVar[str] = "test.order"


class Happened(Event):
    kind: ClassVar[str] = "test.happened"


class SameKind(Event):
    kind: ClassVar[str] = "test.happened"


class Kindless(Event):
    """It has no kind."""


def answer(message: Ask, ctx: Context[str]) -> Answer:
    """Answer."""
    return Answer()


def answer_too(message: Ask, ctx: Context[str]) -> Answer:
    """Answer as well."""
    return Answer()


def obey(message: Order, ctx: Context[str]) -> None:
    """Obey."""


def untyped(message, ctx):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201
    """Do something."""


def note(event: Happened, ctx: Context[str]) -> None:
    """Note it."""


def registry(name: str = "one") -> HandlerRegistry[str]:
    """Return an empty registry."""
    return HandlerRegistry[str](name)


def test_a_handler_is_found_by_its_kind() -> None:
    """A registered function is found by kind, with its name, policy, timeout and reply; it stays a plain function."""
    handlers, policy = registry(), Backoff(attempts=7)
    assert handlers.handles(Ask, timeout=2.5, retry=policy)(answer) is answer
    found = handlers.get("test.ask")
    assert found is not None
    assert (found.name, found.function, found.timeout_seconds, found.retry) == (
        f"{__name__}.answer",
        answer,
        2.5,
        policy,
    )
    assert found.reply is Answer
    assert handlers.get("test.order") is None


def test_the_catalogue_has_every_kind_that_is_handled_answered_or_sent() -> None:
    """Whoever decodes needs the handled messages, their replies, and what the app sends without handling it."""
    handlers = registry()
    handlers.handles(Ask)(answer)
    handlers.handles(Happened)(note)
    handlers.sends(Order)
    assert {message.kind for message in handlers.catalogue} == {
        "test.ask",
        "test.answer",
        "test.happened",
        "test.order",
    }
    assert [handler.message.kind for handler in handlers] == ["test.ask", "test.happened"]


def test_two_handlers_for_one_kind_name_both_places() -> None:
    """The second handler of a kind is refused, naming both functions; the first stays."""
    handlers = registry("chassis")
    handlers.handles(Ask)(answer)
    with pytest.raises(TypeError, match=r"kind 'test.ask' has two handlers in registry 'chassis'") as caught:
        handlers.handles(Ask)(answer_too)
    assert f"{__name__}.answer and {__name__}.answer_too" in str(caught.value)
    assert (handlers.get("test.ask") or pytest.fail("gone")).function is answer


def test_two_registries_for_one_kind_name_both_places() -> None:
    """Joining two registries that both handle a kind is refused, naming both functions."""
    one, two = registry(), registry("two")
    one.handles(Ask)(answer)
    two.handles(Ask)(answer_too)
    with pytest.raises(TypeError, match="two handlers") as caught:
        one.include(two)
    assert f"{__name__}.answer and {__name__}.answer_too" in str(caught.value)


def test_a_registry_includes_another_with_its_kinds() -> None:
    """An integrator's registry adds its handlers and its kinds; including it twice is harmless."""
    one, two = registry(), registry("two")
    two.handles(Ask)(answer)
    two.sends(Order)
    one.include(two)
    one.include(two)
    assert [handler.name for handler in one] == [f"{__name__}.answer"]
    assert "test.order" in one.catalogue


class Plain:
    """A codec."""

    content_type = "text/plain"

    def encode(self, message: Message) -> bytes:
        return b""

    def decode(self, message_class: type[Message], body: bytes) -> object:
        return {}


class OtherPlain(Plain):
    """Another codec of the same content type."""


class Written(Event):
    kind: ClassVar[str] = "test.written"
    content_type: ClassVar[str] = "text/plain"


def test_a_registry_includes_the_codecs_of_another() -> None:
    """What an included registry sends needs its codecs: they come along, and two that differ are refused."""
    one, two = registry(), HandlerRegistry[str]("two", codecs=[Plain()])
    two.sends(Written)
    one.sends(Written)
    with pytest.raises(InvalidMessage, match=r"test\.written: it is sent as text/plain"):
        one.check_codecs()
    one.include(two)
    one.check_codecs()
    with pytest.raises(TypeError, match=r"'text/plain' has two codecs: .*\.Plain and .*\.OtherPlain"):
        one.include(HandlerRegistry[str]("three", codecs=[OtherPlain()]))


def test_two_classes_of_one_kind_are_refused() -> None:
    """A kind cannot be handled as one class and sent as another."""
    handlers = registry()
    handlers.sends(SameKind)
    with pytest.raises(TypeError, match=r"kind 'test.happened' is taken twice"):
        handlers.handles(Happened)(note)


def one_argument(message: Ask) -> Answer:
    """Take too little."""
    return Answer()


def three_arguments(message: Ask, ctx: Context[str], more: int) -> Answer:
    """Take too much."""
    return Answer()


def other_message(message: Order, ctx: Context[str]) -> Answer:
    """Take another message."""
    return Answer()


def other_reply(message: Ask, ctx: Context[str]) -> OtherAnswer:
    """Give another answer."""
    return OtherAnswer()


def no_reply(message: Ask, ctx: Context[str]) -> None:
    """Give no answer."""


def needless_reply(message: Order, ctx: Context[str]) -> Answer:
    """Give an answer that nobody asked for."""
    return Answer()


@pytest.mark.parametrize(
    ("message", "function", "what"),
    [
        (Ask, one_argument, "must take two arguments"),
        (Ask, three_arguments, "must take two arguments"),
        (Ask, other_message, "its first argument is a"),
        (Ask, other_reply, "is answered by"),
        (Ask, no_reply, "is answered by"),
        (Order, needless_reply, "is answered by"),
        (Neither, untyped, "neither a Command nor an Event nor a Reply"),
    ],
)
def test_a_handler_that_contradicts_its_message_is_refused(
    message: type[Any], function: Callable[..., Any], what: str
) -> None:
    """Annotations that do not fit the message are an error of the handler, named when it is registered."""
    handlers = registry()
    with pytest.raises(TypeError, match=what) as caught:
        handlers.handles(message)(function)
    assert f"{__name__}.{function.__qualname__}" in str(caught.value)
    assert list(handlers) == []


def test_a_message_without_a_kind_cannot_be_handled() -> None:
    """A class that forgot its kind is refused, with the line to add."""
    with pytest.raises(TypeError, match=r"Kindless has no kind: add kind: ClassVar\[str\]"):
        registry().handles(Kindless)(untyped)


@pytest.mark.parametrize("timeout", [0, -1.0])
def test_a_timeout_is_more_than_nothing(timeout: float) -> None:
    """A timeout that no handler could keep is refused, naming handler and value."""
    with pytest.raises(ValueError, match=rf"answer: timeout={timeout}"):
        registry().handles(Ask, timeout=timeout)(answer)


def test_annotations_are_no_duty() -> None:
    """A function without annotations is taken as it is; one for a base class handles what is derived from it."""
    handlers = registry()
    handlers.handles(Order)(untyped)
    handlers.handles(AskMore)(answer)
    assert [handler.message for handler in handlers] == [AskMore, Order]


# Isolated handlers


def test_an_isolated_handler_says_so() -> None:
    """A function of a module is registered as isolated; any other is not."""
    registry = HandlerRegistry[str]("test")
    registry.handles(Ask, timeout=1.0, isolated=True)(answer)
    registry.handles(Order)(obey)
    assert [(handler.message, handler.isolated) for handler in registry] == [(Ask, True), (Order, False)]


def test_only_what_can_be_imported_by_name_is_isolated() -> None:
    """A function within a function is refused when it is registered, with the way out."""
    registry = HandlerRegistry[str]("test")

    def inner(message: Order, ctx: Context[str]) -> None:
        """Obey."""

    with pytest.raises(TypeError, match=r"inner cannot be isolated: .* make it a function or a class of a module"):
        registry.handles(Order, timeout=1.0, isolated=True)(inner)
    assert registry.get(Order.kind) is None


def test_the_script_that_is_run_cannot_be_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    """A function of the script that is run is refused: another process would run the script again to find it."""
    monkeypatch.setattr(obey, "__module__", "__main__")
    with pytest.raises(TypeError, match=r"__main__\.obey cannot be isolated"):
        HandlerRegistry[str]("test").handles(Order, timeout=1.0, isolated=True)(obey)


@pytest.mark.parametrize("timeout", [None, float("inf"), float("nan")])
def test_an_isolated_handler_needs_a_timeout(timeout: float | None) -> None:
    """Without a timeout nothing would ever kill its process: refused when it is registered."""
    with pytest.raises(ValueError, match="obey: isolated=True needs timeout"):
        HandlerRegistry[str]("test").handles(Order, timeout=timeout, isolated=True)(obey)
