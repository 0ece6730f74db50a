"""``python -m benchmarks.page``: puts the kept run into docs/performance.md and its chart into README.md.

What stands between two comments in a page is made from ``results/``, and a test compares it.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.contender import CONTENDERS, Contender, Metric

ROOT = Path(__file__).parents[1]
LATEST = ROOT / "benchmarks" / "results" / "latest.json"
CHART = ROOT / "benchmarks" / "results" / "both.svg"
PAGE = ROOT / "docs" / "performance.md"
README = ROOT / "README.md"

NOT_YET = "Not measured on a quiet machine yet."
CHART_SHOWN = "![Messages sent and handled at the same time, a second](benchmarks/results/both.svg)"
COLUMNS = (Metric.PUBLISH, Metric.HANDLE, Metric.BOTH, Metric.REQUEST_P50, Metric.REQUEST_P99)
_WHOLE_FROM = 100

Kept = Mapping[str, Any]
"""A run, as ``results/latest.json`` has it."""


class MarkMissing(Exception):
    """A page has no place for what is to be put there: names the comments that must be around it."""


def results_section(kept: Kept | None, contenders: Iterable[Contender] = CONTENDERS) -> str:
    """Return the run's tables in Markdown: who raced, and the budgets."""
    if kept is None:
        return NOT_YET
    machine = kept["machine"]
    place = f"{machine['cores']} cores that also carry RabbitMQ and PostgreSQL, medians of {machine['rounds']} rounds"
    versions = ", ".join(f"{name} {version}" for name, version in kept["versions"].items())
    return "\n".join(
        [
            f"{place}. Versions: {versions}.",
            "",
            *_table(["contender", "confirmed", "tracks", "lacks", *COLUMNS], _racers(kept["rows"], contenders)),
            "",
            *_table(["budget", "of what", "target", "reached", ""], map(_budget, kept["budgets"])),
        ]
    )


def chart_section(kept: Kept | None) -> str:
    """Return what README.md shows of the run."""
    return "" if kept is None else CHART_SHOWN


def latest() -> Kept | None:
    """Return the kept run, None when there is none."""
    return json.loads(LATEST.read_text(encoding="utf-8")) if LATEST.exists() else None


def placed(text: str, mark: str, section: str) -> str:
    """Return a page's text with the section between the two comments of that mark. Raises MarkMissing."""
    begin, end = f"<!-- {mark} -->", f"<!-- end of {mark} -->"
    before, found, rest = text.partition(begin)
    _, ended, after = rest.partition(end)
    if not found or not ended:
        raise MarkMissing(f"the page needs {begin} and, behind it, {end}")
    return f"{before}{begin}\n{section}\n{end}{after}"


def _racers(rows: Sequence[Kept], contenders: Iterable[Contender]) -> Iterable[list[str]]:
    medians = {(row["contender"], row["metric"]): row["median"] for row in rows}
    for each in contenders:
        cells = [_number(medians.get((each.name, metric.value))) for metric in COLUMNS]
        if any(cells):
            yield [
                each.name,
                "yes" if each.confirmed else "no",
                each.tracks or "nothing",
                each.lacks or "nothing",
                *cells,
            ]


def _budget(budget: Kept) -> list[str]:
    met = "met" if budget["met"] else "missed"
    return [budget["id"], budget["name"], f"{budget['target']:g}", f"{budget['value']:.3g}", met]


def _table(titles: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    lines = [titles, ["---"] * len(titles), *rows]
    return [f"| {' | '.join(line)} |" for line in lines]


def _number(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:,.0f}" if value >= _WHOLE_FROM else f"{value:.2f}"


def main() -> None:
    """Rewrite both pages."""
    kept = latest()
    for page, mark, section in ((PAGE, "results", results_section(kept)), (README, "chart", chart_section(kept))):
        page.write_text(placed(page.read_text(encoding="utf-8"), mark, section), encoding="utf-8")
        print(f"written: {page.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
