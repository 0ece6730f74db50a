"""Waits for outcomes in the table: woken by a doorbell, or looking by itself in case nobody rang."""

import threading
from collections.abc import Iterator, Sequence
from contextlib import suppress

from broker.errors import ReplyTimeout, TableError, TableUnavailable
from broker.lifecycle.clock import Clock
from broker.messages.envelope import Envelope
from broker.table.database import Database
from broker.table.queries import Answer, find_answer, find_answers
from broker.table.reports import PartialReply, find_replies, note_gave_up

LOOK_SECONDS = 1.0
"""How often a waiting request looks at its row itself, in case nobody rang."""


class Waiting:
    """How one app waits for what it asked for. ``deadline`` is always by this process's monotonic clock."""

    def __init__(self, database: Database, clock: Clock, source: str) -> None:
        self._database = database
        self._clock = clock
        self._source = source

    def deadline(self, timeout: float) -> float:
        """Return the end of so many seconds. Raises ValueError when they are no time to wait."""
        if not timeout >= 0:
            raise ValueError(f"timeout={timeout!r} must be a number of seconds from 0")
        return self._clock.monotonic() + timeout

    def final(self, envelope: Envelope, deadline: float, rung: threading.Event) -> Answer:
        """Return the final outcome of a request. Raises ReplyTimeout."""
        while True:
            left = self._pause(deadline, rung)
            answer = self._look(envelope)
            if answer is not None and answer.state.final:
                return answer
            if left <= 0:
                raise self._given_up(envelope, answer)

    def all_final(self, envelopes: Sequence[Envelope], deadline: float, rung: threading.Event) -> dict[str, Answer]:
        """Return how each message of a call stands, by id, when all are final or the time is over."""
        answers: dict[str, Answer] = {}
        open_ = list(envelopes)
        while open_:
            left = self._pause(deadline, rung)
            found: dict[str, Answer] = {}
            with suppress(TableUnavailable):
                found = find_answers(self._database, open_)
            answers |= found
            open_ = [
                each for each in open_ if (answer := answers.get(each.message_id)) is None or not answer.state.final
            ]
            if left <= 0:
                if found and open_:
                    self._note_gave_up(open_)
                break
        return answers

    def replies(self, envelope: Envelope, deadline: float, rung: threading.Event) -> Iterator[PartialReply | Answer]:
        """Yield the replies to a request in order, and its final outcome last. Raises ReplyTimeout."""
        number = 0
        while True:
            left = self._pause(deadline, rung)
            # The outcome first: when it is there, so are all replies before it.
            answer = self._look(envelope)
            try:
                partial = find_replies(self._database, envelope, after=number)
            except TableUnavailable:
                partial, answer = [], None
            for each in partial:
                number = each.number
                yield each
            if answer is not None and answer.state.final:
                yield answer
                return
            if left <= 0:
                raise self._given_up(envelope, answer)

    def _pause(self, deadline: float, rung: threading.Event) -> float:
        """Wait for the doorbell, the deadline or the next look of our own; return the seconds that were left before."""
        left = deadline - self._clock.monotonic()
        rung.wait(max(0.0, min(left, LOOK_SECONDS)))
        rung.clear()
        return left

    def _look(self, envelope: Envelope) -> Answer | None:
        with suppress(TableUnavailable):
            return find_answer(self._database, envelope)
        return None

    def _given_up(self, envelope: Envelope, answer: Answer | None) -> ReplyTimeout:
        if answer is not None:
            self._note_gave_up([envelope])
        state = answer.state.value if answer else "unknown"
        return ReplyTimeout(
            f"{envelope.kind} to {envelope.destination} is still {state}; see interapp handlers show {envelope.message_id}"
        )

    def _note_gave_up(self, envelopes: Sequence[Envelope]) -> None:
        """Let the table show the outcomes of these as late. Only people read that: a table that is away may miss it."""
        with suppress(TableError):
            note_gave_up(self._database, self._clock, envelopes, self._source)
