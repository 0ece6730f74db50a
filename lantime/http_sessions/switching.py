"""Sends ``lantime.set-http-sessions`` to apps and waits for what becomes of it."""

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass

from broker.cli.sending import SOURCE, Sending
from broker.lifecycle.clock import Clock
from broker.lifecycle.ids import new_id
from broker.lifecycle.state import State
from broker.messages.codec import encode
from broker.messages.envelope import Envelope
from broker.messages.priority import OPERATOR
from broker.settings import InterAppSettings
from lantime.contract import HttpSessionsInForce, SetHttpSessions


@dataclass(frozen=True, slots=True)
class Switched:
    """What became of the command to one app."""

    app: str
    message_id: str
    state: State
    in_force: HttpSessionsInForce | None = None
    error: str | None = None

    def line(self) -> dict[str, object]:
        """Return it as a JSON object."""
        return {
            "app": self.app,
            "id": self.message_id,
            "state": self.state.value,
            "enabled": None if self.in_force is None else self.in_force.enabled,
            "maximum": None if self.in_force is None else self.in_force.maximum,
            "error": self.error,
        }

    def text(self) -> str:
        """Return it as one line for people."""
        if self.in_force is not None:
            recording = "on" if self.in_force.enabled else "off"
            return f"{self.app}: {recording}, at most {self.in_force.maximum} HTTP sessions are kept"
        if self.state is State.FAILED:
            return f"{self.app}: failed: {self.error}; see interapp handlers show {self.message_id}"
        return (
            f"{self.app}: {self.state}; it is set as soon as its service handles it,"
            f" see interapp handlers show {self.message_id}"
        )


def switch(
    apps: Sequence[str], command: SetHttpSessions, *, settings: InterAppSettings, clock: Clock, wait_seconds: float
) -> list[Switched]:
    """Send the command to every app at once, and return what became of each within that time. Raises TableUnavailable."""
    deadline = clock.monotonic() + wait_seconds
    with ExitStack() as stack:
        under_way = [_commit(stack.enter_context(Sending(settings, clock)), app, command, clock) for app in apps]
        return [_outcome(sending, envelope, max(0.0, deadline - clock.monotonic())) for sending, envelope in under_way]


def _commit(sending: Sending, app: str, command: SetHttpSessions, clock: Clock) -> tuple[Sending, Envelope]:
    envelope = Envelope(
        message_id=new_id(),
        kind=command.kind,
        body=encode(command),
        destination=app,
        source=SOURCE,
        call_id=new_id(),
        version=command.version,
        priority=OPERATOR,
        sent_us=clock.now_us(),
        user=sending.user,
    )
    sending.commit(envelope)
    return sending, envelope


def _outcome(sending: Sending, envelope: Envelope, seconds: float) -> Switched:
    answer = sending.answer(envelope, seconds)
    state = State.WAITING if answer is None else answer.state
    said = None if answer is None or state is not State.SUCCEEDED else answer.reply
    return Switched(
        app=envelope.destination,
        message_id=envelope.message_id,
        state=state,
        in_force=None if said is None else HttpSessionsInForce.model_validate_json(said),
        error=(answer.error or None) if answer is not None else None,
    )
