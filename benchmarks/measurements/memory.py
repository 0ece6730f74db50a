"""Budget 7: what a child keeps in memory, beside what its libraries and connections need, and whether that grows."""

import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from statistics import median

from benchmarks.finality import check_final
from benchmarks.job import Job
from benchmarks.measure import QUEUE
from benchmarks.proc import resident_mib
from benchmarks.process import Process
from benchmarks.run import Run
from benchmarks.slot_child import slot_child
from benchmarks.subject import Figure, Subject
from servers.processes import InterappProcess

MOST_ROUNDS = 3


def measure(run: Run) -> None:
    """Read the memory of the real child and of a process with its libraries; then watch a child that handles many messages."""
    for _ in range(min(run.rounds, MOST_ROUNDS)):
        with (
            run.servers.fresh() as (amqp_url, database_url),
            slot_child(amqp_url, database_url, warm=run.sizes.warm_messages) as child,
        ):
            resident = resident_mib(child.process.pid)
            modules = child.end()
            run.add(Subject.CHILD, {Figure.RESIDENT: resident}, beside=Subject.LIBRARIES)
            libraries = _libraries_mib(amqp_url, database_url, modules)
            run.add(Subject.LIBRARIES, {Figure.RESIDENT: libraries}, beside=Subject.LIBRARIES)
    with run.servers.fresh() as (amqp_url, database_url):
        job = Job(amqp_url=amqp_url, database_url=database_url, queue=QUEUE, count=run.sizes.memory_messages)
        samples = _watched(job)
        check_final(database_url, QUEUE, job.count)
    measured: dict[str, float] = {Figure.RESIDENT: samples[-1], Figure.GROWTH: growth(samples)}
    run.add(Subject.COUNTING_CHILD, measured, beside=Subject.COUNTING_CHILD)


def growth(samples: Sequence[float]) -> float:
    """Return by which part the last tenth of the samples is above the second one: the first fills caches and pools."""
    tenth = max(1, len(samples) // 10)
    return median(samples[-tenth:]) / median(samples[tenth : 2 * tenth]) - 1


def _libraries_mib(amqp_url: str, database_url: str, modules: Sequence[str]) -> float:
    with tempfile.TemporaryDirectory(prefix="interapp-bench-") as name:
        file = Path(name) / "modules"
        file.write_text("\n".join(modules), encoding="utf-8")
        program = Path(__file__).parents[1] / "contenders" / "libraries.py"
        command = (sys.executable, str(program), amqp_url, database_url, str(file))
        with InterappProcess(cwd=Path(name), command=command) as process:
            process.wait_for_line("^ready$")
            return resident_mib(process.pid)


def _watched(job: Job) -> list[float]:
    with (
        Process("benchmarks.contenders.our_memory", "handle", job) as handling,
        Process("benchmarks.contenders.ours", "publish", job) as sending,
    ):
        handling.until_ready()
        sending.until_ready()
        handling.go()
        sending.go()
        samples: list[float] = handling.result()["resident_mib"]
        sending.result()
        return samples
