"""What a handler may report before its outcome."""

from typing import Any, ClassVar

import pytest

from broker.handlers.context import Context, Documents, Outbox
from broker.handlers.reporter import TEXT_MAX_LENGTH, KeptReports, progress_json
from broker.messages.effects import Effects
from broker.messages.envelope import Envelope
from broker.messages.message import Reply


class Done(Reply):
    kind: ClassVar[str] = "test.done"
    n: int


class Other(Reply):
    kind: ClassVar[str] = "test.other"


class Nothing:
    """No documents."""

    def read(self, collection: str, key: str) -> str | None:
        return None

    def read_all(self, collection: str) -> dict[str, str]:
        return {}


def context(reports: KeptReports, answered_by: type[Reply] | None = Done) -> Context[None]:
    """Return what a handler gets."""
    return Context(
        resource=None,
        app="app",
        envelope=Envelope(message_id="m", kind="test.do", body=b"{}", destination="app"),
        attempt=1,
        documents=Documents(Nothing()),
        outbox=Outbox(source="app", seed=("m",), user="", now_us=lambda: 1),
        answered_by=answered_by,
        reporter=reports,
    )


def test_reports_are_made_at_once() -> None:
    """A partial reply and progress go to the reporter as JSON, and are no part of the outcome."""
    reports = KeptReports()
    ctx = context(reports)
    ctx.reply(Done(n=1))
    ctx.progress(1 / 3, "é")
    assert reports.replies == [("test.done", '{"n":1}')]
    assert reports.newest_progress == '{"fraction": 0.3333, "text": "\\u00e9"}'
    assert ctx.outbox.effects() == Effects()


@pytest.mark.parametrize(
    ("reply", "answered_by", "error"),
    [(Other(), Done, "got Other, but the message is answered by Done"), (Done(n=1), None, "has no reply")],
)
def test_another_reply_is_refused(reply: Reply, answered_by: type[Reply] | None, error: str) -> None:
    """A partial reply that does not answer the message is refused, naming both, and nothing is kept."""
    reports = KeptReports()
    with pytest.raises(TypeError, match=error):
        context(reports, answered_by).reply(reply)
    assert reports.replies == []


@pytest.mark.parametrize("fraction", [-0.01, 1.01, float("nan"), float("inf"), "0.5", None, True, 1j])
def test_what_is_no_fraction_is_refused(fraction: Any) -> None:
    """Progress is a number from 0 to 1; what is none is named."""
    with pytest.raises((ValueError, TypeError), match=r"fraction=.* must be a number from 0 to 1"):
        progress_json(fraction, "")


def test_a_text_is_cut() -> None:
    """A progress text is kept up to its limit; what is no text is refused; odd characters are kept as JSON."""
    assert len(progress_json(1, "x" * 5000)) < TEXT_MAX_LENGTH + 50
    assert progress_json(0, "\x00\ud800") == '{"fraction": 0.0, "text": "\\u0000\\ud800"}'
    with pytest.raises(TypeError, match="text=5"):
        progress_json(0.5, 5)  # type: ignore[arg-type]
