"""The program of the process that runs isolated handlers, one message after the other."""

import fcntl
import os
import pickle
import signal
import threading
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path
from types import FrameType
from typing import Any

from broker.errors import SettingError, TableUnavailable
from broker.handlers.context import Context, Documents, Outbox
from broker.handlers.loop import EventLoop
from broker.handlers.phases import Phase, Phases
from broker.handlers.registry import Handler
from broker.handlers.run import run
from broker.lifecycle.clock import SystemClock
from broker.messages.codecs import Codecs
from broker.observe.logs import configure_logs
from broker.runtime.isolation.frames import (
    ANSWERED,
    ASKED,
    PARTIAL,
    PHASE,
    TEXT,
    Job,
    Word,
    from_frame,
    outcome_frame,
    to_frame,
    to_job,
)
from broker.settings import InterAppSettings

ALARM_SECONDS = 1.0
"""How long after the timeout the kernel ends the process itself, in case the worker could not: it may be frozen."""

KILL_FIRST = b"500"
"""When memory runs out the kernel shall take this process, and not the worker."""


class Line:
    """The process's end of the line to its worker."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._asking = threading.Lock()
        self._cancelled = False

    def say(self, frame: bytes) -> None:
        """Send a frame."""
        self._connection.send_bytes(frame)

    def next_job(self) -> Job | None:
        """Wait for the next message to handle; None when there will be no other."""
        while True:
            try:
                word, value, body = from_frame(self._connection.recv_bytes())
            except EOFError:
                return None
            # A request to stop may come when its handler has just ended; it is not meant for the next one.
            if word is Word.RUN:
                self._cancelled = False
                return to_job(value, body)

    def cancelled(self) -> bool:
        """Tell whether the worker asked to stop."""
        with self._asking:
            while not self._cancelled and self._connection.poll(0):
                self._hear()
        return self._cancelled

    def tell(self, phase: Phase) -> None:
        """Say that a phase began."""
        with self._asking:
            self.say(to_frame(Word.PHASE, PHASE.dump_json(phase)))

    def read(self, collection: str, key: str) -> str | None:
        """Return a document's JSON, or None when there is none. Raises TableUnavailable."""
        found = self._ask(collection, key)
        return found if isinstance(found, str) else None

    def read_all(self, collection: str) -> dict[str, str]:
        """Return every document of a collection: key to JSON. Raises TableUnavailable."""
        found = self._ask(collection, None)
        return found if isinstance(found, dict) else {}

    def reply(self, kind: str, body: str) -> None:
        """Have the worker commit a partial reply. Raises TableUnavailable when it could not, or must not any more."""
        self._answered(to_frame(Word.REPLY, PARTIAL.dump_json((kind, body))))

    def progress(self, progress: str) -> None:
        """Tell the worker how far the handler is."""
        with self._asking:
            self.say(to_frame(Word.PROGRESS, TEXT.dump_json(progress)))

    def _ask(self, collection: str, key: str | None) -> str | dict[str, str] | None:
        return self._answered(to_frame(Word.READ, ASKED.dump_json((collection, key))))

    def _answered(self, question: bytes) -> str | dict[str, str] | None:
        with self._asking:
            self.say(question)
            while True:
                word, value = self._hear()
                if word is Word.ANSWER:
                    return ANSWERED.validate_json(value)
                if word is Word.AWAY:
                    raise TableUnavailable(TEXT.validate_json(value))

    def _hear(self) -> tuple[Word, bytes]:
        word, value, _ = from_frame(self._connection.recv_bytes())
        self._cancelled = self._cancelled or word is Word.CANCEL
        return word, value


def main(line_fd: int, life_fd: int) -> None:
    """Run what the worker asks for, until it closes the line. The process never outlives its worker."""
    die_with(life_fd)
    for each in (signal.SIGINT, signal.SIGTERM):
        # Ctrl-C and a service manager reach every process; the worker finishes what runs, and then ends this one.
        signal.signal(each, _leave_to_worker)
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_bytes(KILL_FIRST)
    connection = Connection(line_fd)
    line = Line(connection)
    try:
        with suppress(SettingError):
            settings = InterAppSettings.load()
            configure_logs(settings.log_format, settings.log_level)
        # From our own worker, made when it started: the app's handlers and what they work on.
        app, handlers, codecs, resource = pickle.loads(connection.recv_bytes())  # noqa: S301 see above
    except Exception as exc:  # noqa: BLE001 importing a handler's module runs whatever is in it
        line.say(to_frame(Word.BROKEN, TEXT.dump_json(f"{type(exc).__name__}: {exc}")))
        return
    line.say(to_frame(Word.READY))
    serve(line, app, handlers, codecs, resource)


def serve(line: Line, app: str, handlers: dict[str, Handler[Any]], codecs: Codecs, resource: object) -> None:
    """Handle one message after the other."""
    clock = SystemClock()
    with EventLoop() as loop:
        while (job := line.next_job()) is not None:
            signal.setitimer(signal.ITIMER_REAL, job.timeout_seconds + ALARM_SECONDS)
            handler = handlers.get(job.envelope.kind)
            outcome = run(
                handler,
                _context(line, app, codecs, resource, job, clock.now_us, handler),
                phases=Phases(clock.monotonic, line.tell),
                complete=loop.complete,
            )
            line.say(outcome_frame(outcome))
            signal.setitimer(signal.ITIMER_REAL, 0)


def die_with(life_fd: int) -> None:
    """Have the kernel kill this process as soon as the other end of the pipe is closed: its worker is gone.

    A thread that waits for that would not do: a handler that hangs in C code lets no other thread run.
    """
    fcntl.fcntl(life_fd, fcntl.F_SETOWN, os.getpid())
    fcntl.fcntl(life_fd, fcntl.F_SETSIG, signal.SIGKILL)
    fcntl.fcntl(life_fd, fcntl.F_SETFL, os.O_ASYNC | os.O_NONBLOCK)
    with suppress(BlockingIOError):
        if os.read(life_fd, 1) == b"":
            # It was closed before the kernel was asked to tell.
            os._exit(1)


def _context(
    line: Line,
    app: str,
    codecs: Codecs,
    resource: object,
    job: Job,
    now_us: Callable[[], int],
    handler: Handler[Any] | None,
) -> Context[Any]:
    return Context(
        resource=resource,
        app=app,
        envelope=job.envelope,
        attempt=job.attempt,
        documents=Documents(line),
        outbox=Outbox(source=app, seed=job.seed, user=job.user, now_us=now_us, codecs=codecs),
        cancel_requested=line.cancelled,
        codecs=codecs,
        answered_by=handler.reply if handler else None,
        reporter=line,
    )


def _leave_to_worker(_number: int, _frame: FrameType | None) -> None:
    """Stand in for the default action, which would end the process."""
