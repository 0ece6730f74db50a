"""An executor: a handler with structure, written as the phases in which InterApp's executors work."""

from collections.abc import Awaitable, Callable
from typing import Any, ClassVar, Generic, TypeVar

from broker.errors import RetryLater
from broker.handlers.context import Context
from broker.handlers.phases import Phase, Phases
from broker.messages.message import Command, Message, Reply

CommandT_co = TypeVar("CommandT_co", bound=Message, covariant=True)
ResourceT_co = TypeVar("ResourceT_co", covariant=True)
ReplyT = TypeVar("ReplyT", bound="Reply | None")

Complete = Callable[[Awaitable[Any]], Any]
"""Runs what an ``async def`` returned to its end, in this thread; returns or raises what it does."""


class MessageExecutor(Generic[CommandT_co, ResourceT_co]):
    """One run for one message: ``gather``, ``parse``, ``validate``, ``modify``, ``apply``, ``reply``, in this order.

    ``modify`` and ``apply`` are left out when ``validate`` returns False. What one phase finds out it keeps on ``self``
    for the next. Write only the phases that are needed, each with ``def`` or ``async def``. Before each phase it is looked
    whether the run was cancelled: it then ends there, as with ``RetryLater(0)``.
    """

    phases: ClassVar[frozenset[Phase]] = frozenset()
    """The phases that the class has written: only these are run."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Note which phases the class has written."""
        super().__init_subclass__(**kwargs)
        cls.phases = frozenset(each for each in Phase if getattr(cls, each) is not getattr(MessageExecutor, each))

    def __init__(self, message: CommandT_co, ctx: Context[ResourceT_co]) -> None:
        self.message = message
        self.ctx = ctx
        self.applied = False
        """Whether ``validate`` was true and ``modify`` and ``apply`` have ended."""

    def gather(self) -> Awaitable[None] | None:
        """Get what the run needs to know: documents, the device's present state."""

    def parse(self) -> Awaitable[None] | None:
        """Make of it what the other phases work with."""

    def validate(self) -> bool | Awaitable[bool]:
        """Return whether there is something to change; raise Reject when the message must be refused."""
        return True

    def modify(self) -> Awaitable[None] | None:
        """Work out what is to be changed, without changing it."""

    def apply(self) -> Awaitable[None] | None:
        """Change it."""

    # The type of self makes a type checker compare an override with the reply that the command names.
    def reply(self: "MessageExecutor[Command[ReplyT], Any]") -> ReplyT | Awaitable[ReplyT]:
        """Return the command's reply; ``self.applied`` tells whether anything was changed. An event has none."""
        return None  # type: ignore[return-value] # the registry refuses a class that owes a reply and has not written this


def execute(executor: MessageExecutor[Any, Any], phases: Phases, complete: Complete) -> Any:
    """Run the phases in order; return what ``reply`` returned.

    Raises what a phase raised, RetryLater when the run was cancelled before a phase, TypeError when ``validate`` returned
    no bool.
    """
    for phase in (Phase.GATHER, Phase.PARSE):
        _run(executor, phase, phases, complete)
    if _run(executor, Phase.VALIDATE, phases, complete):
        for phase in (Phase.MODIFY, Phase.APPLY):
            _run(executor, phase, phases, complete)
        executor.applied = True
    return _run(executor, Phase.REPLY, phases, complete)


def _run(executor: MessageExecutor[Any, Any], phase: Phase, phases: Phases, complete: Complete) -> Any:
    if phase not in executor.phases:
        return phase is Phase.VALIDATE or None
    if executor.ctx.cancelled:
        raise RetryLater(0, f"asked to stop before {phase}")
    phases.enter(phase)
    result = getattr(executor, phase)()
    if isinstance(result, Awaitable):
        result = complete(result)
    if phase is Phase.VALIDATE and not isinstance(result, bool):
        # Forgotten, a return would look like a no, and the message would succeed without having done anything.
        raise TypeError(f"{type(executor).__qualname__}.validate returned {result!r}; it must return True or False")
    if phase is not Phase.REPLY:
        # A wrong reply is found out by whoever gets it, and that still counts as this phase.
        phases.leave()
    return result
