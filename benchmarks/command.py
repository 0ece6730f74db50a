"""A command that is run to its end, and how long that takes."""

import os
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from servers.processes import clean_environment

NameT = TypeVar("NameT")


class CommandFailed(Exception):
    """A command ended otherwise than it should: names it, with its exit code and what it wrote."""


@dataclass(frozen=True, slots=True)
class Command:
    """A program with its arguments; of the environment it sees PATH, HOME, LANG and what is given."""

    arguments: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)

    def milliseconds(self) -> float:
        """Run it in an empty folder and return how long that took. Raises CommandFailed."""
        with tempfile.TemporaryDirectory(prefix="interapp-bench-") as folder:
            environment = clean_environment(self.environment, home=folder)
            began = time.perf_counter()
            done = subprocess.run(
                self.arguments, cwd=folder, env=environment, capture_output=True, text=True, check=False
            )
            taken = time.perf_counter() - began
        if done.returncode:
            shown = " ".join(map(os.path.basename, self.arguments))
            raise CommandFailed(f"{shown}: exit code {done.returncode}\n{done.stdout}{done.stderr}")
        return taken * 1000


def in_turns(commands: Mapping[NameT, Command], times: int) -> Iterator[tuple[NameT, float]]:
    """Run every command that many times, taking turns; yield each time in milliseconds. The first turn does not count."""
    for turn in range(times + 1):
        for name, command in commands.items():
            taken = command.milliseconds()
            if turn:
                yield name, taken
