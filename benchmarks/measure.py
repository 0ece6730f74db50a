"""One measurement of one contender: fresh virtual host, fresh database, fresh processes."""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import replace

from benchmarks.contender import Contender, Metric
from benchmarks.finality import check_final
from benchmarks.groups import used
from benchmarks.job import Job
from benchmarks.process import Process
from benchmarks.program import percentiles_ms
from benchmarks.servers import Servers
from benchmarks.sizes import Sizes

QUEUE = "bench-child"
EIGHT = 8
LEAST_MESSAGES = 200
PATIENCE_SECONDS = 90.0
"""How long one measurement of a contender may take: four times the longest."""
OWN = "its processes"


def measure(servers: Servers, contender: Contender, metric: Metric, sizes: Sizes) -> Mapping[str, float]:
    """Return what one measurement gives: the metric, and what comes with it.

    Raises ContenderFailed, and NotFinal when not every message of interapp is final at its end.
    """
    with servers.fresh(contender.database) as (amqp_url, database_url):
        count = max(LEAST_MESSAGES, round(sizes.messages * contender.scale))
        job = Job(amqp_url=amqp_url, database_url=database_url, queue=QUEUE, count=count, quorum=contender.quorum)
        single = replace(job, count=sizes.single_sends, one_by_one=True)
        match metric:
            case Metric.PUBLISH:
                return _rate(servers, contender, metric, job, "publish")
            case Metric.HANDLE:
                _rate(servers, contender, metric, job, "publish")
                return handled(contender, job, _rate(servers, contender, metric, job, "handle"))
            case Metric.BOTH:
                return handled(contender, job, _rate(servers, contender, metric, job, "handle", "publish"))
            case Metric.SEND_ONE_THREAD:
                return _rate(servers, contender, metric, single, "publish")
            case Metric.SEND_EIGHT_THREADS:
                count = 4 * sizes.single_sends // EIGHT * EIGHT
                return _rate(servers, contender, metric, replace(single, count=count, threads=EIGHT), "publish")
            case Metric.REQUEST_P50 | Metric.REQUEST_P99:
                return _round_trips(contender, replace(job, count=sizes.round_trips))
            case Metric.WAKE_UP_P50 | Metric.WAKE_UP_P99:
                job = replace(job, count=sizes.wake_ups)
                return handled(contender, job, _wake_ups(contender, job))


def handled(contender: Contender, job: Job, measured: Mapping[str, float]) -> Mapping[str, float]:
    """Return what was measured, if every message of interapp is final; raises NotFinal."""
    if contender.own_table:
        check_final(job.database_url, job.queue, job.count)
    return measured


@contextmanager
def _ready(module: str, role: str, job: Job, environment: Mapping[str, str]) -> Iterator[Process]:
    with Process(module, role, job, environment=environment, patience_seconds=PATIENCE_SECONDS) as process:
        process.until_ready()
        yield process


def _rate(
    servers: Servers, contender: Contender, metric: Metric, job: Job, first: str, *others: str
) -> Mapping[str, float]:
    """Let the roles go at once; the first one's time counts, and the CPU of all."""
    with ExitStack() as stack:
        processes = [
            stack.enter_context(_ready(contender.module, role, job, contender.environment)) for role in (first, *others)
        ]
        groups = servers.groups()
        before = groups.cpu_seconds()
        for process in processes:
            process.go()
        results = [process.result() for process in processes]
        taken = used(before, groups.cpu_seconds())
    rate = {metric.value: job.count / float(results[0]["seconds"])}
    if not contender.accounted or job.one_by_one:
        return rate
    spent = {OWN: sum(float(result["cpu_seconds"]) for result in results)} | taken
    return rate | {cpu_metric(metric, group): seconds / job.count * 1e6 for group, seconds in spent.items()}


def cpu_metric(metric: Metric, group: str) -> str:
    """Return the name under which the CPU of a message is kept, for one group of processes."""
    return f"{metric.removesuffix('/s')}, CPU µs, {group}"


def _round_trips(contender: Contender, job: Job) -> Mapping[str, float]:
    with _ready(contender.module, "serve", job, contender.environment) as serving:
        serving.go()
        with _ready(contender.module, "request", job, contender.environment) as asking:
            asking.go()
            found = asking.result()
        serving.kill()
    return {Metric.REQUEST_P50: float(found["p50_ms"]), Metric.REQUEST_P99: float(found["p99_ms"])}


def _wake_ups(contender: Contender, job: Job) -> Mapping[str, float]:
    with (
        _ready(contender.wake_up_module, "handle", job, contender.environment) as handling,
        _ready(contender.wake_up_module, "send", job, contender.environment) as sending,
    ):
        handling.go()
        sending.go()
        began, ended = sending.result()["at"], handling.result()["at"]
    found = percentiles_ms([end - begin for begin, end in zip(began, ended, strict=True)])
    return {Metric.WAKE_UP_P50: found["p50_ms"], Metric.WAKE_UP_P99: found["p99_ms"]}
