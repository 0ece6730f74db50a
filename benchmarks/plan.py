"""What a run measures: which contenders race for which metric, and what else is measured."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

from benchmarks.contender import ALONG, CONTENDERS, ONE_COMMIT, OURS_PG, OURS_SQLITE, RAW_QUORUM, Contender, Metric
from benchmarks.measurements import command_line, commits, device, flat_cost, memory, slots
from benchmarks.run import Run

RACES = {
    1: (Metric.BOTH,),
    2: (Metric.PUBLISH, Metric.HANDLE, Metric.SEND_ONE_THREAD, Metric.SEND_EIGHT_THREADS),
    3: (Metric.REQUEST_P50,),
    4: (Metric.WAKE_UP_P50,),
}
"""The metrics of the budgets in which contenders race."""

OTHERS: dict[int, Callable[[Run], None]] = {
    5: flat_cost.measure,
    6: slots.measure,
    7: memory.measure,
    8: command_line.measure,
    9: device.measure,
}
"""The budgets that are measured of interapp alone."""

ALL = (*RACES, *OTHERS)
QUICK = (1, 2, 3, 4, 7, 8)
QUICK_CONTENDERS = (RAW_QUORUM, OURS_PG, OURS_SQLITE, ONE_COMMIT, "aio-pika, uvloop", "Taskiq, results in PostgreSQL")
"""interapp, what its budgets are measured against, and of the peers the fastest of either sort."""


@dataclass(frozen=True, slots=True)
class Plan:
    """Races, each of a contender for a metric, to be run in rounds; and other measurements, which do their own rounds."""

    races: Sequence[tuple[Contender, Metric]]
    others: Sequence[Callable[[Run], None]]


def plan(*, quick: bool, budgets: Collection[int] = (), only: Collection[str] = ()) -> Plan:
    """Return what to measure: all, what the quick run has, the given budgets, or contenders with a text in their name."""
    wanted = budgets or (QUICK if quick else ALL)
    metrics = [metric for budget in wanted for metric in RACES.get(budget, ())]
    races = [
        (contender, metric)
        for contender in CONTENDERS
        if (any(text.lower() in contender.name.lower() for text in only) if only else _races(contender, quick=quick))
        for metric in sorted(contender.metrics - ALONG)
        if metric in metrics
    ]
    if only:
        return Plan(races, ())
    floor = [commits.measure] if {1, 2} & set(wanted) else []
    return Plan(races, [*floor, *(OTHERS[budget] for budget in wanted if budget in OTHERS)])


def _races(contender: Contender, *, quick: bool) -> bool:
    return contender.name in QUICK_CONTENDERS if quick else True
