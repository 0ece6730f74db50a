"""interapp with every promise on: durable rows, confirms, claim before run, fenced outcomes, a quorum queue.

The parent sends in calls of 200 (or one by one from several threads), one child handles; a message counts when its row is final.
"""

import threading
import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from typing import ClassVar

import sqlalchemy as sa

from benchmarks.job import Job
from benchmarks.payload import StatusFields
from benchmarks.program import Details, percentiles_ms, run
from broker.handlers.context import Context
from broker.handlers.registry import HandlerRegistry
from broker.lifecycle.clock import SystemClock
from broker.lifecycle.state import State
from broker.messages.message import Command, Reply
from broker.observe.logs import configure_logs
from broker.runtime.app import App
from broker.runtime.host import Host
from broker.settings import InterAppSettings
from broker.table.schema import messages, outbox

CALL = 200
LOOK_SECONDS = 0.002
REQUEST_SECONDS = 30.0


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


@contextmanager
def host(job: Job) -> Iterator[Host]:
    """Return a running host on the run's servers."""
    configure_logs("json", "error")
    settings = InterAppSettings(broker_url=job.amqp_url, database_url=job.database_url)
    with Host(settings, SystemClock()) as running:
        while not running.transport.link().up:
            time.sleep(LOOK_SECONDS)
        yield running


def wait_for_rows(running: Host, condition: sa.ColumnElement[bool], count: int) -> None:
    """Return when that many rows meet the condition."""
    query = sa.select(sa.func.count()).select_from(messages).where(condition)
    while True:
        with running.database.read() as connection:
            if connection.execute(query).scalar_one() >= count:
                return
        time.sleep(LOOK_SECONDS)


def wait_for_confirms(running: Host) -> None:
    """Return when RabbitMQ has confirmed all that was committed."""
    query = sa.select(sa.func.count()).select_from(outbox)
    while True:
        # What was confirmed is otherwise noted with the next heartbeat, which would be measured instead.
        running.outgoing.flush()
        with running.database.read() as connection:
            if connection.execute(query).scalar_one() == 0:
                return
        time.sleep(LOOK_SECONDS)


def publish(job: Job) -> Generator[Details, None, None]:
    """Send all messages; they count when their rows are committed and RabbitMQ confirmed each."""
    with host(job) as running:
        client = running.client("bench")
        message = Status(number=0)
        client.send(message, to=f"{job.queue}.first")
        yield None
        if job.threads > 1 or job.one_by_one:
            _one_by_one(job, lambda: client.send(message, to=job.queue))
        else:
            for first in range(0, job.count, CALL):
                client.send_call([message] * min(CALL, job.count - first), to=job.queue)
        wait_for_rows(running, messages.c.destination == job.queue, job.count)
        wait_for_confirms(running)
        yield None


def handle(job: Job) -> Generator[Details, None, None]:
    """Handle all messages; they count when every row is final."""
    counter = Counter(job.count)
    with host(job) as running:
        yield None
        running.add(App(address=job.queue, registry=handlers, resource=counter))
        counter.all_handled.wait()
        wait_for_rows(running, messages.c.state == State.SUCCEEDED.value, job.count)
        yield None


def serve(job: Job) -> Generator[Details, None, None]:
    """Answer requests until the process is ended."""
    with host(job) as running:
        running.add(App(address=job.queue, registry=handlers, resource=Counter(0)))
        yield None
        threading.Event().wait()


def request(job: Job) -> Generator[Details, None, None]:
    """Make round trips one after the other."""
    taken: list[float] = []
    with host(job) as running:
        client = running.client("bench")
        question = Ask(number=0)
        client.request(question, to=job.queue, timeout=REQUEST_SECONDS)
        yield None
        for _ in range(job.count):
            began = time.perf_counter()
            client.request(question, to=job.queue, timeout=REQUEST_SECONDS)
            taken.append(time.perf_counter() - began)
        yield percentiles_ms(taken)


def _one_by_one(job: Job, send: object) -> None:
    assert callable(send)
    share = job.count // job.threads

    def work() -> None:
        for _ in range(share):
            send()

    threads = [threading.Thread(target=work) for _ in range(job.threads)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


if __name__ == "__main__":
    run({"publish": publish, "handle": handle, "serve": serve, "request": request})
