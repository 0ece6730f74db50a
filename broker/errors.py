"""The error tree of interapp.

::

    InterAppError
    ├ SettingError     (setting, value, what is allowed)
    ├ ContractError    UnknownKind, InvalidMessage, UnsupportedVersion
    ├ TransportError   ConnectionLost, NotConfirmed, Unroutable, Blocked, AccessRefused
    ├ TableError       TableUnavailable (TableDamaged), IllegalMove, Superseded, NotFound
    ├ HandlerSignal    RetryLater, Reject
    └ RequestError     ReplyTimeout, RequestFailed

Every message names the thing and the way out. An error that translates another keeps it as its cause.
"""


class InterAppError(Exception):
    """Anything that interapp raises on purpose."""


class SettingError(InterAppError):
    """A setting can never be right: names the setting, its value and what is allowed (exit code 2)."""

    def __init__(self, setting: str, value: object, allowed: str) -> None:
        self.setting = setting
        self.value = value
        self.allowed = allowed
        super().__init__(f"{setting}={value!r} is not allowed: {allowed}")


class ContractError(InterAppError):
    """A message breaks its contract. It is kept with its bytes and never retried by itself."""


class UnknownKind(ContractError):
    """No message class is known for this kind."""


class InvalidMessage(ContractError):
    """The body or a header does not fit the message's kind: names the field and the value."""


class UnsupportedVersion(ContractError):
    """The message has a newer version than this program knows."""


class TransportError(InterAppError):
    """RabbitMQ, or what stands in for it, did not do its part. The relay tries again."""


class ConnectionLost(TransportError):
    """The connection is away; it is being rebuilt."""


class NotConfirmed(TransportError):
    """A published message was not confirmed."""


class Unroutable(TransportError):
    """A published message reached no queue."""


class Blocked(TransportError):
    """RabbitMQ has blocked publishing (memory or disk alarm)."""


class AccessRefused(TransportError):
    """RabbitMQ refuses the login, the virtual host or a right."""


class TableError(InterAppError):
    """The handler table did not do its part. Nothing is acknowledged until it does."""


class TableUnavailable(TableError):
    """The database cannot be reached or used now."""


class TableConflict(TableError):
    """A row with that key is there already, or what is written contradicts itself. Nothing was written."""


class TableDamaged(TableUnavailable):
    """The database file is damaged, or is no database: nothing but another file helps."""


class IllegalMove(TableError):
    """A row may not change from the one state to the other."""


class Superseded(TableError):
    """Another worker holds the lease: nothing of this worker is written any more."""


class NotFound(TableError):
    """No row, or more than one, answers to this id."""


class HandlerSignal(InterAppError):
    """Raised by a handler on purpose; not a defect."""


class RetryLater(HandlerSignal):
    """Run this message again after ``after`` seconds. Not counted as an attempt.

    Raises ValueError when ``after`` is no time to wait.
    """

    def __init__(self, after: float, reason: str = "") -> None:
        if not 0 <= after < float("inf"):
            raise ValueError(f"after={after!r} must be a number of seconds from 0")
        self.after_seconds = after
        super().__init__(reason or f"retry in {after:g} s")


class Reject(HandlerSignal):
    """Refuse this message for good: it ends as ``failed (rejected)`` with this reason."""


class RequestError(InterAppError):
    """A request did not end with a reply."""


class ReplyTimeout(RequestError):
    """No outcome within the time the caller gave. The request goes on; its reply is kept in the table."""


class RequestFailed(RequestError):
    """The request's handler ended as failed."""

    def __init__(self, reason: str, error: str) -> None:
        self.reason = reason
        self.error = error
        super().__init__(f"failed ({reason}): {error}")
