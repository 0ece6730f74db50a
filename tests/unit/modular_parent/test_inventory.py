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


def test_a_module_that_was_pulled_was_removed(known: SlotRecord) -> None:
    """A slot that the device lists as empty lost its module at once; what is known of it and its service stay."""
    made = diff(known, seen(None), LATER)
    assert told(made) == (SlotChange.REMOVED, False, True)
    assert (made.after.present, made.after.module_digest) == (False, None)
    assert (made.after.model, made.after.serial, made.after.app) == ("tcr180", "1", "m1000-a.clk1")
    assert made.after.last_seen == LATER
    assert told(diff(made.after, seen(None), LATER)) == (None, False, False), "only once"


@pytest.mark.parametrize("look", [None, seen({"sensors": {}})], ids=["not listed", "no info"])
def test_what_one_poll_leaves_out_is_not_gone(known: SlotRecord, look: SlotLook | None) -> None:
    """A slot, or a module's info, that a single answer leaves out changes nothing; after the second poll in a row it is gone."""
    once = diff(known, look, LATER)
    assert told(once) == (None, False, False)
    assert once.after == known.model_copy(update={"missed": 1})
    back = diff(once.after, seen(module()), LATER)
    assert (told(back), back.after.missed) == ((None, False, False), 0)
    twice = diff(once.after, look, LATER)
    assert told(twice) == (SlotChange.REMOVED, False, True)
    assert (twice.after.present, twice.after.model, twice.after.serial) == (False, "tcr180", "1")
    assert told(diff(twice.after, look, LATER)) == (None, False, False), "only once"


def test_a_slot_that_is_gone_has_no_service(known: SlotRecord) -> None:
    """The service of a slot that is gone from the chassis ends, told of it once; it is there again with the next TCR."""
    empty = diff(known, seen(None)).after
    gone = diff(diff(empty, None).after, None)
    assert (told(gone), gone.after.app) == ((None, False, True), None)
    assert told(diff(gone.after, None)) == (None, False, False)
    back = diff(gone.after, seen(module()))
    assert (told(back), back.after.app) == ((SlotChange.APPEARED, True, True), "m1000-a.clk1")


def test_a_module_that_comes_back_appears(known: SlotRecord) -> None:
    """The same module in its slot again appears, and its service is told and given its status."""
    removed = diff(known, seen(None)).after
    made = diff(removed, seen(module()), LATER)
    assert told(made) == (SlotChange.APPEARED, True, True)
    assert made.after.first_seen == NOW


def test_another_module_after_a_pull_replaces(known: SlotRecord) -> None:
    """A module that is plugged where another one was pulled has replaced it, however long the slot was empty."""
    removed = diff(known, seen(None)).after
    made = diff(removed, seen(module(serial="2")), LATER)
    assert told(made) == (SlotChange.REPLACED, True, True)
    assert (made.after.serial, made.after.present) == ("2", True)


def moved(known: dict[str, SlotRecord], **slots: SlotLook | None) -> dict[str, SlotDiff]:
    """Return what a poll means that saw these slots."""
    return compare(known, {slot: look for slot, look in slots.items() if look}, chassis=CHASSIS, now=LATER)


def test_a_module_in_another_slot_was_moved(known: SlotRecord) -> None:
    """The same serial number in another slot is the same module: it moved, and in the old slot nothing is missing."""
    made = moved({"clk1": known}, clk1=seen(None), clk2=seen(module()))
    assert (told(made["clk2"]), made["clk2"].moved_from) == ((SlotChange.MOVED, True, True), "clk1")
    assert (told(made["clk1"]), made["clk1"].moved_to) == ((SlotChange.REMOVED, False, True), "clk2")
    left = made["clk1"].after
    assert (left.present, left.model, left.serial, left.app) == (False, None, None, "m1000-a.clk1")
    again = moved({slot: one.after for slot, one in made.items()}, clk1=seen(module()), clk2=seen(None))
    assert (again["clk1"].change, again["clk1"].moved_from) == (SlotChange.MOVED, "clk2"), "and back"


def test_a_module_is_found_again_polls_later(known: SlotRecord) -> None:
    """A module that was pulled and is plugged elsewhere after some polls has moved all the same."""
    pulled = moved({"clk1": known}, clk1=seen(None))["clk1"].after
    made = moved({"clk1": pulled}, clk1=seen(None), clk2=seen(module()))
    assert made["clk2"].change is SlotChange.MOVED
    assert (told(made["clk1"]), made["clk1"].after.model) == ((None, False, False), None)


def test_slots_that_were_renumbered_moved_at_once(known: SlotRecord) -> None:
    """When the module is seen under another slot id, the old slot is gone for certain: no second poll is waited for."""
    made = moved({"clk1": known}, clk3=seen(module()))
    assert made["clk3"].change is SlotChange.MOVED
    assert (told(made["clk1"]), made["clk1"].after.app) == ((SlotChange.REMOVED, False, True), None)


def test_two_modules_that_changed_places_both_moved(known: SlotRecord) -> None:
    """Of two modules that were swapped each one moved from the other's slot, and each service is given its new one."""
    other = diff(None, seen(module(serial="2"))).after.model_copy(update={"slot": "clk2", "app": "m1000-a.clk2"})
    made = moved({"clk1": known, "clk2": other}, clk1=seen(module(serial="2")), clk2=seen(module()))
    assert [(told(one), one.moved_from, one.moved_to) for one in made.values()] == [
        ((SlotChange.MOVED, True, True), "clk2", "clk2"),
        ((SlotChange.MOVED, True, True), "clk1", "clk1"),
    ]
    assert [one.after.serial for one in made.values()] == ["2", "1"]


@pytest.mark.parametrize("serial", [None, "0"])
def test_what_tells_no_module_apart_moves_nothing(serial: str | None) -> None:
    """Modules without a serial number, or with the same one, are never taken for one that moved."""
    known = {slot: record.after for slot, record in moved({}, clk1=seen(module(serial=serial))).items()}
    made = moved(known, clk1=seen(module(serial=serial)), clk2=seen(module(serial=serial)))
    assert [(one.change, one.moved_from) for one in made.values()] == [(None, None), (SlotChange.APPEARED, None)]


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
    assert told(diff(made.after, seen(None))) == (SlotChange.REMOVED, False, False)


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
    known = {"clk2": SlotRecord(slot="clk2", present=True, missed=1), "clk1": SlotRecord(slot="clk1")}
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
    missing = compare({"clk1": known}, {}, chassis=CHASSIS, now=LATER)["clk1"].after
    assert compare({"clk1": missing}, {}, chassis=CHASSIS, now=LATER)["clk1"].change is SlotChange.REMOVED


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
