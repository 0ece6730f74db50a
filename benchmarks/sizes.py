"""How much a run measures."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """How much of everything."""

    messages: int
    round_trips: int
    single_sends: int
    wake_ups: int
    rows: int
    """In the table that is not empty."""
    slots: int
    """Apps of the one process that has many."""
    children: int
    """Processes with one app each."""
    warm_messages: int
    """What the real child handles before it is looked at."""
    idle_seconds: float
    """How long a child's idleness is watched."""
    memory_messages: int
    """How many messages a child handles while its memory is watched."""
    command_runs: int
    chassis: int
    """Chassis that the one parent polls."""
    device_seconds: float
    """How long a parent's polling is watched."""
    commits: int


FULL = Sizes(
    messages=20_000,
    round_trips=500,
    single_sends=1_000,
    wake_ups=200,
    rows=1_000_000,
    slots=200,
    children=40,
    warm_messages=1_000,
    idle_seconds=30.0,
    memory_messages=1_000_000,
    command_runs=21,
    chassis=50,
    device_seconds=30.0,
    commits=3_000,
)
QUICK = Sizes(
    messages=5_000,
    round_trips=200,
    single_sends=300,
    wake_ups=60,
    rows=100_000,
    slots=200,
    children=40,
    warm_messages=1_000,
    idle_seconds=10.0,
    memory_messages=100_000,
    command_runs=11,
    chassis=50,
    device_seconds=10.0,
    commits=1_000,
)
