"""A contender's process: it gets ready, waits for the word, works, says how long that took.

A role is a generator: what comes before its ``yield`` is not measured, what comes after it is; a second ``yield`` ends the
measured part, and what it yields is the result's details. On stdin and stdout: ``ready``, ``go``, one line of JSON.
"""

import asyncio
import json
import sys
import time
from collections.abc import AsyncGenerator, Callable, Generator, Mapping
from typing import Any

from benchmarks.job import Job

Details = Mapping[str, Any] | None
Role = Callable[[Job], Generator[Details, None, None] | AsyncGenerator[Details, None]]


def run(roles: Mapping[str, Role]) -> None:
    """Play the role that the arguments name: ``python -m … ROLE JOB``."""
    generator = roles[sys.argv[1]](Job.from_json(sys.argv[2]))
    if isinstance(generator, AsyncGenerator):
        _loop_runner()(_play_async(generator))
    else:
        _play(generator)


def wait_for_go() -> None:
    """Say that everything is ready, and wait for the word."""
    print("ready", flush=True)
    if sys.stdin.readline().strip() != "go":
        raise SystemExit("told to stop before it began")


def wait_for_the_end() -> None:
    """Wait, in a role that serves, until whoever runs the benchmark ends or says so."""
    sys.stdin.read()


class Stopwatch:
    """Time and CPU of this process since it was made."""

    def __init__(self) -> None:
        self._began = time.perf_counter(), time.process_time()

    def say(self, details: Details) -> None:
        """Print the result."""
        result = {"seconds": time.perf_counter() - self._began[0], "cpu_seconds": time.process_time() - self._began[1]}
        print(json.dumps(result | dict(details or {})), flush=True)


def _play(generator: Generator[Details, None, None]) -> None:
    next(generator)
    wait_for_go()
    stopwatch = Stopwatch()
    stopwatch.say(next(generator, None))
    for _ in generator:
        raise RuntimeError("a role yields twice at most")


async def _play_async(generator: AsyncGenerator[Details, None]) -> None:
    await anext(generator)
    await asyncio.to_thread(wait_for_go)
    stopwatch = Stopwatch()
    stopwatch.say(await anext(generator, None))
    async for _ in generator:
        raise RuntimeError("a role yields twice at most")


def _loop_runner() -> Callable[[Any], None]:
    try:
        import uvloop  # noqa: PLC0415 only the contenders that are coroutines have it
    except ImportError:
        return asyncio.run
    faster: Callable[[Any], None] = uvloop.run
    return faster


def idle(number: int) -> None:
    """Let whoever is woken up be idle before message ``number``: not in step with any interval that it might look at."""
    time.sleep(0.02 + number % 10 / 1000)


def percentiles_ms(seconds: list[float]) -> dict[str, float]:
    """Return the 50th and the 99th percentile in milliseconds."""
    ordered = sorted(seconds)
    return {
        "p50_ms": ordered[len(ordered) // 2] * 1000,
        "p99_ms": ordered[min(len(ordered) - 1, int(len(ordered) * 0.99))] * 1000,
    }
