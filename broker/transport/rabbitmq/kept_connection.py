"""A connection that is opened again whenever it is lost."""

from collections.abc import Callable
from typing import Protocol

from pika import URLParameters
from pika.connection import Connection as PikaConnection

from broker.errors import Blocked, ConnectionLost, TransportError
from broker.lifecycle.clock import Clock
from broker.transport.rabbitmq.backoff import Backoff
from broker.transport.rabbitmq.connection import Connection
from broker.transport.rabbitmq.faults import connection_error
from broker.transport.rabbitmq.io_thread import IoThread
from broker.transport.rabbitmq.parameters import Place
from broker.transport.rabbitmq.trouble import Trouble
from broker.transport.seam import Link

FIRST_RETRY_SECONDS = 0.2
CEILING_SECONDS = 15.0
STABLE_SECONDS = 5.0
"""A connection that lived shorter counts as one more failure: a flapping one must not be retried at full speed."""


class Tenant(Protocol):
    """Something that lives on the connection."""

    def connected(self, connection: Connection) -> None:
        """Begin: the connection is open."""

    def disconnected(self, error: TransportError) -> None:
        """The connection is lost, and every channel with it."""

    def blocked(self, error: Blocked | None) -> None:
        """RabbitMQ takes nothing more (an alarm), or takes it again (None)."""


class KeptConnection:
    """Keeps one connection open, with back-off. Everything but ``link`` is for the I/O thread only."""

    def __init__(
        self, io: IoThread, parameters: URLParameters, place: Place, side: str, trouble: Trouble, clock: Clock
    ) -> None:
        self._io = io
        self._parameters = parameters
        self._place = place
        self._side = side
        self._trouble = trouble
        self._clock = clock
        self._backoff = Backoff(FIRST_RETRY_SECONDS, CEILING_SECONDS)
        self._tenants: list[Tenant] = []
        self._connection: Connection | None = None
        self._up = False
        self._up_since = 0.0
        self._cancel_retry: Callable[[], None] | None = None
        self._closed: Callable[[], None] | None = None
        self.link = Link(False, f"not connected to RabbitMQ at {place.host} yet")
        """How it stands; any thread may read it."""

    def trouble_with(self, thing: str) -> Trouble:
        """Return the trouble of a thing on this connection; what it shares with others is said once."""
        return Trouble(thing, self._clock, beside=self._trouble)

    def add(self, tenant: Tenant) -> None:
        """Let something live on the connection; it is told at once when the connection is open."""
        self._tenants.append(tenant)
        if self._up and self._connection is not None:
            tenant.connected(self._connection)

    def remove(self, tenant: Tenant) -> None:
        """Forget something that lived on the connection."""
        if tenant in self._tenants:
            self._tenants.remove(tenant)

    @property
    def open(self) -> bool:
        """Whether channels can be opened now."""
        return self._up and self._connection is not None and self._connection.is_open

    def begin(self) -> None:
        """Start connecting, once."""
        if self._connection is None and self._cancel_retry is None and self._closed is None:
            self._connect()

    def close(self, done: Callable[[], None]) -> None:
        """Close for good and call ``done`` when it is closed."""
        self._closed = done
        self.link = Link(False, "closed")
        if self._cancel_retry is not None:
            self._cancel_retry()
        if self._connection is None:
            done()
        elif not (self._connection.is_closing or self._connection.is_closed):
            self._connection.close()

    def drop(self) -> None:
        """Close the socket without waiting for the other side."""
        if self._connection is not None:
            self._connection.drop()

    def _connect(self) -> None:
        self._cancel_retry = None
        self._connection = Connection(
            self._parameters,
            on_open_callback=self._on_open,
            on_open_error_callback=self._on_lost,
            on_close_callback=self._on_lost,
            custom_ioloop=self._io.loop,
        )
        self._connection.add_on_connection_blocked_callback(self._on_blocked)
        self._connection.add_on_connection_unblocked_callback(self._on_unblocked)

    def _on_open(self, connection: PikaConnection) -> None:
        if connection is not self._connection or self._closed is not None:
            return
        self._up = True
        self._up_since = self._clock.monotonic()
        self.link = Link(True, "")
        self._trouble.end(self._side)
        for tenant in tuple(self._tenants):
            tenant.connected(self._connection)

    def _on_lost(self, connection: PikaConnection, cause: BaseException) -> None:
        if connection is not self._connection:
            return
        was_up, self._up, self._connection = self._up, False, None
        if self._closed is not None:
            self._tell(ConnectionLost("the transport is closed"))
            self._closed()
            return
        error = connection_error(cause, self._place)
        self.link = Link(False, str(error))
        self._trouble.begin(error, self._side)
        if was_up and self._clock.monotonic() - self._up_since >= STABLE_SECONDS:
            self._backoff.reset()
        self._cancel_retry = self._io.later(self._backoff.next_delay(), self._connect)
        self._tell(error)

    def _tell(self, error: TransportError) -> None:
        for tenant in tuple(self._tenants):
            tenant.disconnected(error)

    def _on_blocked(self, _connection: PikaConnection, frame: object) -> None:
        reason = getattr(getattr(frame, "method", None), "reason", "") or "an alarm"
        error = Blocked(f"RabbitMQ at {self._place.host} has blocked publishing ({reason}): free memory or disk on it")
        self.link = Link(False, str(error))
        self._trouble.begin(error, self._side)
        for tenant in tuple(self._tenants):
            tenant.blocked(error)

    def _on_unblocked(self, _connection: PikaConnection, _frame: object) -> None:
        self.link = Link(True, "")
        self._trouble.end(self._side)
        for tenant in tuple(self._tenants):
            tenant.blocked(None)
