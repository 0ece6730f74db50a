"""The benchmark runs for real, in small, with what the tests have installed: interapp and raw pika."""

import os
from pathlib import Path

import psycopg
import pytest

from benchmarks.budgets import BUDGETS, verdicts
from benchmarks.contender import ALONG, CONTENDERS, ONE_COMMIT, OURS_PG, OURS_SQLITE, RAW_QUORUM, Contender, Metric
from benchmarks.finality import NotFinal, check_final
from benchmarks.job import Job
from benchmarks.measure import OWN, QUEUE, cpu_metric, measure
from benchmarks.measurements import commits, flat_cost
from benchmarks.plan import OTHERS
from benchmarks.process import ContenderFailed, Process
from benchmarks.results import Results
from benchmarks.run import Run
from benchmarks.servers import Servers
from benchmarks.sizes import Sizes
from benchmarks.subject import Figure, Subject
from servers.postgresql import PostgreSQLAddress
from servers.rabbitmq import RabbitMQAddress

ROOT = Path(__file__).parents[2]
SIZES = Sizes(
    messages=300,
    round_trips=20,
    single_sends=40,
    wake_ups=10,
    rows=500,
    slots=4,
    children=2,
    warm_messages=50,
    idle_seconds=0.1,
    memory_messages=400,
    command_runs=1,
    chassis=2,
    device_seconds=1.5,
    commits=50,
)
MEASURED = [
    (each, metric)
    for each in CONTENDERS
    if each.name in {RAW_QUORUM, OURS_PG, OURS_SQLITE, ONE_COMMIT}
    for metric in sorted(each.metrics - ALONG - {Metric.WAKE_UP_P50})
]


@pytest.fixture(autouse=True)
def _importable(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the contenders' processes import the benchmark."""
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), str(ROOT / "tests")]))


@pytest.mark.parametrize(("contender", "metric"), MEASURED, ids=lambda value: getattr(value, "name", value))
def test_a_measurement_ends_with_a_number(
    rabbitmq: RabbitMQAddress, postgresql: PostgreSQLAddress, contender: Contender, metric: Metric
) -> None:
    """Every metric of interapp and of what it is measured against is measured to its end on real servers."""
    measured = measure(Servers(rabbitmq, postgresql), contender, metric, SIZES)
    assert metric in measured
    assert all(value >= 0 for value in measured.values())
    assert measured[metric] > 0


def test_waking_up_is_measured_to_the_outcome(rabbitmq: RabbitMQAddress, postgresql: PostgreSQLAddress) -> None:
    """A wake-up has a median and a slowest hundredth, for interapp and for what it is compared with."""
    for name in (OURS_PG, ONE_COMMIT):
        (contender,) = (each for each in CONTENDERS if each.name == name)
        found = measure(Servers(rabbitmq, postgresql), contender, Metric.WAKE_UP_P50, SIZES)
        assert 0 < found[Metric.WAKE_UP_P50] <= found[Metric.WAKE_UP_P99]


@pytest.mark.timeout(300)  # some twenty processes start one after the other
@pytest.mark.parametrize("budget", [5, 6, 7, 8, 9])
def test_a_budget_of_interapp_alone_is_measured(
    rabbitmq: RabbitMQAddress, postgresql: PostgreSQLAddress, budget: int
) -> None:
    """Each budget without a race is measured to its end on real servers: every part of it gets its verdict."""
    run = Run(Servers(rabbitmq, postgresql), SIZES, rounds=1, results=Results())
    if budget == 5:
        flat_cost.measure(run, ["interapp handlers --app bench-child"])
    else:
        OTHERS[budget](run)
    judged = [each.id for each in verdicts(run.results)]
    assert judged == [each.id for each in BUDGETS if each.id.startswith(str(budget))]


def test_the_cpu_of_a_message_has_groups(rabbitmq: RabbitMQAddress, postgresql: PostgreSQLAddress) -> None:
    """The rate of interapp comes with what a message cost in its own processes; private servers have theirs, too."""
    servers = Servers(rabbitmq, postgresql)
    (ours,) = (each for each in CONTENDERS if each.name == OURS_PG)
    found = measure(servers, ours, Metric.BOTH, SIZES)
    groups = {OWN, *servers.groups().roots}
    assert found.keys() == {Metric.BOTH, *(cpu_metric(Metric.BOTH, group) for group in groups)}
    assert found[cpu_metric(Metric.BOTH, OWN)] > 0


def test_commits_are_counted(rabbitmq: RabbitMQAddress, postgresql: PostgreSQLAddress) -> None:
    """The rate of PostgreSQL's own commits is among the results."""
    run = Run(Servers(rabbitmq, postgresql), SIZES, rounds=1, results=Results())
    commits.measure(run)
    assert run.results.median(Subject.POSTGRESQL, Figure.COMMITS)


def test_a_message_that_is_not_final_ends_the_run(rabbitmq: RabbitMQAddress, postgresql: PostgreSQLAddress) -> None:
    """A message that nobody handled, or one that is missing, fails the measurement and says how many there are."""
    with Servers(rabbitmq, postgresql).fresh() as (amqp_url, database_url):
        job = Job(amqp_url=amqp_url, database_url=database_url, queue=QUEUE, count=5)
        for role in ("publish", "handle"):
            with Process("benchmarks.contenders.ours", role, job) as process:
                process.until_ready()
                process.go()
                process.result()
        check_final(database_url, QUEUE, 5)
        with pytest.raises(NotFinal, match="6 messages were sent, but the table has 5 rows"):
            check_final(database_url, QUEUE, 6)
        with psycopg.connect(database_url) as connection:
            connection.execute("UPDATE messages SET state = 'waiting' WHERE seq = (SELECT max(seq) FROM messages)")
        with pytest.raises(NotFinal, match="1 have not succeeded"):
            check_final(database_url, QUEUE, 5)


def test_a_contender_that_fails_is_named() -> None:
    """A process that ends before it is ready fails the run with its name and its last words."""
    job = Job(amqp_url="amqp://127.0.0.1:1", database_url="", queue="q", count=1)
    with (
        Process("benchmarks.contenders.raw_pika", "nonsense", job) as process,
        pytest.raises(ContenderFailed, match=r"raw_pika nonsense: no ready.*\n(.*\n)*.*KeyError: 'nonsense'"),
    ):
        process.until_ready()
