"""What a worker and its process say to each other.

A frame is a word, JSON, and bytes that JSON cannot carry. Nothing in it is ever unpickled: what came with a message, or out of
a handler that broke, cannot become code.
"""

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from pydantic import TypeAdapter

from broker.handlers.outcome import Failed, Outcome, Retry, Succeeded
from broker.handlers.phases import Phase
from broker.messages.envelope import Envelope


class Word(StrEnum):
    """What a frame is about."""

    READY = "ready"
    """Process: it has imported the handlers and waits for a message."""
    BROKEN = "broken"
    """Process: it cannot import the handlers; why."""
    RUN = "run"
    """Worker: handle this message."""
    CANCEL = "cancel"
    """Worker: the running handler should stop."""
    READ = "read"
    """Process: the handler asks for a document, or for a collection (no key)."""
    PHASE = "phase"
    """Process: the executor began this phase."""
    ANSWER = "answer"
    """Worker: what it asked for."""
    REPLY = "reply"
    """Process: the handler replies before its end (kind and JSON); it waits for an answer."""
    PROGRESS = "progress"
    """Process: how far the handler is; nothing answers it."""
    AWAY = "away"
    """Worker: the table does not answer; why."""
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    RETRY = "retry"


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One message to handle."""

    envelope: Envelope
    attempt: int
    seed: tuple[str, ...]
    """What the ids of sent messages follow from."""
    user: str
    """RabbitMQ user that the worker sends as."""
    timeout_seconds: float


JOB = TypeAdapter(Job)
OUTCOMES: dict[Word, TypeAdapter[Any]] = {
    Word.SUCCEEDED: TypeAdapter(Succeeded),
    Word.FAILED: TypeAdapter(Failed),
    Word.RETRY: TypeAdapter(Retry),
}
ASKED: TypeAdapter[tuple[str, str | None]] = TypeAdapter(tuple[str, str | None])
ANSWERED: TypeAdapter[str | dict[str, str] | None] = TypeAdapter(str | dict[str, str] | None)
PHASE = TypeAdapter(Phase)
TEXT = TypeAdapter(str)
PARTIAL: TypeAdapter[tuple[str, str]] = TypeAdapter(tuple[str, str])


def to_frame(word: Word, value: bytes = b"", extra: bytes = b"") -> bytes:
    """Return the frame: the word, JSON without newlines, and any bytes."""
    return b"\n".join((word.encode(), value, extra))


def from_frame(frame: bytes) -> tuple[Word, bytes, bytes]:
    """Return word, JSON and bytes of a frame. Raises ValueError when it is none."""
    parts = frame.split(b"\n", 2)
    if len(parts) != 3:  # noqa: PLR2004 as to_frame joins them
        raise ValueError(f"no frame: {frame[:40]!r}")
    return Word(parts[0].decode(errors="replace")), parts[1], parts[2]


def job_frame(job: Job) -> bytes:
    """Return the frame that asks for a run; the body goes as it is, it need not be text."""
    bare = replace(job, envelope=replace(job.envelope, body=b""))
    return to_frame(Word.RUN, JOB.dump_json(bare), job.envelope.body)


def to_job(value: bytes, body: bytes) -> Job:
    """Return what ``job_frame`` was given."""
    job = JOB.validate_json(value)
    return replace(job, envelope=replace(job.envelope, body=body))


def outcome_frame(outcome: Outcome) -> bytes:
    """Return the frame that says what became of the run."""
    match outcome:
        case Succeeded():
            word = Word.SUCCEEDED
        case Failed():
            word = Word.FAILED
        case Retry():
            word = Word.RETRY
    return to_frame(word, OUTCOMES[word].dump_json(outcome))


def to_outcome(word: Word, value: bytes) -> Outcome:
    """Return the outcome of a frame. Raises ValueError when it is about something else, or does not fit."""
    if word not in OUTCOMES:
        raise ValueError(f"no outcome: {word}")
    outcome: Outcome = OUTCOMES[word].validate_json(value)
    return outcome
