"""Executors: which phases run, in which order, and what the outcome says of them."""

import asyncio
from typing import Any, ClassVar

import pytest

from broker.errors import Reject
from broker.handlers.context import Context, Documents, Outbox
from broker.handlers.executor import MessageExecutor
from broker.handlers.outcome import Failed, Outcome, Retry, Succeeded
from broker.handlers.phases import Phase, Phases
from broker.handlers.registry import HandlerRegistry
from broker.handlers.retry import NO_RETRY, Backoff
from broker.handlers.run import run
from broker.lifecycle.clock import ManualClock
from broker.lifecycle.state import Reason
from broker.messages.effects import Effects
from broker.messages.envelope import Envelope
from broker.messages.message import Command, Event, Reply


class Done(Reply):
    kind: ClassVar[str] = "test.done"
    applied: bool


class Do(Command[Done]):
    kind: ClassVar[str] = "test.do"


class Quiet(Command[None]):
    kind: ClassVar[str] = "test.quiet"


class Happened(Event):
    kind: ClassVar[str] = "test.happened"


class Desk:
    """What the phases work on: it notes them, and cancels or fails in one of them."""

    def __init__(self, *, change: object = True, fail_in: str = "", cancel_in: str = "") -> None:
        self.change = change
        self.fail_in = fail_in
        self.cancel_in = cancel_in
        self.ran: list[str] = []
        self.clock = ManualClock()
        self.cancelled = False

    def note(self, phase: str) -> None:
        self.ran.append(phase)
        self.clock.advance(len(self.ran) / 1000)
        self.cancelled = self.cancelled or phase == self.cancel_in
        if phase == self.fail_in:
            raise OSError("broken")


class Whole(MessageExecutor[Do, Desk]):
    """Every phase."""

    def gather(self) -> None:
        self.ctx.resource.note("gather")

    def parse(self) -> None:
        self.ctx.resource.note("parse")

    def validate(self) -> bool:
        self.ctx.resource.note("validate")
        return self.ctx.resource.change  # type: ignore[return-value]

    def modify(self) -> None:
        self.ctx.resource.note("modify")

    def apply(self) -> None:
        self.ctx.resource.note("apply")
        assert not self.applied
        self.ctx.publish(Happened())

    def reply(self) -> Done:
        self.ctx.resource.note("reply")
        return Done(applied=self.applied)


class Slow(MessageExecutor[Do, Desk]):
    """The same as Whole, with ``async def``."""

    async def gather(self) -> None:
        await asyncio.sleep(0)
        self.ctx.resource.note("gather")

    async def validate(self) -> bool:
        await asyncio.sleep(0)
        self.ctx.resource.note("validate")
        return self.ctx.resource.change  # type: ignore[return-value]

    async def apply(self) -> None:
        self.ctx.resource.note("apply")

    async def reply(self) -> Done:
        await asyncio.sleep(0)
        self.ctx.resource.note("reply")
        return Done(applied=self.applied)


def execute(
    executor: type[MessageExecutor[Any, Desk]], desk: Desk, message: type[Any] = Do, **how: Any
) -> tuple[Outcome, Phases]:
    """Run the executor as a worker does; return the outcome and its phases."""
    registry = HandlerRegistry[Desk]("test")
    registry.handles(message, **how)(executor)
    context = Context(
        resource=desk,
        app="app",
        envelope=Envelope(message_id="1", kind=message.kind, body=b"{}", destination="app"),
        attempt=1,
        documents=Documents(None),  # type: ignore[arg-type]
        outbox=Outbox(source="app", seed=("1",), user="", now_us=desk.clock.now_us),
        cancel_requested=lambda: desk.cancelled,
    )
    phases = Phases(desk.clock.monotonic)
    return run(registry.get(message.kind), context, phases=phases), phases


def test_phases_run_in_order() -> None:
    """All six phases run in the order that the class promises, each once; the reply knows that it was applied."""
    outcome, phases = execute(Whole, desk := Desk())
    assert desk.ran == [phase.value for phase in Phase]
    assert isinstance(outcome, Succeeded)
    assert outcome.reply == b'{"applied":true}'
    assert len(outcome.effects.events) == 1
    assert phases.times() == tuple((phase.value, 1000 * (place + 1)) for place, phase in enumerate(Phase))


def test_nothing_is_applied_that_is_not_valid() -> None:
    """When validate returns False nothing is modified or applied; reply runs all the same and knows it."""
    outcome, phases = execute(Whole, desk := Desk(change=False))
    assert desk.ran == ["gather", "parse", "validate", "reply"]
    assert outcome == Succeeded("test.done", b'{"applied":false}', Effects())
    assert [phase for phase, _ in phases.times()] == desk.ran


@pytest.mark.parametrize("phase", list(Phase))
@pytest.mark.parametrize("how", [{"retry": NO_RETRY}, {"retry": Backoff(attempts=2, jitter=0.0)}])
def test_the_phase_of_a_failure_is_told(phase: Phase, how: dict[str, Any]) -> None:
    """A failure and a retry say in which phase it happened; later phases do not run, and the failed one is timed too."""
    outcome, phases = execute(Whole, desk := Desk(fail_in=phase), **how)
    assert isinstance(outcome, Failed | Retry)
    assert (outcome.phase, outcome.error) == (phase, "OSError: broken")
    assert desk.ran[-1] == phase
    assert [name for name, _ in phases.times()] == desk.ran


def test_a_phase_may_reject() -> None:
    """Reject and its reason come from any phase, with the phase."""

    class Refusing(MessageExecutor[Quiet, Desk]):
        def validate(self) -> bool:
            raise Reject("not with me")

    assert execute(Refusing, Desk(), Quiet)[0] == Failed(Reason.REJECTED, "not with me", "validate")


@pytest.mark.parametrize("phase", list(Phase)[:-1])
def test_a_cancelled_run_ends_before_its_next_phase(phase: Phase) -> None:
    """Cancelled within a phase, that phase ends and no other begins: the message waits again, uncounted."""
    outcome, _ = execute(Whole, desk := Desk(cancel_in=phase))
    following = list(Phase)[list(Phase).index(phase) + 1]
    assert outcome == Retry(0, f"asked to stop before {following}", counted=False)
    assert desk.ran[-1] == phase


def test_a_cancelled_run_begins_no_phase() -> None:
    """What was cancelled before it began does nothing."""
    desk = Desk()
    desk.cancelled = True
    assert execute(Whole, desk)[0] == Retry(0, "asked to stop before gather", counted=False)
    assert desk.ran == []


@pytest.mark.parametrize("answer", [None, 1, "yes", [0]])
def test_validate_must_say_yes_or_no(answer: object) -> None:
    """A validate that forgot its return is an error that names it, and never taken for a no."""
    outcome, _ = execute(Whole, desk := Desk(change=answer), retry=NO_RETRY)
    assert isinstance(outcome, Failed)
    assert outcome.phase == "validate"
    assert f"Whole.validate returned {answer!r}; it must return True or False" in outcome.error
    assert "reply" not in desk.ran


def test_only_what_was_written_runs() -> None:
    """A small executor writes one phase: the others are no steps of its timeline, and it succeeds."""

    class Small(MessageExecutor[Quiet, Desk]):
        def apply(self) -> None:
            self.ctx.resource.note("apply")

    outcome, phases = execute(Small, desk := Desk(), Quiet)
    assert (outcome, desk.ran) == (Succeeded(), ["apply"])
    assert phases.times() == (("apply", 1000),)


def test_an_event_may_have_an_executor() -> None:
    """An executor of an event has no reply, and succeeds without."""

    class Noting(MessageExecutor[Happened, Desk]):
        def apply(self) -> None:
            self.ctx.resource.note("apply")

    assert execute(Noting, Desk(), Happened)[0] == Succeeded()


def test_a_phase_may_be_inherited() -> None:
    """A class derived from an executor runs the phases of both."""

    class Less(Whole):
        def modify(self) -> None:
            self.ctx.resource.note("modify less")

    _, _ = execute(Less, desk := Desk())
    assert desk.ran == ["gather", "parse", "validate", "modify less", "apply", "reply"]


def test_phases_may_be_async() -> None:
    """Async phases run to their end, in order, and are timed; a False of an async validate is a no."""
    outcome, phases = execute(Slow, desk := Desk())
    assert desk.ran == ["gather", "validate", "apply", "reply"]
    assert outcome == Succeeded("test.done", b'{"applied":true}', Effects())
    assert [took for _, took in phases.times()] == [1000, 2000, 3000, 4000]
    assert execute(Slow, Desk(change=False))[0] == Succeeded("test.done", b'{"applied":false}', Effects())
    failed, _ = execute(Slow, Desk(fail_in="apply"), retry=NO_RETRY)
    assert failed == Failed(Reason.ERROR, "OSError: broken", "apply")


def test_each_run_has_an_instance_of_its_own() -> None:
    """What one run kept on self is not seen by the next."""
    seen = []

    class Keeping(MessageExecutor[Quiet, Desk]):
        kept = 0

        def apply(self) -> None:
            seen.append(self.kept)
            self.kept = 1

    execute(Keeping, Desk(), Quiet)
    execute(Keeping, Desk(), Quiet)
    assert seen == [0, 0]


def test_a_wrong_reply_is_an_error() -> None:
    """An executor that answers with something else than its command says ends as a failure in reply."""

    class Wrong(MessageExecutor[Do, Desk]):
        def reply(self):  # type: ignore[no-untyped-def]  # noqa: ANN202
            return "done"

    outcome, _ = execute(Wrong, Desk())
    assert isinstance(outcome, Failed)
    assert "Wrong returned str, the contract says Done" in outcome.error
    assert outcome.phase == "reply"


def test_a_constructor_may_fail() -> None:
    """An executor whose own __init__ raises ends like any handler that raises, in no phase."""

    class Broken(MessageExecutor[Quiet, Desk]):
        def __init__(self, message: Quiet, ctx: Context[Desk]) -> None:
            super().__init__(message, ctx)
            raise OSError("no")

    assert execute(Broken, Desk(), Quiet, retry=NO_RETRY)[0] == Failed(Reason.ERROR, "OSError: no")


def test_another_thread_sees_whole_steps() -> None:
    """Whenever it is asked, the running phase is the last of the times, with how long it has been running."""
    clock = ManualClock()
    told: list[Phase] = []
    phases = Phases(clock.monotonic, told.append)
    assert (phases.current, phases.times()) == ("", ())
    phases.enter(Phase.GATHER)
    clock.advance(0.5)
    assert (phases.current, phases.times()) == ("gather", (("gather", 500_000),))
    phases.enter(Phase.APPLY)
    assert phases.times() == (("gather", 500_000), ("apply", 0))
    phases.leave()
    clock.advance(1)
    assert (phases.current, phases.times()) == ("", (("gather", 500_000), ("apply", 0)))
    assert told == [Phase.GATHER, Phase.APPLY]
