"""A service for fault tests: its handlers write every run into a ledger outside the system.

Run as ``python ledger_service.py APP LEDGER [SECONDS]``: serves APP; each line of LEDGER is one event of one run,
``start|end <number> <attempt> <worker pid> <monotonic ns>``, written by one system call. SECONDS is how long a handler works.
LEDGER_ACK_AFTER_SECONDS in the environment shortens what the product waits before it acknowledges what it has not handled.
"""

import os
import sys
import time
from pathlib import Path
from typing import ClassVar

from broker.errors import Reject
from broker.handlers.context import Context
from broker.handlers.registry import HandlerRegistry
from broker.handlers.retry import NO_RETRY, Backoff
from broker.messages.message import Command, Event, Reply
from broker.runtime import intake
from broker.runtime.app import App
from broker.runtime.host import Host
from broker.runtime.service import run_services
from broker.settings import InterAppSettings


class Noted(Reply):
    """Which number was noted."""

    kind: ClassVar[str] = "ledger.noted"
    number: int


class Note(Command[Noted]):
    """Write a number into the ledger."""

    kind: ClassVar[str] = "ledger.note"
    number: int
    seconds: float = 0.0
    """How long the handler works, beside the service's own time."""
    kill: bool = False
    """Whether the handler takes its process down."""
    fail_until: int = 0
    """Attempts below this number raise."""


class NoteInOrder(Note):
    """The same, with an ordered retry."""

    kind: ClassVar[str] = "ledger.note-in-order"


class NoteInTime(Note):
    """The same, with a timeout of half a second."""

    kind: ClassVar[str] = "ledger.note-in-time"
    hang: float = 0.0
    """How much longer the first attempt works, whatever it is told."""


class NoteWhenOpen(Note):
    """The same, refused while there is a file ``closed`` beside the ledger."""

    kind: ClassVar[str] = "ledger.note-when-open"


class Noticed(Event):
    """A number that everybody may want to note."""

    kind: ClassVar[str] = "ledger.noticed"
    number: int


class Ledger:
    """A file that every run appends to; one write is one line, whole or not at all."""

    def __init__(self, path: str, seconds: float) -> None:
        self._descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        self.seconds = seconds
        self._closed = Path(path).with_name("closed")

    @property
    def closed(self) -> bool:
        """Whether notes that may be refused are to be refused."""
        return self._closed.exists()

    def write(self, what: str, number: int, attempt: int) -> None:
        """Append one line."""
        line = f"{what} {number} {attempt} {os.getpid()} {time.monotonic_ns()}\n"
        os.write(self._descriptor, line.encode())


handlers = HandlerRegistry[Ledger]("ledger")


def note_down(command: Note, ctx: Context[Ledger]) -> Noted:
    """Write start and end of the run around the work."""
    ctx.resource.write("start", command.number, ctx.attempt)
    if command.kill:
        os._exit(9)
    time.sleep(ctx.resource.seconds + command.seconds)
    if ctx.attempt < command.fail_until:
        ctx.resource.write("end", command.number, ctx.attempt)
        raise OSError(f"attempt {ctx.attempt} fails on purpose")
    ctx.resource.write("end", command.number, ctx.attempt)
    if command.number < 0:
        raise Reject("negative")
    return Noted(number=command.number)


@handlers.handles(Note, retry=Backoff(attempts=5, first=0.05, factor=1.0))
def note(command: Note, ctx: Context[Ledger]) -> Noted:
    """Note a number."""
    return note_down(command, ctx)


@handlers.handles(NoteInOrder, retry=Backoff(attempts=5, first=0.3, factor=1.0, ordered=True))
def note_in_order(command: NoteInOrder, ctx: Context[Ledger]) -> Noted:
    """Note a number; those after it wait while it is tried again."""
    return note_down(command, ctx)


@handlers.handles(NoteInTime, timeout=0.5, retry=Backoff(attempts=3, first=0.05, factor=1.0))
def note_in_time(command: NoteInTime, ctx: Context[Ledger]) -> Noted:
    """Note a number; the first attempt may hang, and does not listen."""
    noted = note_down(command, ctx)
    if ctx.attempt == 1:
        time.sleep(command.hang)
    return noted


@handlers.handles(NoteWhenOpen, retry=NO_RETRY)
def note_when_open(command: NoteWhenOpen, ctx: Context[Ledger]) -> Noted:
    """Note a number, unless notes are refused now."""
    if ctx.resource.closed:
        raise Reject("closed")
    return note_down(command, ctx)


@handlers.handles(Noticed)
def noticed(event: Noticed, ctx: Context[Ledger]) -> None:
    """Note the number of an event."""
    ctx.resource.write("start", event.number, ctx.attempt)
    ctx.resource.write("end", event.number, ctx.attempt)


class LedgerService:
    """One app with the ledger's handlers."""

    def __init__(self, app: str, ledger: Ledger) -> None:
        self._app = app
        self._ledger = ledger

    def start(self, host: Host) -> None:
        """Serve the app."""
        host.add(App(address=self._app, registry=handlers, resource=self._ledger))

    def stop(self) -> None:
        """Nothing beside the app is to be ended."""


def main() -> int:
    """Serve until a signal."""
    app, path = sys.argv[1:3]
    seconds = float(sys.argv[3]) if len(sys.argv) > 3 else 0.0
    intake.ACK_AFTER_SECONDS = float(os.environ.get("LEDGER_ACK_AFTER_SECONDS", intake.ACK_AFTER_SECONDS))
    return run_services(InterAppSettings.load(), [lambda: LedgerService(app, Ledger(path, seconds))])


if __name__ == "__main__":
    sys.exit(main())
