"""What a run measured: every number, its spread, and how it stands beside others of the same run. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from statistics import median

from benchmarks.contender import RAW_QUORUM


@dataclass(frozen=True, slots=True)
class Row:
    """One contender's numbers for one metric."""

    contender: str
    metric: str
    minimum: float
    median: float
    maximum: float
    ratio: float | None
    """Median beside the one that it is compared with; None where that has none."""
    beside: str
    """Who that is."""


@dataclass(slots=True)
class Results:
    """Numbers of one run, by contender and metric, one of each round."""

    numbers: dict[tuple[str, str], list[float]] = field(default_factory=dict)
    _beside: dict[str, str] = field(default_factory=dict)

    def add(self, contender: str, measured: Mapping[str, float], *, beside: str = RAW_QUORUM) -> None:
        """Add what one measurement gave, and say what the contender is to be compared with."""
        self._beside[contender] = beside
        for metric, value in measured.items():
            self.numbers.setdefault((contender, metric), []).append(value)

    def median(self, contender: str, metric: str) -> float | None:
        """Return the median, or None when it was not measured."""
        found = self.numbers.get((contender, metric))
        return median(found) if found else None

    def rows(self) -> list[Row]:
        """Return a row for everything that was measured, each contender's together, in the order of their first numbers."""
        order = {contender: place for place, contender in enumerate(self._beside)}
        return [
            self._row(contender, metric, found)
            for (contender, metric), found in sorted(self.numbers.items(), key=lambda each: order[each[0][0]])
        ]

    def _row(self, contender: str, metric: str, found: list[float]) -> Row:
        other = self._beside[contender]
        limit = self.median(other, metric)
        ratio = median(found) / limit if limit else None
        return Row(contender, metric, min(found), median(found), max(found), ratio, other)
