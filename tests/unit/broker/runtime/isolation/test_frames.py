"""What a worker and its process say to each other arrives as it was said."""

import pytest

from broker.handlers.outcome import Failed, Outcome, Retry, Succeeded
from broker.lifecycle.state import Reason
from broker.messages.effects import DocumentWrite, Effects
from broker.messages.envelope import Envelope
from broker.runtime.isolation.frames import (
    Job,
    Word,
    from_frame,
    job_frame,
    outcome_frame,
    to_frame,
    to_job,
    to_outcome,
)

ENVELOPE = Envelope(message_id="é\n1", kind="test.note", body=b'{"n": "\xc3\xa9"}', destination="a", deadline_ms=5)
EFFECTS = Effects((ENVELOPE,), (ENVELOPE,), (DocumentWrite("c", "k", '{"a": 1}'), DocumentWrite("c", "l", None)))


@pytest.mark.parametrize("body", [b"", b"{}", b"\x00\xff\n\nx", b"\n"])
def test_a_job_arrives_with_its_bytes(body: bytes) -> None:
    """Whatever bytes a message has, the process gets them."""
    envelope = Envelope(message_id="1", kind="test.note", body=body, destination="a")
    job = Job(envelope=envelope, attempt=2, seed=("1", "", "a", "0"), user="u", timeout_seconds=1.5)
    word, value, extra = from_frame(job_frame(job))
    assert (word, to_job(value, extra)) == (Word.RUN, job)


@pytest.mark.parametrize(
    "outcome",
    [
        Succeeded(),
        Succeeded("test.sum", b'{"total": "\xc3\xa9"}', EFFECTS),
        Failed(Reason.REJECTED, "no\nway", "apply"),
        Retry(0.5, "later", counted=False, ordered=True, phase="gather"),
    ],
)
def test_an_outcome_arrives_as_it_was(outcome: Outcome) -> None:
    """Every sort of outcome, with its effects, is the same on the other side."""
    word, value, _ = from_frame(outcome_frame(outcome))
    assert to_outcome(word, value) == outcome


@pytest.mark.parametrize("frame", [b"", b"ready", b"odd\n{}\n", b"\xff\n\n"])
def test_what_is_no_frame_is_refused(frame: bytes) -> None:
    """Bytes that are no frame raise, they are never taken for one."""
    with pytest.raises(ValueError, match=r"frame|Word"):
        from_frame(frame)


@pytest.mark.parametrize(
    ("word", "value"), [(Word.READY, b""), (Word.RETRY, b"{}"), (Word.FAILED, b'{"reason": "odd"}')]
)
def test_what_is_no_outcome_is_refused(word: Word, value: bytes) -> None:
    """A frame about something else, or with another shape, is no outcome."""
    with pytest.raises(ValueError, match=r"outcome|validation error"):
        to_outcome(word, from_frame(to_frame(word, value))[1])
