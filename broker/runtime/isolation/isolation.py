"""Runs an app's isolated handlers in a process beside the worker: warm, one message at a time, replaced when it was killed."""

import pickle
import threading
from dataclasses import dataclass
from typing import Any

import structlog

from broker.errors import TableError
from broker.handlers.context import DocumentReader
from broker.handlers.outcome import Outcome, Retry
from broker.handlers.registry import Handler
from broker.handlers.reporter import Reporter
from broker.handlers.run import crashed, in_phase, timed_out
from broker.lifecycle.clock import Clock
from broker.runtime.app import App
from broker.runtime.isolation.frames import (
    ANSWERED,
    ASKED,
    PARTIAL,
    PHASE,
    TEXT,
    Job,
    Word,
    job_frame,
    to_frame,
    to_outcome,
)
from broker.runtime.isolation.process import IsolatedProcess, ProcessGone
from broker.runtime.running import Running

log = structlog.get_logger("interapp.worker")

TURN_SECONDS = 0.05
"""How often it is looked whether a running handler must stop; an outcome is heard at once."""

START_SECONDS = 30.0
"""How long a process may take to import the handlers."""

CANCEL_SECONDS = 1.0
"""How long a handler that was asked to stop may go on before its process is killed."""

NO_PROCESS_PAUSE_SECONDS = 5.0


@dataclass(slots=True)
class Talk:
    """One message in the hands of the process. Times are monotonic seconds."""

    process: IsolatedProcess
    handler: Handler[Any]
    job: Job
    running: Running
    deadline: float
    """When the process must have said that it is ready, then when it must have the outcome."""
    kill_at: float | None = None
    """When it is killed because it was asked to stop; None when it was not."""


class Isolation:
    """For the worker's thread; ``close`` for any."""

    def __init__(self, app: App[Any], clock: Clock) -> None:
        """Take the app's isolated handlers.

        Raises TypeError when a handler, its message, a codec or the app's resource cannot be handed to another process.
        """
        self._app = app.address
        self._clock = clock
        self._setup = _setup(app)
        self._process: IsolatedProcess | None = None
        self._changing = threading.Lock()
        self._closed = False

    def start(self) -> None:
        """Start the process, so that it is warm when the first message comes."""
        try:
            self._warm()
        except OSError as exc:
            log.warning("no process for isolated handlers; it is tried again", app=self._app, error=str(exc))

    def run(
        self, handler: Handler[Any], job: Job, documents: DocumentReader, reporter: Reporter, running: Running
    ) -> Outcome:
        """Run the handler in the process; return its outcome, or what the end of the process means for the message.

        Its phases are noted in ``running``, as the process tells them.
        """
        try:
            process = self._warm()
        except OSError as exc:
            return _not_its_fault(handler, f"no process to run it in: {exc}", NO_PROCESS_PAUSE_SECONDS)
        try:
            return self._converse(process, handler, job, documents, reporter, running)
        except ProcessGone as exc:
            self._replace(process)
            if self._closed:
                return in_phase(_not_its_fault(handler, "its worker ended while it ran"), running.phase())
            return crashed(handler, job.attempt, str(exc), running.phase())

    def close(self) -> None:
        """Kill the process; there will be no other."""
        with self._changing:
            self._closed = True
            if self._process is not None:
                self._process.kill()

    def _converse(
        self,
        process: IsolatedProcess,
        handler: Handler[Any],
        job: Job,
        documents: DocumentReader,
        reporter: Reporter,
        running: Running,
    ) -> Outcome:
        """Give the process the message as soon as it is ready, and answer what it asks, until it has the outcome."""
        talk = Talk(process, handler, job, running, self._clock.monotonic() + START_SECONDS)
        if process.ready:
            self._hand_over(talk)
        while True:
            now = self._clock.monotonic()
            ending = self._ending(talk, now, cancelled=running.cancelled)
            if ending is not None:
                return in_phase(ending, running.phase())
            heard = process.hear(min(TURN_SECONDS, talk.deadline - now))
            if heard is None:
                continue
            word, value = heard
            if word is Word.READY:
                process.ready = True
                self._hand_over(talk)
            elif word is Word.READ:
                process.say(_answer(documents, value))
            elif word is Word.PHASE:
                _note_phase(running, value)
            elif word is Word.REPLY:
                process.say(_kept(reporter, value))
            elif word is Word.PROGRESS:
                reporter.progress(_text(value))
            else:
                return _outcome(word, value)

    def _ending(self, talk: Talk, now: float, *, cancelled: bool) -> Outcome | None:
        """Ask to stop what was cancelled, kill what does not stop or is out of time; return what that means, if it ended."""
        process, handler, attempt = talk.process, talk.handler, talk.job.attempt
        if cancelled and not process.ready:
            return _not_its_fault(handler, "it was asked to stop before it began")
        if cancelled and talk.kill_at is None:
            process.say(to_frame(Word.CANCEL))
            talk.kill_at = now + CANCEL_SECONDS
        if talk.kill_at is not None and now >= talk.kill_at:
            self._replace(process)
            return _not_its_fault(handler, "it was asked to stop, went on, and its process was killed")
        if now < talk.deadline:
            return None
        self._replace(process)
        if process.ready:
            return timed_out(handler, attempt)
        return crashed(handler, attempt, f"its process was not ready within {START_SECONDS:g} s")

    def _hand_over(self, talk: Talk) -> None:
        """Give the process the message; its time begins now."""
        talk.process.say(job_frame(talk.job))
        talk.deadline = self._clock.monotonic() + talk.job.timeout_seconds

    def _warm(self) -> IsolatedProcess:
        """Return a process that lives, starting one where there is none. Raises OSError."""
        with self._changing:
            if self._process is not None and self._process.ended() and not self._closed:
                # It died between two messages, so the next one is not to blame for it.
                self._process.kill()
                self._process = None
            if self._process is None:
                if self._closed:
                    raise ProcessLookupError("its worker has ended")
                self._process = IsolatedProcess(self._setup)
            return self._process

    def _replace(self, process: IsolatedProcess) -> None:
        """Kill the process and start the next one, which gets ready while the worker goes on."""
        process.kill()
        with self._changing:
            if self._closed:
                return
            self._process = None
        self.start()


def open_isolation(app: App[Any], clock: Clock) -> Isolation | None:
    """Return what runs the app's isolated handlers; None when it has none. Raises TypeError as ``Isolation``."""
    return Isolation(app, clock) if any(handler.isolated for handler in app.registry) else None


def _setup(app: App[Any]) -> bytes:
    """Return what the process needs: app, handlers by kind, codecs, resource."""
    handlers = {handler.message.kind: handler for handler in app.registry if handler.isolated}
    for handler in handlers.values():
        try:
            pickle.dumps(handler)
        except Exception as exc:
            raise TypeError(
                f"{handler.name} cannot be isolated: its process must be able to import the function under this name,"
                f" its message and what its retry policy names: {exc}"
            ) from exc
    for codec in app.registry.codecs:
        try:
            pickle.dumps(codec)
        except Exception as exc:
            raise TypeError(
                f"{app.address} has isolated handlers, but their process cannot get a copy of the codec of"
                f" {codec.content_type}: {exc}"
            ) from exc
    try:
        return pickle.dumps((app.address, handlers, app.registry.codecs, app.resource))
    except Exception as exc:
        raise TypeError(
            f"{app.address} has isolated handlers, but their process cannot get a copy of its resource: {exc};"
            f" let {type(app.resource).__qualname__}.__reduce__ say how it is made there"
        ) from exc


def _answer(documents: DocumentReader, asked: bytes) -> bytes:
    collection, key = ASKED.validate_json(asked)
    try:
        found = documents.read_all(collection) if key is None else documents.read(collection, key)
    except TableError as exc:
        return to_frame(Word.AWAY, TEXT.dump_json(str(exc)))
    return to_frame(Word.ANSWER, ANSWERED.dump_json(found))


def _note_phase(running: Running, value: bytes) -> None:
    try:
        phase = PHASE.validate_json(value)
    except ValueError as exc:
        raise ProcessGone(f"its process said what nobody understands: {exc}") from exc
    if running.phases is not None:
        running.phases.enter(phase)


def _kept(reporter: Reporter, value: bytes) -> bytes:
    try:
        reporter.reply(*PARTIAL.validate_json(value))
    except ValueError as exc:
        raise ProcessGone(f"its process said what nobody understands: {exc}") from exc
    except TableError as exc:
        return to_frame(Word.AWAY, TEXT.dump_json(str(exc)))
    return to_frame(Word.ANSWER, ANSWERED.dump_json(None))


def _text(value: bytes) -> str:
    try:
        return TEXT.validate_json(value)
    except ValueError as exc:
        raise ProcessGone(f"its process said what nobody understands: {exc}") from exc


def _outcome(word: Word, value: bytes) -> Outcome:
    try:
        return to_outcome(word, value)
    except ValueError as exc:
        raise ProcessGone(f"its process said what nobody understands: {exc}") from exc


def _not_its_fault(handler: Handler[Any], why: str, pause_seconds: float = 0.0) -> Outcome:
    return Retry(pause_seconds, why, counted=False, ordered=handler.retry.ordered)
