"""What is wrong with an executor is said when it is registered."""

from collections.abc import Iterator
from typing import Any, ClassVar, Generic, TypeVar

import pytest

from broker.handlers.context import Context
from broker.handlers.executor import MessageExecutor
from broker.handlers.registry import HandlerRegistry
from broker.messages.message import Command, Event, Reply


class Answer(Reply):
    kind: ClassVar[str] = "test.answer"


class OtherAnswer(Reply):
    kind: ClassVar[str] = "test.other-answer"


class Ask(Command[Answer]):
    kind: ClassVar[str] = "test.ask"


class Order(Command[None]):
    kind: ClassVar[str] = "test.order"


class Happened(Event):
    kind: ClassVar[str] = "test.happened"


class NoExecutor:
    def __init__(self, message: Order, ctx: Context[str]) -> None: ...


class NoReply(MessageExecutor[Ask, str]):
    def apply(self) -> None: ...


class WrongReply(MessageExecutor[Ask, str]):
    def reply(self) -> OtherAnswer:  # type: ignore[override]
        return OtherAnswer()


class WrongAsyncReply(MessageExecutor[Ask, str]):
    async def reply(self) -> None:  # type: ignore[override]
        return None


class UnwantedReply(MessageExecutor[Order, str]):
    def reply(self) -> Answer:  # type: ignore[override]
        return Answer()


class WrongValidate(MessageExecutor[Order, str]):
    def validate(self) -> None:  # type: ignore[override]
        return None


class ReturningGather(MessageExecutor[Order, str]):
    def gather(self) -> str:  # type: ignore[override]
        return "lost"


class WantingArguments(MessageExecutor[Order, str]):
    def parse(self, text: str) -> None:  # type: ignore[override]
        """Wait for an argument that never comes."""


class StaticPhase(MessageExecutor[Order, str]):
    @staticmethod
    def apply() -> None:  # type: ignore[override]
        """Have no self."""


class NoMethod(MessageExecutor[Order, str]):
    gather = "text"  # type: ignore[assignment]


class Yielding(MessageExecutor[Order, str]):
    def apply(self) -> Iterator[None]:  # type: ignore[override]
        yield


class WantingMore(MessageExecutor[Order, str]):
    def __init__(self, message: Order, ctx: Context[str], more: str) -> None:
        super().__init__(message, ctx)


@pytest.mark.parametrize(
    ("message", "executor", "error"),
    [
        (Order, NoExecutor, r"NoExecutor is a class, but no executor: derive it from MessageExecutor\[Order, …\]"),
        (Ask, NoReply, r"NoReply must have reply\(\): .*Ask.* is answered by .*Answer"),
        (Ask, WrongReply, r"WrongReply\.reply returns .*OtherAnswer.*, but .*Ask.* is answered by .*Answer"),
        (Ask, WrongAsyncReply, r"WrongAsyncReply\.reply returns .*NoneType.* is answered by .*Answer"),
        (Order, UnwantedReply, r"UnwantedReply\.reply returns .*Answer.* is answered by .*NoneType"),
        (Order, WrongValidate, r"WrongValidate\.validate returns .*NoneType.*, but must return bool"),
        (
            Order,
            ReturningGather,
            r"ReturningGather\.gather returns .*str.*, but what a phase finds out is kept on self",
        ),
        (Order, WantingArguments, r"WantingArguments\.parse must be a method without arguments"),
        (Order, StaticPhase, r"StaticPhase\.apply must be a method without arguments"),
        (Order, NoMethod, r"NoMethod\.gather must be a method"),
        (Order, Yielding, r"Yielding\.apply must not yield"),
        (Order, WantingMore, r"WantingMore\.__init__ must take two arguments beside self"),
        (Happened, NoReply, r"NoReply is registered for .*Happened.*, but executes .*Ask"),
    ],
)
def test_what_is_wrong_is_named(message: type[Any], executor: type[Any], error: str) -> None:
    """A class that cannot execute its message is refused, naming class, phase and what is expected."""
    registry = HandlerRegistry[str]("test")
    with pytest.raises(TypeError, match=error):
        registry.handles(message)(executor)
    assert list(registry) == []


def test_two_handlers_for_one_kind_are_refused() -> None:
    """An executor and a function for one kind are refused, naming both."""
    registry = HandlerRegistry[str]("test")

    @registry.handles(Order)
    class Obey(MessageExecutor[Order, str]):
        """Obey."""

    def obey(message: Order, ctx: Context[str]) -> None:
        """Obey."""

    with pytest.raises(TypeError, match=r"test\.order.* has two handlers .*Obey and .*obey"):
        registry.handles(Order)(obey)
    found = registry.get(Order.kind)
    assert found is not None
    assert found.executor
    assert found.name.endswith("Obey")


def test_an_isolated_executor_is_importable() -> None:
    """A class within a function cannot be isolated: its process could not import it."""

    class Inner(MessageExecutor[Order, str]):
        """Obey."""

    with pytest.raises(TypeError, match="Inner cannot be isolated"):
        HandlerRegistry[str]("test").handles(Order, timeout=1.0, isolated=True)(Inner)


MessageT_co = TypeVar("MessageT_co", bound=Command[Any], covariant=True)


class Base(MessageExecutor[MessageT_co, str], Generic[MessageT_co]):
    """A base for executors of several commands."""


class Derived(Base[Ask]):
    def reply(self) -> Answer:
        return Answer()


ThingT_co = TypeVar("ThingT_co", covariant=True)


class Turned(MessageExecutor[MessageT_co, ThingT_co], Generic[ThingT_co, MessageT_co]):
    """A base that names the message last."""


class TurnedBack(Turned[str, Ask]):
    def reply(self) -> Answer:
        return Answer()


def test_a_generic_base_names_the_message() -> None:
    """What an executor executes is found through a generic base of one's own."""
    for derived in (Derived, TurnedBack):
        HandlerRegistry[str]("test").handles(Ask)(derived)
        with pytest.raises(TypeError, match=rf"{derived.__name__} is registered for .*Order.*, but executes .*Ask"):
            HandlerRegistry[str]("test").handles(Order)(derived)
