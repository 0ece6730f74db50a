"""From a handler's outcome to what the table is told."""

import pytest

from broker.handlers.outcome import Failed, Outcome, Retry, Succeeded
from broker.lifecycle.state import Reason, State
from broker.messages.effects import DocumentWrite, Effects
from broker.messages.envelope import Envelope
from broker.runtime.settlements import LONGEST_PAUSE_SECONDS, to_settlement
from broker.table.rows import Claimed, Settlement

ROW = Claimed(
    seq=7,
    envelope=Envelope(message_id="m", kind="test.note", body=b"", destination="a"),
    doorbell="",
    attempt=1,
    claims=1,
    generation=0,
)
STARTED_US, FINISHED_US = 1_000_000, 3_000_000


def settled(outcome: Outcome) -> Settlement:
    """Return what the table is told."""
    return to_settlement(ROW, outcome, started_us=STARTED_US, finished_us=FINISHED_US)


def test_a_success_has_its_reply_and_effects() -> None:
    """A success is final, with reply, kind, effects and both times, and without a reason."""
    effects = Effects(documents=(DocumentWrite("a", "b", "{}"),))
    made = settled(Succeeded("test.done", '{"n": "ü"}'.encode(), effects))
    assert (made.state, made.reason, made.error) == (State.SUCCEEDED, None, None)
    assert (made.reply_kind, made.reply, made.effects) == ("test.done", '{"n": "ü"}', effects)
    assert (made.row, made.started_us, made.finished_us) == (ROW, STARTED_US, FINISHED_US)


def test_a_success_without_reply_has_none() -> None:
    """No reply is no reply: not an empty one."""
    made = settled(Succeeded())
    assert (made.reply_kind, made.reply) == (None, None)


def test_a_failure_has_its_reason_and_phase_and_no_effects() -> None:
    """A failure is final, says why and where, and brings nothing with it."""
    made = settled(Failed(Reason.REJECTED, "no", "validate"))
    assert (made.state, made.reason, made.error, made.phase) == (State.FAILED, Reason.REJECTED, "no", "validate")
    assert not made.effects
    assert settled(Failed(Reason.ERROR, "x")).phase is None


@pytest.mark.parametrize(("counted", "ordered"), [(True, False), (False, True)])
def test_a_retry_is_due_after_its_pause(counted: bool, ordered: bool) -> None:
    """A retry waits from the end of the run on, and keeps whether it counts and whether others wait for it."""
    made = settled(Retry(1.5, "busy", counted=counted, ordered=ordered, phase="apply"))
    assert (made.state, made.reason, made.error, made.phase) == (State.WAITING, None, "busy", "apply")
    assert (made.due_us, made.counted, made.ordered) == (FINISHED_US + 1_500_000, counted, ordered)


@pytest.mark.parametrize("seconds", [LONGEST_PAUSE_SECONDS, 1e12, 1e300])
def test_no_pause_is_too_long_to_keep(seconds: float) -> None:
    """A pause of any length becomes a time that the table can keep and a listing can show."""
    made = settled(Retry(seconds, "busy"))
    assert made.due_us == FINISHED_US + round(LONGEST_PAUSE_SECONDS * 1_000_000) < 2**62
