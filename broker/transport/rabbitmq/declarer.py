"""Makes exchanges, queues and bindings.

On a channel of its own: a refused declaration closes the channel it came by.
"""

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from pika.channel import Channel

from broker.errors import AccessRefused, Blocked, TransportError
from broker.transport.rabbitmq.connection import Connection
from broker.transport.rabbitmq.faults import ACCESS_REFUSED, NOT_FOUND, channel_error, reply_code
from broker.transport.rabbitmq.parameters import Place
from broker.transport.rabbitmq.topology import Binding, Declaration, Exchange, Queue, foundation, mailbox

Declared = Callable[[TransportError | None], None]


@dataclass(slots=True)
class Task:
    """Declarations that are made one after the other."""

    steps: Sequence[Declaration]
    done: Declared
    position: int = 0
    passive: bool = False
    """Whether the present step only looks if the thing exists."""


class Declarer:
    """Declares on one connection. For the I/O thread only.

    Where the user lacks the right to make a thing, whoever administers RabbitMQ has made it or must: then it is enough
    that it exists. Its arguments can be compared only by who may make it.
    """

    def __init__(self, place: Place) -> None:
        self._place = place
        self._connection: Connection | None = None
        self._channel: Channel | None = None
        self._tasks: deque[Task] = deque()
        self._founded = False
        self._busy = False

    def connected(self, connection: Connection) -> None:
        """Begin on a new connection, where nothing is known to exist."""
        self._connection = connection
        self._channel = None
        self._founded = False
        self._busy = False
        self._next()

    def disconnected(self, error: TransportError) -> None:
        """Give up what has not been declared."""
        self._connection = None
        self._channel = None
        self._busy = False
        tasks, self._tasks = self._tasks, deque()
        for task in tasks:
            task.done(error)

    def blocked(self, error: Blocked | None) -> None:
        """Do nothing: declarations wait."""

    def forget(self) -> None:
        """Declare everything again when it is needed next: something was deleted."""
        self._founded = False

    def declare_mailbox(self, address: str, done: Declared) -> None:
        """Declare an app's queue, and first what every app relies on; then call ``done``."""
        self._add(mailbox(address), done)

    def declare_foundation(self, done: Declared) -> None:
        """Declare what every app relies on; then call ``done``."""
        self._add((), done)

    def _add(self, steps: tuple[Declaration, ...], done: Declared) -> None:
        self._tasks.append(Task(steps, done))
        self._next()

    def _next(self) -> None:
        """Go on with the first task, opening the channel when there is none."""
        if self._busy or not self._tasks or self._connection is None or not self._connection.is_open:
            return
        if not self._founded and not isinstance(self._tasks[0], _Foundation):
            self._tasks.appendleft(_Foundation(foundation(), self._on_founded))
        self._busy = True
        if self._channel is None:
            self._channel = self._connection.channel(on_open_callback=self._step)
            self._channel.add_on_close_callback(self._on_closed)
        else:
            self._step(self._channel)

    def _step(self, channel: Channel) -> None:
        task = self._tasks[0]
        if task.position == len(task.steps):
            self._finish(None)
        else:
            declare(channel, task.steps[task.position], partial(self._on_ok, channel), passive=task.passive)

    def _on_ok(self, channel: Channel, _frame: object) -> None:
        self._tasks[0].position += 1
        self._tasks[0].passive = False
        self._step(channel)

    def _on_closed(self, channel: Channel, cause: BaseException) -> None:
        if channel is not self._channel:
            return
        self._channel = None
        if not self._busy or self._connection is None or not self._connection.is_open:
            return
        task = self._tasks[0]
        refused = reply_code(cause) == ACCESS_REFUSED
        if refused and (task.passive or isinstance(task.steps[task.position], Binding)):
            task.position += 1  # not ours to see or to bind: using it will tell
            task.passive = False
        elif refused:
            task.passive = True
        else:
            if reply_code(cause) == NOT_FOUND:
                self.forget()
            self._finish(self._error(task, cause))
            return
        self._busy = False
        self._next()

    def _error(self, task: Task, cause: BaseException) -> TransportError:
        step = task.steps[task.position]
        error = channel_error(cause, self._place, f"declare {describe(step)}")
        if task.passive:
            # it does not exist, and the attempt to make it was refused before
            missing = AccessRefused(
                f"{describe(step)} does not exist, and user {self._place.user!r} may not make it in virtual host "
                f"{self._place.vhost!r}: grant the configure right on it, or let another user declare it"
            )
            missing.__cause__ = error.__cause__
            return missing
        return error

    def _finish(self, error: TransportError | None) -> None:
        task = self._tasks.popleft()
        self._busy = False
        task.done(error)  # may add the next task, and so start it
        self._next()

    def _on_founded(self, error: TransportError | None) -> None:
        self._founded = error is None
        if error is not None and self._tasks:
            self._tasks.popleft().done(error)


class _Foundation(Task):
    """The task that comes before every other one on a connection."""


def declare(channel: Channel, step: Declaration, done: Callable[[Any], None], *, passive: bool) -> None:
    """Send one declaration; ``done`` is called with RabbitMQ's answer, a refusal closes the channel."""
    match step:
        case Exchange():
            channel.exchange_declare(
                step.name, step.type, passive=passive, durable=True, arguments=dict(step.arguments), callback=done
            )
        case Queue():
            channel.queue_declare(
                step.name, passive=passive, durable=True, arguments=dict(step.arguments), callback=done
            )
        case Binding():
            channel.queue_bind(step.queue, step.exchange, step.routing_key, callback=done)


def describe(step: Declaration) -> str:
    """Return how errors name a declaration."""
    match step:
        case Exchange():
            return f"exchange {step.name!r}"
        case Queue():
            return f"queue {step.name!r}"
        case Binding():
            return f"the binding of queue {step.queue!r} to exchange {step.exchange!r}"
