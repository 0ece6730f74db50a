"""Commits one message of the command line, tells RabbitMQ, and looks for the outcome in the table."""

import threading
from collections.abc import Sequence
from contextlib import ExitStack
from types import TracebackType
from typing import Self

from broker.cli.listing import is_there
from broker.errors import TransportError
from broker.lifecycle.clock import Clock
from broker.messages.effects import Effects
from broker.messages.envelope import Envelope
from broker.observe.logs import configure_logs
from broker.settings import InterAppSettings
from broker.table.database import Database
from broker.table.queries import Answer, find_answer
from broker.table.store import HandlerTable
from broker.table.upgrade import upgrade
from broker.transport.opening import open_transport
from broker.transport.seam import Transport

SOURCE = "cli"
"""Source address of what the command line sends."""

CONFIRM_SECONDS = 3.0
"""How long RabbitMQ may take to confirm; without it the worker finds the row by itself, a little later."""

FIRST_LOOK_SECONDS = 0.02
LOOK_SECONDS = 0.2


class Sending:
    """Sends one message. With ``memory://`` the table alone carries it to the process whose app handles it."""

    def __init__(self, settings: InterAppSettings, clock: Clock) -> None:
        """Open nothing yet. Raises SettingError when a URL can never be right."""
        # A transport says in the log what its trouble is; here it is said once, at the end.
        configure_logs(settings.log_format, "error")
        self._clock = clock
        self._database = Database(settings.database_url)
        self._transport: Transport | None = None
        if not settings.in_memory:
            self._transport = open_transport(settings.broker_url, clock, "interapp send")
        self._table = HandlerTable(self._database, clock)
        self._entries: tuple[int, ...] = ()
        self._published = False
        self._settled = threading.Event()
        self._error: TransportError | None = None
        self._open = ExitStack()

    @property
    def user(self) -> str:
        """The name that RabbitMQ knows us by."""
        return self._transport.user if self._transport else ""

    def __enter__(self) -> Self:
        """Begin to connect."""
        self._open.callback(self._database.close)
        if self._transport is not None:
            self._transport.start()
            self._open.callback(self._transport.close)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Close every connection."""
        self._open.close()

    def commit(self, envelope: Envelope) -> None:
        """Make the message durable. Makes the tables when there are none yet.

        Raises TableUnavailable, or TableError when the database is not of this program's version.
        """
        if not is_there(self._database):
            upgrade(self._database)
        self._entries = self._table.accept(Effects(sent=(envelope,)), app=SOURCE).entries

    def confirmed(self, envelope: Envelope) -> str:
        """Publish and wait for RabbitMQ's confirm; return what is in its way, ``""`` when nothing is.

        Raises TableUnavailable.
        """
        if self._transport is None:
            return ""
        deadline = self._clock.monotonic() + CONFIRM_SECONDS
        while not self._settled.wait(FIRST_LOOK_SECONDS):
            self._publish_once(envelope)
            if self._clock.monotonic() > deadline:
                return self._transport.link().detail or f"RabbitMQ has not confirmed it within {CONFIRM_SECONDS:g} s"
        if self._error is not None:
            return str(self._error)
        self._table.confirmed(self._entries)
        return ""

    def answer(self, envelope: Envelope, seconds: float) -> Answer | None:
        """Publish; look at the row until it is final or the time is over; return how it stands. Raises TableUnavailable."""
        deadline = self._clock.monotonic() + seconds
        pause = FIRST_LOOK_SECONDS
        never = threading.Event()
        while True:
            self._publish_once(envelope)
            answer = find_answer(self._database, envelope)
            left = deadline - self._clock.monotonic()
            if left <= 0 or (answer is not None and answer.state.final):
                return answer
            never.wait(min(pause, left))
            pause = min(LOOK_SECONDS, pause * 2)

    def _publish_once(self, envelope: Envelope) -> None:
        """Hand the message over as soon as there is a connection: before that it would come back at once."""
        if self._transport is not None and not self._published and self._transport.link().up:
            self._published = True
            self._transport.publish([envelope], self._note)

    def _note(self, _envelopes: Sequence[Envelope], error: TransportError | None) -> None:
        self._error = error
        self._settled.set()
