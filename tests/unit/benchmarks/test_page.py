"""The pages show the kept run and nothing else."""

import json
from xml.etree import ElementTree as ET

import pytest

from benchmarks.budgets import verdicts
from benchmarks.contender import OURS_PG, RAW_QUORUM, Metric
from benchmarks.page import (
    CHART,
    CHART_SHOWN,
    NOT_YET,
    PAGE,
    README,
    MarkMissing,
    chart_section,
    latest,
    placed,
    results_section,
)
from benchmarks.report import to_json
from benchmarks.results import Results


def test_the_pages_show_the_kept_run() -> None:
    """docs/performance.md and README.md are as ``python -m benchmarks.page`` makes them; without a run they say so."""
    kept = latest()
    for page, mark, section in ((PAGE, "results", results_section(kept)), (README, "chart", chart_section(kept))):
        text = page.read_text(encoding="utf-8")
        assert text == placed(text, mark, section), f"{page.name}: run python -m benchmarks.page"


def test_a_shown_chart_is_there() -> None:
    """When the README shows the chart, it is beside the run that it was made of, and a picture."""
    assert (CHART_SHOWN in README.read_text(encoding="utf-8")) is CHART.exists() is (latest() is not None)
    if CHART.exists():
        assert ET.parse(CHART).getroot().tag.endswith("svg")  # noqa: S314 our own


def test_a_run_becomes_tables() -> None:
    """Each contender that raced has a row with its medians, each budget one with what was reached."""
    made = Results()
    made.add(RAW_QUORUM, {Metric.BOTH: 10_000.0, Metric.REQUEST_P50: 0.6})
    made.add(OURS_PG, {Metric.BOTH: 5000.0})
    kept = json.loads(to_json({"cores": 2, "rounds": 5}, {"pika": "1.4"}, made.rows(), verdicts(made)))
    lines = results_section(kept).splitlines()
    assert lines[0].endswith("medians of 5 rounds. Versions: pika 1.4.")
    assert [line.count("|") for line in lines if "raw pika, quorum" in line or "interapp, P" in line] == [10, 10]
    assert "|  |  | 10,000 | 0.60 |  |" in next(line for line in lines if "raw pika, quorum" in line)
    assert "| 1a | both at once beside raw pika | 0.6 | 0.5 | missed |" in lines
    assert chart_section(kept) == CHART_SHOWN
    assert (results_section(None), chart_section(None)) == (NOT_YET, "")


def test_a_page_keeps_what_is_not_of_the_run() -> None:
    """Only what stands between the two comments is replaced; without them the error names both."""
    page = "a\n<!-- results -->\nold\n<!-- end of results -->\nb\n"
    assert placed(page, "results", "new") == page.replace("old", "new")
    with pytest.raises(MarkMissing, match="<!-- chart --> and, behind it, <!-- end of chart -->"):
        placed(page, "chart", "new")
