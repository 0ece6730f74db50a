"""A time line: what happens to the simulated device at which second, read from a file or given by a test.

Which steps are due is a pure question; who asks it (a request that comes in, a process that wakes) plays them. Played
late, a step still happens at its own time: see ``BehindClock``.
"""

import json
import math
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

from broker.errors import SettingError
from broker.lifecycle.clock import Clock
from lantime.simulator.scenario import Scenario

_LONGEST_SECONDS = 366 * 86_400.0
_SHORTEST_ROUND_SECONDS = 1.0
_MOST_STEPS = 10_000
_SHAPE = "an object with 'steps' and, if it is to go on for ever, 'repeat_every_seconds'"


@dataclass(frozen=True, kw_only=True)
class Step:
    """At ``at_seconds`` after the start the control ``action`` is performed with ``arguments``.

    ``number`` is its place in the file, from 1.
    """

    number: int
    at_seconds: float
    action: str
    arguments: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))

    def __str__(self) -> str:
        shown = [f"{name}={value}" for name, value in self.arguments.items() if name != "password"]
        return " ".join([f"at {self.at_seconds:g} s:", self.action, *shown])


@dataclass(frozen=True)
class Timeline:
    """Steps in the order of their times; with ``repeat_every_seconds`` all of it again and again.

    ``name`` says where it comes from, in errors.
    """

    steps: tuple[Step, ...]
    repeat_every_seconds: float | None = None
    name: str = "scenario"

    def due(self, after: float, until: float) -> list[tuple[float, Step]]:
        """Return the steps due later than ``after`` and not later than ``until``, each with the second it is due."""
        found = []
        for turn in self._rounds(after, until):
            start = turn * (self.repeat_every_seconds or 0.0)
            found += [
                (start + step.at_seconds, step) for step in self.steps if after < start + step.at_seconds <= until
            ]
        return found

    def next_due(self, after: float) -> float | None:
        """Return the second at which the first step later than ``after`` is due, or None when there is no more."""
        if not self.steps:
            return None
        if self.repeat_every_seconds is None:
            return next((step.at_seconds for step in self.steps if step.at_seconds > after), None)
        turn = max(0, math.floor(after / self.repeat_every_seconds))
        return min(
            start + step.at_seconds
            for start in (turn * self.repeat_every_seconds, (turn + 1) * self.repeat_every_seconds)
            for step in self.steps
            if start + step.at_seconds > after
        )

    def _rounds(self, after: float, until: float) -> range:
        if self.repeat_every_seconds is None:
            return range(1)
        first = max(0, math.floor(after / self.repeat_every_seconds))
        return range(first, math.floor(until / self.repeat_every_seconds) + 1)


class BehindClock:
    """A clock that can be made to show an earlier time: what is played late happens at its own time."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.behind_seconds = 0.0

    def now_us(self) -> int:
        """Return the wall clock: microseconds since 1970-01-01 UTC."""
        return self._clock.now_us() - round(self.behind_seconds * 1_000_000)

    def monotonic(self) -> float:
        """Return seconds that never jump, of this process only."""
        return self._clock.monotonic() - self.behind_seconds


def scenario_or_timeline(name: str) -> Scenario | Timeline:
    """Return the scenario of this name, or the time line in the file of this name. Raises SettingError as ``read_timeline``."""
    return Scenario(name) if name in list(Scenario) else read_timeline(Path(name))


def read_timeline(file: Path) -> Timeline:
    """Read a time line from a TOML or JSON file. Raises SettingError that names file, step, field, value and what is allowed."""
    try:
        content = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as exc:
        allowed = f"{', '.join(Scenario)}, or a readable file ({_reason(exc)})"
        raise SettingError("--scenario", str(file), allowed) from exc
    try:
        found = json.loads(content) if file.suffix.lower() == ".json" else tomllib.loads(content)
    except (ValueError, RecursionError) as exc:
        kind = "JSON" if file.suffix.lower() == ".json" else "TOML"
        raise SettingError("--scenario", str(file), f"a file of {kind} ({exc})") from exc
    return parse_timeline(found, str(file))


def parse_timeline(found: object, name: str) -> Timeline:
    """Return the time line that a file's content describes. Raises SettingError as ``read_timeline`` does."""
    if not isinstance(found, dict):
        raise _wrong(name, "", found, _SHAPE)
    for key in found:
        if key not in {"steps", "repeat_every_seconds"}:
            raise _wrong(name, key, found[key], f"no such field; {_SHAPE}")
    entries = found.get("steps")
    if not isinstance(entries, list) or not 1 <= len(entries) <= _MOST_STEPS:
        raise _wrong(name, "steps", entries, f"a list of 1 to {_MOST_STEPS} steps ([[steps]] in TOML)")
    steps = sorted(
        (_step(name, number, each) for number, each in enumerate(entries, start=1)), key=lambda s: s.at_seconds
    )
    every = found.get("repeat_every_seconds")
    if every is not None:
        shortest = max(_SHORTEST_ROUND_SECONDS, steps[-1].at_seconds)
        every = _seconds(name, "repeat_every_seconds", every, shortest)
    return Timeline(tuple(steps), every, name)


def _step(name: str, number: int, entry: object) -> Step:
    where = f"step {number}"
    if not isinstance(entry, dict):
        raise _wrong(name, where, entry, "an object with 'at' and 'action' or 'scenario'")
    at_seconds = _seconds(name, f"{where}: at", entry.get("at"), 0.0)
    arguments = {key: value for key, value in entry.items() if key not in {"at", "action"}}
    action = entry.get("action", "set-scenario" if "scenario" in entry else None)
    if not isinstance(action, str):
        raise _wrong(name, f"{where}: action", action, "the name of a control, or 'scenario' instead of it")
    return Step(number=number, at_seconds=at_seconds, action=action, arguments=MappingProxyType(arguments))


def _seconds(name: str, field_name: str, value: object, lowest: float) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not lowest <= value <= _LONGEST_SECONDS:
        raise _wrong(name, field_name, value, f"seconds from {lowest:.10g} to {_LONGEST_SECONDS:.10g}")
    return float(value)


def _wrong(name: str, field_name: str, value: object, allowed: str) -> SettingError:
    where = ": ".join(part for part in (name, field_name) if part)
    return SettingError(where, value, allowed)


def _reason(exc: OSError | UnicodeDecodeError) -> str:
    return exc.strerror or str(exc) if isinstance(exc, OSError) else "it is not UTF-8"
