"""Ends what tests started once nobody is left to do it, however the test processes ended.

Every user of a ledger holds a shared lock on it, and the kernel frees a lock with its process. So the exclusive lock
that this program waits for means: the last user is gone, by its own will, by Ctrl-C or by `kill -9`.
"""

from __future__ import annotations

import fcntl
import json
import shutil
import sys
from contextlib import suppress
from pathlib import Path

from servers import process_tree


def reap(ledger: Path) -> None:
    """End every process, remove every container and delete every folder that the ledger names."""
    entries = [json.loads(line) for line in ledger.read_text(encoding="utf-8").splitlines()]
    for entry in reversed(entries):  # last started, first ended; folders go after the processes that write into them
        if "process" in entry:
            process_tree.kill(process_tree.ProcessId(*entry["process"]), gently=entry["gently"])
        elif "container" in entry:
            _remove_container(entry["container"])
    for entry in entries:
        if "folder" in entry:
            shutil.rmtree(entry["folder"], ignore_errors=True)


def _remove_container(container_id: str) -> None:
    import docker  # noqa: PLC0415  only where there are containers: it takes its time
    from docker.errors import NotFound  # noqa: PLC0415

    client = docker.from_env()
    with suppress(NotFound):
        client.api.remove_container(container_id, v=True, force=True)
    client.close()


def main() -> None:
    """Wait until no user of the ledger is left, then reap what it names and the ledger itself."""
    ledger = Path(sys.argv[1])
    with ledger.open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        reap(ledger)
    ledger.unlink(missing_ok=True)


if __name__ == "__main__":
    main()
