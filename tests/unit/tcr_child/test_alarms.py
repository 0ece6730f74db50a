"""The alarms of a slot's service: kept and told with the status they come from, cleared by a message to itself."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import JsonValue

from broker.handlers.registry import HandlerRegistry
from broker.lifecycle.clock import ManualClock
from broker.lifecycle.state import Reason, State
from broker.testing import Harness, KeptDocuments, run_handler
from lantime.alarms.keep import ALARM_MEMORY, HISTORY_LENGTH
from lantime.alarms.rules import AlarmRules
from lantime.alarms.step import AlarmMemory
from lantime.contract import (
    ALARM_HISTORY,
    ALARMS,
    ActiveAlarm,
    Alarm,
    AlarmCleared,
    AlarmRaised,
    DismissAlarm,
    EndedAlarm,
    ReportModule,
    SettleAlarms,
    SyncChanged,
)
from tcr_child.handlers import handlers
from tcr_child.slot import TcrSlot

APP = "m1000-a.clk1"


def module(clock: str | None = "synchronized") -> dict[str, JsonValue]:
    """Return a module as the device reports it; without a clock it reports nothing but itself."""
    states: dict[str, JsonValue] = {} if clock is None else {"clock": clock}
    return {"info": {"model": "tcr180"}, "sync-status": {"clock-status": states}}


class Service:
    """One slot's service, whose handlers are run alone and whose documents are in memory."""

    def __init__(self, rules: AlarmRules | None = None) -> None:
        self.clock = ManualClock()
        self.slot = TcrSlot("m1000-a", "clk1", None, self.clock, rules=rules or AlarmRules())
        self.documents = KeptDocuments()
        self.settling: list[tuple[SettleAlarms, int | None]] = []

    def handle(self, message: Any) -> list[str]:
        """Run the handler; return what it told about alarms: ``raised holdover``, …."""
        done = run_handler(handlers, message, self.slot, documents=self.documents, app=APP, clock=self.clock)
        for (to, sent), envelope in zip(done.sent, done.succeeded().effects.sent, strict=True):
            assert to == APP
            assert isinstance(sent, SettleAlarms)
            self.settling.append((sent, envelope.at_ms))
        return [
            f"{'raised' if isinstance(each, AlarmRaised) else 'cleared'} {each.alarm}"
            for each in done.published
            if isinstance(each, AlarmRaised | AlarmCleared)
        ]

    def report(self, content: dict[str, JsonValue] | None, *, ahead: float = 0.0) -> list[str]:
        """Give it a status that the chassis' service observed now, by a clock that is some seconds ahead."""
        observed = self.now() + timedelta(seconds=ahead)
        return self.handle(ReportModule(slot="clk1", observed_at=observed, api_major=20, module=content))

    def now(self) -> datetime:
        """Return the time."""
        return datetime.fromtimestamp(self.clock.now_us() / 1_000_000, UTC)

    def active(self) -> dict[str, ActiveAlarm]:
        """Return the active alarms that are kept, by their names."""
        found = (ActiveAlarm.model_validate_json(body) for body in self.documents.read_all(ALARMS).values())
        return {str(alarm.alarm): alarm for alarm in found}

    def history(self) -> list[EndedAlarm]:
        """Return the ended alarms that are kept."""
        kept = sorted(self.documents.read_all(ALARM_HISTORY).items())
        return [EndedAlarm.model_validate_json(body) for _, body in kept]


@pytest.fixture
def service() -> Service:
    """A service that knows nothing yet."""
    return Service()


def test_a_service_that_starts_raises_what_it_finds(service: Service) -> None:
    """What is wrong at the very first look is raised, and kept with it."""
    assert service.report(module("holdover")) == ["raised holdover", "raised sync-lost"]
    assert service.active().keys() == {"holdover", "sync-lost"}
    assert service.settling == []


def test_an_alarm_is_cleared_by_a_message_of_the_service_to_itself(service: Service) -> None:
    """When the trouble is over one message is scheduled for the end of the quiet time; it clears and leaves the history."""
    service.report(module("holdover"))
    service.clock.advance(60)
    assert service.report(module()) == []
    service.clock.advance(1)
    assert service.report(module()) == [], "another look schedules no second message"
    [(settle, at_ms)] = service.settling
    assert at_ms == (service.clock.now_us() + 9_000_000) // 1000
    service.clock.advance(9)
    assert service.handle(settle) == ["cleared holdover", "cleared sync-lost"]
    assert service.active() == {}
    assert [(ended.alarm, ended.duration_seconds) for ended in service.history()] == [
        (Alarm.HOLDOVER, 60.0),
        (Alarm.SYNC_LOST, 60.0),
    ]
    before = service.documents.read_all(ALARM_HISTORY)
    assert service.handle(settle) == [], "handled twice it does nothing"
    assert service.documents.read_all(ALARM_HISTORY) == before


def test_a_message_that_has_become_obsolete_clears_nothing(service: Service) -> None:
    """When the trouble came back meanwhile the message does nothing, and the next quiet time gets one of its own."""
    service.report(module("holdover"))
    service.report(module())
    service.clock.advance(5)
    service.report(module("holdover"))
    service.clock.advance(5)
    assert service.handle(service.settling[0][0]) == []
    assert service.active()["holdover"].returns == 1
    service.report(module())
    assert len(service.settling) == 2
    service.clock.advance(10)
    assert service.handle(service.settling[1][0]) == ["cleared holdover", "cleared sync-lost"]


def test_a_message_that_was_cancelled_is_not_missed(service: Service) -> None:
    """Should the message never come, the next look clears what was quiet."""
    service.report(module("holdover"))
    service.report(module())
    service.clock.advance(300)
    assert service.report(module()) == ["cleared holdover", "cleared sync-lost"]


@pytest.mark.parametrize("ahead", [-7200.0, 7200.0])
def test_the_clocks_of_two_machines_may_differ(service: Service, ahead: float) -> None:
    """The quiet time is as long as it should be, however far the clock of the chassis' service is off from ours."""
    service.report(module("holdover"), ahead=ahead)
    service.report(module(), ahead=ahead)
    [(settle, at_ms)] = service.settling
    assert at_ms == (service.clock.now_us() + 10_000_000) // 1000
    assert service.handle(settle) == ["cleared holdover", "cleared sync-lost"]


@pytest.mark.parametrize("content", [None, module(None), {"info": {"model": "gps180"}}, {}])
def test_a_module_that_is_not_there_leaves_the_alarms(service: Service, content: dict[str, JsonValue] | None) -> None:
    """A pulled, replaced or silent module neither raises nor clears; its alarms say since when they are not confirmed."""
    service.report(module("holdover"))
    service.clock.advance(60)
    assert service.report(content) == []
    assert {alarm.unconfirmed_since for alarm in service.active().values()} == {service.now()}
    service.clock.advance(60)
    assert service.report(module("holdover")) == []
    assert {alarm.unconfirmed_since for alarm in service.active().values()} == {None}


def test_a_late_report_changes_no_alarm(service: Service) -> None:
    """A status that is older than what is known neither raises nor clears."""
    service.report(module())
    assert service.report(module("holdover"), ahead=-5.0) == []


def test_the_sync_change_is_told_beside_the_alarms(service: Service) -> None:
    """Alarms take nothing away: the change of the synchronisation is told as before."""
    service.report(module())
    service.clock.advance(1)
    message = ReportModule(slot="clk1", observed_at=service.now(), module=module("holdover"))
    done = run_handler(handlers, message, service.slot, documents=service.documents, app=APP, clock=service.clock)
    assert [type(event) for event in done.published] == [SyncChanged, AlarmRaised, AlarmRaised]


def test_the_history_keeps_the_last_ones() -> None:
    """More than 200 ended alarms are not kept: the oldest go first."""
    service = Service(AlarmRules(clear_after=timedelta(0), flapping_raises=1000))
    for _ in range(HISTORY_LENGTH // 2 + 3):
        service.report(module("holdover"))
        service.clock.advance(1)
        service.report(module())
        service.clock.advance(1)
    history = service.history()
    assert len(history) == HISTORY_LENGTH
    assert history[-1].cleared_at == service.now() - timedelta(seconds=1)
    memory = service.documents.read(ALARM_MEMORY, APP)
    assert memory is not None
    assert AlarmMemory.model_validate_json(memory).ended == HISTORY_LENGTH + 6


def test_an_operator_ends_an_alarm(service: Service) -> None:
    """A dismissed alarm is told as cleared and stays away while it is still so; the slot need not be named."""
    service.report(module("holdover"))
    assert service.handle(DismissAlarm(alarm=Alarm.HOLDOVER)) == ["cleared holdover"]
    service.clock.advance(1)
    assert service.report(module("holdover")) == []
    assert service.active().keys() == {"sync-lost"}
    [ended] = service.history()
    assert ended.dismissed


def test_an_alarm_that_is_not_active_cannot_be_ended(service: Service) -> None:
    """The rejection names the alarm and those that are active."""
    service.report(module("holdover"))
    for command in (DismissAlarm(alarm=Alarm.JITTER), DismissAlarm(alarm=Alarm.HOLDOVER, slot="clk2")):
        done = run_handler(handlers, command, service.slot, documents=service.documents, app=APP)
        error = done.failed(Reason.REJECTED).error
        assert f"{command.alarm}.{command.slot or 'clk1'}" in error
        assert "active are: holdover.clk1, sync-lost.clk1" in error


def test_a_date_at_the_end_of_time_is_handled(service: Service) -> None:
    """A status may bear any date: the quiet time after it ends at the last one that there is."""
    end = datetime.max.replace(tzinfo=UTC)
    for clock in ("holdover", "synchronized"):
        service.handle(ReportModule(slot="clk1", observed_at=end, api_major=20, module=module(clock)))
    assert [settle.until for settle, _ in service.settling] == [end]


# In a whole app.

told = HandlerRegistry[list[Any]]("told")


@told.handles(AlarmRaised)
def raised(event: AlarmRaised, ctx: Any) -> None:
    """Note it."""
    ctx.resource.append(event)


@told.handles(AlarmCleared)
def cleared(event: AlarmCleared, ctx: Any) -> None:
    """Note it."""
    ctx.resource.append(event)


@pytest.fixture
def harness(tmp_path: Path) -> Iterator[Harness]:
    """A process without apps yet."""
    with Harness(tmp_path) as harness:
        yield harness


def test_a_subscriber_gets_each_pair_once(harness: Harness) -> None:
    """Two statuses and ten quiet seconds later a subscriber has handled one raise and one clearing of each alarm."""
    events: list[Any] = []
    harness.serve(told, events, "display")
    harness.serve(handlers, TcrSlot("m1000-a", "clk1", None, harness.clock), APP)
    for clock in ("holdover", "synchronized"):
        observed = datetime.fromtimestamp(harness.clock.now_us() / 1_000_000, UTC)
        message = ReportModule(slot="clk1", observed_at=observed, api_major=20, module=module(clock))
        harness.succeeded(harness.send(message, APP))
    (waiting,) = [row for row in harness.rows(apps=(APP,)) if row.kind == SettleAlarms.kind]
    assert waiting.state is State.WAITING
    harness.advance(10)
    harness.wait_all(7)
    assert [(type(event), event.alarm) for event in events] == [
        (AlarmRaised, Alarm.HOLDOVER),
        (AlarmRaised, Alarm.SYNC_LOST),
        (AlarmCleared, Alarm.HOLDOVER),
        (AlarmCleared, Alarm.SYNC_LOST),
    ]
    assert [event.correlation_key for event in events[:2]] == [event.correlation_key for event in events[2:]]
