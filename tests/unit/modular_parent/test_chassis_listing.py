"""How chassis are shown: one line for each, and everything that is known of one."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from lantime.contract import ChassisRecord, NotificationsRecord, SystemRecord
from lantime.status.led import Led, LedColour
from lantime.status.notification import Notification, Severity
from lantime.status.system import parse_system
from modular_parent.chassis_known import KnownChassis
from modular_parent.chassis_listing import TITLES, chassis_cells, chassis_line, remarks
from modular_parent.chassis_story import tell
from modular_parent.system import system_seen

NOW = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)
NOW_US = round(NOW.timestamp() * 1_000_000)
RECORD = ChassisRecord(
    model="M1000",
    serial="030111009001",
    firmware="fw_7.10.008",
    api_version="20.05.013",
    hostname="m1000.example.com",
    url="https://m1000.example.com",
    last_poll=NOW - timedelta(seconds=3),
)
STATUS: dict[str, Any] = {
    "system": {
        "uptime": 90.0,
        "sync-status": {
            "reference": "clk1-tcr",
            "ref-type": "irig",
            "est-time-quality": "less-than-10us",
            "clock-status": {"clock": "holdover", "oscillator": "warmed-up"},
            "holdover-status": {"time-elapsed": 12, "tfom-out": 4},
        },
        "front-leds": {"led-ref-time": {"current-color": "red", "current-state": True}},
    },
    "ntp": [{"object-id": "sys", "refid": "IRIG", "stratum": 1, "leap": 0}],
    "network": {"ports": [{"object-id": "lan0", "link": True}, {"object-id": "lan1", "port-available": False}]},
    "syncmon": {"nodes": [{"name": "grandmaster", "offset": -1.5e-06}]},
}


def system(data: dict[str, Any]) -> SystemRecord:
    """Return the record of a system that reports this."""
    record = system_seen(None, parse_system({"data": data}), NOW)
    assert record is not None
    return record


def known(record: ChassisRecord = RECORD, *notifications: Notification, silent: bool = False) -> KnownChassis:
    """Return a chassis as its service keeps it."""
    return KnownChassis(
        "m1000-a", record, None if silent else system(STATUS), NotificationsRecord(entries=notifications)
    )


def cells(chassis: KnownChassis) -> dict[str, str]:
    """Return the texts of a chassis' line by their titles."""
    return dict(zip(TITLES, (cell.text for cell in chassis_cells(chassis, NOW_US)), strict=True))


def test_a_line_for_people() -> None:
    """The line says what it is, what it follows, how its clock stands and where its web interface is."""
    shown = cells(known())
    assert shown == {
        "CHASSIS": "m1000-a",
        "MODEL": "M1000",
        "SERIAL": "030111009001",
        "FIRMWARE": "fw_7.10.008",
        "API": "20.05.013",
        "HOSTNAME": "m1000.example.com",
        "REFERENCE": "clk1-tcr",
        "CLOCK": "holdover",
        "QUALITY": "less-than-10us",
        "LEDS": "ref-time red",
        "LAST POLL": "3 s",
        "PROBLEM": "-",
        "WEB": "https://m1000.example.com",
    }


def test_a_line_for_programs() -> None:
    """The JSON line has every field whatever is known; what is not known is null."""
    line = json.loads(json.dumps(chassis_line(known())))
    assert line["leds"] == {"ref-time": "red"}
    assert (line["clock"], line["time_quality_seconds"], line["api_supported"]) == ("holdover", 1e-05, True)
    assert line["last_poll"] == "2026-11-22T08:59:57.000000Z"
    nothing = json.loads(json.dumps(chassis_line(known(ChassisRecord(), silent=True))))
    assert nothing.keys() == line.keys()
    del nothing["chassis"]
    assert not any(nothing.values())


def test_nothing_known_is_no_claim() -> None:
    """A chassis that was never reached shows dashes and not that its clock is not synchronised."""
    shown = cells(known(ChassisRecord(problem="refused", problem_since=NOW - timedelta(minutes=5)), silent=True))
    assert shown.pop("PROBLEM") == "since 5 min"
    assert shown.pop("CHASSIS") == "m1000-a"
    assert set(shown.values()) == {"-"}


@pytest.mark.parametrize(
    ("version", "supported"), [("8.06.002", True), ("9.1", False), ("20.05", True), ("99.0.1", False), (None, None)]
)
def test_a_version_that_is_not_known_is_marked(version: str | None, supported: bool | None) -> None:
    """The API version says whether its answers are read as they are meant."""
    chassis = known(RECORD.model_copy(update={"api_version": version}))
    assert chassis.api_supported is supported
    assert ("unknown" in cells(chassis)["API"]) is (supported is False)


@pytest.mark.parametrize(
    ("leds", "text"),
    [
        ((), "-"),
        ((Led(name="a", colour=LedColour.GREEN), Led(name="alarm", colour=LedColour.OFF)), "green"),
        ((Led(name="a", colour=LedColour.GREEN), Led(name="net", colour=LedColour.YELLOW)), "net yellow"),
    ],
)
def test_leds_are_named_when_they_mean_something(leds: tuple[Led, ...], text: str) -> None:
    """An LED that is neither green nor off is named; else all of them are green."""
    record = system(STATUS)
    state = record.state.model_copy(update={"leds": leds})
    chassis = KnownChassis("a", RECORD, record.model_copy(update={"state": state}), NotificationsRecord())
    assert cells(chassis)["LEDS"] == text


def test_problem_and_warnings_are_said_in_full() -> None:
    """The problem with its way out, and every warning, are said beside the table."""
    trouble = {"problem": "refused; is it on?", "problem_since": NOW - timedelta(seconds=5), "warnings": ("odd",)}
    assert remarks(known(RECORD.model_copy(update=trouble)), NOW_US) == [
        "m1000-a gives no status since 5 s: refused; is it on?",
        "m1000-a: odd",
    ]
    assert remarks(known(), NOW_US) == []


def test_the_story_of_a_chassis_tells_all_of_it() -> None:
    """Everything is shown: system, LEDs, ports, NTP, notifications that ever happened, SyncMon nodes marked as inferred."""
    happened = Notification(
        id="refclock-1-not-sync", severity=Severity.ERROR, triggered=True, last_triggered=NOW - timedelta(hours=1)
    )
    lines = list(tell(known(RECORD, happened, Notification(id="ntp-stopped", triggered=False)), NOW_US))
    text = "\n".join(lines)
    for said in (
        "m1000-a  M1000 030111009001",
        "https://m1000.example.com",
        "20.05.013  (supported: 8, 10 to 16",
        "clk1-tcr  (irig)",
        "holdover",
        "12 s (inferred), tfom-out 4",
        "less-than-10us",
        "ref-time  red",
        "lan1  not there",
        "IRIG",
        "2026-11-22 08:00:00 UTC  error     yes    refclock-1-not-sync",
        "1 others never happened",
        "grandmaster  name=grandmaster, offset=-1.5e-06",
    ):
        assert said in text
    (heading,) = [line for line in lines if line.startswith("SyncMon")]
    assert "inferred" in heading
    assert "ntp-stopped" not in text


def test_a_story_without_anything() -> None:
    """A chassis that was never reached has a story all the same."""
    lines = list(tell(known(ChassisRecord(problem="refused", problem_since=NOW), silent=True), NOW_US))
    assert any("nothing is known of its system yet" in line for line in lines)
    assert any("refused" in line for line in lines)


def test_a_device_cannot_write_on_the_terminal() -> None:
    """Control characters from a device reach no terminal."""
    record = RECORD.model_copy(update={"hostname": "\x1b[2Jm1000", "warnings": ("\x1b]0;x\x07",)})
    chassis = KnownChassis("a", record, system({"system": {"cpuload": "\x1b[31m1"}}), NotificationsRecord())
    assert not any("\x1b" in line or "\x07" in line for line in tell(chassis, NOW_US))
