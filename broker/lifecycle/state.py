"""The states of a message's handler, why it failed, and which moves are legal. The only place that knows."""

from enum import StrEnum
from functools import cached_property

from broker.errors import IllegalMove


class State(StrEnum):
    """Where the handler of one message stands."""

    WAITING = "waiting"
    """Committed by its sender, or due again later. A worker takes it on; an operator may cancel it."""
    PROCESSING = "processing"
    """Claimed by a worker; its handler runs. Only that worker, or one that took over its lease, moves it on."""
    SUCCEEDED = "succeeded"
    """Final: the outcome, the reply and what the handler sent are committed."""
    FAILED = "failed"
    """Final, with a reason; only an operator's retry moves it back to waiting."""

    @cached_property
    def final(self) -> bool:
        """Whether no worker will touch the row again by itself."""
        return self in (State.SUCCEEDED, State.FAILED)


class Reason(StrEnum):
    """Why a handler failed."""

    REJECTED = "rejected"
    """The handler refused the message on purpose."""
    ERROR = "error"
    """The handler raised, and its attempts are used up."""
    TIMEOUT = "timeout"
    """The handler took longer than it may, and its attempts are used up."""
    INVALID = "invalid"
    """The message could not be decoded; its bytes are kept."""
    UNHANDLED = "unhandled"
    """No handler is registered for the kind."""
    EXPIRED = "expired"
    """The message's deadline passed before its handler started."""
    CANCELLED = "cancelled"
    """An operator cancelled it, or it ended with its call."""
    POISON = "poison"
    """It took its worker down again and again."""


LEGAL_MOVES: dict[State, frozenset[State]] = {
    State.WAITING: frozenset({State.PROCESSING, State.FAILED}),
    State.PROCESSING: frozenset({State.PROCESSING, State.SUCCEEDED, State.FAILED, State.WAITING}),
    State.SUCCEEDED: frozenset(),
    State.FAILED: frozenset({State.WAITING}),
}
"""From each state, where a row may go. Processing to processing: its worker was lost, another claims it."""


def move(current: State, target: State) -> State:
    """Return ``target`` when the move is legal; raise IllegalMove when it is not."""
    if target not in LEGAL_MOVES[current]:
        allowed = ", ".join(sorted(LEGAL_MOVES[current])) or "nowhere"
        raise IllegalMove(f"a handler that is {current} may not become {target}; it may go to {allowed}")
    return target


def sources_of(target: State) -> frozenset[State]:
    """Return the states from which a row may become ``target``."""
    return frozenset(state for state, targets in LEGAL_MOVES.items() if target in targets)
