"""The envelope: a message's bytes and everything that travels beside them."""

from broker.lifecycle.record import record


@record
class Envelope:
    """One message to one destination, as it travels and as it lies in the handler table.

    Fields that a foreign producer left out are empty: ``""`` or None. Nothing here is decoded or trusted.
    """

    message_id: str
    """The sender's id, or one that was made on arrival."""
    kind: str
    """Wire name of the message class (AMQP ``type``)."""
    body: bytes
    """The message as ``content_type`` says; JSON by default."""
    destination: str
    """Address of the app that handles it."""
    source: str = ""
    """Address of the app that sent it (AMQP ``app_id``)."""
    call_id: str = ""
    """Shared by the messages of one call (``x-call-id``)."""
    call_size: int = 1
    """How many messages the call has; 0 when nobody knows: a foreign producer gives an id only."""
    stop_on_failure: bool = False
    """Whether the first failure of a message of the call cancels those that have not begun."""
    correlation_id: str = ""
    """Id of the message that this one follows from, or of the event it is a copy of."""
    reply_to: str = ""
    """Address that gets the reply as a message of its own."""
    content_type: str = "application/json"
    version: int = 1
    """Version of the body's shape (``x-version``)."""
    deadline_ms: int | None = None
    """Milliseconds since 1970 after which no handler is started (``x-deadline``)."""
    at_ms: int | None = None
    """Milliseconds since 1970 before which no handler is started (``x-at``); None once it is due."""
    priority: int = 0
    """0 to 9; of what waits for an app, the highest is handled first."""
    traceparent: str = ""
    """W3C trace context."""
    sent_us: int = 0
    """Sender's wall clock in microseconds since 1970; 0 when it did not say."""
    keep_last: bool = False
    """Whether this event is kept for apps that subscribe later. It does not travel."""
    user: str = ""
    """RabbitMQ user that published it, as RabbitMQ verified (AMQP ``user_id``)."""

    @property
    def identity(self) -> tuple[str, str]:
        """Return what tells two messages to the same destination apart: (message id, user)."""
        return self.message_id, self.user
