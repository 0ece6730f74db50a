"""One process that runs isolated handlers, as its worker sees it."""

import os
import signal
import subprocess
import sys
from contextlib import suppress
from multiprocessing import Pipe
from pathlib import Path

from broker.runtime.isolation.frames import TEXT, Word, from_frame

PROGRAM = "import sys; sys.path[:] = {path!r}; from broker.runtime.isolation.child import main; main({line}, {life})"
"""A fresh interpreter with our import path. Forked, it would inherit locks that other threads hold."""


class ProcessGone(Exception):
    """The process ended, or says what nobody understands: how."""


class IsolatedProcess:
    """Starts with its construction; the first frame it sends says whether it is ready."""

    def __init__(self, setup: bytes) -> None:
        """Start it and give it its handlers. Raises OSError when the system has no process to spare."""
        self._line, theirs = Pipe()
        life, self._life = os.pipe()
        self.ready = False
        path = [entry or str(Path.cwd()) for entry in sys.path]
        program = PROGRAM.format(path=path, line=theirs.fileno(), life=life)
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-u", "-c", program],
                pass_fds=(theirs.fileno(), life),
                stdin=subprocess.DEVNULL,
                # What a handler prints must not get between the lines of a command's own output; and not wait for its end (-u).
                stdout=2,
                # A group of its own: what the handler started is killed with it, and Ctrl-C does not reach it.
                start_new_session=True,
            )
        except OSError:
            self._line.close()
            os.close(self._life)
            raise
        finally:
            theirs.close()
            os.close(life)
        with suppress(OSError):
            # It ended already; the next frame that is waited for says so.
            self._line.send_bytes(setup)

    def say(self, frame: bytes) -> None:
        """Send a frame; lost when the process is gone, which ``hear`` tells."""
        with suppress(OSError):
            self._line.send_bytes(frame)

    def hear(self, seconds: float) -> tuple[Word, bytes] | None:
        """Wait for a frame: return its word and JSON, or None when none came in time. Raises ProcessGone."""
        try:
            if not self._line.poll(max(0.0, seconds)):
                return None
            word, value, _ = from_frame(self._line.recv_bytes())
        except (EOFError, OSError):
            raise ProcessGone(self._ending()) from None
        except ValueError as exc:
            raise ProcessGone(f"its process said what nobody understands: {exc}") from exc
        if word is Word.BROKEN:
            raise ProcessGone(f"its process could not start: {TEXT.validate_json(value)}")
        return word, value

    def ended(self) -> bool:
        """Tell whether it is gone."""
        return self._process.poll() is not None

    def kill(self) -> None:
        """Kill it and all that it started; return when it is gone. Harmless when that was done already."""
        if self._line.closed:
            # Its id may be another process' by now.
            return
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._line.close()
        os.close(self._life)

    def _ending(self) -> str:
        """Return how it ended; it has closed the line, so it ends at once or hangs in its end."""
        try:
            code = self._process.wait(1.0)
        except subprocess.TimeoutExpired:
            return "its process closed the line to its worker"
        if code < 0:
            with suppress(ValueError):
                return f"its process died of {signal.Signals(-code).name}"
        return f"its process ended with exit code {code}"
