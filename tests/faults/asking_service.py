"""A service for fault tests whose handlers ask another app, and wait for its reply with their own slot busy.

Run as ``python asking_service.py APP OTHER LEDGER [LOOK_SECONDS]``: serves APP. For every ``asking.ask`` it requests a note from
OTHER, and answers with the number of the reply. It notes what it does in LEDGER, as ``ledger_service.py`` does.
LOOK_SECONDS is how often a waiting request looks at the table itself, in case nobody rang. At SIGUSR1 the process itself
requests the note 0 of APP, and prints the reply.
"""

import signal
import sys
import threading
import time
from dataclasses import dataclass
from typing import ClassVar

from ledger_service import Ledger, Note, Noted

from broker.handlers.context import Context
from broker.handlers.registry import HandlerRegistry
from broker.messages.message import Command
from broker.runtime import client as client_module
from broker.runtime.app import App
from broker.runtime.client import Client
from broker.runtime.host import Host
from broker.runtime.service import run_services
from broker.settings import InterAppSettings

REPLY_SECONDS = 60.0


class Ask(Command[Noted]):
    """Let the other app note a number."""

    kind: ClassVar[str] = "asking.ask"
    number: int
    seconds: float = 0.0
    """How long the other one's handler works."""


@dataclass
class Desk:
    """What the handlers work on."""

    ledger: Ledger
    client: Client
    other: str


handlers = HandlerRegistry[Desk]("asking")


@handlers.handles(Ask, timeout=2 * REPLY_SECONDS)
def ask(command: Ask, ctx: Context[Desk]) -> Noted:
    """Ask, and answer with the reply."""
    desk = ctx.resource
    desk.ledger.write("start", command.number, ctx.attempt)
    note = Note(number=command.number, seconds=command.seconds)
    reply = desk.client.request(note, to=desk.other, timeout=REPLY_SECONDS)
    desk.ledger.write("end", command.number, ctx.attempt)
    return Noted(number=reply.number)


@handlers.handles(Note)
def note(command: Note, ctx: Context[Desk]) -> Noted:
    """Note a number, as the ledger service does."""
    ledger = ctx.resource.ledger
    ledger.write("start", command.number, ctx.attempt)
    time.sleep(command.seconds)
    ledger.write("end", command.number, ctx.attempt)
    return Noted(number=command.number)


class AskingService:
    """One app that asks another."""

    def __init__(self, app: str, other: str, ledger: Ledger, told: threading.Event) -> None:
        self._app = app
        self._other = other
        self._ledger = ledger
        self._told = told

    def start(self, host: Host) -> None:
        """Serve the app, and ask it when told to."""
        # Before the app is added: its first handler may run at once.
        client = host.client(self._app)
        desk = Desk(self._ledger, client, self._other)
        host.add(App(address=self._app, registry=handlers, resource=desk))
        threading.Thread(target=self._ask_when_told, args=(client,), daemon=True).start()

    def stop(self) -> None:
        """Nothing beside the app is to be ended."""

    def _ask_when_told(self, client: Client) -> None:
        self._told.wait()
        reply = client.request(Note(number=0), to=self._app, timeout=REPLY_SECONDS)
        print("its reply:", reply.number, flush=True)  # noqa: T201 the test waits for it


def main() -> int:
    """Serve until a signal."""
    app, other, path = sys.argv[1:4]
    if len(sys.argv) > 4:
        client_module.LOOK_SECONDS = float(sys.argv[4])
    told = threading.Event()
    signal.signal(signal.SIGUSR1, lambda _number, _frame: told.set())
    return run_services(InterAppSettings.load(), [lambda: AskingService(app, other, Ledger(path, 0.0), told)])


if __name__ == "__main__":
    sys.exit(main())
