"""What the benchmark makes of its numbers."""

import json
from xml.etree import ElementTree as ET

import pytest

from benchmarks.budgets import BUDGETS, INTERNAL, verdicts
from benchmarks.chart import chart
from benchmarks.contender import CONTENDERS, ONE_COMMIT, OURS_PG, OURS_SQLITE, RAW_QUORUM, Metric
from benchmarks.report import budget_lines, table, to_json, versions
from benchmarks.results import Results
from benchmarks.subject import FLAT_COMMANDS, Figure, Subject, command_figure

BY_NAME = {each.name: each for each in CONTENDERS}


def results(**both: float) -> Results:
    """Return results with these rates of sending and handling at once."""
    names = {
        "raw": RAW_QUORUM,
        "ours": OURS_PG,
        "sqlite": OURS_SQLITE,
        "aio": "aio-pika, uvloop",
        "celery": "Celery, solo",
    }
    names |= {"taskiq": "Taskiq, results in PostgreSQL", "procrastinate": "Procrastinate"}
    made = Results()
    for key, rate in both.items():
        made.add(names[key], {Metric.BOTH: rate})
    return made


def test_a_row_has_the_spread_and_the_ratio_to_raw_pika() -> None:
    """Minimum, median and maximum of the rounds are in a row, and the medians' ratio."""
    made = Results()
    for rate in (8000.0, 10_000.0, 9000.0):
        made.add(RAW_QUORUM, {Metric.HANDLE: rate})
        made.add(OURS_PG, {Metric.HANDLE: rate / 2})
    first, ours = made.rows()
    assert (first.contender, first.ratio) == (RAW_QUORUM, 1.0)
    assert (ours.minimum, ours.median, ours.maximum, ours.ratio) == (4000.0, 4500.0, 5000.0, 0.5)


def test_peers_are_compared_by_what_they_keep() -> None:
    """The fastest peer that tracks nothing and the fastest that keeps results each have a budget; raw pika is in neither."""
    made = results(raw=10_000, ours=6000, aio=3000, celery=1000, taskiq=1000, procrastinate=300)
    found = {each.id: each for each in verdicts(made)}
    assert (found["1a"].value, found["1b"].value, found["1c"].value) == (0.6, 2.0, 6.0)
    assert all(found[budget].met for budget in ("1a", "1b", "1c"))
    assert "1d" not in found, "nothing was measured with SQLite"


def test_a_missed_budget_says_so() -> None:
    """What is below a target, or above one that is a limit, is missed; exactly the target is met."""
    made = results(raw=10_000, ours=5999, sqlite=7000)
    made.add(RAW_QUORUM, {Metric.REQUEST_P50: 1.0})
    made.add(OURS_PG, {Metric.REQUEST_P50: 3.1, Metric.REQUEST_P99: 9.0})
    met = {each.id: each.met for each in verdicts(made)}
    assert met == {"1a": False, "1d": True, "3a": False, "3b": True}
    assert sum("MISSED" in line for line in budget_lines(verdicts(made))) == 2


def test_every_budget_can_be_met_and_missed() -> None:
    """With a number for everything each of the nine budgets has a verdict, and none is always met or always missed."""

    def judged(ours: float, others: float) -> dict[str, bool]:
        made = results(aio=others, taskiq=others)
        for metric in Metric:
            made.add(RAW_QUORUM, {metric: others})
            made.add(ONE_COMMIT, {metric: others})
            for contender in (OURS_PG, OURS_SQLITE):
                made.add(contender, {metric: ours})
        made.add(OURS_PG, {Metric.REQUEST_P99: ours * ours})
        beside = {Subject.EMPTY_TABLE, Subject.ONE_CHILD, Subject.LIBRARIES, Subject.PYTHON, Subject.IMPORTS}
        for subject in Subject:
            value = others if subject in beside else ours
            made.add(subject, dict.fromkeys([Metric.HANDLE, *Figure, *map(command_figure, FLAT_COMMANDS)], value))
        return {each.id: each.met for each in verdicts(made)}

    much, little = judged(1000.0, 1.0), judged(0.01, 1.0)
    assert [budget.id for budget in BUDGETS] == list(much) == list(little)
    assert {budget.id[0] for budget in BUDGETS} == set("123456789")
    assert all(much[each] is not little[each] for each in much)


def test_the_slowest_listing_counts() -> None:
    """Of all listings of a table the one that slowed down most is the budget's figure, though others became faster."""
    made = results()
    for line, milliseconds in zip(FLAT_COMMANDS, [500.0, 2000.0, *[100.0] * 20], strict=False):
        made.add(Subject.EMPTY_TABLE, {command_figure(line): 500.0})
        made.add(Subject.WAITING_TABLE, {command_figure(line): milliseconds})
    assert [(each.id, each.value) for each in verdicts(made)] == [("5d", 4.0)]


def test_a_subject_is_compared_with_its_own_sort() -> None:
    """What does not race with raw pika has its ratio to what it was measured beside; that one itself shows none."""
    made = results()
    made.add(Subject.ONE_CHILD, {Figure.TOTAL: 4000.0}, beside=Subject.ONE_CHILD)
    made.add(Subject.ONE_HOST, {Figure.TOTAL: 3000.0}, beside=Subject.ONE_CHILD)
    assert made.rows()[1].ratio == 0.75
    lines = table(made.rows(), CONTENDERS)
    assert " of " not in lines[1]
    assert "0.75 of interapp, one child" in lines[3]


def test_every_contender_that_is_ours_exists() -> None:
    """The names that budgets rest on are names of contenders, and every budget has an id of its own."""
    assert {RAW_QUORUM, OURS_PG, OURS_SQLITE, ONE_COMMIT} <= INTERNAL <= BY_NAME.keys()
    assert len({budget.id for budget in BUDGETS}) == len(BUDGETS)


def test_the_run_is_kept_as_json() -> None:
    """The file has the machine, the versions, a row for each number and the budgets."""
    made = results(raw=10_000, ours=6000)
    kept = json.loads(to_json({"rounds": 1}, versions(), made.rows(), verdicts(made)))
    assert kept.keys() == {"machine", "versions", "rows", "budgets"}
    assert kept["machine"]["rounds"] == 1
    assert kept["versions"].keys() >= {"python", "pika", "lantime-interapp"}
    assert kept["rows"][0].keys() == {"contender", "metric", "min", "median", "max", "ratio"}
    (budget,) = kept["budgets"]
    assert budget == {"id": "1a", "name": "both at once beside raw pika", "value": 0.6, "target": 0.6, "met": True}


def test_the_table_says_what_each_guarantees() -> None:
    """Each contender's lines say whether it is confirmed, what it tracks and what it lacks."""
    made = results(raw=10_000, celery=1500)
    lines = table(made.rows(), CONTENDERS)
    assert "confirmed; tracks nothing; lacks a durable state" in lines[0]
    assert lines[2].startswith("Celery, solo: not confirmed")
    assert "0.15 of raw pika, quorum queue" in lines[3]


@pytest.mark.parametrize("both", [{}, {"raw": 10_000.0, "ours": 6000.0, "taskiq": 0.4}])
def test_the_chart_is_a_picture(both: dict[str, float]) -> None:
    """The chart is well-formed SVG with one bar for each contender that was measured."""
    made = results(**both)
    svg = ET.fromstring(chart(made.rows(), CONTENDERS))  # noqa: S314 our own
    bars = [each for each in svg if each.tag.endswith("rect")]
    assert len(bars) == 1 + len(both), "one of them is the ground"
