"""Asks the service of a slot for what it knows, until it has handled every message."""

from collections.abc import Generator

from benchmarks.contenders.our_host import SOURCE, host, wait_until_final
from benchmarks.job import Job
from benchmarks.program import Details, run
from lantime.contract import GetSlotStatus


def send(job: Job) -> Generator[Details, None, None]:
    """Send all messages; they count when their rows are final."""
    with host(job) as running:
        client = running.client(SOURCE)
        yield None
        for first in range(0, job.count, job.call):
            client.send_call([GetSlotStatus()] * min(job.call, job.count - first), to=job.queue)
        wait_until_final(running, [job.queue])
        yield None


if __name__ == "__main__":
    run({"send": send})
