"""A whole app in memory: the real worker and the real handler table (SQLite in a folder), on a clock that the test moves."""

import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

from broker.handlers.context import ResourceT
from broker.handlers.registry import HandlerRegistry
from broker.lifecycle.clock import ManualClock
from broker.lifecycle.state import Reason, State
from broker.messages.codec import decode
from broker.messages.message import Command, Event, Message, Reply
from broker.runtime.app import App
from broker.runtime.client import Client
from broker.runtime.host import Host
from broker.runtime.middleware.middleware import Middleware
from broker.settings import InterAppSettings
from broker.table.queries import LARGEST, HandlerRow, HistoryEntry, Wanted, find_handler, list_handlers, read_history
from broker.table.queries import read_letter as read_whole
from broker.table.rows import Settlement
from broker.testing.unreliable import UnreliableTransport

PATIENCE_SECONDS = 20.0
"""How long something that must come true may take, of real time."""

LOOK_SECONDS = 0.1
"""How often is looked for what comes without an outcome: a row that was cancelled, expired or is about to be claimed."""

FoundT = TypeVar("FoundT")

SENDER = "test"
"""Source address of what the test itself sends."""


class Outcomes(Middleware):
    """Tells whoever waits that outcomes were committed."""

    def __init__(self) -> None:
        self.committed = threading.Event()

    def settled(self, app: str, settlements: Sequence[Settlement]) -> None:  # noqa: ARG002 the hook's signature
        """Wake who waits."""
        self.committed.set()


class Harness:
    """One process with any number of apps. Use it as a context manager, with a folder of the test's own.

    Its clock stands still until ``advance``: a retry in a minute, a deadline or a timeout needs no waiting.
    """

    def __init__(self, folder: Path) -> None:
        self.clock = ManualClock()
        self.transport = UnreliableTransport(self.clock)
        settings = InterAppSettings.model_construct(database_url=f"sqlite:///{folder / 'interapp.db'}")
        self._outcomes = Outcomes()
        self.host = Host(settings, self.clock, transport=self.transport, middleware=[self._outcomes])
        self._registries: list[HandlerRegistry[Any]] = []

    def __enter__(self) -> Self:
        """Start."""
        self.host.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Stop."""
        self.host.stop()

    @property
    def client(self) -> Client:
        """A client that sends in the test's name."""
        return self.host.client(SENDER)

    def serve(self, registry: HandlerRegistry[ResourceT], resource: ResourceT, address: str = "app") -> Client:
        """Run an app; return the client that sends in its name once it works."""
        client = self.host.add(App(address=address, registry=registry, resource=resource))
        self._registries.append(registry)
        (worker,) = (worker for worker in self.host.workers() if worker.app.address == address)
        if not worker.tenure.wait_active(active=True, seconds=PATIENCE_SECONDS):
            raise AssertionError(f"{address} does not work: {worker.status()}")
        return client

    def send(self, message: Command[Any] | Event, to: str = "app") -> str:
        """Send a message in the test's name; return its id."""
        return self.client.send(message, to=to)

    def advance(self, seconds: float) -> None:
        """Move the clock on, and let every app look at what is due now."""
        self.clock.advance(seconds)
        for worker in self.host.workers():
            worker.work_seen()

    def wait(self, message_id: str, state: State | None = None, *, attempts: int = 0) -> HandlerRow:
        """Return the message's row once it is final, or in that state, and was tried at least so many times.

        Raises AssertionError with its story otherwise.
        """

        def reached() -> HandlerRow | None:
            row = find_handler(self.host.database, message_id)
            there = row.state.final if state is None else row.state is state
            return row if there and row.attempts >= attempts else None

        return self._eventually(reached, lambda: self._story(message_id))

    def wait_all(self, count: int = 0) -> list[HandlerRow]:
        """Return every row of the apps that run here once there are so many and all are final.

        Raises AssertionError with those that are not.
        """
        apps = tuple(self.host.apps())

        def reached() -> list[HandlerRow] | None:
            rows = self.rows(apps=apps)
            return rows if len(rows) >= count and all(row.state.final for row in rows) else None

        return self._eventually(reached, lambda: f"not final: {[row for row in self.rows() if not row.state.final]}")

    def succeeded(self, message_id: str) -> Reply | None:
        """Wait for the message's success and return its reply. Raises AssertionError with its story otherwise."""
        row = self.wait(message_id)
        if row.state is not State.SUCCEEDED:
            raise AssertionError(f"it did not succeed: {self._story(message_id)}")
        if row.reply is None or row.reply_kind is None:
            return None
        reply = decode(self._class(row.reply_kind), row.reply.encode())
        return reply if isinstance(reply, Reply) else None

    def failed(self, message_id: str, reason: Reason | None = None) -> HandlerRow:
        """Wait for the message's failure, for that reason if one is given. Raises AssertionError with its story otherwise."""
        row = self.wait(message_id)
        if row.state is not State.FAILED or (reason is not None and row.reason != reason):
            raise AssertionError(f"it did not fail{f' ({reason})' if reason else ''}: {self._story(message_id)}")
        return row

    def sent(self, to: str) -> list[Message]:
        """Return what was sent to an address, events that it subscribed to included, in order. It need not run here."""
        return [
            decode(self._class(row.kind), read_whole(self.host.database, row.seq).body) for row in self.rows(apps=(to,))
        ]

    def rows(self, *, apps: Sequence[str] = ()) -> list[HandlerRow]:
        """Return every row, or those of some apps, in the order in which they were sent."""
        wanted = Wanted(apps=tuple(apps))
        return [row for rows in list_handlers(self.host.database, wanted, limit=LARGEST) for row in rows]

    def history(self, message_id: str) -> list[HistoryEntry]:
        """Return what happened to a message beside success, oldest first."""
        return read_history(self.host.database, find_handler(self.host.database, message_id).seq)

    def _eventually(self, reached: Callable[[], FoundT | None], story: Callable[[], str]) -> FoundT:
        # By the real clock: it is another thread that gets there, and the test's clock stands still.
        until = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < until:
            self._outcomes.committed.clear()
            found = reached()
            if found is not None:
                return found
            self._outcomes.committed.wait(LOOK_SECONDS)
        raise AssertionError(f"not so after {PATIENCE_SECONDS:g} s: {story()}")

    def _story(self, message_id: str) -> str:
        row = find_handler(self.host.database, message_id)
        attempts = "; ".join(f"{entry.what}: {entry.detail}" for entry in self.history(message_id))
        return f"{row.kind} {row.id} is {row.state} ({row.reason or 'no reason'}: {row.error or 'no error'}) after: {attempts}"

    def _class(self, kind: str) -> type[Message]:
        for registry in self._registries:
            if kind in registry.catalogue:
                return registry.catalogue[kind]
        raise AssertionError(f"no app that runs here knows {kind}")
