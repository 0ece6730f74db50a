"""Runs the ledger service, or a sender, and dies or freezes at one exact step of a message's way.

``python fault_points.py POINT exit|stop COUNT APP LEDGER [SECONDS]`` serves APP as ``ledger_service.py`` does;
``python fault_points.py POINT exit|stop COUNT send APP FIRST LAST`` sends numbers and prints each that was accepted. The COUNT-th
time that the step was done, the process ends itself (``os._exit``) or freezes itself (SIGSTOP). The product knows nothing
of this: the steps are wrapped from outside.
"""

import functools
import itertools
import os
import signal
import sys
import threading
from collections.abc import Callable
from typing import Any

import ledger_service

from broker.lifecycle.clock import SystemClock
from broker.runtime import outgoing, runner
from broker.runtime.holding import Holding
from broker.runtime.host import Host
from broker.settings import InterAppSettings
from broker.table import fence, store
from broker.transport.rabbitmq.consumer import RabbitMQConsumer

Step = tuple[Any, str, Callable[[Any], bool]]


def always(_result: object) -> bool:
    """Count every call."""
    return True


def with_rows(result: Any) -> bool:
    """Count only claims that took something."""
    return bool(result[0])


STEPS: dict[str, Step] = {
    "send-committed": (store.HandlerTable, "accept", always),
    "published": (outgoing.Outgoing, "publish", always),
    "lease-taken": (Holding, "_took", always),
    "lease-locked": (fence, "hold", always),
    "claimed": (store.HandlerTable, "claim", with_rows),
    "ran": (runner, "run", always),
    "outcome-committed": (store.HandlerTable, "settle", always),
    "acknowledged": (RabbitMQConsumer, "ack", always),
    "acknowledgement-sent": (RabbitMQConsumer, "_send_acks", always),
}
"""By name: what is wrapped, and which of its results count."""


def arm(point: str, act: str, count: int) -> None:
    """Make the process end or freeze itself right after the step was done so many times."""
    owner, name, counts = STEPS[point]
    original = getattr(owner, name)
    calls = itertools.count(1)

    @functools.wraps(original)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        result = original(*args, **kwargs)
        if counts(result) and next(calls) == count:
            if act == "exit":
                os._exit(9)
            # To this very thread: one to the process is another thread's to take, and this one would go on until that has run.
            signal.pthread_kill(threading.get_ident(), signal.SIGSTOP)
        return result

    setattr(owner, name, wrapped)


def nothing() -> None:
    """Do nothing."""


def send(app: str, first: int, last: int, *, at_end: Callable[[], object] = nothing) -> int:
    """Send numbers one by one; print each once it is accepted; at the end do what is given, while still connected."""
    with Host(InterAppSettings.load(), SystemClock()) as host:
        client = host.client("sender")
        for number in range(first, last):
            client.send(ledger_service.Note(number=number), to=app)
            print(number, flush=True)  # noqa: T201 the test reads what was accepted
        at_end()
    return 0


def main() -> int:
    """Arm the point, then serve or send."""
    point, act, count = sys.argv[1:4]
    arm(point, act, int(count))
    rest = sys.argv[4:]
    if rest[0] == "send":
        return send(rest[1], int(rest[2]), int(rest[3]))
    sys.argv = [sys.argv[0], *rest]
    return ledger_service.main()


if __name__ == "__main__":
    sys.exit(main())
