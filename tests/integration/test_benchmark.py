"""The benchmark runs for real, in small, with what the tests have installed: interapp and raw pika."""

import os
from pathlib import Path

import pytest

from benchmarks.contender import ALONG, CONTENDERS, ONE_COMMIT, OURS_PG, OURS_SQLITE, RAW_QUORUM, Contender, Metric
from benchmarks.job import Job
from benchmarks.measure import measure
from benchmarks.process import ContenderFailed, Process
from benchmarks.servers import Servers
from benchmarks.sizes import Sizes
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
    for metric in sorted(each.metrics - ALONG)
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


def test_a_contender_that_fails_is_named() -> None:
    """A process that ends before it is ready fails the run with its name and its last words."""
    job = Job(amqp_url="amqp://127.0.0.1:1", database_url="", queue="q", count=1)
    with (
        Process("benchmarks.contenders.raw_pika", "nonsense", job) as process,
        pytest.raises(ContenderFailed, match=r"raw_pika nonsense: no ready.*\n(.*\n)*.*KeyError: 'nonsense'"),
    ):
        process.until_ready()
