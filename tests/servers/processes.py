"""The installed `interapp` command as a real process, as an operator runs it."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import IO, Self, TypeVar

from servers import process_tree
from servers.ledger import own_ledger

_T = TypeVar("_T")
_NO_ENVIRONMENT: Mapping[str, str] = MappingProxyType({})
INTERAPP = Path(sys.executable).parent / "interapp"
"""The command of the environment that runs the tests."""


def clean_environment(env: Mapping[str, str], home: Path) -> dict[str, str]:
    """Return an environment of PATH, HOME, LANG and `env`: nothing of the developer's own settings."""
    path = os.pathsep.join([str(INTERAPP.parent), os.environ.get("PATH", os.defpath)])
    return {"PATH": path, "HOME": str(home), "LANG": "C.UTF-8", **env}


def run_interapp(
    *args: str,
    cwd: Path,
    env: Mapping[str, str] = _NO_ENVIRONMENT,
    timeout: float = 30.0,
    stdin: str = "",
) -> subprocess.CompletedProcess[str]:
    """Run `interapp ARGS…` to its end in folder `cwd`; raises `subprocess.TimeoutExpired` after `timeout` seconds."""
    return subprocess.run(
        [str(INTERAPP), *args],
        cwd=cwd,
        env=clean_environment(env, home=cwd),
        input=stdin,
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=timeout,
        check=False,
    )


class InterappProcess:
    """`interapp ARGS…` running in folder `cwd`; leaving the `with` block kills and reaps it.

    `stdout` and `stderr` grow line by line while it runs; `lines` has both in the order they arrived.
    `command` replaces the installed command, for example by `[sys.executable, "worker.py"]`.
    """

    def __init__(
        self,
        *args: str,
        cwd: Path,
        env: Mapping[str, str] = _NO_ENVIRONMENT,
        command: tuple[str, ...] = (str(INTERAPP),),
    ) -> None:
        self.args = (*command, *args)
        self.cwd = cwd
        self.env = clean_environment(env, home=cwd)
        self.stdout: list[str] = []
        self.stderr: list[str] = []
        self.lines: list[str] = []
        self._changed = threading.Condition()
        self._open_streams = 0
        self._readers: list[threading.Thread] = []
        self._popen: subprocess.Popen[str] | None = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_exc_info: object) -> None:
        self.kill()

    def start(self) -> Self:
        """Start the process; once per object."""
        if self._popen is not None:
            msg = f"{self} was started before: a new run is a new object"
            raise RuntimeError(msg)
        self._popen = popen = subprocess.Popen(
            self.args,
            cwd=self.cwd,
            env=self.env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            errors="replace",
            start_new_session=True,  # signals for it are for it alone, and Ctrl-C is for the tests
        )
        own_ledger().add_process(popen.pid)
        for stream, lines in ((popen.stdout, self.stdout), (popen.stderr, self.stderr)):
            assert stream is not None
            self._open_streams += 1
            reader = threading.Thread(target=self._read, args=(stream, lines), name=f"read {self}", daemon=True)
            self._readers.append(reader)
            reader.start()
        return self

    @property
    def pid(self) -> int:
        """The process id."""
        return self._started.pid

    @property
    def returncode(self) -> int | None:
        """The exit code, negative for a signal; None while it runs."""
        return self._started.poll()

    @property
    def running(self) -> bool:
        """Whether it was started and has not ended."""
        return self._popen is not None and self._popen.poll() is None

    def wait_for_line(self, pattern: str, timeout: float = 30.0, *, after: int = 0) -> re.Match[str]:
        """Return the match of the first line of stdout or stderr, from `lines[after]` on, that the pattern is found in.

        Raises AssertionError with the whole output after `timeout` seconds, or as soon as the process has ended
        without such a line.
        """
        wanted = re.compile(pattern)
        deadline = time.monotonic() + timeout
        position = after
        with self._changed:
            while True:
                while position < len(self.lines):
                    if match := wanted.search(self.lines[position]):
                        return match
                    position += 1
                remaining = deadline - time.monotonic()
                if self._open_streams == 0:
                    self._fail(f"{self} ended without a line like {pattern!r}")
                if remaining <= 0:
                    self._fail(f"{self} wrote no line like {pattern!r} in {timeout} s")
                self._changed.wait(remaining)

    def wait(self, timeout: float = 30.0) -> int:
        """Wait for its end and return the exit code; AssertionError after `timeout` seconds."""
        try:
            code = self._started.wait(timeout)
        except subprocess.TimeoutExpired:
            self._fail(f"{self} did not end in {timeout} s")
        self._join_readers()
        return code

    def terminate(self, timeout: float = 30.0) -> int:
        """Ask it to stop (SIGTERM), wait for its end and return the exit code."""
        self.send_signal(signal.SIGTERM)
        return self.wait(timeout)

    def kill(self) -> None:
        """End it and what it started at once (SIGKILL); does nothing when it has ended."""
        if self._popen is None:
            return
        if self._popen.poll() is None and (process := process_tree.identify(self._popen.pid)) is not None:
            process_tree.kill(process)
        self._popen.wait()
        self._join_readers()
        for stream in (self._popen.stdout, self._popen.stderr):
            if stream is not None:
                stream.close()

    def pause(self) -> None:
        """Freeze it (SIGSTOP): it keeps its connections and locks and does nothing."""
        if (process := process_tree.identify(self._started.pid)) is not None:
            process_tree.freeze([process])

    def resume(self) -> None:
        """Let it go on after `pause` (SIGCONT)."""
        self.send_signal(signal.SIGCONT)

    def send_signal(self, signal_number: int) -> None:
        """Send a signal to the process."""
        self._started.send_signal(signal_number)

    def output(self) -> str:
        """Return all it has written so far."""
        return "\n".join(self.lines)

    def __str__(self) -> str:
        return " ".join([Path(self.args[0]).name, *self.args[1:]])

    @property
    def _started(self) -> subprocess.Popen[str]:
        if self._popen is None:
            msg = f"{self} is not started"
            raise RuntimeError(msg)
        return self._popen

    def _read(self, stream: IO[str], lines: list[str]) -> None:
        for line in stream:
            with self._changed:
                lines.append(line.rstrip("\n"))
                self.lines.append(line.rstrip("\n"))
                self._changed.notify_all()
        with self._changed:
            self._open_streams -= 1
            self._changed.notify_all()

    def _join_readers(self) -> None:
        for reader in self._readers:
            reader.join(5.0)

    def _fail(self, what: str) -> None:
        msg = f"{what}; exit code {self.returncode}, output:\n{self.output()}"
        raise AssertionError(msg)


def eventually(check: Callable[[], _T], timeout: float = 10.0, what: str = "the condition") -> _T:
    """Return the first true value of `check`, asked again and again with a short back-off.

    For the state of other processes, which cannot signal us. Raises AssertionError with `what` and the last value.
    """
    deadline = time.monotonic() + timeout
    pause_s = 0.01
    while True:
        value = check()
        if value:
            return value
        if time.monotonic() >= deadline:
            msg = f"{what}: not so after {timeout} s, last value {value!r}"
            raise AssertionError(msg)
        time.sleep(pause_s)
        pause_s = min(pause_s * 1.5, 0.2)
