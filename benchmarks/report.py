"""The run as a table for people, and as JSON for whoever compares runs. Pure."""

import json
import os
import platform
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version

from benchmarks.budgets import Verdict
from benchmarks.contender import Contender
from benchmarks.results import Row

PACKAGES = (
    *("lantime-interapp", "pika", "pydantic", "psycopg", "sqlalchemy"),
    *(
        "aio-pika",
        "uvloop",
        "faststream",
        "dramatiq",
        "celery",
        "taskiq",
        "taskiq-aio-pika",
        "taskiq-postgres",
        "procrastinate",
    ),
)


_WHOLE_FROM = 100
"""Numbers from here on are shown without a fraction."""


def versions() -> dict[str, str]:
    """Return the installed versions of everything that is measured; what is not there is left out."""
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def machine() -> dict[str, object]:
    """Return what the numbers depend on and no ratio shows."""
    return {"cores": os.cpu_count(), "system": platform.platform(), "load": os.getloadavg()[0]}


def table(rows: Sequence[Row], contenders: Iterable[Contender]) -> list[str]:
    """Return the lines of the table: who it is, for a contender what it guarantees, then numbers: min, median, max, ratio."""
    guarantees = {each.name: guarantee(each) for each in contenders}
    lines: list[str] = []
    named = ""
    for row in rows:
        if row.contender != named:
            named = row.contender
            lines.append(f"{named}: {guarantees[named]}" if named in guarantees else named)
        ratio = "" if row.ratio is None or row.beside == named else f"{row.ratio:8.2f} of {row.beside}"
        figures = f"{_number(row.minimum):>11} {_number(row.median):>9} {_number(row.maximum):>9}"
        lines.append(f"    {row.metric:<34}{figures}{ratio}")
    return lines


def guarantee(contender: Contender) -> str:
    """Return what a contender guarantees, and what not."""
    confirmed = "confirmed" if contender.confirmed else "not confirmed"
    return f"{confirmed}; tracks {contender.tracks or 'nothing'}; lacks {contender.lacks or 'nothing'}"


def budget_lines(verdicts: Sequence[Verdict]) -> list[str]:
    """Return one line for each budget."""
    return [
        f"{each.id:<4}{'met' if each.met else 'MISSED':<8}{each.value:9.3f}  target {each.target:<6}{each.name}"
        for each in verdicts
    ]


def to_json(
    machine: Mapping[str, object], versions: Mapping[str, str], rows: Sequence[Row], verdicts: Sequence[Verdict]
) -> str:
    """Return the run as it is kept in ``results/latest.json``; ``machine`` has what was measured there, too."""
    return json.dumps(
        {
            "machine": dict(machine),
            "versions": dict(versions),
            "rows": [
                {
                    "contender": row.contender,
                    "metric": str(row.metric),
                    "min": round(row.minimum, 3),
                    "median": round(row.median, 3),
                    "max": round(row.maximum, 3),
                    "ratio": None if row.ratio is None else round(row.ratio, 3),
                }
                for row in rows
            ],
            "budgets": [asdict(each) | {"value": round(each.value, 3)} for each in verdicts],
        },
        indent=2,
    )


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= _WHOLE_FROM else f"{value:.2f}"
