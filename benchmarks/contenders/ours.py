"""interapp with every promise on: durable rows, confirms, claim before run, fenced outcomes, a quorum queue.

The parent sends in calls of 200 (or one by one from several threads), one child handles; a message counts when its row is final.
"""

import threading
import time
from collections.abc import Callable, Generator

from benchmarks.contenders.our_host import (
    SOURCE,
    Ask,
    Counter,
    Status,
    host,
    serve,
    wait_until_final,
    wait_until_published,
)
from benchmarks.job import Job
from benchmarks.program import Details, percentiles_ms, run, wait_for_the_end

REQUEST_SECONDS = 30.0


def publish(job: Job) -> Generator[Details, None, None]:
    """Send all messages; they count when their rows are committed and RabbitMQ confirmed each."""
    with host(job) as running:
        client = running.client(SOURCE)
        message = Status(number=0)
        client.send(message, to=f"{job.queue}.first")
        yield None
        if job.one_by_one:
            _one_by_one(job, lambda: client.send(message, to=job.queue))
        else:
            for first in range(0, job.count, job.call):
                client.send_call([message] * min(job.call, job.count - first), to=job.queue)
        wait_until_published(running)
        yield None


def handle(job: Job) -> Generator[Details, None, None]:
    """Handle all messages; they count when every row is final."""
    counter = Counter(job.count)
    with host(job) as running:
        yield None
        serve(running, job.queue, counter)
        counter.all_handled.wait()
        wait_until_final(running, [job.queue])
        yield None


def answer(job: Job) -> Generator[Details, None, None]:
    """Answer requests until the process is ended."""
    with host(job) as running:
        serve(running, job.queue, Counter(0))
        yield None
        wait_for_the_end()


def request(job: Job) -> Generator[Details, None, None]:
    """Make round trips one after the other."""
    taken: list[float] = []
    with host(job) as running:
        client = running.client(SOURCE)
        question = Ask(number=0)
        client.request(question, to=job.queue, timeout=REQUEST_SECONDS)
        yield None
        for _ in range(job.count):
            began = time.perf_counter()
            client.request(question, to=job.queue, timeout=REQUEST_SECONDS)
            taken.append(time.perf_counter() - began)
        yield percentiles_ms(taken)


def _one_by_one(job: Job, send: Callable[[], object]) -> None:
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
    run({"publish": publish, "handle": handle, "serve": answer, "request": request})
