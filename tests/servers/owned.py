"""What RabbitMQ and PostgreSQL servers owned by a test have in common."""

from __future__ import annotations

import signal
import subprocess
import tempfile
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path
from typing import Self

from servers import process_tree
from servers.ledger import Ledger, own_ledger


class ServerFailed(Exception):
    """A server that should have started did not; the text has the end of its log."""


class OwnedServer(ABC):
    """A server that one test may stop, kill, freeze and wipe; its address stays the same all along.

    Every method returns when it is done, not when it is begun. Leaving the `with` block ends it and deletes its data.
    """

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_exc_info: object) -> None:
        self.close()

    @property
    @abstractmethod
    def running(self) -> bool:
        """Whether it was started and has not been stopped or killed."""

    @abstractmethod
    def start(self) -> None:
        """Start it and wait until it answers; does nothing when it runs. Raises ServerFailed."""

    @abstractmethod
    def stop(self) -> None:
        """Stop it as an operator does."""

    @abstractmethod
    def kill(self) -> None:
        """End all its processes at once (SIGKILL)."""

    @abstractmethod
    def pause(self) -> None:
        """Freeze it (SIGSTOP): connections stay open and nothing answers."""

    @abstractmethod
    def resume(self) -> None:
        """Let it go on after `pause`."""

    @abstractmethod
    def wipe(self) -> None:
        """Delete its data, while it is stopped: the next start finds an empty disk."""

    @abstractmethod
    def close(self) -> None:
        """End it and delete everything that belongs to it."""

    def restart(self) -> None:
        """Stop it and start it again."""
        self.stop()
        self.start()


class InstalledServer(OwnedServer):
    """A server started from the machine's binaries, on own ports, with its data in an own temporary folder."""

    name: str
    gentle_end: int | None = None
    """Signal that ends it quickly and leaves nothing in the kernel, for the end of the tests."""

    def __init__(self, ledger: Ledger | None = None) -> None:
        self.ledger = own_ledger() if ledger is None else ledger
        self.folder = Path(tempfile.mkdtemp(prefix=f"interapp-{self.name.lower()}-", dir=self._parent_folder()))
        self.ledger.add_folder(self.folder)
        self._log = self.folder / "server.log"
        self._popen: subprocess.Popen[bytes] | None = None
        self._process: process_tree.ProcessId | None = None

    @property
    def running(self) -> bool:
        return self._popen is not None and self._popen.poll() is None

    def kill(self) -> None:
        if self._process is not None:
            process_tree.kill(self._process)
        self._reap()

    def pause(self) -> None:
        process_tree.freeze(self._processes())

    def resume(self) -> None:
        process_tree.send(self._processes(), signal.SIGCONT)

    def log(self) -> str:
        """Return what the server has written to its log."""
        return self._log.read_text(encoding="utf-8", errors="replace") if self._log.exists() else ""

    def _parent_folder(self) -> str | None:
        return None

    def _launch(self, command: list[str], env: dict[str, str], user: str | None = None) -> None:
        """Start the server's first process, its output going to the log."""
        with self._log.open("ab") as log:
            self._popen = subprocess.Popen(
                command,
                cwd=self.folder,
                env=env,
                user=user,
                group=user,
                extra_groups=None if user is None else [],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C is for the tests, which end their servers themselves
            )
        self._process = self.ledger.add_process(self._popen.pid, gently=self.gentle_end)

    def _wait_until(self, answers: Callable[[], bool], timeout_s: float) -> None:
        """Return when the server answers; ServerFailed when it ends or has not answered in time."""
        deadline = time.monotonic() + timeout_s
        pause_s = 0.02
        while not answers():
            if not self.running:
                msg = f"{self.name} ended while starting, log:\n{self._log_tail()}"
                raise ServerFailed(msg)
            if time.monotonic() > deadline:
                self.kill()
                msg = f"{self.name} did not answer in {timeout_s} s, log:\n{self._log_tail()}"
                raise ServerFailed(msg)
            time.sleep(pause_s)
            pause_s = min(pause_s * 1.2, 0.1)

    def _stop_with(self, signal_number: int, timeout_s: float) -> None:
        """Ask the server's first process to stop, and wait until its last one is gone."""
        if self._popen is None or self._process is None:
            return
        process_tree.kill(self._process, gently=signal_number, patience_s=timeout_s)
        self._reap()

    def _reap(self) -> None:
        if self._popen is not None:
            self._popen.wait()
        self._popen = None
        self._process = None

    def _processes(self) -> list[process_tree.ProcessId]:
        return [] if self._process is None else process_tree.tree(self._process)

    def _log_tail(self) -> str:
        return "\n".join(self.log().splitlines()[-40:])
