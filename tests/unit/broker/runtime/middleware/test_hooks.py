"""Hooks of middleware: who is called, and that nothing in them harms a message."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from structlog.testing import capture_logs

from broker.handlers.context import Context
from broker.handlers.outcome import Outcome, Succeeded
from broker.messages.effects import DocumentWrite, Effects
from broker.messages.envelope import Envelope
from broker.runtime.middleware.hooks import NO_HOOKS, Hooks
from broker.runtime.middleware.middleware import Middleware

ENVELOPE = Envelope(message_id="1", kind="t.do", body=b"{}", destination="a")
EFFECTS = Effects((ENVELOPE,), (replace(ENVELOPE, message_id="2"),), (DocumentWrite("a", "b", "{}"),))


class Silent(Middleware):
    """It has written no hook."""


class Marking(Middleware):
    def __init__(self, mark: str) -> None:
        self.mark = mark

    def sending(self, envelope: Envelope) -> Envelope:
        return replace(envelope, traceparent=envelope.traceparent + self.mark)


class Broken(Middleware):
    def __init__(self, error: BaseException) -> None:
        self.error = error

    def sending(self, envelope: Envelope) -> Envelope:
        raise self.error

    def received(self, app: str, envelopes: Sequence[Envelope]) -> None:
        raise self.error

    def handling(self, ctx: Context[Any]) -> None:
        raise self.error

    def handled(self, ctx: Context[Any], outcome: Outcome, seconds: float) -> None:
        raise self.error

    def settled(self, app: str, settlements: Sequence[Any]) -> None:
        raise self.error


def call_all(hooks: Hooks) -> Effects:
    """Call every hook; return what is sent."""
    hooks.received("a", [ENVELOPE])
    hooks.handling(None)  # type: ignore[arg-type]
    hooks.handled(None, Succeeded(), 1.0)  # type: ignore[arg-type]
    hooks.settled("a", [])
    return hooks.sending(EFFECTS)


def test_what_is_not_written_is_not_called() -> None:
    """With no middleware, or with one that has written no hook, there is nothing to call."""
    for hooks in (NO_HOOKS, Hooks([Silent()])):
        assert [hooks.sends, hooks.receives, hooks.handles, hooks.settles] == [False] * 4
        assert call_all(hooks) is EFFECTS
    assert Hooks([Silent(), Marking("x")]).sends
    assert not Hooks([Marking("x")]).handles


def test_they_are_called_in_order() -> None:
    """Each gets what the one before it made, messages and events alike; documents stay as they are."""
    made = Hooks([Marking("a"), Marking("b")]).sending(EFFECTS)
    assert [envelope.traceparent for envelope in (*made.sent, *made.events)] == ["ab", "ab"]
    assert made.documents == EFFECTS.documents


@pytest.mark.parametrize("error", [OSError("broken"), SystemExit(1), asyncio.CancelledError()])
def test_one_that_raises_harms_nobody(error: BaseException) -> None:
    """Whatever a hook raises, the others are called and the message goes on; it is logged once per hook and kind of error."""
    hooks = Hooks([Broken(error), Marking("a")])
    with capture_logs() as logged:
        for _ in range(3):
            assert call_all(hooks).sent[0].traceparent == "a"
    assert sorted(line["hook"] for line in logged) == sorted(
        f"Broken.{hook}" for hook in ("handled", "handling", "received", "sending", "settled")
    )


def test_another_kind_of_error_is_logged_too() -> None:
    """A second kind of error of the same hook is one more line."""
    broken = Broken(OSError("broken"))
    hooks = Hooks([broken])
    with capture_logs() as logged:
        hooks.received("a", [])
        broken.error = ValueError("broken")
        hooks.received("a", [])
        hooks.received("a", [])
    assert [type(line["exc_info"]) for line in logged] == [OSError, ValueError]


def test_ctrl_c_is_not_swallowed() -> None:
    """An interrupt that comes while a hook runs ends the program as it does anywhere else."""
    with pytest.raises(KeyboardInterrupt):
        Hooks([Broken(KeyboardInterrupt())]).received("a", [])


@pytest.mark.parametrize(
    "changed",
    [
        None,
        "text",
        replace(ENVELOPE, message_id="other"),
        replace(ENVELOPE, destination="b"),
        replace(ENVELOPE, body=b"{1}"),
        replace(ENVELOPE, traceparent="x" * 513),
        replace(ENVELOPE, traceparent="a\x00b"),
        replace(ENVELOPE, traceparent=None),  # type: ignore[arg-type]
    ],
)
def test_sending_changes_nothing_else(changed: Any) -> None:
    """What a hook returns that is not the envelope with another traceparent is not sent; the envelope is, as it was."""

    class Changing(Middleware):
        def sending(self, envelope: Envelope) -> Envelope:
            return changed  # type: ignore[no-any-return]

    with capture_logs() as logged:
        assert Hooks([Changing(), Marking("a")]).sending(Effects((ENVELOPE,))).sent == (
            replace(ENVELOPE, traceparent="a"),
        )
    assert len(logged) == 1


@pytest.mark.parametrize("wrong", [Silent, "text", None, object()])
def test_what_is_no_middleware_is_refused(wrong: Any) -> None:
    """A class, a text or anything else that is no middleware is refused when the host is made, naming it."""
    with pytest.raises(TypeError, match="is no Middleware"):
        Hooks([wrong])
