"""What the benchmark reads of processes and of the table, and what it makes of it."""

import pytest

from benchmarks.finality import Tally
from benchmarks.groups import used
from benchmarks.measurements.memory import growth
from benchmarks.proc import TICKS_PER_SECOND, parse_cpu, parse_resident
from benchmarks.program import percentiles_ms

STAT = "42 (post) gres: x) S 1 42 42 0 -1 4194560 9 8 7 6 {user} {system} {ended_user} {ended_system} 20 0 1 0 77 1 2"


def test_cpu_is_read_behind_any_name() -> None:
    """User and system time count, and on demand those of ended children, though a name may look like fields."""
    tick = TICKS_PER_SECOND
    stat = STAT.format(user=tick, system=2 * tick, ended_user=4 * tick, ended_system=8 * tick)
    assert parse_cpu(stat, with_ended_children=False) == 3.0
    assert parse_cpu(stat, with_ended_children=True) == 15.0


def test_resident_memory_is_in_mebibytes() -> None:
    """What is resident counts, neither what it once was nor what is mapped."""
    assert parse_resident("Name:\tpython\nVmSize:\t 900000 kB\nVmHWM:\t 99999 kB\nVmRSS:\t   86016 kB\n") == 84.0


def test_each_group_has_what_it_used_meanwhile() -> None:
    """What a server used before the measurement is not counted."""
    assert used({"RabbitMQ": 10.0, "PostgreSQL": 1.0}, {"RabbitMQ": 12.5, "PostgreSQL": 1.0}) == {
        "RabbitMQ": 2.5,
        "PostgreSQL": 0.0,
    }


@pytest.mark.parametrize(
    ("tally", "complaint"),
    [
        (Tally(rows=5, ids=5, succeeded=5), ""),
        (Tally(rows=4, ids=4, succeeded=4), "the table has 4 rows"),
        (Tally(rows=6, ids=6, succeeded=6), "the table has 6 rows"),
        (Tally(rows=5, ids=4, succeeded=5), "with 4 different ids"),
        (Tally(rows=5, ids=5, succeeded=3), "2 have not succeeded"),
    ],
)
def test_every_message_must_be_final_once(tally: Tally, complaint: str) -> None:
    """A row too few, one too many, an id twice, a state other than succeeded: each is a complaint, and nothing else is."""
    said = tally.complaint(5)
    assert (complaint in said) if complaint else not said


def test_growth_begins_when_caches_are_full() -> None:
    """The first tenth of the readings does not count, nor does one that is out of line."""
    assert growth([10.0, 20.0, *[100.0] * 18]) == 0.0
    assert growth([*[100.0] * 90, *[110.0] * 9, 500.0]) == pytest.approx(0.1)


def test_percentiles_are_of_the_sorted_times() -> None:
    """The middle and the slowest hundredth, in milliseconds, whatever the order."""
    found = percentiles_ms([0.1, *[0.001] * 98, 0.002])
    assert found == {"p50_ms": 1.0, "p99_ms": 100.0}
