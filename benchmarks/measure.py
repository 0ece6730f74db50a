"""One measurement of one contender: fresh virtual host, fresh database, fresh processes."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from benchmarks.contender import Contender, Metric
from benchmarks.job import Job
from benchmarks.process import Process
from benchmarks.servers import Servers

QUEUE = "bench-child"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """How much is measured."""

    messages: int
    round_trips: int
    single_sends: int


def measure(servers: Servers, contender: Contender, metric: Metric, sizes: Sizes) -> Mapping[Metric, float]:
    """Return what one measurement gives: one number, or two for round trips."""
    with servers.fresh(contender) as (amqp_url, database_url):
        count = max(200, round(sizes.messages * contender.scale))
        job = Job(amqp_url=amqp_url, database_url=database_url, queue=QUEUE, count=count, quorum=contender.quorum)
        match metric:
            case Metric.PUBLISH:
                return {metric: _rate(contender, "publish", job)}
            case Metric.HANDLE:
                _rate(contender, "publish", job)
                return {metric: _rate(contender, "handle", job)}
            case Metric.BOTH:
                return {metric: _both(contender, job)}
            case Metric.SEND_ONE_THREAD:
                return {metric: _rate(contender, "publish", _with(job, sizes.single_sends, threads=1))}
            case Metric.SEND_EIGHT_THREADS:
                return {metric: _rate(contender, "publish", _with(job, 4 * sizes.single_sends, threads=8))}
            case Metric.REQUEST_P50 | Metric.REQUEST_P99:
                return _round_trips(contender, _with(job, sizes.round_trips))


def _with(job: Job, count: int, *, threads: int = 1) -> Job:
    return Job(
        amqp_url=job.amqp_url,
        database_url=job.database_url,
        queue=job.queue,
        count=count,
        quorum=job.quorum,
        threads=threads,
        one_by_one=True,
    )


@contextmanager
def _ready(contender: Contender, role: str, job: Job) -> Iterator[Process]:
    with Process(contender.module, role, job, environment=contender.environment) as process:
        process.until_ready()
        yield process


def _rate(contender: Contender, role: str, job: Job) -> float:
    with _ready(contender, role, job) as process:
        process.go()
        return job.count / float(process.result()["seconds"])


def _both(contender: Contender, job: Job) -> float:
    with _ready(contender, "handle", job) as handling, _ready(contender, "publish", job) as publishing:
        handling.go()
        publishing.go()
        seconds = float(handling.result()["seconds"])
        publishing.result()
        return job.count / seconds


def _round_trips(contender: Contender, job: Job) -> Mapping[Metric, float]:
    with _ready(contender, "serve", job) as serving:
        serving.go()
        with _ready(contender, "request", job) as asking:
            asking.go()
            found = asking.result()
        serving.kill()
    return {Metric.REQUEST_P50: float(found["p50_ms"]), Metric.REQUEST_P99: float(found["p99_ms"])}
