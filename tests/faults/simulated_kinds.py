"""The messages of the property test: each kind is one way in which a handler may behave."""

from collections.abc import Callable

from simulated_process import Process, handle
from simulated_strand import ProcessEnded

from broker.handlers.context import Context
from broker.handlers.registry import HandlerRegistry
from broker.handlers.retry import Backoff
from broker.messages.message import Command

HANG_SECONDS = 2.0


class Nothing(Command[None]):
    kind = "test.nothing"


class Ok(Nothing):
    """Succeeds, and sends a message of its own with its outcome."""

    kind = "test.ok"


class Slow(Nothing):
    """Succeeds after many points."""

    kind = "test.slow"


class FailsOnce(Nothing):
    """Fails the first time that it comes to its end."""

    kind = "test.fails-once"


class InOrder(Nothing):
    """Fails the first time that it comes to its end; what follows waits."""

    kind = "test.in-order"


class Hangs(Nothing):
    """Outlives its timeout at its first run, and goes on in its thread."""

    kind = "test.hangs"


class Kills(Nothing):
    """Takes its process down, always."""

    kind = "test.kills"


class Fails(Nothing):
    """Fails for good, until an operator retries it."""

    kind = "test.fails"


KINDS: tuple[type[Nothing], ...] = (Ok, Slow, FailsOnce, InOrder, Hangs, Kills, Fails)


def behave(process: Process, kind: str, *, runs: int, ends: int, generation: int) -> str:
    """Do what a handler of the kind does; return how it ends: ``succeeded``, ``retry``, ``ordered retry`` or ``failed``.

    The message was run so often before, came to an end so often, and was retried by operators so often.
    """
    process.point("handler")
    if kind == Kills.kind:
        process.kill()
        raise ProcessEnded
    if kind in (Slow.kind, Hangs.kind):
        for _ in range(20 if kind == Hangs.kind and not runs else 5):
            process.point("handler")
    if kind == FailsOnce.kind and not ends:
        return "retry"
    if kind == InOrder.kind and not ends:
        return "ordered retry"
    if kind == Fails.kind and not generation:
        return "failed"
    return "succeeded"


def simulated_registry(work: Callable[[Process, Context[Process]], None]) -> HandlerRegistry[Process]:
    """Return handlers of all kinds that do the work. No pause is drawn by chance."""
    registry: HandlerRegistry[Process] = HandlerRegistry("simulated")
    once = Backoff(attempts=3, first=3.0, jitter=0.0)
    retries = {InOrder: Backoff(attempts=3, first=3.0, jitter=0.0, ordered=True), Fails: Backoff(attempts=1)}

    def function(_message: Nothing, context: Context[Process]) -> None:
        handle(context, work)

    for kind in KINDS:
        timeout = HANG_SECONDS if kind is Hangs else None
        registry.handles(kind, timeout=timeout, retry=retries.get(kind, once))(function)
    return registry
