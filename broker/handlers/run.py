"""Runs one handler for one message: the one ladder from what it did to its outcome."""

from collections.abc import Awaitable
from dataclasses import replace
from typing import Any

from broker.errors import ContractError, Reject, RetryLater, Superseded, TableUnavailable
from broker.handlers.context import Context, ResourceT
from broker.handlers.executor import Complete, execute
from broker.handlers.loop import EventLoop
from broker.handlers.outcome import SUCCEEDED, Failed, Outcome, Retry, Succeeded
from broker.handlers.phases import Phases
from broker.handlers.registry import Handler
from broker.lifecycle.clock import SystemClock
from broker.lifecycle.state import Reason
from broker.messages.codec import decode_envelope, encode
from broker.messages.message import Message, Reply

ERROR_MAX_LENGTH = 2000
"""How many characters of an error the table keeps."""

TABLE_PAUSE_SECONDS = 1.0
"""Pause before a message is tried again whose handler could not reach the table."""


def complete_alone(awaitable: Awaitable[Any]) -> Any:
    """Run it to its end on an event loop of its own."""
    with EventLoop() as loop:
        return loop.complete(awaitable)


def run(
    handler: Handler[ResourceT] | None,
    context: Context[ResourceT],
    *,
    phases: Phases | None = None,
    complete: Complete = complete_alone,
) -> Outcome:
    """Decode the message, run its handler, return the outcome. Never raises: whatever happens is the message's outcome.

    ``phases`` learns how far an executor has come; ``complete`` runs what is ``async def`` to its end, in this thread.
    """
    try:
        return _run(handler, context, phases, complete)
    except Exception as exc:  # noqa: BLE001 a message that breaks the framework must not stop its slot
        return Failed(Reason.ERROR, shortened(f"interapp itself failed on it: {type(exc).__name__}: {exc}"))


def _run(
    handler: Handler[ResourceT] | None, context: Context[ResourceT], phases: Phases | None, complete: Complete
) -> Outcome:
    envelope = context.envelope
    if not envelope.kind:
        return Failed(Reason.INVALID, "no kind: set the AMQP property type, e.g. to tcr.get-status")
    if handler is None:
        return Failed(Reason.UNHANDLED, f"{context.app} has no handler for {envelope.kind!r}")
    if envelope.version < 1:
        return Failed(Reason.INVALID, f"{envelope.kind}: header x-version must be an integer from 1")
    try:
        message = decode_envelope(handler.message, envelope, context.codecs)
    except ContractError as exc:
        return Failed(Reason.INVALID, shortened(str(exc)))
    if not handler.executor:
        return _call(handler, message, context, None, complete)
    phases = phases or Phases(SystemClock().monotonic)
    return in_phase(_call(handler, message, context, phases, complete), phases.current)


def timed_out(handler: Handler[ResourceT], attempt: int, phase: str = "") -> Outcome:
    """Return another attempt or the end, for a handler that outlived its timeout in that phase."""
    error = TimeoutError(f"ran longer than {handler.timeout_seconds:g} s")
    return in_phase(_after_error(handler, attempt, error, Reason.TIMEOUT), phase)


def crashed(handler: Handler[ResourceT], attempt: int, how: str, phase: str = "") -> Outcome:
    """Return another attempt or the end, for an isolated handler whose process ended under it; ``how`` it ended."""
    return in_phase(_after_error(handler, attempt, ChildProcessError(how), Reason.ERROR), phase)


def in_phase(outcome: Outcome, phase: str) -> Outcome:
    """Return the outcome with the phase that it came about in; a success has none."""
    return outcome if isinstance(outcome, Succeeded) or not phase else replace(outcome, phase=phase)


def _call(
    handler: Handler[ResourceT],
    message: Message,
    context: Context[ResourceT],
    phases: Phases | None,
    complete: Complete,
) -> Outcome:
    try:
        reply, expected = handler.function(message, context), handler.reply or type(None)
        if phases is not None:
            reply = execute(reply, phases, complete)
        elif not isinstance(reply, expected) and isinstance(reply, Awaitable):
            reply = complete(reply)
        return _returned(handler, reply, expected, context)
    except Reject as exc:
        return Failed(Reason.REJECTED, shortened(str(exc)))
    except RetryLater as exc:
        return Retry(exc.after_seconds, shortened(str(exc)), counted=False, ordered=handler.retry.ordered)
    except (TableUnavailable, Superseded) as exc:
        # No fault of the message, and its outcome could not be committed either.
        return Retry(TABLE_PAUSE_SECONDS, shortened(str(exc)), counted=False, ordered=handler.retry.ordered)
    except Exception as exc:  # noqa: BLE001 whatever a handler raises becomes its outcome
        return _after_error(handler, context.attempt, exc, Reason.ERROR)
    except SystemExit as exc:
        # A handler that calls sys.exit() must not end the worker.
        return Failed(Reason.ERROR, shortened(f"the handler called sys.exit({exc.code!r})"))
    except BaseException as exc:  # noqa: BLE001 asyncio.CancelledError and the like must not end the worker either
        return Failed(Reason.ERROR, shortened(f"{type(exc).__name__}: {exc}"))


def _returned(
    handler: Handler[ResourceT], reply: object, expected: type, context: Context[ResourceT]
) -> Succeeded | Failed:
    if not isinstance(reply, expected):
        wanted = "nothing" if expected is type(None) else expected.__qualname__
        got = type(reply).__qualname__
        return Failed(Reason.ERROR, f"{handler.name} returned {got}, the contract says {wanted}")
    if context.envelope.reply_to and isinstance(reply, Reply):
        context.outbox.answer(reply, context.envelope)
    effects = context.outbox.effects(context.documents.writes())
    if isinstance(reply, Reply):
        return Succeeded(reply.kind, encode(reply), effects, reply.version)
    return Succeeded(effects=effects) if effects else SUCCEEDED


def _after_error(handler: Handler[ResourceT], attempt: int, error: Exception, reason: Reason) -> Outcome:
    text = shortened(f"{type(error).__name__}: {error}" if reason is Reason.ERROR else str(error))
    if not handler.retry.allows(attempt, error):
        return Failed(reason, text)
    return Retry(handler.retry.pause_seconds(attempt), text, ordered=handler.retry.ordered)


def shortened(text: str) -> str:
    """Return the text without NUL and half characters, which no database keeps, cut to what the table keeps."""
    clean = text.replace("\x00", "\ufffd").encode("utf-8", "replace").decode("utf-8")
    return clean if len(clean) <= ERROR_MAX_LENGTH else clean[: ERROR_MAX_LENGTH - 1] + "…"
