"""A child of interapp whose memory is read again and again while it handles many messages."""

import os
from collections.abc import Generator

from benchmarks.contenders.our_host import Counter, host, serve, wait_until_final
from benchmarks.job import Job
from benchmarks.proc import resident_mib
from benchmarks.program import Details, run

SAMPLES = 100


class Watching(Counter):
    """Reads this process's memory each time another hundredth of the messages is handled."""

    def __init__(self, count: int) -> None:
        super().__init__(count)
        self._handled = 0
        self._every = max(1, count // SAMPLES)
        self.resident: list[float] = []

    def handled(self) -> None:
        """Count one."""
        self._handled += 1
        if self._handled % self._every == 0:
            self.resident.append(resident_mib(os.getpid()))
        super().handled()


def handle(job: Job) -> Generator[Details, None, None]:
    """Handle all messages."""
    counter = Watching(job.count)
    with host(job) as running:
        yield None
        serve(running, job.queue, counter)
        counter.all_handled.wait()
        wait_until_final(running, [job.queue])
        yield {"resident_mib": counter.resident}


if __name__ == "__main__":
    run({"handle": handle})
