"""Runs one claimed message's handler: in this thread, or in the process for isolated ones."""

import threading
from collections.abc import Awaitable
from dataclasses import replace
from typing import Any

import structlog

from broker.handlers.context import Context, Documents, Outbox
from broker.handlers.loop import EventLoop
from broker.handlers.outcome import Outcome, Succeeded
from broker.handlers.phases import Phases
from broker.handlers.registry import Handler
from broker.handlers.run import run, timed_out
from broker.lifecycle.address import is_address
from broker.lifecycle.clock import Clock
from broker.runtime.app import App
from broker.runtime.client import Run, current_run
from broker.runtime.isolation.frames import Job
from broker.runtime.isolation.isolation import CANCEL_SECONDS, open_isolation
from broker.runtime.middleware.hooks import NO_HOOKS, Hooks
from broker.runtime.outgoing import Outgoing
from broker.runtime.pending_documents import PendingDocuments, RunDocuments
from broker.runtime.reports import Reports, RunReporter
from broker.runtime.running import Running
from broker.table.database import Database
from broker.table.rows import HandlerFacts

log = structlog.get_logger("interapp.worker")


class Runner:
    """The handlers of one app, as its worker runs them. ``close`` is for any thread."""

    def __init__(
        self,
        app: App[Any],
        database: Database,
        clock: Clock,
        outgoing: Outgoing,
        documents: PendingDocuments,
        *,
        user: str,
        hooks: Hooks = NO_HOOKS,
    ) -> None:
        """Take the app; ``user`` is the RabbitMQ user that its messages are sent by.

        Raises TypeError when an isolated handler or its resource cannot be handed to another process.
        """
        self._app = app
        self._clock = clock
        self._user = user
        self._hooks = hooks
        self._documents = documents
        self._reports = Reports(database, clock, outgoing)
        self._isolation = open_isolation(app, clock)
        self._loops = threading.local()
        self.patience_seconds = 0.0 if self._isolation is None else 2 * CANCEL_SECONDS
        """How long a handler that was asked to stop may take until it has ended for certain; 0 when none ever must."""

    def start(self) -> None:
        """Warm up the process of isolated handlers, if there are any."""
        if self._isolation is not None:
            self._isolation.start()

    def close(self) -> None:
        """End the process of isolated handlers, if there is one."""
        if self._isolation is not None:
            self._isolation.close()

    def leave(self) -> None:
        """End this thread's event loop, if it has one: the thread runs no handler any more."""
        loop: EventLoop | None = getattr(self._loops, "loop", None)
        if loop is not None:
            loop.close()

    def facts_of(self, kind: str) -> HandlerFacts | None:
        """Return what the table shows of a kind's handler; None when the app has none."""
        handler = self._app.registry.get(kind)
        return HandlerFacts(handler.name, handler.retry.attempts) if handler else None

    def overdue(self, running: Running, seconds: float) -> Outcome | None:
        """Return the outcome of a handler that has run longer than it may in the worker's thread; None while it may go on.

        An isolated handler is not given up but killed, by the thread that waits for it.
        """
        handler = self._app.registry.get(running.row.envelope.kind)
        if handler is None or handler.isolated or handler.timeout_seconds is None or seconds < handler.timeout_seconds:
            return None
        return timed_out(handler, running.row.attempt, running.phase())

    def run(self, running: Running) -> Outcome:
        """Run the message's handler and return its outcome; never raises what a handler or a body can cause."""
        outcome = self._run(running)
        if self._hooks.sends and isinstance(outcome, Succeeded) and outcome.effects:
            return replace(outcome, effects=self._hooks.sending(outcome.effects))
        return outcome

    def ended(self, running: Running, outcome: Outcome, seconds: float) -> None:
        """Tell the middleware how a handler ended whose outcome counts."""
        if running.context is not None:
            self._hooks.handled(running.context, outcome, seconds)

    def _run(self, running: Running) -> Outcome:
        row = running.row
        seed = (*row.envelope.identity, self._app.address, row.generation)
        handler = self._app.registry.get(row.envelope.kind)
        if handler is not None and handler.executor:
            running.phases = Phases(self._clock.monotonic)
        reporter = RunReporter(reports=self._reports, running=running)
        if self._hooks.handles:
            running.context = self._context(running, seed, handler, reporter)
            self._hooks.handling(running.context)
        if row.envelope.reply_to and not is_address(row.envelope.reply_to):
            log.warning(
                "reply_to is no address: the reply is kept in the table only",
                app=self._app.address,
                id=row.envelope.message_id,
                reply_to=row.envelope.reply_to,
            )
        if self._isolation is not None and handler is not None and handler.isolated:
            job = Job(
                envelope=row.envelope,
                attempt=row.attempt,
                seed=tuple(map(str, seed)),
                user=self._user,
                timeout_seconds=handler.timeout_seconds or 0.0,
            )
            return self._isolation.run(
                handler, job, RunDocuments(documents=self._documents, running=running), reporter, running
            )
        context = running.context or self._context(running, seed, handler, reporter)
        token = current_run.set(Run(seed=(*seed, "direct")))
        try:
            return run(handler, context, phases=running.phases, complete=self._complete)
        finally:
            current_run.reset(token)

    def _context(
        self, running: Running, seed: tuple[object, ...], handler: Handler[Any] | None, reporter: RunReporter
    ) -> Context[Any]:
        app, codecs = self._app.address, self._app.registry.codecs
        return Context(
            resource=self._app.resource,
            app=app,
            envelope=running.row.envelope,
            attempt=running.row.attempt,
            documents=Documents(RunDocuments(documents=self._documents, running=running)),
            outbox=Outbox(source=app, seed=seed, user=self._user, now_us=self._clock.now_us, codecs=codecs),
            cancel_requested=running.is_cancelled,
            codecs=codecs,
            answered_by=handler.reply if handler else None,
            reporter=reporter,
        )

    def _complete(self, awaitable: Awaitable[Any]) -> Any:
        """Run it to its end on this thread's event loop, made when the first one comes."""
        loop: EventLoop | None = getattr(self._loops, "loop", None)
        if loop is None:
            loop = self._loops.loop = EventLoop()
        return loop.complete(awaitable)
