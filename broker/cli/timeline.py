"""The phases of an executor's last run as a timeline."""

import json
from collections.abc import Iterator

import click

from broker.cli.words import duration
from broker.lifecycle.state import State
from broker.table.queries import HandlerRow, Letter

WIDTH = 32
"""Characters that stand for the whole run."""

NAME = 10
TOOK = 8


def phase_times(letter: Letter) -> list[tuple[str, int]]:
    """Return the phases of the last run in order, with their microseconds; none for a handler without phases."""
    return [] if letter.phases is None else [(str(phase), int(took_us)) for phase, took_us in json.loads(letter.phases)]


def timeline(row: HandlerRow, letter: Letter) -> Iterator[str]:
    """Yield a line a phase: a bar from its beginning to its end, its duration, and whether the run stopped in it."""
    times = phase_times(letter)
    whole_us = sum(took_us for _, took_us in times) or 1
    began_us = 0
    for phase, took_us in times:
        first = min(WIDTH - 1, began_us * WIDTH // whole_us)
        began_us += took_us
        # Whatever it took, it is seen.
        bar = " " * first + "█" * max(1, began_us * WIDTH // whole_us - first)
        stopped = phase == row.phase and row.state is not State.SUCCEEDED
        line = f"  {phase:<{NAME}}{bar:<{WIDTH}}  {duration(took_us):>{TOOK}}"
        yield click.style(f"{line}  ✗ stopped here", fg="red") if stopped else line
