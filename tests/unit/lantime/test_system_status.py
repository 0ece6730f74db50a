"""What a device reports of itself: as captured on API 10 and 20, and as any JSON."""

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lantime.contract import NotificationsRecord, SystemRecord
from lantime.status.api_version import supported_majors
from lantime.status.led import LedColour
from lantime.status.moment import read_moment
from lantime.status.notification import MOST_NOTIFICATIONS, Notification, Severity, read_notifications
from lantime.status.states import ClockState, OscillatorState
from lantime.status.system import SystemStatus, parse_system
from modular_parent.system import newly_triggered, notifications_seen, system_change, system_seen

NOW = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)


def led(colour: str, *, lit: bool = True, mode: str = "permanent") -> dict[str, object]:
    """Return an LED as the device reports it."""
    return {"current-color": colour, "current-state": lit, "current-mode": mode, "last-color": "green"}


SYSTEM: dict[str, Any] = {
    "uptime": 130988.25,
    "current-time": "2026-02-11T22:05:01.533523843 UTC",
    "current-time-iso": "2026-02-11T22:05:01.533Z",
    "cpuload": "0.48 0.66 0.57 2/99 25157",
    "memory": "228428 kB total memory, 161732 kB free (70 %)",
    "last-config-change": 130988.25,
    "api-last-update": "2026-02-11T22:05:06",
    "sync-status": {
        "reference": "clk1-gps",
        "ref-type": "gps",
        "clock-idx": 0,
        "osc-type": "ocxo-lq",
        "est-time-quality": "less-than-100ns",
        "leapsecond-announced": False,
        "leapsecond-date": "",
        "clock-status": {"clock": "synchronized", "oscillator": "warmed-up", "antenna": "connected"},
        "holdover-status": {"time-offset": 0, "time-elapsed": 12, "tfom-out": 4},
    },
    "front-leds": {"led-ref-time": led("green"), "led-network": led("red"), "led-alarm": led("none", lit=False)},
}


def answer(**data: Any) -> dict[str, Any]:
    """Return a status answer with these parts in its data."""
    return {"data": {"object-id": "status", "system": SYSTEM, **data}}


def system(**parts: Any) -> SystemStatus:
    """Return the status of a system with some parts replaced (underscores for hyphens)."""
    return parse_system(answer(system=SYSTEM | {key.replace("_", "-"): value for key, value in parts.items()}))


def sync(**parts: Any) -> SystemStatus:
    """Return the status of a system with some parts of its sync status replaced."""
    return system(sync_status=SYSTEM["sync-status"] | {key.replace("_", "-"): value for key, value in parts.items()})


def test_a_whole_system_is_read_with_its_units() -> None:
    """Everything that a system reports arrives typed, in the units of the field's name."""
    found = parse_system(answer())
    assert found.reported
    assert (found.sync.reference, found.sync.ref_type, found.sync.clock_index) == ("clk1-gps", "gps", "0")
    assert (found.sync.clock, found.sync.oscillator) == (ClockState.SYNCHRONIZED, OscillatorState.WARMED_UP)
    assert (found.sync.oscillator_type, found.sync.antenna) == ("ocxo-lq", "connected")
    assert found.sync.time_quality.bound_seconds == 1e-7
    assert (found.sync.leap_second_announced, found.sync.leap_second_date) == (False, None)
    held = found.sync.holdover
    assert (held.time_offset, held.elapsed_seconds, held.tfom_out) == (0, 12, 4)
    assert (found.uptime_seconds, found.last_config_change) == (130988.25, "130988")
    assert found.current_time == datetime(2026, 2, 11, 22, 5, 1, 533000, UTC)
    assert found.api_last_update == datetime(2026, 2, 11, 22, 5, 6, tzinfo=UTC)
    assert found.cpu_load == "0.48 0.66 0.57 2/99 25157"
    assert found.memory == "228428 kB total memory, 161732 kB free (70 %)"


def test_a_system_below_its_parents_name_is_found() -> None:
    """The answer of the whole tree files the status under its name; it is read all the same."""
    assert parse_system({"data": {"status": answer()["data"]}}) == parse_system(answer())
    nested = {"data": {"status": {"notification": {"events": [{"object-id": "a", "triggered": 1}]}}}}
    assert read_notifications(nested) == (Notification(id="a", triggered=True),)


def test_nothing_reported_is_not_a_system_that_is_not_synchronised() -> None:
    """A device without a system part says nothing: every state is unknown."""
    for nothing in ({}, {"data": None}, {"data": {}}, answer(system=None), answer(system=[])):
        found = parse_system(nothing)
        assert not found.reported
        assert (found.sync.clock, found.sync.reference, found.leds) == (ClockState.UNKNOWN, None, ())


def test_following_nothing_is_a_reference() -> None:
    """The word "none" as a reference is what the device says, and not that it says nothing."""
    assert sync(reference="none").sync.reference == "none"
    assert sync(reference="  ").sync.reference is None


@pytest.mark.parametrize("key", ["leapsecond-announced", "leap-second-announced", "leap_second_announced"])
def test_spelling_of_the_leap_second_drifts(key: str) -> None:
    """The leap second is found under either version's spelling."""
    changed = {name: value for name, value in SYSTEM["sync-status"].items() if "announced" not in name} | {key: True}
    assert system(sync_status=changed).sync.leap_second_announced is True


@pytest.mark.parametrize(
    ("reported", "colour", "raw"),
    [
        (led("green"), LedColour.GREEN, "green"),
        (led("Red"), LedColour.RED, "Red"),
        (led("none", lit=False), LedColour.OFF, "none"),
        (led("blue", lit=False), LedColour.OFF, "blue"),
        (led("blue"), LedColour.BLUE, "blue"),
        (led("mauve"), LedColour.UNKNOWN, "mauve"),
        ({"current-color": 5}, LedColour.UNKNOWN, "5"),
        ({}, LedColour.UNKNOWN, None),
    ],
)
def test_an_led_that_is_off_has_no_colour_on_any_version(
    reported: dict[str, object], colour: LedColour, raw: str | None
) -> None:
    """Off is "none" on API 20 and "blue" on 10; a colour that is not known is kept as the device calls it."""
    (found,) = system(front_leds={"led-alarm": reported}).leds
    assert (found.name, found.colour, found.colour_raw) == ("alarm", colour, raw)


def test_a_blinking_led_does_not_change_with_every_poll() -> None:
    """Whether an LED is lit is not compared while it blinks, and neither is a version's word for a colour."""
    bright, dark = (
        system(front_leds={"a": led("red", mode="blink")}),
        system(front_leds={"a": led("red", lit=False, mode="blink")}),
    )
    assert bright.leds[0].steady == dark.leds[0].steady
    lit, unlit = system(front_leds={"a": led("red")}), system(front_leds={"a": led("red", lit=False)})
    assert lit.leds[0].steady != unlit.leds[0].steady
    old, new = system(front_leds={"a": led("blue", lit=False)}), system(front_leds={"a": led("none", lit=False)})
    assert old.leds[0].steady == new.leds[0].steady


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("2026-02-11T07:48:48", datetime(2026, 2, 11, 7, 48, 48, tzinfo=UTC)),
        ("2026.02.11 21:53:08", datetime(2026, 2, 11, 21, 53, 8, tzinfo=UTC)),
        ("1970-01-01 00:00:00", datetime(1970, 1, 1, tzinfo=UTC)),
        ("2026-02-11T22:05:01.533Z", datetime(2026, 2, 11, 22, 5, 1, 533000, UTC)),
        ("2026-02-11T22:05:01.533523843 UTC", datetime(2026, 2, 11, 22, 5, 1, 533523, UTC)),
        ("never", None),
        ("2026-02-30T00:00:00", None),
        ("2026-02-11", None),
        (1770796128, None),
        (None, None),
    ],
)
def test_times_are_read_in_every_captured_form(written: object, read: datetime | None) -> None:
    """Each of the forms that were captured is a time in UTC; what is none is no time."""
    assert read_moment(written) == read


def test_notifications_are_read_whatever_their_spelling() -> None:
    """A notification has its id as the device spells it, is compared on letters and digits, and is listed once."""
    events = [
        {"object-id": "leap-second-announced", "type": "info", "triggered": 0, "last-triggered": "never"},
        {"object-id": "leapsecond-announced", "type": "error", "triggered": 1},
        {
            "object-id": "faillock:-user-banned",
            "type": "Action",
            "triggered": "1",
            "last-triggered": "2026-02-11T07:48:48",
        },
        {"object-id": "new-kind", "type": "panic"},
        {"object-id": "--"},
        {"type": "info"},
        "text",
    ]
    found = read_notifications(answer(notification={"events": events}))
    assert found is not None
    first, second, third = found
    assert (first.key, first.severity, first.triggered, first.last_triggered) == (
        "leapsecondannounced",
        Severity.INFO,
        False,
        None,
    )
    assert (second.id, second.key, second.text) == (
        "faillock:-user-banned",
        "faillockuserbanned",
        "faillock: user banned",
    )
    assert (second.severity, second.triggered) == (Severity.ACTION, True)
    assert second.last_triggered == datetime(2026, 2, 11, 7, 48, 48, tzinfo=UTC)
    assert (third.severity, third.triggered) == (Severity.UNKNOWN, None)


@pytest.mark.parametrize("nothing", [None, 5, "text", {}, {"events": None}, {"events": 5}])
def test_no_list_of_notifications_is_not_an_empty_one(nothing: object) -> None:
    """When a device lists none at all, nothing is known of them; an empty list is one."""
    assert read_notifications(answer(notification=nothing)) is None
    assert read_notifications(answer(notification={"events": []})) == ()


def test_a_huge_answer_stays_small() -> None:
    """However much a device lists, what is kept of it has a bound."""
    long = {f"{number}" * 100: "x" * 1000 for number in range(100)}
    many = [{"object-id": f"n{number}", "triggered": 1, "name": "x" * 1000, **long} for number in range(2000)]
    found = parse_system(answer(ntp=many, network={"ports": many}, syncmon={"nodes": many}))
    listed = read_notifications(answer(notification={"events": many}))
    assert listed is not None
    assert len(listed) == MOST_NOTIFICATIONS
    assert len(found.model_dump_json()) < 500_000


def test_ntp_and_ports_are_read_on_both_versions() -> None:
    """Entries of NTP and ports are read with the number or the text of either version, and without what one lacks."""
    old = {"object-id": "sys", "leap": "0", "stratum": 1, "refid": "PZF", "status-sys-clock-source": "lf-radio"}
    new = {"object-id": "ref_1", "leap": 0, "stratum": 0, "offset": -4e-6, "status-peer-selection": "pps-peer"}
    new |= {"status-peer-reach-ok": True, "poll-status": "11111111 [377]", "name": "127.127.8.0"}
    ports = [
        {"object-id": "lan0", "link": True, "speed": "100", "duplex": "full"},
        {"object-id": "lan1", "link": False, "speed": "-", "duplex": "-", "port-available": False},
    ]
    found = parse_system(answer(ntp=[old, new], network={"ports": ports}))
    first, second = found.ntp
    assert (first.leap, first.stratum, first.refid, first.source) == ("0", 1, "PZF", "lf-radio")
    assert (second.leap, second.offset_seconds, second.reachable) == ("0", -4e-6, True)
    assert (second.host, second.selection, second.poll_status) == ("127.127.8.0", "pps-peer", "11111111 [377]")
    assert [(port.name, port.link, port.available, port.speed) for port in found.ports] == [
        ("lan0", True, None, "100"),
        ("lan1", False, False, None),
    ]


def test_syncmon_nodes_are_kept_as_they_come() -> None:
    """Nothing is known of a node's shape: it has a name from wherever one may be, and all its values as text."""
    nodes = [
        {
            "object-id": "node1",
            "address": "192.0.2.7",
            "offset": -1.5e-06,
            "state": {"reachable": True, "deep": {"x": {"y": 1}}},
        },
        {"object-id": "node2", "list": [1, 2], "empty": None},
        {"offset": 3},
    ]
    first, second, third = parse_system(
        answer(syncmon={"last-updated": "2026-02-11T22:04:59", "nodes": nodes})
    ).syncmon_nodes
    assert (first.name, second.name, third.name) == ("192.0.2.7", "node2", "3")
    assert first.fields == {
        "object-id": "node1",
        "address": "192.0.2.7",
        "offset": "-1.5e-06",
        "state.reachable": "true",
    }
    assert (second.fields, third.fields) == ({"object-id": "node2"}, {"offset": "3"})
    assert parse_system(answer(syncmon={"last-updated": "never", "nodes": []})).syncmon_nodes == ()


def test_the_supported_versions_are_named() -> None:
    """An operator is told which majors of the API are read as they are meant."""
    assert supported_majors().startswith("8, 10 to 16")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=20,
)
KEYS = ["system", "sync-status", "front-leds", "led-alarm", "clock-status", "events", "notification", "nodes"]
KNOWN = st.recursive(
    JSON,
    lambda inner: (
        st.dictionaries(
            st.sampled_from(
                [*KEYS, "reference", "clock", "current-color", "object-id", "triggered", "last-triggered", "ntp"]
            ),
            inner,
            max_size=6,
        )
        | st.lists(inner, max_size=4)
    ),
    max_leaves=30,
)


@settings(max_examples=300, deadline=None)
@given(KNOWN, st.dictionaries(st.sampled_from(["system", "notification", "network", "ntp", "syncmon"]), KNOWN))
def test_any_json_is_read_compared_and_kept(data: object, parts: dict[str, object]) -> None:
    """Whatever a device sends instead of its system: it is read, compared with what was known, and can be kept."""
    known = system_seen(None, parse_system(answer()), NOW)
    listed = notifications_seen(None, (Notification(id="refclock-1-sync", triggered=False),))
    for sent in ({"data": data}, answer(**parts), answer(system=data)):
        after = system_seen(known, parse_system(sent), NOW)
        assert after is not None
        assert SystemRecord.model_validate_json(after.model_dump_json()) == after
        change = system_change(known, after)
        assert change is None or change.before != change.after
        seen = read_notifications(sent) or ()
        kept = notifications_seen(listed, seen)
        assert NotificationsRecord.model_validate_json(kept.model_dump_json()) == kept
        again = notifications_seen(kept, seen)
        assert newly_triggered(kept, again, NOW) == []
        assert again == kept
