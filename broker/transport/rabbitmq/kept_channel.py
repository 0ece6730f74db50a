"""A channel that is opened again whenever it, its connection or its consumer is lost."""

from collections.abc import Callable

from pika.channel import Channel

from broker.errors import Blocked, ConnectionLost, TransportError
from broker.lifecycle.clock import Clock
from broker.transport.rabbitmq.backoff import Backoff
from broker.transport.rabbitmq.connection import Connection
from broker.transport.rabbitmq.faults import channel_error
from broker.transport.rabbitmq.io_thread import IoThread
from broker.transport.rabbitmq.kept_connection import STABLE_SECONDS, KeptConnection
from broker.transport.rabbitmq.parameters import Place
from broker.transport.seam import Link

FIRST_RETRY_SECONDS = 0.1
CEILING_SECONDS = 15.0


class Attempt:
    """One life of a kept channel, from its opening to its loss."""

    def __init__(self, kept: "KeptChannel", number: int) -> None:
        self._kept = kept
        self.number = number
        self.channel: Channel

    @property
    def current(self) -> bool:
        """Whether this is still the channel in use, and open."""
        return self._kept.attempt is self and self.channel.is_open

    def ready(self) -> None:
        """Say that the channel does its work now."""
        if self.current:
            self._kept.note_ready()

    def failed(self, error: TransportError) -> None:
        """Say that the channel cannot do its work: it is closed, and opened again later."""
        if self._kept.attempt is self:
            self._kept.note_failed(error)


class KeptChannel:
    """Keeps one channel open on a kept connection. Everything but ``link`` is for the I/O thread only.

    ``purpose`` names it in logs ("publishing"), ``doing`` completes "may not …" in errors.
    ``prepare`` is called with every new channel and calls ``ready`` or ``failed`` on it when it knows.
    ``lost`` is called when a channel is gone, ready or not. ``proven_by_use``: a trouble that came with the use of the
    channel is over when ``prove`` is called, not yet when the channel is open again.
    """

    def __init__(
        self,
        io: IoThread,
        connection: KeptConnection,
        place: Place,
        purpose: str,
        doing: str,
        clock: Clock,
        prepare: Callable[[Attempt], None],
        lost: Callable[[Attempt, TransportError], None],
        *,
        proven_by_use: bool = False,
    ) -> None:
        self._io = io
        self._connection = connection
        self._place = place
        self._purpose = purpose
        self._doing = doing
        self._clock = clock
        self._prepare = prepare
        self._lost = lost
        self._proven_by_use = proven_by_use
        self._trouble = connection.trouble_with(purpose)
        self._backoff = Backoff(FIRST_RETRY_SECONDS, CEILING_SECONDS)
        self._pika: Connection | None = None
        self._number = 0
        self._ready_since: float | None = None
        self._failure: TransportError | None = None
        self._reopening = False
        self._unproven = False
        self._cancel_retry: Callable[[], None] | None = None
        self._closing = False
        self._when_closed: list[Callable[[], None]] = []
        self.attempt: Attempt | None = None
        # Not up yet, even when the connection is: nothing has been asked of RabbitMQ.
        self.link = Link(False, f"{purpose} is being set up") if connection.link.up else connection.link
        """How it stands; any thread may read it."""

    @property
    def ready(self) -> Channel | None:
        """The channel, while it does its work."""
        return (
            self.attempt.channel
            if self.attempt is not None and self._ready_since is not None and self.attempt.current
            else None
        )

    def connected(self, connection: Connection) -> None:
        """Open the channel: the connection is there."""
        self._pika = connection
        self._open()

    def disconnected(self, error: TransportError) -> None:
        """Wait for the connection; pika has reported the channel's loss already."""
        self._pika = None
        self._stop_retry()
        if not self._closing:
            self.link = Link(False, str(error))

    def blocked(self, error: Blocked | None) -> None:
        """Do nothing: a channel lives through an alarm."""

    def reopen(self) -> None:
        """Close the channel and open another at once."""
        self._stop_retry()
        self._backoff.reset()
        if self.attempt is None:
            self._open()
        else:
            self._reopening = True
            self._close_channel(self.attempt)

    def close(self, done: Callable[[], None]) -> None:
        """Close for good and call ``done`` when RabbitMQ has closed the channel."""
        self._connection.remove(self)
        self._stop_retry()
        self._closing = True
        self.link = Link(False, "closed")
        self._when_closed.append(done)
        if self.attempt is None:
            self._finish()
        else:
            self._close_channel(self.attempt)

    def note_ready(self) -> None:
        """Take note that the present channel does its work."""
        if not self._closing:
            self._ready_since = self._clock.monotonic()
            self.link = Link(True, "")
            if not self._unproven:
                self._trouble.end()

    def prove(self) -> None:
        """Take note that the work succeeded which closed the channel before."""
        if self._unproven:
            self._unproven = False
            self._trouble.end()

    def note_failed(self, error: TransportError) -> None:
        """Take note that the present channel is of no use."""
        self._failure = error
        if self.attempt is not None:
            self._close_channel(self.attempt)

    def _open(self) -> None:
        self._cancel_retry = None
        if self.attempt is not None or self._closing or self._pika is None or not self._pika.is_open:
            return
        self._number += 1
        attempt = self.attempt = Attempt(self, self._number)
        self._ready_since = None
        self._failure = None
        self._reopening = False
        if self.link.up:
            self.link = Link(False, f"{self._purpose} is being set up")
        attempt.channel = self._pika.channel(on_open_callback=lambda _channel: self._prepare(attempt))
        attempt.channel.add_on_close_callback(lambda _channel, cause: self._on_closed(attempt, cause))

    def _on_closed(self, attempt: Attempt, cause: BaseException) -> None:
        if attempt is not self.attempt:
            return
        self.attempt = None
        ready_since, self._ready_since = self._ready_since, None
        if self._closing:
            self._lost(attempt, ConnectionLost("the transport is closed"))
            self._finish()
            return
        error = self._failure or channel_error(cause, self._place, self._doing)
        self._lost(attempt, error)
        if self._pika is None or not self._pika.is_open:
            return  # the connection reports its own trouble, and tells us when it is back
        if self._reopening:
            self.link = Link(False, f"{self._purpose} is being rebuilt")
            # not in pika's callback: it has not forgotten the old channel yet
            self._io.soon(self._open)
            return
        self.link = Link(False, str(error))
        self._trouble.begin(error)
        # a channel that was closed for what was sent over it opens again at once: only sending shows whether it works
        self._unproven = self._proven_by_use and (self._unproven or ready_since is not None)
        if ready_since is not None and self._clock.monotonic() - ready_since >= STABLE_SECONDS:
            self._backoff.reset()
        self._cancel_retry = self._io.later(self._backoff.next_delay(), self._open)

    def _stop_retry(self) -> None:
        if self._cancel_retry is not None:
            self._cancel_retry()
            self._cancel_retry = None

    def _finish(self) -> None:
        while self._when_closed:
            self._when_closed.pop()()

    @staticmethod
    def _close_channel(attempt: Attempt) -> None:
        if not (attempt.channel.is_closing or attempt.channel.is_closed):
            attempt.channel.close()
