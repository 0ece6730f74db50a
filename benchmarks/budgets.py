"""What interapp promises to cost, as ratios within one run, and whether it held. Pure."""

from collections.abc import Callable
from dataclasses import dataclass

from benchmarks.contender import CONTENDERS, ONE_COMMIT, OURS_PG, OURS_SQLITE, RAW_CLASSIC, RAW_QUORUM, Metric
from benchmarks.results import Results
from benchmarks.subject import FLAT_COMMANDS, Figure, Subject, command_figure

INTERNAL = frozenset({RAW_QUORUM, RAW_CLASSIC, OURS_PG, OURS_SQLITE, ONE_COMMIT})

Value = Callable[[Results], float | None]
"""Reads a budget's figure out of the results; None when the run did not measure it."""


@dataclass(frozen=True, slots=True)
class Target:
    """Where a budget ends: at least this much, or at most."""

    bound: float
    at_least: bool

    def met_by(self, value: float) -> bool:
        """Tell whether the value keeps to it; the bound itself does."""
        return value >= self.bound if self.at_least else value <= self.bound


def at_least(bound: float) -> Target:
    """Return a target that is met from the bound on."""
    return Target(bound, at_least=True)


def at_most(bound: float) -> Target:
    """Return a target that is met up to the bound."""
    return Target(bound, at_least=False)


@dataclass(frozen=True, slots=True)
class Budget:
    """One promise."""

    id: str
    """The number of its budget, and a letter where that has several."""
    name: str
    target: Target
    value: Value


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
        Verdict(budget.id, budget.name, value, budget.target.bound, budget.target.met_by(value))
        for budget, value in found
        if value is not None
    ]


def _of(who: str, metric: str) -> Value:
    return lambda results: results.median(who, metric)


def _beside(ours: str, other: str, metric: str, other_metric: str | None = None) -> Value:
    def value(results: Results) -> float | None:
        mine, theirs = results.median(ours, metric), results.median(other, other_metric or metric)
        return mine / theirs if mine is not None and theirs else None

    return value


def _beside_fastest(*, keeps: bool) -> Value:
    peers = [each.name for each in CONTENDERS if each.name not in INTERNAL and bool(each.tracks) is keeps]

    def value(results: Results) -> float | None:
        mine = results.median(OURS_PG, Metric.BOTH)
        theirs = [found for peer in peers if (found := results.median(peer, Metric.BOTH)) is not None]
        return mine / max(theirs) if mine is not None and theirs else None

    return value


def _own_spread(results: Results) -> float | None:
    p50, p99 = results.median(OURS_PG, Metric.REQUEST_P50), results.median(OURS_PG, Metric.REQUEST_P99)
    return p99 / p50 if p50 and p99 is not None else None


def _megabytes(results: Results) -> float | None:
    mebibytes = results.median(Subject.CHILD, Figure.RESIDENT)
    return None if mebibytes is None else mebibytes * 1.048576


def _slowest_command(table: Subject) -> Value:
    def value(results: Results) -> float | None:
        ratios = [_beside(table, Subject.EMPTY_TABLE, command_figure(each))(results) for each in FLAT_COMMANDS]
        return max((ratio for ratio in ratios if ratio is not None), default=None)

    return value


BUDGETS = (
    Budget("1a", "both at once beside raw pika", at_least(0.60), _beside(OURS_PG, RAW_QUORUM, Metric.BOTH)),
    Budget(
        "1b", "both at once beside the fastest peer that tracks nothing", at_least(1.8), _beside_fastest(keeps=False)
    ),
    Budget("1c", "both at once beside the fastest peer that keeps results", at_least(4.0), _beside_fastest(keeps=True)),
    Budget("1d", "both at once beside raw pika, SQLite", at_least(0.70), _beside(OURS_SQLITE, RAW_QUORUM, Metric.BOTH)),
    Budget("2a", "handling a backlog beside raw pika", at_least(0.54), _beside(OURS_PG, RAW_QUORUM, Metric.HANDLE)),
    Budget(
        "2b",
        "handling a backlog beside raw pika, SQLite",
        at_least(0.65),
        _beside(OURS_SQLITE, RAW_QUORUM, Metric.HANDLE),
    ),
    Budget(
        "2c", "sending in calls of 200 beside raw pika", at_least(0.70), _beside(OURS_PG, RAW_QUORUM, Metric.PUBLISH)
    ),
    Budget(
        "2d",
        "single sends from eight threads beside raw pika",
        at_least(0.25),
        _beside(OURS_PG, RAW_QUORUM, Metric.SEND_EIGHT_THREADS, Metric.PUBLISH),
    ),
    Budget(
        "2e",
        "single sends from one thread beside one commit and one confirm a message",
        at_least(0.9),
        _beside(OURS_PG, ONE_COMMIT, Metric.SEND_ONE_THREAD),
    ),
    Budget("3a", "request, p50 beside raw pika", at_most(3.0), _beside(OURS_PG, RAW_QUORUM, Metric.REQUEST_P50)),
    Budget("3b", "request, p99 beside its own p50", at_most(3.0), _own_spread),
    Budget(
        "4",
        "waking an idle child, beside raw pika and one commit",
        at_most(1.5),
        _beside(OURS_PG, ONE_COMMIT, Metric.WAKE_UP_P50),
    ),
    Budget(
        "5a",
        "handling with many finished rows, beside an empty table",
        at_least(0.85),
        _beside(Subject.FINISHED_TABLE, Subject.EMPTY_TABLE, Metric.HANDLE),
    ),
    Budget(
        "5b",
        "handling with many waiting rows, beside an empty table",
        at_least(0.85),
        _beside(Subject.WAITING_TABLE, Subject.EMPTY_TABLE, Metric.HANDLE),
    ),
    Budget("5c", "the slowest listing with many finished rows", at_most(3.0), _slowest_command(Subject.FINISHED_TABLE)),
    Budget("5d", "the slowest listing with many waiting rows", at_most(3.0), _slowest_command(Subject.WAITING_TABLE)),
    Budget(
        "6a",
        "one process with 200 apps, beside one child",
        at_least(0.8),
        _beside(Subject.ONE_HOST, Subject.ONE_CHILD, Figure.TOTAL),
    ),
    Budget(
        "6b",
        "40 children together, beside one child",
        at_least(0.8),
        _beside(Subject.MANY_CHILDREN, Subject.ONE_CHILD, Figure.TOTAL),
    ),
    Budget("6c", "an idle child, % of a core", at_most(1.0), _of(Subject.CHILD, Figure.IDLE)),
    Budget(
        "7a",
        "memory of a child beside its libraries and connections",
        at_most(1.4),
        _beside(Subject.CHILD, Subject.LIBRARIES, Figure.RESIDENT),
    ),
    Budget("7b", "memory of a child, MB", at_most(110), _megabytes),
    Budget(
        "7c", "growth of a child's memory over many messages", at_most(0.05), _of(Subject.COUNTING_CHILD, Figure.GROWTH)
    ),
    Budget(
        "8a",
        "interapp --version beside python -c pass",
        at_most(6.0),
        _beside(Subject.VERSION, Subject.PYTHON, Figure.RUN),
    ),
    Budget(
        "8b",
        "interapp handlers --json beside its imports",
        at_most(1.3),
        _beside(Subject.HANDLERS, Subject.IMPORTS, Figure.RUN),
    ),
    Budget("9a", "polling one chassis, % of a core", at_most(3.0), _of(Subject.ONE_CHASSIS, Figure.POLLING)),
    Budget("9b", "polling 50 by one parent, % of a core each", at_most(3.0), _of(Subject.MANY_CHASSIS, Figure.POLLING)),
    Budget(
        "9c", "polling 50 by one parent, polls a second of each", at_least(0.9), _of(Subject.MANY_CHASSIS, Figure.POLLS)
    ),
)
