"""interapp with many apps: in one process or in several, and one sender to all of them."""

from collections.abc import Generator
from itertools import cycle, islice

from benchmarks.contenders.our_host import SOURCE, Counter, Status, host, serve, wait_until_final, wait_until_serving
from benchmarks.job import Job
from benchmarks.program import Details, run, wait_for_the_end


def handle(job: Job) -> Generator[Details, None, None]:
    """Serve every address until the process is ended."""
    with host(job) as running:
        for address in job.addresses:
            serve(running, address, Counter(0))
        wait_until_serving(running)
        yield None
        wait_for_the_end()


def send(job: Job) -> Generator[Details, None, None]:
    """Send to all in turn, in calls; the messages count when every row is final.

    A call to each comes before: what a process does with its first messages alone is no part of a rate.
    """
    with host(job) as running:
        client = running.client(SOURCE)
        message = Status(number=0)
        for address in job.addresses:
            client.send_call([message] * job.call, to=address)
        wait_until_final(running, job.addresses)
        yield None
        for address in islice(cycle(job.addresses), job.count // job.call):
            client.send_call([message] * job.call, to=address)
        wait_until_final(running, job.addresses)
        yield None


if __name__ == "__main__":
    run({"handle": handle, "send": send})
