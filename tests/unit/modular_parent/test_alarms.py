"""The alarms of a chassis' service: modules that are missing or replaced, and a device that gives no status."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from broker.handlers.registry import HandlerRegistry
from broker.table.documents import find_documents
from broker.testing import Harness
from lantime.alarms.rules import AlarmRules
from lantime.answer import DeviceAnswer
from lantime.contract import ALARMS, ActiveAlarm, Alarm, AlarmCleared, AlarmRaised, DismissAlarm
from lantime.errors import DeviceError, DeviceUnreachable, Problem
from modular_parent.chassis import Chassis
from modular_parent.handlers import handlers

ADDRESS = "m1000-a"
told = HandlerRegistry[list[str]]("told")


@told.handles(AlarmRaised)
def raised(event: AlarmRaised, ctx: Any) -> None:
    """Note it."""
    ctx.resource.append(f"raised {event.alarm} {event.slot}")


@told.handles(AlarmCleared)
def cleared(event: AlarmCleared, ctx: Any) -> None:
    """Note it."""
    ctx.resource.append(f"cleared {event.alarm} {event.slot}")


class Device:
    """A device that answers with these slots, or does not answer."""

    url = "http://device"

    def __init__(self) -> None:
        self.body: dict[str, Any] = {}
        self.error: DeviceError | None = None

    def status(self) -> DeviceAnswer:
        """Answer."""
        if self.error is not None:
            raise self.error
        return DeviceAnswer(url="http://device", body={"data": {"chassis0": self.body}})

    def hold(self, **serials: str | None) -> None:
        """Put TCRs with these serial numbers into the slots; None: the slot is empty."""
        modules = {
            slot: {"info": {"model": "tcr180", "serial-number": serial}} if serial else None
            for slot, serial in serials.items()
        }
        self.body = {"slots": [{"slot-id": slot, "module": module} for slot, module in modules.items()]}


class Installation:
    """The chassis' service with the real table, a device and a subscriber."""

    def __init__(self, harness: Harness) -> None:
        self.harness = harness
        self.device = Device()
        client = harness.host.client(ADDRESS)
        self.chassis = Chassis(ADDRESS, self.device, client, harness.clock, rules=AlarmRules())  # type: ignore[arg-type]  # what it uses of it
        self.events: list[str] = []
        harness.serve(told, self.events, "display")
        harness.serve(handlers, self.chassis, ADDRESS)

    def poll(self, after: float = 1.0) -> list[str]:
        """Let time pass and poll; return what was told since the last time."""
        self.harness.advance(after)
        try:
            self.chassis.poll()
        except DeviceError:
            assert self.device.error is not None
        return self.news()

    def news(self) -> list[str]:
        """Return what was told since the last time."""
        rows = self.harness.rows(apps=("display",))
        for row in rows:
            self.harness.wait(row.id)
        found, self.events[:] = list(self.events), []
        return found

    def active(self) -> dict[str, ActiveAlarm]:
        """Return the active alarms that are kept."""
        found = find_documents(self.harness.host.database, ALARMS, app=ADDRESS)
        return {document.key: ActiveAlarm.model_validate_json(document.body) for document in found}


@pytest.fixture
def installation(tmp_path: Path) -> Iterator[Installation]:
    """An installation that was polled once, with two modules."""
    with Harness(tmp_path) as harness:
        made = Installation(harness)
        made.device.hold(clk1="1", clk2="2", esi1=None)
        assert made.poll() == []
        yield made


def test_a_pulled_module_is_missing_until_one_is_there(installation: Installation) -> None:
    """A slot that is emptied raises one alarm that names it; the same module again ends it after the quiet time."""
    installation.device.hold(clk1="1", clk2=None, esi1=None)
    assert installation.poll() == ["raised module-missing clk2"]
    assert installation.poll() == []
    assert "clk2, last seen in it: tcr180 2" in installation.active()["module-missing.clk2"].text
    installation.device.hold(clk1="1", clk2="2", esi1=None)
    assert installation.poll() == []
    assert installation.poll(after=10) == ["cleared module-missing clk2"]


def test_a_module_that_is_found_in_another_slot_is_not_missing(installation: Installation) -> None:
    """A module that was pulled and is plugged into another slot is missing nowhere after the quiet time."""
    installation.device.hold(clk1="1", clk2=None, esi1=None)
    assert installation.poll() == ["raised module-missing clk2"]
    installation.device.hold(clk1="1", clk2=None, esi1="2")
    installation.poll()
    assert installation.poll(after=10) == ["cleared module-missing clk2"]
    assert installation.active() == {}


def test_time_alone_ends_an_alarm_between_two_polls(installation: Installation) -> None:
    """Where polls are rare, the service's message to itself ends what was quiet."""
    installation.device.hold(clk1="1", clk2=None)
    installation.poll()
    installation.device.hold(clk1="1", clk2="2")
    installation.poll()
    installation.harness.advance(10)
    (settle,) = [row for row in installation.harness.rows(apps=(ADDRESS,)) if row.kind == "lantime.settle-alarms"]
    installation.harness.succeeded(settle.id)
    assert installation.news() == ["cleared module-missing clk2"]


def test_a_module_that_is_gone_for_good_is_dismissed(installation: Installation) -> None:
    """An operator ends the alarm of a slot that stays empty; a module that comes and goes is missing again."""
    installation.device.hold(clk1="1", clk2=None)
    installation.poll()
    command = DismissAlarm(alarm=Alarm.MODULE_MISSING, slot="clk2")
    harness = installation.harness
    harness.succeeded(harness.send(command, ADDRESS))
    assert installation.poll() == ["cleared module-missing clk2"]
    assert "active are: none" in str(harness.failed(harness.send(command, ADDRESS)).error)
    for serial, told in (("2", []), (None, ["raised module-missing clk2"])):
        installation.device.hold(clk1="1", clk2=serial)
        assert installation.poll() == told


def test_another_module_is_told_once(installation: Installation) -> None:
    """A slot with another serial number is an occurrence: told as a pair, and no alarm that stays."""
    installation.device.hold(clk1="1", clk2="3")
    assert installation.poll() == ["raised module-replaced clk2", "cleared module-replaced clk2"]
    assert installation.poll() == []
    assert installation.active() == {}


def test_a_device_that_is_away_is_an_alarm_and_confirms_none(installation: Installation) -> None:
    """A failed poll raises one alarm with the reason and leaves the others, which are not confirmed meanwhile."""
    installation.device.hold(clk1="1", clk2=None)
    installation.poll()
    installation.device.error = DeviceUnreachable(Problem.REFUSED, url="http://device")
    assert installation.poll() == ["raised device-unreachable None"]
    assert installation.poll() == []
    active = installation.active()
    assert "refused" in active["device-unreachable"].text
    assert active["module-missing.clk2"].unconfirmed_since is not None
    installation.device.error = None
    installation.poll()
    assert installation.active()["module-missing.clk2"].unconfirmed_since is None
    assert installation.poll(after=10) == ["cleared device-unreachable None"]


def test_a_status_without_slots_says_nothing_of_them(installation: Installation) -> None:
    """A device that lists no slots at all has not lost its modules, but gives a status."""
    installation.device.error = DeviceUnreachable(Problem.REFUSED, url="http://device")
    assert installation.poll() == ["raised device-unreachable None"]
    installation.device.error = None
    installation.device.body = {"model": "m1000"}
    assert installation.poll() == []
    assert installation.poll(after=10) == ["cleared device-unreachable None"]
    assert installation.active() == {}
