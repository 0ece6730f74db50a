"""``interapp stats``: how many handlers there are in which state, and how fast they come and go."""

import click

from broker.cli import options
from broker.cli.added_stats import added_stats
from broker.cli.cells import STATE_STYLES
from broker.cli.listing import open_listing, print_json
from broker.cli.words import age
from broker.lifecycle.clock import SystemClock
from broker.lifecycle.state import State
from broker.observe.printable import printable
from broker.table.census import Counts, count_handlers

MINUTE_US = 60_000_000


@click.command()
@options.as_json
def stats(*, as_json: bool) -> None:
    """Count handlers by state and reason; show the age of the oldest that waits, and the last minute."""
    now_us = SystemClock().now_us()
    with open_listing() as database:
        if database is None:
            return
        counts = count_handlers(database, now_us=now_us, recent_us=now_us - MINUTE_US)
        line = stats_line(counts, now_us)
        added, problems = added_stats(database, now_us, taken=line.keys())
    if as_json:
        print_json([line | {name: each.value for name, each in added.items()}])
    else:
        click.echo("\n".join([*stats_text(counts, now_us), *(text for each in added.values() for text in each.lines)]))
    for problem in problems:
        click.echo(printable(problem), err=True)


def stats_line(counts: Counts, now_us: int) -> dict[str, object]:
    """Return the counts as one JSON object."""
    oldest = counts.oldest_due_us
    return {
        "states": {state.value: number for state, number in counts.states.items()},
        "reasons": {reason.value: number for reason, number in counts.reasons.items()},
        "scheduled": counts.scheduled,
        "oldest_waiting_seconds": None if oldest is None else max(0, now_us - oldest) / 1_000_000,
        "last_minute": {
            "sent": counts.recent_sent,
            **{state.value: number for state, number in counts.recent_finished.items()},
        },
    }


def stats_text(counts: Counts, now_us: int) -> list[str]:
    """Return the counts as lines for people."""
    lines = []
    for state, number in counts.states.items():
        extra = ""
        if state is State.WAITING and number:
            parts = [f"{counts.scheduled} for a later time"] if counts.scheduled else []
            if counts.oldest_due_us is not None:
                parts.append(f"the oldest for {age(now_us - counts.oldest_due_us)}")
            extra = ", ".join(parts)
        if state is State.FAILED and number:
            extra = ", ".join(f"{reason} {many}" for reason, many in sorted(counts.reasons.items()))
        label = click.style(f"{state.value:<12}", fg=STATE_STYLES[state])
        lines.append(f"{label}{number:>9}" + (f"   ({extra})" if extra else ""))
    finished = ", ".join(f"{number} {state}" for state, number in counts.recent_finished.items())
    return [*lines, f"last minute: {counts.recent_sent} sent, {finished}"]
