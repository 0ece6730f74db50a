"""``lantime.set-http-sessions`` as the services of chassis and slot handle it."""

from types import SimpleNamespace
from typing import Any

import pytest
from pydantic import ValidationError

from broker.handlers.context import Documents
from broker.handlers.registry import HandlerRegistry
from broker.lifecycle.clock import ManualClock
from broker.lifecycle.state import Reason
from broker.testing import KeptDocuments, run_handler
from lantime.client import LantimeClient
from lantime.contract import HTTP_SESSION_SETTINGS, HttpSessionSettings, HttpSessionsInForce, SetHttpSessions
from lantime.contract.http_sessions import DEFAULT_MAXIMUM, LARGEST_MAXIMUM, SETTINGS
from lantime.exchange import Exchange
from lantime.http_sessions import command as command_line
from lantime.http_sessions.recorder import Recorder
from lantime.http_sessions.setting import set_http_sessions
from modular_parent.handlers import handlers as chassis_handlers
from tcr_child.handlers import handlers as slot_handlers
from tcr_child.slot import TcrSlot


def kept(documents: KeptDocuments) -> HttpSessionSettings:
    """Return the settings that are kept."""
    body = documents.read(HTTP_SESSION_SETTINGS, SETTINGS)
    assert body is not None
    return HttpSessionSettings.model_validate_json(body)


def set_now(documents: KeptDocuments, recorder: Recorder, *, commit: bool = True, **fields: Any) -> HttpSessionsInForce:
    """Do what a command does, and commit it."""
    run = Documents(documents)
    reply = set_http_sessions(SetHttpSessions(**fields), run, recorder)
    if commit:
        documents.write(run.writes())
    return reply


def slot(recorder: Recorder) -> Any:
    """Return a slot whose service talks to a device."""
    device: Any = SimpleNamespace(spec=LantimeClient)
    return TcrSlot("m1000-a", "clk1", device, ManualClock(), recorder=recorder)


@pytest.mark.parametrize(
    ("handlers", "resource"),
    [(chassis_handlers, lambda recorder: SimpleNamespace(recorder=recorder)), (slot_handlers, slot)],
)
def test_chassis_and_slot_set_it(handlers: HandlerRegistry[Any], resource: Any) -> None:
    """Both sorts of app keep what is set, let it hold at once, and answer with what holds."""
    recorder, documents = Recorder(), KeptDocuments()
    run = run_handler(handlers, SetHttpSessions(enabled=False, maximum=7), resource(recorder), documents=documents)
    assert run.reply == HttpSessionsInForce(enabled=False, maximum=7)
    assert recorder.settings == kept(documents) == HttpSessionSettings(enabled=False, maximum=7, revision=1)


def test_a_slot_without_device_rejects_it() -> None:
    """A service that has no way to the device says what to set."""
    resource = TcrSlot("m1000-a", "clk1", None, ManualClock())
    failed = run_handler(slot_handlers, SetHttpSessions(enabled=True), resource).failed(Reason.REJECTED)
    assert "LANTIME_URL" in failed.error


def test_what_is_not_said_stays() -> None:
    """The two settings are set apart from each other; a command without any asks, and writes nothing."""
    recorder, documents = Recorder(), KeptDocuments()
    assert set_now(documents, recorder, enabled=False).maximum == DEFAULT_MAXIMUM
    assert set_now(documents, recorder, maximum=9) == HttpSessionsInForce(enabled=False, maximum=9)
    before = kept(documents)
    assert set_now(documents, recorder) == HttpSessionsInForce(enabled=False, maximum=9)
    assert set_now(documents, recorder, maximum=9) == HttpSessionsInForce(enabled=False, maximum=9)
    assert kept(documents) == before


def test_a_run_whose_outcome_was_lost_is_repeated() -> None:
    """When the first run's outcome was not committed, the second keeps what the first let hold."""
    recorder, documents = Recorder(), KeptDocuments()
    set_now(documents, recorder, enabled=True)
    set_now(documents, recorder, commit=False, enabled=False)
    assert recorder.settings.enabled is False
    set_now(documents, recorder, enabled=False)
    assert kept(documents) == recorder.settings
    assert recorder.settings.enabled is False


def test_another_command_after_a_lost_one_holds() -> None:
    """What holds in memory and what is kept agree after a command, whatever was lost before it."""
    recorder, documents = Recorder(), KeptDocuments()
    set_now(documents, recorder, maximum=50)
    set_now(documents, recorder, commit=False, enabled=False)
    set_now(documents, recorder, enabled=True)
    assert recorder.settings == kept(documents)
    assert recorder.settings.enabled is True


@pytest.mark.parametrize("body", ["", "{", "[]", '{"maximum": -1}', '{"enabled": "perhaps"}'])
def test_damaged_settings_are_replaced(body: str) -> None:
    """Settings that cannot be read do not keep an operator from setting them."""
    recorder, documents = Recorder(), KeptDocuments()
    documents._kept[HTTP_SESSION_SETTINGS, SETTINGS] = body
    assert set_now(documents, recorder, maximum=5) == HttpSessionsInForce(enabled=True, maximum=5)
    assert kept(documents).maximum == 5


@pytest.mark.parametrize("maximum", [0, -1, LARGEST_MAXIMUM + 1])
def test_a_maximum_out_of_range_is_no_message(maximum: int) -> None:
    """The contract allows 1 to 10,000, and so does the command line."""
    with pytest.raises(ValidationError, match="maximum"):
        SetHttpSessions(maximum=maximum)
    assert command_line.LARGEST_MAXIMUM == LARGEST_MAXIMUM


def test_what_came_before_it_was_switched_on_is_not_kept() -> None:
    """A service that handles a command before it loaded its settings keeps nothing from the time when it was off."""
    documents, recorder = KeptDocuments(), Recorder()
    set_now(documents, recorder, enabled=False)
    begun = Recorder()
    begun.record(Exchange(method="GET", path="/", started_us=1, ended_us=1, round_trip_ms=0.0))
    set_now(documents, begun, enabled=True)
    assert begun.settings.enabled
    assert begun.take() == []
