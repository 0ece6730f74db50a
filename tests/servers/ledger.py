"""What must be gone when the tests are: processes, containers and folders, written down before they are used."""

from __future__ import annotations

import fcntl
import functools
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from servers import process_tree, reaper


class Ledger:
    """A file of things to end; its users hold a lock on it, and a reaper process waits for that lock.

    Opening a ledger that others already use joins them; only who `watch`es starts the reaper.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file = path.open("ab", buffering=0)
        fcntl.flock(self._file, fcntl.LOCK_SH)

    def watch(self) -> None:
        """Start the process that reaps this ledger after its last user."""
        # started through a shell that does not wait, so that the reaper is nobody's child to be waited for
        subprocess.run(
            ["/bin/sh", "-c", '"$@" &', "sh", sys.executable, "-m", reaper.__name__, str(self.path)],
            check=True,
            cwd=Path(__file__).parent.parent,  # where the package `servers` is
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,  # Ctrl-C is for the tests
        )

    def add_process(self, pid: int, *, gently: int | None = None) -> process_tree.ProcessId:
        """Write down a process, with the signal to try before SIGKILL; return its identity."""
        process = process_tree.identify(pid)
        if process is None:
            # it has ended already: an identity that no process has
            return process_tree.ProcessId(pid, -1)
        self._append({"process": process, "gently": gently})
        return process

    def add_container(self, container_id: str) -> None:
        """Write down a container, to be removed with its volumes."""
        self._append({"container": container_id})

    def add_folder(self, folder: Path) -> None:
        """Write down a folder, to be deleted."""
        self._append({"folder": str(folder)})

    def reap(self) -> None:
        """End everything in the ledger now."""
        reaper.reap(self.path)
        self.path.write_bytes(b"")

    def close(self) -> None:
        """Stop being a user of this ledger."""
        self._file.close()

    def _append(self, entry: dict[str, Any]) -> None:
        self._file.write(json.dumps(entry).encode() + b"\n")


@functools.cache
def own_ledger() -> Ledger:
    """Return the ledger of this test process, for what it does not share; it is never closed before the process."""
    folder = Path(tempfile.mkdtemp(prefix="interapp-ledger-"))
    ledger = Ledger(folder / "ledger")
    ledger.add_folder(folder)
    ledger.watch()
    return ledger
