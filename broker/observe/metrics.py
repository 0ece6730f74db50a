"""Metrics of one process, as Prometheus reads them (text format 0.0.4)."""

import threading
from bisect import bisect_left
from dataclasses import dataclass, field
from itertools import accumulate

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

BUCKETS = (0.001, 0.005, 0.025, 0.1, 0.5, 2.5, 10.0, 60.0)
"""Upper bounds of the durations that are told apart, in seconds; what is longer counts in ``+Inf``."""

NAME = "interapp_handler_seconds"
HEADER = (
    f"# HELP {NAME} How long handlers ran; state: what the message is in now, waiting means another attempt.",
    f"# TYPE {NAME} histogram",
)
ESCAPED = str.maketrans({"\\": r"\\", '"': r"\"", "\n": r"\n"})


@dataclass(slots=True)
class Durations:
    """The runs of one series."""

    counts: list[int] = field(default_factory=lambda: [0] * (len(BUCKETS) + 1))
    """How many were in each bucket, the last without bound."""
    sum_seconds: float = 0.0


class Metrics:
    """Counts and durations of handler runs. For any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._handled: dict[tuple[str, str, str], Durations] = {}

    def handled(self, app: str, kind: str, state: str, seconds: float) -> None:
        """Note a run. Every combination of app, kind and state is kept for ever: there must be few."""
        with self._lock:
            durations = self._handled.setdefault((app, kind, state), Durations())
            durations.counts[bisect_left(BUCKETS, seconds)] += 1
            durations.sum_seconds += seconds

    def text(self) -> str:
        """Return everything noted, in Prometheus' text format."""
        lines = list(HEADER)
        with self._lock:
            for (app, kind, state), durations in sorted(self._handled.items()):
                labels = f'app="{_escaped(app)}",kind="{_escaped(kind)}",state="{_escaped(state)}"'
                totals = list(accumulate(durations.counts))
                for bound, total in zip((*map(str, BUCKETS), "+Inf"), totals, strict=True):
                    lines.append(f'{NAME}_bucket{{{labels},le="{bound}"}} {total}')
                lines.append(f"{NAME}_sum{{{labels}}} {durations.sum_seconds}")
                lines.append(f"{NAME}_count{{{labels}}} {totals[-1]}")
        return "\n".join(lines) + "\n"


def _escaped(label: str) -> str:
    return label.translate(ESCAPED)
