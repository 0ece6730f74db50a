"""What Linux tells of a process in /proc: its CPU and its memory."""

import os
from pathlib import Path

TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
MIB_KIB = 1024
_USER, _CHILDREN, _END = 11, 13, 15
"""Places in /proc/PID/stat, counted behind the name: user and system time, those of ended children, what follows."""


def cpu_seconds(pid: int, *, with_ended_children: bool = False) -> float:
    """Return the CPU that a process has used; 0 when it is gone."""
    try:
        return parse_cpu(Path(f"/proc/{pid}/stat").read_text(encoding="utf-8"), with_ended_children=with_ended_children)
    except (FileNotFoundError, ProcessLookupError):
        return 0.0


def resident_mib(pid: int) -> float:
    """Return the memory that a process has resident."""
    return parse_resident(Path(f"/proc/{pid}/status").read_text(encoding="utf-8"))


def name(pid: int) -> str:
    """Return the name of a process, "" when there is none."""
    try:
        return Path(f"/proc/{pid}/comm").read_text(encoding="utf-8").strip()
    except (FileNotFoundError, ProcessLookupError):
        return ""


def parent(pid: int) -> int:
    """Return the process that started another."""
    return int(_fields(Path(f"/proc/{pid}/stat").read_text(encoding="utf-8"))[1])


def parse_cpu(stat: str, *, with_ended_children: bool) -> float:
    """Read ``/proc/PID/stat``."""
    ticks = _fields(stat)[_USER : _END if with_ended_children else _CHILDREN]
    return sum(map(int, ticks)) / TICKS_PER_SECOND


def parse_resident(status: str) -> float:
    """Read ``/proc/PID/status``."""
    (line,) = (line for line in status.splitlines() if line.startswith("VmRSS:"))
    return int(line.split()[1]) / MIB_KIB


def _fields(stat: str) -> list[str]:
    # The name before them may hold any character.
    return stat.rpartition(")")[2].split()
