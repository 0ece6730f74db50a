"""interapp with many apps: in one process or in several, and one sender to all of them."""

import threading
from collections.abc import Generator
from itertools import cycle

from benchmarks.contenders.our_host import SOURCE, Counter, Status, host, serve, wait_until_final, wait_until_serving
from benchmarks.job import Job
from benchmarks.program import Details, run

CALL = 200


def handle(job: Job) -> Generator[Details, None, None]:
    """Serve every address until the process is ended."""
    with host(job) as running:
        for address in job.addresses:
            serve(running, address, Counter(0))
        wait_until_serving(running)
        yield None
        threading.Event().wait()


def send(job: Job) -> Generator[Details, None, None]:
    """Send to all in turn, in calls of 200 at most; the messages count when every row is final."""
    with host(job) as running:
        client = running.client(SOURCE)
        message = Status(number=0)
        call = min(CALL, job.count // len(job.addresses))
        yield None
        for _, address in zip(range(job.count // call), cycle(job.addresses), strict=False):
            client.send_call([message] * call, to=address)
        wait_until_final(running, job.addresses)
        yield None


if __name__ == "__main__":
    run({"handle": handle, "send": send})
