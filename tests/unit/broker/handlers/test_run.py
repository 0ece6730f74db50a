"""The one ladder from what a handler did to its outcome."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any, ClassVar

import pytest

from broker.errors import Reject, RetryLater, Superseded, TableUnavailable
from broker.handlers.context import Context, Documents, Outbox
from broker.handlers.outcome import Failed, Retry, Succeeded
from broker.handlers.registry import Handler, HandlerRegistry
from broker.handlers.retry import NO_RETRY, Backoff
from broker.handlers.run import ERROR_MAX_LENGTH, crashed, run, timed_out
from broker.lifecycle.ids import derived_id
from broker.lifecycle.state import Reason
from broker.messages.effects import DocumentWrite, Effects
from broker.messages.envelope import Envelope
from broker.messages.message import Command, Reply


class Done(Reply):
    kind: ClassVar[str] = "test.done"
    n: int


class Do(Command[Done]):
    kind: ClassVar[str] = "test.do"
    n: int = 0


class Quiet(Command[None]):
    kind: ClassVar[str] = "test.quiet"
    n: int = 0


ENVELOPE = Envelope(
    message_id="cause", kind="test.do", body=b'{"n": 1}', destination="app", traceparent="00-trace", user="someone"
)


class Kept:
    """Documents of an app, in memory."""

    def __init__(self, **kept: str) -> None:
        self.kept = kept

    def read(self, collection: str, key: str) -> str | None:
        """Return a document of the one collection ``things``."""
        return self.kept.get(key) if collection == "things" else None

    def read_all(self, collection: str) -> dict[str, str]:
        """Return all of them."""
        return dict(self.kept) if collection == "things" else {}


def context(envelope: Envelope = ENVELOPE, *, attempt: int = 1, kept: Kept | None = None) -> Context[str]:
    """Return what a handler gets."""
    return Context(
        resource="resource",
        app="app",
        envelope=envelope,
        attempt=attempt,
        documents=Documents(kept or Kept()),
        outbox=Outbox(source="app", seed=("cause", "someone", "app", 0), user="me", now_us=lambda: 42),
    )


def handler(function: Callable[[Any, Context[str]], Any], message: type[Command[Any]] = Do, **how: Any) -> Handler[str]:
    """Return a handler around the function, whatever its annotations would be."""

    def bare(message, ctx):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
        return function(message, ctx)

    registry = HandlerRegistry[str]("test")
    registry.handles(message, **how)(bare)
    found = registry.get(message.kind)
    assert found is not None
    return found


def raising(error: BaseException) -> Callable[[Any, Context[str]], None]:
    """Return a handler that raises, after it has sent, published and kept something."""

    def function(_message: object, ctx: Context[str]) -> None:
        ctx.send(Quiet(), to="elsewhere")
        ctx.documents.put("things", "a", Quiet())
        raise error

    return function


def test_a_handler_that_returns_its_reply_succeeds() -> None:
    """The reply is encoded, with its kind; the handler got the decoded message."""
    outcome = run(handler(lambda message, _ctx: Done(n=message.n + 1)), context())
    assert outcome == Succeeded("test.done", b'{"n":2}', Effects())


def test_a_handler_without_reply_succeeds() -> None:
    """A command that is answered by nothing succeeds with nothing."""
    quiet = replace(ENVELOPE, kind="test.quiet")
    assert run(handler(lambda _message, _ctx: None, Quiet), context(quiet)) == Succeeded()


FIXED = Backoff(attempts=3, first=10.0, factor=2.0, jitter=0.0)


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (Reject("not with me"), Failed(Reason.REJECTED, "not with me")),
        (RetryLater(5.0), Retry(5.0, "retry in 5 s", counted=False)),
        (RetryLater(5.0, "busy"), Retry(5.0, "busy", counted=False)),
        (TableUnavailable("away"), Retry(1.0, "away", counted=False)),
        (Superseded("by another"), Retry(1.0, "by another", counted=False)),
        (OSError("broken"), Retry(20.0, "OSError: broken")),
        (ValueError(), Retry(20.0, "ValueError: ")),
        (RecursionError("deep"), Retry(20.0, "RecursionError: deep")),
        (MemoryError(), Retry(20.0, "MemoryError: ")),
        (SystemExit(3), Failed(Reason.ERROR, "the handler called sys.exit(3)")),
        (KeyboardInterrupt(), Failed(Reason.ERROR, "KeyboardInterrupt: ")),
        (asyncio.CancelledError("gone"), Failed(Reason.ERROR, "CancelledError: gone")),
        (GeneratorExit(), Failed(Reason.ERROR, "GeneratorExit: ")),
    ],
    ids=repr,
)
def test_every_exception_has_its_outcome(error: BaseException, outcome: object) -> None:
    """Whatever a handler raises becomes an outcome; nothing is raised to the worker, and no effect is kept."""
    assert run(handler(raising(error), retry=FIXED), context(attempt=2)) == outcome


@pytest.mark.parametrize("attempt", [3, 4])
def test_the_last_attempt_is_final(attempt: int) -> None:
    """When the attempts are used up an error is failed (error)."""
    outcome = run(handler(raising(OSError("broken")), retry=FIXED), context(attempt=attempt))
    assert outcome == Failed(Reason.ERROR, "OSError: broken")


def test_an_error_that_no_attempt_mends_is_final() -> None:
    """An exception outside retry_on fails at the first attempt."""
    policy = Backoff(attempts=9, retry_on=(OSError,))
    assert run(handler(raising(ValueError("x")), retry=policy), context()) == Failed(Reason.ERROR, "ValueError: x")


@pytest.mark.parametrize("error", [OSError(), RetryLater(1.0), TableUnavailable("away")])
def test_an_ordered_policy_orders_every_retry(error: Exception) -> None:
    """When a handler wants its order kept, later messages wait whatever the reason of the retry."""
    outcome = run(handler(raising(error), retry=Backoff(ordered=True)), context())
    assert isinstance(outcome, Retry)
    assert outcome.ordered


class BrokenText(Exception):
    """An error that cannot even be shown."""

    def __str__(self) -> str:
        raise ValueError("no text")


def test_an_error_that_cannot_be_shown_is_an_outcome_too() -> None:
    """An exception whose text itself raises ends its message, not the worker."""
    outcome = run(handler(raising(BrokenText())), context())
    assert isinstance(outcome, Failed)
    assert outcome.reason is Reason.ERROR


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("a\x00b", "OSError: a\ufffdb"),
        ("caf\udce9", "OSError: caf?"),
        ("x" * 5000, "OSError: " + "x" * (ERROR_MAX_LENGTH - 10) + "…"),
    ],
)
def test_an_error_text_is_one_that_a_table_keeps(text: str, kept: str) -> None:
    """NUL, half characters and very long texts are made such that any database keeps them."""
    assert run(handler(raising(OSError(text)), retry=NO_RETRY), context()) == Failed(Reason.ERROR, kept)
    if len(text) < 100:
        rejected = run(handler(raising(Reject(text))), context())
        assert rejected == Failed(Reason.REJECTED, kept.removeprefix("OSError: "))


@pytest.mark.parametrize(
    ("message", "returned"), [(Do, None), (Do, "text"), (Do, Quiet()), (Do, {"n": 1}), (Quiet, Done(n=1)), (Quiet, 0)]
)
def test_a_wrong_reply_is_an_error(message: type[Command[Any]], returned: object) -> None:
    """A handler that returns something else than the contract says fails at once, naming both; nothing is sent."""

    def function(_message: object, ctx: Context[str]) -> object:
        ctx.send(Quiet(), to="elsewhere")
        return returned

    outcome = run(handler(function, message), context(replace(ENVELOPE, kind=message.kind)))
    assert isinstance(outcome, Failed)
    assert outcome.reason is Reason.ERROR
    wanted = "Done" if message is Do else "nothing"
    assert outcome.error.endswith(f"returned {type(returned).__qualname__}, the contract says {wanted}")


@pytest.mark.parametrize(
    ("fields", "reason", "error"),
    [
        ({"kind": ""}, Reason.INVALID, "no kind: set the AMQP property type"),
        ({"body": b"{"}, Reason.INVALID, "test.do: "),
        ({"body": b'{"n": "1"}'}, Reason.INVALID, "test.do: n: "),
        ({"version": 2}, Reason.INVALID, "version 2, known up to 1"),
        ({"version": 0}, Reason.INVALID, "x-version must be an integer from 1"),
        ({"version": -1}, Reason.INVALID, "x-version must be an integer from 1"),
        ({"content_type": "text/plain"}, Reason.INVALID, "content type 'text/plain'"),
    ],
)
def test_what_cannot_be_decoded_reaches_no_handler(fields: dict[str, Any], reason: Reason, error: str) -> None:
    """A message that breaks its contract is failed (invalid), says why, and is never retried."""
    called: list[object] = []
    outcome = run(handler(lambda message, _ctx: called.append(message)), context(replace(ENVELOPE, **fields)))
    assert isinstance(outcome, Failed)
    assert outcome.reason is reason
    assert error in outcome.error
    assert called == []


def test_a_kind_without_handler_is_unhandled() -> None:
    """A kind that the app does not handle is failed (unhandled), naming app and kind."""
    assert run(None, context()) == Failed(Reason.UNHANDLED, "app has no handler for 'test.do'")
    assert run(None, context(replace(ENVELOPE, kind=""))) != Failed(Reason.UNHANDLED, "app has no handler for ''")


def test_a_timeout_is_tried_again_and_ends() -> None:
    """A handler that outlived its timeout has further attempts, then it is failed (timeout) with how long it may run."""
    slow = handler(lambda _message, _ctx: None, timeout=2.5, retry=FIXED)
    assert timed_out(slow, 1) == Retry(10.0, "ran longer than 2.5 s")
    assert timed_out(slow, 3) == Failed(Reason.TIMEOUT, "ran longer than 2.5 s")


def test_a_crash_is_tried_again_by_the_policy_and_ends() -> None:
    """A process that ended under its handler counts as ChildProcessError: as many attempts as the policy gives that."""
    died = "its process died of SIGSEGV"
    fragile = handler(lambda _message, _ctx: None, timeout=2.5, retry=FIXED)
    assert crashed(fragile, 1, died) == Retry(10.0, f"ChildProcessError: {died}")
    assert crashed(fragile, 3, died) == Failed(Reason.ERROR, f"ChildProcessError: {died}")
    strict = handler(lambda _message, _ctx: None, timeout=2.5, retry=Backoff(retry_on=(ValueError,)))
    assert crashed(strict, 1, died) == Failed(Reason.ERROR, f"ChildProcessError: {died}")


def test_effects_follow_from_success() -> None:
    """What a handler sent, published and kept is in the outcome of a success, in order, and says what it follows from."""

    def function(_message: object, ctx: Context[str]) -> Done:
        ctx.send(Quiet(n=1), to="one")
        ctx.send(Quiet(n=2), to="two", deadline_ms=7)
        ctx.documents.put("things", "a", Quiet(n=3))
        ctx.documents.delete("things", "b")
        return Done(n=1)

    outcome = run(handler(function), context())
    assert isinstance(outcome, Succeeded)
    first, second = outcome.effects.sent
    assert [(e.destination, e.body, e.deadline_ms) for e in (first, second)] == [
        ("one", b'{"n":1}', None),
        ("two", b'{"n":2}', 7),
    ]
    assert {(e.source, e.correlation_id, e.traceparent, e.user, e.sent_us) for e in (first, second)} == {
        ("app", "cause", "00-trace", "me", 42)
    }
    assert first.call_id == second.call_id != ""
    assert outcome.effects.documents == (
        DocumentWrite("things", "a", '{"n":3}'),
        DocumentWrite("things", "b", None),
    )


def test_ids_of_what_follows_are_those_of_the_cause() -> None:
    """What a handler sends has ids that follow from the cause and the position: a repeated run sends the same."""

    def function(_message: object, ctx: Context[str]) -> Done:
        for n in range(3):
            ctx.send(Quiet(n=n), to="one")
        return Done(n=1)

    runs = [run(handler(function), context()) for _ in range(2)]
    ids = [[e.message_id for e in outcome.effects.sent] for outcome in runs if isinstance(outcome, Succeeded)]
    assert ids[0] == ids[1] == [derived_id("cause", "someone", "app", 0, position) for position in range(3)]


def test_a_handler_sees_its_own_writes() -> None:
    """Documents that a run wrote are read back by it on top of what is kept, and others see nothing of them."""
    kept = Kept(a='{"n":1}', b='{"n":2}')
    seen: list[object] = []

    def function(_message: object, ctx: Context[str]) -> Done:
        documents = ctx.documents
        documents.put("things", "a", Quiet(n=9))
        documents.delete("things", "b")
        documents.put("things", "c", Quiet(n=3))
        documents.put("others", "z", Quiet(n=4))
        seen.extend([documents.get("things", "a", Quiet), documents.get("things", "b", Quiet)])
        seen.append(documents.all("things", Quiet))
        return Done(n=1)

    assert isinstance(run(handler(function), context(kept=kept)), Succeeded)
    assert seen == [Quiet(n=9), None, {"a": Quiet(n=9), "c": Quiet(n=3)}]
    assert kept.kept == {"a": '{"n":1}', "b": '{"n":2}'}


@pytest.mark.parametrize("to", ["", "UPPER", "events", "a..b"])
def test_sending_to_no_address_is_an_error(to: str) -> None:
    """A destination that is no address fails the handler; it does not get into the table."""
    outcome = run(handler(lambda _message, ctx: ctx.send(Quiet(), to=to), retry=NO_RETRY), context())
    assert isinstance(outcome, Failed)
    assert "address" in outcome.error or "reserved" in outcome.error


@pytest.mark.parametrize("after", [float("inf"), float("nan"), -1.0])
def test_a_pause_that_is_none_is_refused(after: float) -> None:
    """A handler that asks for an impossible pause gets the error where it makes it."""
    with pytest.raises(ValueError, match="after="):
        RetryLater(after)


async def later(reply: object) -> Any:
    """Return it after a turn of the loop."""
    await asyncio.sleep(0)
    if isinstance(reply, BaseException):
        raise reply
    return reply


def test_an_async_handler_is_run_to_its_end() -> None:
    """What an async def handler returns is its reply, and what it sent is committed with it."""

    async def function(message: Do, ctx: Context[str]) -> Done:
        await asyncio.sleep(0)
        ctx.send(Quiet(), to="elsewhere")
        return Done(n=message.n)

    outcome = run(handler(function), context())
    assert isinstance(outcome, Succeeded)
    assert outcome.reply == b'{"n":1}'
    assert len(outcome.effects.sent) == 1
    assert run(handler(lambda _message, _ctx: later(None), Quiet), context(replace(ENVELOPE, kind="test.quiet"))) == (
        Succeeded()
    )


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (Reject("not with me"), Failed(Reason.REJECTED, "not with me")),
        (RetryLater(5.0, "busy"), Retry(5.0, "busy", counted=False)),
        (OSError("broken"), Failed(Reason.ERROR, "OSError: broken")),
        (SystemExit(3), Failed(Reason.ERROR, "the handler called sys.exit(3)")),
        (asyncio.CancelledError(), Failed(Reason.ERROR, "CancelledError: ")),
        ("text", Failed(Reason.ERROR, "test_run returned str, the contract says Done")),
    ],
)
def test_an_async_handler_ends_as_any_other(error: object, outcome: object) -> None:
    """Whatever is raised or returned by an async def handler is the outcome that it is of a plain one."""
    found = run(handler(lambda _message, _ctx: later(error), retry=NO_RETRY), context())
    if isinstance(found, Failed) and "returned" in found.error:
        found = replace(found, error="test_run " + found.error[found.error.index("returned") :])
    assert found == outcome
