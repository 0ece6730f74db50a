"""Comparing two looks at a chassis: what changed, and what the slots' services are told."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pydantic import JsonValue

from lantime.contract import SlotChange, SlotRecord
from lantime.status.slot import parse_slot
from lantime.status.states import ClockState, ReceiverState
from modular_parent.inventory import SlotDiff, SlotLook, compare, digest

NOW = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)
LATER = NOW + timedelta(seconds=30)
CHASSIS = "m1000-a"


def module(
    model: str = "tcr180", serial: str | None = "1", software: str | None = "2.0", **more: JsonValue
) -> dict[str, JsonValue]:
    """Return a module as the device reports it; what is None is not reported."""
    info = {"model": model, "serial-number": serial, "software-revision": software}
    return {"info": {key: value for key, value in info.items() if value is not None}, **more}


def seen(content: JsonValue, slot_type: str | None = "clk") -> SlotLook:
    """Return one slot as a poll saw it."""
    slot = parse_slot("clk1", {"slot-type": slot_type, "module": content})
    return SlotLook(slot, content if isinstance(content, dict) else None)


def diff(before: SlotRecord | None, look: SlotLook | None, now: datetime = NOW) -> SlotDiff:
    """Return what a poll means for slot clk1."""
    known = {"clk1": before} if before else {}
    return compare(known, {"clk1": look} if look else {}, chassis=CHASSIS, now=now)["clk1"]


@pytest.fixture
def known() -> SlotRecord:
    """The record of a TCR180 that was seen at NOW."""
    return diff(None, seen(module())).after


def told(made: SlotDiff) -> tuple[SlotChange | None, bool, bool]:
    """Return what a poll tells: the change, whether it assigns, whether it reports."""
    return made.change, made.assign, made.report


def test_a_module_that_is_seen_first_appears() -> None:
    """A TCR that was not known is recorded with all that is known of it, assigned to its service and reported to it."""
    made = diff(None, seen(module()))
    assert told(made) == (SlotChange.APPEARED, True, True)
    assert made.before is None
    assert made.after == SlotRecord(
        slot="clk1",
        type="clk",
        model="tcr180",
        serial="1",
        software="2.0",
        present=True,
        app="m1000-a.clk1",
        first_seen=NOW,
        last_seen=NOW,
        module_digest=digest(module()),
    )


def test_a_module_that_stays_as_it_is_tells_nothing(known: SlotRecord) -> None:
    """A second look that sees the same says nothing to anybody; only the time of the last look moves on."""
    made = diff(known, seen(module()), LATER)
    assert told(made) == (None, False, False)
    assert made.after == known.model_copy(update={"last_seen": LATER})


def test_a_status_that_changed_is_reported(known: SlotRecord) -> None:
    """When the same module reports another status, its service is given it, and nothing has changed in the slot."""
    made = diff(known, seen(module(mrs="new")))
    assert told(made) == (None, False, True)
    assert diff(made.after, seen(module(mrs="new"))).report is False


@pytest.mark.parametrize("other", [module(serial="2"), module(model="tcr181"), module(model="tcr170", serial="9")])
def test_another_module_replaces(known: SlotRecord, other: dict[str, JsonValue]) -> None:
    """A module of another model or serial number has replaced the old one: its service is told and given its status."""
    made = diff(known, seen(other), LATER)
    assert told(made) == (SlotChange.REPLACED, True, True)
    assert made.before == known
    assert (made.after.first_seen, made.after.last_seen) == (NOW, LATER)


def test_a_replacement_inherits_nothing(known: SlotRecord) -> None:
    """Of a module that does not tell serial number or software, the old one's are not taken for its own."""
    made = diff(known, seen(module(model="tcr181", serial=None, software=None)))
    assert made.change is SlotChange.REPLACED
    assert (made.after.serial, made.after.software) == (None, None)


def test_new_software_is_a_change(known: SlotRecord) -> None:
    """The same module with other software has changed: its service is assigned anew."""
    made = diff(known, seen(module(software="2.1")))
    assert told(made) == (SlotChange.CHANGED, True, True)
    assert (made.after.serial, made.after.software) == ("1", "2.1")


@pytest.mark.parametrize("silent", [{"serial": None}, {"software": None}, {"serial": None, "software": None}])
def test_what_a_device_does_not_tell_once_stays_known(known: SlotRecord, silent: dict[str, Any]) -> None:
    """A device that once does not tell serial number or software has not been changed by that: they stay as known."""
    made = diff(known, seen(module(**silent)))
    assert (made.change, made.assign) == (None, False)
    assert (made.after.serial, made.after.software) == ("1", "2.0")
    assert diff(made.after, seen(module())).change is None
    assert diff(made.after, seen(module(serial="2"))).change is SlotChange.REPLACED


def test_a_serial_number_that_becomes_known_is_no_change() -> None:
    """A module whose serial number was unknown and is told later is the same module."""
    unknown = diff(None, seen(module(serial=None))).after
    assert unknown.serial is None
    made = diff(unknown, seen(module()))
    assert made.change is None
    assert made.after.serial == "1"


@pytest.mark.parametrize("look", [None, seen(None), seen({"sensors": {}})], ids=["gone", "empty", "no info"])
def test_a_module_that_is_gone_was_removed(known: SlotRecord, look: SlotLook | None) -> None:
    """A slot that is empty, or gone from the answer, lost its module; what is known of it and its service stay."""
    made = diff(known, look, LATER)
    assert told(made) == (SlotChange.REMOVED, False, True)
    assert (made.after.present, made.after.module_digest) == (False, None)
    assert (made.after.model, made.after.serial, made.after.app) == ("tcr180", "1", "m1000-a.clk1")
    assert made.after.last_seen == (LATER if look else NOW)
    assert told(diff(made.after, look, LATER)) == (None, False, False), "only once"


def test_a_module_that_comes_back_appears(known: SlotRecord) -> None:
    """The same module in its slot again appears, and its service is told and given its status."""
    removed = diff(known, None).after
    made = diff(removed, seen(module()), LATER)
    assert told(made) == (SlotChange.APPEARED, True, True)
    assert made.after.first_seen == NOW


def test_an_empty_slot_is_kept_in_the_inventory() -> None:
    """A slot without a module has its line, with its type and without a service, and tells nothing."""
    made = diff(None, seen(None, "pwr"))
    assert told(made) == (None, False, False)
    assert (made.after.type, made.after.present, made.after.app, made.after.first_seen) == ("pwr", False, None, NOW)


def test_a_slot_whose_type_is_not_told_once_keeps_it(known: SlotRecord) -> None:
    """A missing slot type does not wipe the known one."""
    assert diff(known, seen(module(), None)).after.type == "clk"


def test_another_kind_of_module_has_no_service() -> None:
    """A module that is no TCR is in the inventory and its changes are told, but nobody is assigned or given its status."""
    made = diff(None, seen(module(model="gps180")))
    assert told(made) == (SlotChange.APPEARED, False, False)
    assert (made.after.app, made.after.module_digest) == (None, None)
    assert told(diff(made.after, seen(module(model="gps180", mrs="new")))) == (None, False, False)
    assert told(diff(made.after, seen(module(model="gps181")))) == (SlotChange.REPLACED, False, False)
    assert told(diff(made.after, None)) == (SlotChange.REMOVED, False, False)


def test_a_tcr_that_gives_way_is_reported_gone(known: SlotRecord) -> None:
    """When another kind of module takes a TCR's place, whoever served the TCR is told, once, and serves nothing there."""
    made = diff(known, seen(module(model="gps180", serial="7")))
    assert told(made) == (SlotChange.REPLACED, False, True)
    assert made.after.app is None
    assert diff(made.after, seen(module(model="gps180", serial="7"))).report is False


def test_a_tcr_in_another_modules_place_is_assigned() -> None:
    """When a TCR takes another module's place, its service is assigned and given its status."""
    gps = diff(None, seen(module(model="gps180"))).after
    made = diff(gps, seen(module()))
    assert told(made) == (SlotChange.REPLACED, True, True)
    assert made.after.app == "m1000-a.clk1"


def test_every_slot_that_is_known_or_seen_is_compared() -> None:
    """Slots are compared by id: those only known, those only seen, and those that are both, in the order of their ids."""
    known = {"clk2": SlotRecord(slot="clk2", present=True), "clk1": SlotRecord(slot="clk1")}
    looks = {"pwr1": seen(None), "clk1": seen(module())}
    made = compare(known, looks, chassis=CHASSIS, now=NOW)
    assert list(made) == ["clk1", "clk2", "pwr1"]
    assert [one.change for one in made.values()] == [SlotChange.APPEARED, SlotChange.REMOVED, None]


def test_a_digest_tells_contents_apart_and_not_their_order() -> None:
    """Two statuses have one digest exactly when they say the same, in whatever order."""
    assert digest({"a": 1, "b": [1, 2]}) == digest({"b": [1, 2], "a": 1})
    assert len({digest(each) for each in ({"a": 1}, {"a": "1"}, {"a": [1]}, {"a": None}, {}, None)}) == 6


# What cannot be read.

GARBAGE: list[JsonValue] = [7, "tcr180", [], [{}], True, {"info": 5}, {"tcr": {"tfom": 0}}]


@pytest.mark.parametrize("garbage", GARBAGE)
def test_garbage_in_place_of_a_module_does_not_remove_it(known: SlotRecord, garbage: JsonValue) -> None:
    """A module of the wrong type changes nothing but that its service is told once; the module is as old as its last look."""
    made = diff(known, seen(garbage), LATER)
    assert told(made) == (None, False, True)
    assert made.after == known.model_copy(update={"module_digest": made.after.module_digest})
    assert told(diff(made.after, seen(garbage), LATER)) == (None, False, False), "only once"
    assert told(diff(made.after, seen(module()), LATER)) == (None, False, True), "and when it is readable again"


def test_garbage_in_an_unknown_slot_is_no_module() -> None:
    """A slot of which nothing but garbage was ever seen is in the inventory without a module, and nobody is told."""
    made = diff(None, seen([]))
    assert told(made) == (None, False, False)
    assert (made.after.present, made.after.model) == (False, None)


def test_garbage_does_not_bring_a_removed_module_back(known: SlotRecord) -> None:
    """A slot that was seen empty stays so until a module is seen in it."""
    removed = diff(known, seen(None)).after
    assert told(diff(removed, seen([]))) == (None, False, False)


@pytest.mark.parametrize("info", [{}, {"model": None}, {"model": 5.5e300}, {"model": "N/A"}])
def test_a_module_that_does_not_tell_its_model_once_is_the_same(known: SlotRecord, info: dict[str, JsonValue]) -> None:
    """A TCR whose model is not told in one answer stays a TCR with its service."""
    made = diff(known, seen({"info": info}), LATER)
    assert (made.change, made.after.model, made.after.app) == (None, "tcr180", "m1000-a.clk1")


def test_a_model_that_becomes_known_is_assigned() -> None:
    """A module whose model was not told at first is assigned as soon as it says that it is a TCR."""
    unknown = diff(None, seen({"info": {}})).after
    assert (unknown.model, unknown.app) == ("unknown", None)
    assert told(diff(unknown, seen(module()))) == (None, True, True)


def test_a_slot_that_is_missing_among_unreadable_ones_is_not_gone(known: SlotRecord) -> None:
    """While a part of the list of slots cannot be read, a slot that is not in it is not taken for removed."""
    assert compare({"clk1": known}, {}, chassis=CHASSIS, now=LATER, complete=False) == {}
    assert compare({"clk1": known}, {}, chassis=CHASSIS, now=LATER)["clk1"].change is SlotChange.REMOVED


# What the inventory shows of a clock.

SYNC: dict[str, JsonValue] = {
    "est-time-quality": "less-than-10us",
    "clock-status": {"clock": "synchronized", "oscillator": "warmed-up"},
}


def shown(record: SlotRecord) -> tuple[ClockState | None, ReceiverState | None, str | None, datetime | None]:
    """Return what a record shows of a clock module."""
    return record.clock, record.receiver, record.time_quality, record.status_at


@pytest.mark.parametrize("model", ["tcr180", "grc180"])
def test_the_states_of_any_clock_module_are_shown(model: str) -> None:
    """A clock module's states and time quality are in its record; where nothing came they are not."""
    receiver: dict[str, JsonValue] = {"receiver-status": "not-synchronized"}
    made = diff(None, seen(module(model, **{"sync-status": SYNC, "grc": receiver}))).after
    assert shown(made) == (ClockState.SYNCHRONIZED, ReceiverState.NOT_SYNCHRONIZED, "< 10 us", NOW)
    assert shown(diff(None, seen(module(model))).after) == (None, None, None, None)
    assert shown(diff(None, seen(module("psu"), "pwr")).after) == (None, None, None, None)


def test_what_was_understood_of_a_clock_stays_with_its_time() -> None:
    """A look that says nothing of the clock leaves what was understood, with the time of that; another module inherits nothing."""
    made = diff(None, seen(module(**{"sync-status": SYNC}))).after
    for odd in (module(**{"sync-status": [1]}), {"info": {}}, "garbage"):
        after = diff(made, seen(odd), LATER).after
        assert shown(after) == (ClockState.SYNCHRONIZED, ReceiverState.UNKNOWN, "< 10 us", NOW)
    assert shown(diff(made, seen(module(serial="2")), LATER).after) == (None, None, None, None)
