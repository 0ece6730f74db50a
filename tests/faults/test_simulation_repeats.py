"""The simulation itself: a failure that it finds can be played again."""

import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import simulated_strand
from simulated_moves import play, script_by_chance
from simulated_table import open_simulated_table

from broker.table.database import Database

SEEDS = range(6)
MOVES = 80
WORKERS = 3
HERE = Path(__file__).parent


@pytest.mark.parametrize("seed", SEEDS)
def test_the_same_moves_are_the_same_run(simulated_table: Database, seed: int) -> None:
    """The same moves pass the same points and leave the same log, line by line, and no thread behind."""
    script = script_by_chance(seed, MOVES)
    first, second = (play(simulated_table, WORKERS, script).ledger for _ in range(2))
    assert not first.wrong, "\n".join(first.log)
    assert len(first.trace) > 5 * MOVES
    assert first.trace == second.trace
    assert simulated_strand.NAME not in {thread.name for thread in threading.enumerate()}


def test_another_process_makes_the_same_run(simulated_table: Database, tmp_path: Path) -> None:
    """Neither the hashes of strings nor anything else that differs between two processes decides what happens."""
    env = os.environ | {"PYTHONHASHSEED": "4711", "PYTHONPATH": os.pathsep.join([str(HERE), str(HERE.parent)])}
    there = tmp_path / "there"
    there.mkdir()
    done = subprocess.run(
        [sys.executable, __file__, str(there)], env=env, check=True, capture_output=True, text=True, timeout=100
    )
    here = [play(simulated_table, WORKERS, script_by_chance(seed, MOVES)).ledger.trace for seed in SEEDS[:3]]
    assert json.loads(done.stdout) == here


def _play_all(folder: Path) -> None:
    with open_simulated_table(folder) as database:
        traces = [play(database, WORKERS, script_by_chance(seed, MOVES)).ledger.trace for seed in SEEDS[:3]]
    sys.stdout.write(json.dumps(traces))


if __name__ == "__main__":
    _play_all(Path(sys.argv[1]))
