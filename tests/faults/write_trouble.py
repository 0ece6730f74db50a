"""What can keep a SQLite file from being written, for real: a full disk, files that nobody may change, file modes."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from servers.giving_up import give_up
from servers.processes import InterappProcess
from servers.shared import Unavailable

DISK = "16m"


class Trouble(Protocol):
    """A folder for a database that can be made unwritable while processes have it open."""

    folder: Path
    says: str
    """What the program must say while the trouble lasts: the trouble, and the way out."""

    def begin(self) -> None:
        """Refuse every write from now on."""
        ...

    def end(self) -> None:
        """Allow them again."""
        ...


class FullDisk:
    """A small file system of its own that is filled to the last byte."""

    says = "database or disk is full; make room on its disk"

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def begin(self) -> None:
        """Fill it."""
        with (self.folder / "filler").open("wb", buffering=0) as filler:
            try:
                while True:
                    filler.write(bytes(4096))
            except OSError:
                return

    def end(self) -> None:
        """Make room."""
        (self.folder / "filler").unlink(missing_ok=True)


class ImmutableFiles:
    """Files that the kernel lets nobody write, not even by what is open already: as on a disk that went read-only."""

    says = "disk I/O error; see whether its disk is full, read-only or broken"

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def begin(self) -> None:
        """Forbid it."""
        self._chattr("+i")

    def end(self) -> None:
        """Allow it."""
        self._chattr("-i")

    def _chattr(self, flag: str) -> None:
        # Not the shared memory beside them: the kernel would answer SQLite's next store into it with SIGBUS.
        files = (self.folder / "interapp.db", self.folder / "interapp.db-wal")
        _as_root("chattr", flag, *(str(file) for file in files if file.exists()))


@contextmanager
def full_disk(folder: Path) -> Iterator[Trouble]:
    """Yield a small disk that can be filled. Skips where nothing may be mounted; fails there when ``CI=true``."""
    folder.mkdir()
    _as_root("mount", "-t", "tmpfs", "-o", f"size={DISK},mode=777", "interapp-test", str(folder))
    try:
        yield FullDisk(folder)
    finally:
        _as_root("umount", "--lazy", str(folder))


@contextmanager
def immutable_files(folder: Path) -> Iterator[Trouble]:
    """Yield a folder whose files can be made immutable. Skips where they cannot; fails there when ``CI=true``."""
    folder.mkdir()
    probe = folder / "probe"
    probe.touch()
    _as_root("chattr", "+i", str(probe))
    _as_root("chattr", "-i", str(probe))
    probe.unlink()
    made = ImmutableFiles(folder)
    try:
        yield made
    finally:
        if any(folder.glob("interapp.db")):
            made.end()


def obeying_modes(command: list[str]) -> list[str]:
    """Return the command so that file modes count for it, which they do not for root."""
    if os.geteuid() != 0:
        return command
    return ["setpriv", "--bounding-set=-dac_override,-dac_read_search,-fowner", *command]


def obey_modes(process: InterappProcess) -> InterappProcess:
    """Let file modes count for a process that is not started yet; return it."""
    process.args = tuple(obeying_modes(list(process.args)))
    return process


def _as_root(*command: str) -> None:
    """Run a command that needs root, by sudo where we are not."""
    prefix = [] if os.geteuid() == 0 else ["sudo", "-n"]
    try:
        done = subprocess.run([*prefix, *command], capture_output=True, text=True, check=False)
    except FileNotFoundError as exc:
        give_up(Unavailable(f"this needs {exc.filename}"))
    if done.returncode:
        give_up(Unavailable(f"this needs root: {' '.join(command)}: {done.stderr.strip()}"))
