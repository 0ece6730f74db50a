"""Who takes part: what each guarantees, and which of its programs is measured how."""

from dataclasses import dataclass, field
from enum import StrEnum


class Metric(StrEnum):
    """What is measured."""

    PUBLISH = "publish/s"
    HANDLE = "handle/s"
    BOTH = "both/s"
    REQUEST_P50 = "request p50 ms"
    REQUEST_P99 = "request p99 ms"
    SEND_ONE_THREAD = "send, 1 thread/s"
    SEND_EIGHT_THREADS = "send, 8 threads/s"
    WAKE_UP_P50 = "wake-up p50 ms"
    WAKE_UP_P99 = "wake-up p99 ms"


RATES = frozenset({Metric.PUBLISH, Metric.HANDLE, Metric.BOTH})
TIMES = frozenset({Metric.REQUEST_P50, Metric.REQUEST_P99})
ALONG = frozenset({Metric.REQUEST_P99, Metric.WAKE_UP_P99})
"""What a measurement of another metric gives too."""


@dataclass(frozen=True, kw_only=True)
class Contender:
    """One row of the table."""

    name: str
    module: str
    confirmed: bool
    """Whether a sent message is known to be at the server when the sender goes on."""
    tracks: str
    """What is kept of a message's fate, and where; "" for nothing."""
    lacks: str
    """What it does not guarantee, that interapp does."""
    quorum: bool = True
    """Whether its messages are in a quorum queue."""
    database: str = "postgresql"
    """``postgresql`` or ``sqlite``: where it keeps what it keeps."""
    metrics: frozenset[Metric] = RATES | TIMES
    scale: float = 1.0
    """Part of the run's messages that it gets: what is slow would take all of the time."""
    environment: dict[str, str] = field(default_factory=dict)
    wake_up_module: str = ""
    """The program that is measured for wake-ups."""
    accounted: bool = False
    """Whether the CPU of a message is read, by group of processes: only where one process plays each role."""
    own_table: bool = False
    """Whether its messages must be final in interapp's table at the end."""

    @property
    def peer(self) -> bool:
        """Whether it is another framework: neither interapp nor what interapp's budgets are measured against."""
        return self.name not in (OURS_PG, OURS_SQLITE, RAW_QUORUM, RAW_CLASSIC, ONE_COMMIT)


OURS_PG = "interapp, PostgreSQL"
OURS_SQLITE = "interapp, SQLite"
RAW_QUORUM = "raw pika, quorum queue"
RAW_CLASSIC = "raw pika, classic queue"
ONE_COMMIT = "raw pika, one commit and one confirm a message"

CONTENDERS = (
    Contender(
        name=RAW_QUORUM,
        module="benchmarks.contenders.raw_pika",
        confirmed=True,
        tracks="",
        lacks="a durable state, order across failover, fenced outcomes, retries",
        accounted=True,
    ),
    Contender(
        name=RAW_CLASSIC,
        module="benchmarks.contenders.raw_pika",
        confirmed=True,
        tracks="",
        lacks="the same, and a replicated queue",
        accounted=True,
        quorum=False,
    ),
    Contender(
        name=OURS_PG,
        module="benchmarks.contenders.ours",
        confirmed=True,
        tracks="every state, PostgreSQL",
        lacks="",
        metrics=RATES | TIMES | {Metric.SEND_ONE_THREAD, Metric.SEND_EIGHT_THREADS, Metric.WAKE_UP_P50},
        wake_up_module="benchmarks.contenders.our_wake_up",
        accounted=True,
        own_table=True,
    ),
    Contender(
        name=OURS_SQLITE,
        module="benchmarks.contenders.ours",
        confirmed=True,
        tracks="every state, SQLite",
        lacks="several hosts",
        database="sqlite",
        accounted=True,
        own_table=True,
    ),
    Contender(
        name=ONE_COMMIT,
        module="benchmarks.contenders.one_commit",
        confirmed=True,
        tracks="a row a message, PostgreSQL",
        lacks="everything but the row",
        metrics=frozenset({Metric.SEND_ONE_THREAD, Metric.WAKE_UP_P50}),
        wake_up_module="benchmarks.contenders.one_commit",
    ),
    Contender(
        name="aio-pika, uvloop",
        module="benchmarks.contenders.aio_pika_uvloop",
        confirmed=True,
        tracks="",
        lacks="a durable state, order with many in flight, retries",
    ),
    Contender(
        name="FastStream",
        module="benchmarks.contenders.faststream_rabbit",
        confirmed=True,
        tracks="",
        lacks="a durable state, order with many in flight",
    ),
    Contender(
        name="Dramatiq, 8 threads",
        module="benchmarks.contenders.dramatiq_rabbit",
        confirmed=False,
        tracks="",
        lacks="confirms, a durable state, order",
        quorum=False,
        metrics=RATES,
    ),
    Contender(
        name="Celery, solo",
        module="benchmarks.contenders.celery_solo",
        confirmed=False,
        tracks="",
        lacks="confirms, a durable state",
        quorum=False,
        metrics=RATES,
        scale=0.5,
    ),
    Contender(
        name="Celery, prefork, results in PostgreSQL",
        module="benchmarks.contenders.celery_prefork",
        confirmed=False,
        tracks="started and result, PostgreSQL",
        lacks="confirms, order, a row before the worker has it",
        quorum=False,
        metrics=RATES,
        scale=0.02,
    ),
    Contender(
        name="Taskiq, results in PostgreSQL",
        module="benchmarks.contenders.taskiq_postgres",
        confirmed=True,
        tracks="the result, PostgreSQL",
        lacks="a state before the end, order",
        metrics=RATES,
        scale=0.25,
    ),
    Contender(
        name="Procrastinate",
        module="benchmarks.contenders.procrastinate_postgres",
        confirmed=True,
        tracks="every state, PostgreSQL",
        lacks="a message broker, fenced outcomes",
        metrics=RATES,
        scale=0.1,
    ),
)
"""In the order of the table."""
