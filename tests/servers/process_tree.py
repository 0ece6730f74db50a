"""Processes with all their descendants, as Linux shows them in `/proc`.

A process group is not enough to stop a server: PostgreSQL's children and Erlang's helpers each open a session of
their own.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple


class ProcessId(NamedTuple):
    """A process that cannot be confused with a later one of the same number."""

    pid: int
    started: int
    """Start time in clock ticks since boot, from `/proc/PID/stat`."""


def identify(pid: int) -> ProcessId | None:
    """Return the identity of a running process; None when it is gone or a zombie."""
    fields = _stat(pid)
    if fields is None or fields[0] in "ZX":
        return None
    return ProcessId(pid, int(fields[19]))


def alive(process: ProcessId) -> bool:
    """Tell whether exactly this process still runs."""
    return identify(process.pid) == process


def tree(root: ProcessId) -> list[ProcessId]:
    """Return the process and its descendants, parents first; empty when it is gone."""
    if not alive(root):
        return []
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and (fields := _stat(int(entry.name))) is not None:
            children.setdefault(int(fields[1]), []).append(int(entry.name))
    found = [root]
    for parent in found:  # grows while it is read: breadth first
        found.extend(child for pid in children.get(parent.pid, ()) if (child := identify(pid)) is not None)
    return found


def send(processes: list[ProcessId], signal_number: int) -> None:
    """Signal those of the processes that still run."""
    for process in processes:
        if alive(process):
            with suppress(ProcessLookupError):
                os.kill(process.pid, signal_number)


def freeze(processes: list[ProcessId], timeout_s: float = 10.0) -> None:
    """Stop processes (SIGSTOP) and return when each of their threads stands still: the signal alone returns before."""
    send(processes, signal.SIGSTOP)
    if not _wait_until(lambda: all(map(_frozen, processes)), timeout_s, pause_s=0.001):
        msg = f"not all of {processes} stopped within {timeout_s} s of SIGSTOP"
        raise TimeoutError(msg)


def kill(root: ProcessId, *, gently: int | None = None, patience_s: float = 5.0) -> None:
    """End a process and all its descendants, and return when they are gone.

    `gently` is a signal for the root alone, to be tried for `patience_s` seconds before SIGKILL.
    """
    processes = tree(root)
    if gently is not None:
        send(processes[:1], gently)
        _wait_until_gone(processes, patience_s)
    while processes:
        send(processes, signal.SIGKILL)
        _wait_until_gone(processes, 10.0)
        processes = tree(root)


def _wait_until_gone(processes: list[ProcessId], timeout_s: float) -> bool:
    return _wait_until(lambda: not any(map(alive, processes)), timeout_s)


def _wait_until(condition: Callable[[], bool], timeout_s: float, pause_s: float = 0.01) -> bool:
    """Return whether it came true in time."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(pause_s)  # no signal tells of the stop or end of a process that is not our child
    return True


def _frozen(process: ProcessId) -> bool:
    """Tell whether every thread of the process is stopped, or gone."""
    threads = (_stat(int(thread.name), of=process.pid) for thread in Path(f"/proc/{process.pid}/task").glob("*"))
    return all(fields is None or fields[0] in "TtZX" for fields in threads)


def _stat(thread: int, of: int | None = None) -> list[str] | None:
    """Return the fields of a `stat` file of `/proc` from the state on; the name before it may hold any character.

    `thread` is a process, or with `of` one of that process' threads.
    """
    path = Path(f"/proc/{thread}/stat" if of is None else f"/proc/{of}/task/{thread}/stat")
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    return text.rpartition(")")[2].split()
