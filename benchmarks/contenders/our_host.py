"""A process of interapp as the benchmark runs it: a host on the run's servers, and an app that counts."""

import gc
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import ClassVar

import sqlalchemy as sa

from benchmarks.job import Job
from benchmarks.payload import StatusFields
from broker.cli.main import YOUNG_OBJECTS
from broker.handlers.context import Context
from broker.handlers.registry import HandlerRegistry
from broker.lifecycle.clock import SystemClock
from broker.messages.message import Command, Reply
from broker.observe.logs import configure_logs
from broker.runtime.app import App
from broker.runtime.host import Host
from broker.runtime.middleware.middleware import Middleware
from broker.settings import InterAppSettings
from broker.table.schema import messages, outbox
from broker.transport.seam import Transport

SOURCE = "bench"
LOOK_SECONDS = 0.002


class Status(StatusFields, Command[None]):
    """The status, as a message."""

    kind: ClassVar[str] = "bench.status"


class Answer(StatusFields, Reply):
    """The same, as an answer."""

    kind: ClassVar[str] = "bench.answer"


class Ask(StatusFields, Command[Answer]):
    """The same, as a question."""

    kind: ClassVar[str] = "bench.ask"


class Counter:
    """Counts handled messages and says when all are."""

    def __init__(self, count: int) -> None:
        self._left = count
        self.all_handled = threading.Event()

    def handled(self) -> None:
        """Count one."""
        self._left -= 1
        if self._left == 0:
            self.all_handled.set()


handlers = HandlerRegistry[Counter]("bench")


@handlers.handles(Status)
def status(_message: Status, ctx: Context[Counter]) -> None:
    """Count it."""
    ctx.resource.handled()


@handlers.handles(Ask)
def ask(message: Ask, _ctx: Context[Counter]) -> Answer:
    """Send it back."""
    return Answer.model_construct(**message.__dict__)


def settings_of(job: Job) -> InterAppSettings:
    """Return the settings that name the run's servers."""
    return InterAppSettings(broker_url=job.amqp_url, database_url=job.database_url)


@contextmanager
def host(job: Job, *middleware: Middleware, transport: Transport | None = None) -> Iterator[Host]:
    """Return a running host on the run's servers."""
    # As the command ``interapp`` does.
    gc.set_threshold(YOUNG_OBJECTS)
    configure_logs("json", "error")
    with Host(settings_of(job), SystemClock(), transport=transport, middleware=middleware) as running:
        while not running.transport.link().up:
            time.sleep(LOOK_SECONDS)
        yield running


def serve(running: Host, address: str, counter: Counter) -> None:
    """Run an app that handles the benchmark's messages."""
    running.add(App(address=address, registry=handlers, resource=counter))


def wait_until_serving(running: Host) -> None:
    """Return when every app of the process gets deliveries."""
    while not running.health.ready()[0]:
        time.sleep(LOOK_SECONDS)


def wait_until_published(running: Host) -> None:
    """Return when RabbitMQ confirmed everything that was committed."""
    _wait_for_none(running, sa.select(outbox.c.number).limit(1))


def wait_until_final(running: Host, addresses: list[str]) -> None:
    """Return when nothing that is due is open at the addresses: the index of open rows answers, however many are final."""
    due = messages.c.open & (messages.c.due_us == 0) & messages.c.destination.in_(addresses)
    _wait_for_none(running, sa.select(messages.c.seq).where(due).limit(1))


def _wait_for_none(running: Host, query: sa.Select[tuple[int]]) -> None:
    while True:
        # What was confirmed is otherwise noted with the next heartbeat, which would be measured instead.
        running.outgoing.flush()
        with running.database.read() as connection:
            if connection.execute(query).first() is None:
                return
        time.sleep(LOOK_SECONDS)
