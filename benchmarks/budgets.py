"""What interapp promises to cost, as ratios within one run, and whether it held. Pure."""

from collections.abc import Callable
from dataclasses import dataclass

from benchmarks.contender import CONTENDERS, ONE_COMMIT, OURS_PG, OURS_SQLITE, RAW_CLASSIC, RAW_QUORUM, Metric
from benchmarks.results import Results

INTERNAL = frozenset({RAW_QUORUM, RAW_CLASSIC, OURS_PG, OURS_SQLITE, ONE_COMMIT})


@dataclass(frozen=True, slots=True)
class Budget:
    """One promise; ``value`` reads its figure out of the results, None when the run did not measure it."""

    id: str
    name: str
    target: float
    at_least: bool
    value: Callable[[Results], float | None]


@dataclass(frozen=True, slots=True)
class Verdict:
    """A promise beside what was reached."""

    id: str
    name: str
    value: float
    target: float
    met: bool


def verdicts(results: Results) -> list[Verdict]:
    """Return the verdict on every budget that the run measured."""
    found = [(budget, budget.value(results)) for budget in BUDGETS]
    return [
        Verdict(
            budget.id,
            budget.name,
            value,
            budget.target,
            value >= budget.target if budget.at_least else value <= budget.target,
        )
        for budget, value in found
        if value is not None
    ]


def _beside(
    ours: str, other: str, metric: Metric, other_metric: Metric | None = None
) -> Callable[[Results], float | None]:
    def value(results: Results) -> float | None:
        mine, theirs = results.median(ours, metric), results.median(other, other_metric or metric)
        return mine / theirs if mine is not None and theirs else None

    return value


def _beside_fastest(*, keeps: bool) -> Callable[[Results], float | None]:
    peers = [each.name for each in CONTENDERS if each.name not in INTERNAL and bool(each.tracks) is keeps]

    def value(results: Results) -> float | None:
        mine = results.median(OURS_PG, Metric.BOTH)
        theirs = [found for peer in peers if (found := results.median(peer, Metric.BOTH)) is not None]
        return mine / max(theirs) if mine is not None and theirs else None

    return value


def _own_spread(results: Results) -> float | None:
    p50, p99 = results.median(OURS_PG, Metric.REQUEST_P50), results.median(OURS_PG, Metric.REQUEST_P99)
    return p99 / p50 if p50 and p99 is not None else None


BUDGETS = (
    Budget("1a", "both at once beside raw pika", 0.60, True, _beside(OURS_PG, RAW_QUORUM, Metric.BOTH)),
    Budget("1b", "both at once beside the fastest peer that tracks nothing", 1.8, True, _beside_fastest(keeps=False)),
    Budget("1c", "both at once beside the fastest peer that keeps results", 4.0, True, _beside_fastest(keeps=True)),
    Budget("1d", "both at once beside raw pika, SQLite", 0.70, True, _beside(OURS_SQLITE, RAW_QUORUM, Metric.BOTH)),
    Budget("2a", "handling a backlog beside raw pika", 0.54, True, _beside(OURS_PG, RAW_QUORUM, Metric.HANDLE)),
    Budget(
        "2b", "handling a backlog beside raw pika, SQLite", 0.65, True, _beside(OURS_SQLITE, RAW_QUORUM, Metric.HANDLE)
    ),
    Budget("2c", "sending in calls of 200 beside raw pika", 0.70, True, _beside(OURS_PG, RAW_QUORUM, Metric.PUBLISH)),
    Budget(
        "2d",
        "single sends from eight threads beside raw pika",
        0.25,
        True,
        _beside(OURS_PG, RAW_QUORUM, Metric.SEND_EIGHT_THREADS, Metric.PUBLISH),
    ),
    Budget(
        "2e",
        "single sends from one thread beside one commit and one confirm a message",
        0.9,
        True,
        _beside(OURS_PG, ONE_COMMIT, Metric.SEND_ONE_THREAD),
    ),
    Budget("3a", "request, p50 beside raw pika", 3.0, False, _beside(OURS_PG, RAW_QUORUM, Metric.REQUEST_P50)),
    Budget("3b", "request, p99 beside its own p50", 3.0, False, _own_spread),
)
