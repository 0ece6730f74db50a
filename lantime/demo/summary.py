"""What the demo says at its end: counts per state, and what to type next. Pure."""

from collections import Counter
from collections.abc import Iterator

from broker.lifecycle.ids import short_id
from broker.lifecycle.state import State
from lantime.demo.performance import Performance


def summary(performance: Performance, program: str) -> Iterator[str]:
    """Yield the lines of the summary; ``program`` is how ``interapp`` is called here."""
    counts = Counter(row.state for row in performance.rows)
    yield f"{len(performance.rows)} messages in {performance.seconds:.0f} s, kept in {performance.kept_in}:"
    for state in State:
        yield f"  {state.value:<11}{counts[state]:>4}"
    yield "What to type next:"
    commands = [(f"{program} {command}", why) for command, why in _next(performance)]
    width = max(len(command) for command, _ in commands)
    yield from (f"  {command:<{width}}   {why}" for command, why in commands)


def _next(performance: Performance) -> Iterator[tuple[str, str]]:
    yield "handlers", "every message and the state of its handler"
    for row in performance.rows:
        show = f"handlers show {short_id(row.id)}"
        if row.id in performance.sent and row.state is State.FAILED:
            yield show, "the story of the command that was rejected"
        if row.id in performance.sent and row.state is State.SUCCEEDED and row.attempts > 1:
            yield show, "the one that succeeded on its second attempt"
    yield "communications", "the same messages as they travelled"
    yield "slots", "the chassis' inventory"
    yield "alarms --history", "what was wrong with it"
    yield "workers", "who served which app"
