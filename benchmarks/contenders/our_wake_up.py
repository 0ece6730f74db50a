"""interapp woken up by a single message, many of them one after the other.

A time begins when a committed row is handed to RabbitMQ's connection and ends when the outcome is committed. Both ends read
the machine's monotonic clock, which all of its processes share.
"""

import threading
import time
from collections.abc import Generator, Sequence
from typing import Any, cast

from benchmarks.contenders.our_host import SOURCE, Counter, Status, host, serve, settings_of, wait_until_serving
from benchmarks.job import Job
from benchmarks.program import Details, idle, run
from broker.lifecycle.clock import SystemClock
from broker.lifecycle.ids import incarnation_id
from broker.messages.envelope import Envelope
from broker.runtime.middleware.middleware import Middleware
from broker.table.rows import Settlement
from broker.transport.opening import open_transport
from broker.transport.seam import Settled, Transport


class NotesOutcomes(Middleware):
    """Notes when an outcome was committed, and says when all were."""

    def __init__(self, count: int) -> None:
        self._count = count
        self.at: list[float] = []
        self.all_settled = threading.Event()

    def settled(self, app: str, settlements: Sequence[Settlement]) -> None:  # noqa: ARG002 the hook's signature
        """Note them."""
        self.at += [time.perf_counter()] * len(settlements)
        if len(self.at) >= self._count:
            self.all_settled.set()


class NotesPublishing:
    """A transport that notes when it was given something to publish."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self.at: list[float] = []

    def publish(self, envelopes: Sequence[Envelope], settled: Settled) -> None:
        """Note it, and publish."""
        self.at += [time.perf_counter()] * len(envelopes)
        self._transport.publish(envelopes, settled)

    def __getattr__(self, name: str) -> Any:
        """Be the transport in everything else."""
        return getattr(self._transport, name)


def handle(job: Job) -> Generator[Details, None, None]:
    """Be idle, and handle what comes."""
    notes = NotesOutcomes(job.count)
    with host(job, notes) as running:
        serve(running, job.queue, Counter(0))
        wait_until_serving(running)
        yield None
        notes.all_settled.wait()
        yield {"at": notes.at}


def send(job: Job) -> Generator[Details, None, None]:
    """Send one message at a time to an idle child."""
    settings, clock = settings_of(job), SystemClock()
    notes = NotesPublishing(open_transport(settings.broker_url, clock, incarnation_id()))
    with host(job, transport=cast("Transport", notes)) as running:
        client = running.client(SOURCE)
        client.send(Status(number=0), to=f"{job.queue}.first")
        notes.at.clear()
        yield None
        for number in range(job.count):
            idle(number)
            client.send(Status(number=number), to=job.queue)
        yield {"at": notes.at}


if __name__ == "__main__":
    run({"handle": handle, "send": send})
