"""What a run measured: every number, its spread, and how it stands beside others of the same run. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median

from benchmarks.contender import RAW_QUORUM, Contender, Metric


@dataclass(frozen=True, slots=True)
class Row:
    """One contender's numbers for one metric."""

    contender: str
    metric: Metric
    minimum: float
    median: float
    maximum: float
    ratio: float | None
    """Median beside raw pika's on a quorum queue; None where that has none."""


@dataclass(slots=True)
class Results:
    """Numbers of one run, by contender and metric, one of each round."""

    numbers: dict[tuple[str, Metric], list[float]] = field(default_factory=dict)

    def add(self, contender: Contender, measured: Mapping[Metric, float]) -> None:
        """Add what one measurement gave."""
        for metric, value in measured.items():
            self.numbers.setdefault((contender.name, metric), []).append(value)

    def median(self, contender: str, metric: Metric) -> float | None:
        """Return the median, or None when it was not measured."""
        found = self.numbers.get((contender, metric))
        return median(found) if found else None

    def rows(self, contenders: Sequence[Contender]) -> list[Row]:
        """Return a row for everything that was measured, in the contenders' order."""
        return [
            self._row(contender.name, metric, self.numbers[contender.name, metric])
            for contender in contenders
            for metric in Metric
            if (contender.name, metric) in self.numbers
        ]

    def _row(self, contender: str, metric: Metric, found: list[float]) -> Row:
        limit = self.median(RAW_QUORUM, metric)
        return Row(contender, metric, min(found), median(found), max(found), median(found) / limit if limit else None)
