"""A contender's process as the benchmark sees it: started, got ready, told to go, and what it said."""

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from types import MappingProxyType, TracebackType
from typing import Any, Self

from benchmarks.job import Job

END_SECONDS = 20.0
NOTHING: Mapping[str, str] = MappingProxyType({})


class ContenderFailed(Exception):
    """A contender's process ended, took too long, or said something else than its result: names the command and its last words."""


class Process:
    """One role of one contender. Use it as a context manager: leaving it ends the process."""

    def __init__(
        self,
        module: str,
        role: str,
        job: Job,
        *,
        environment: Mapping[str, str] = NOTHING,
        patience_seconds: float | None = None,
    ) -> None:
        """``patience_seconds`` is how long it may take to get ready, and to its result; None: as long as it takes."""
        self._named = f"{module} {role}"
        self._patience_seconds = patience_seconds
        self._process = subprocess.Popen(
            [sys.executable, "-m", module, role, job.to_json()],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, **environment},
            start_new_session=True,
        )

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    def until_ready(self) -> None:
        """Wait until everything that is not measured is done."""
        self._line("ready")

    def go(self) -> None:
        """Start the measured part."""
        assert self._process.stdin is not None
        self._process.stdin.write("go\n")
        self._process.stdin.flush()

    def result(self) -> dict[str, Any]:
        """Wait for the end of the measured part and return what was measured."""
        found: dict[str, Any] = json.loads(self._line("result"))
        return found

    def __enter__(self) -> Self:
        """Return the process."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """End the process, whatever it does."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            if error is not None:
                self.kill()
            self._process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()
            self._process.wait()
        finally:
            for stream in (self._process.stdout, self._process.stderr):
                if stream is not None:
                    stream.close()

    def kill(self) -> None:
        """End a process that serves until it is told, and what it started."""
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)

    def _line(self, wanted: str) -> str:
        assert self._process.stdout is not None
        assert self._process.stderr is not None
        late = threading.Event()
        line = self._patiently(self._process.stdout.readline, late)
        if not line or (wanted == "ready" and line.strip() != "ready"):
            self.kill()
            words = self._process.stderr.read().strip().splitlines()[-8:]
            instead = f"within {self._patience_seconds:g} s" if late.is_set() else f"but {line.strip()!r}"
            raise ContenderFailed(f"{self._named}: no {wanted} {instead}; it said last:\n" + "\n".join(words))
        return line

    def _patiently(self, read: Callable[[], str], late: threading.Event) -> str:
        """Read a line; when that takes too long, say so and end the process, which ends the reading."""
        if self._patience_seconds is None:
            return read()

        def end() -> None:
            late.set()
            self.kill()

        timer = threading.Timer(self._patience_seconds, end)
        timer.start()
        try:
            return read()
        finally:
            timer.cancel()
