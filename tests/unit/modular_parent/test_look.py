"""Reading one status answer into what the inventory compares."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import JsonValue

from broker.messages.codec import encode
from lantime.answer import DeviceAnswer, RawAnswer, read_answer
from lantime.contract import ReportModule
from lantime.errors import UnexpectedAnswer
from lantime.status.slot import ModuleKind
from modular_parent.look import ChassisLook, LookMemory, read_look

TCR: dict[str, JsonValue] = {"info": {"model": "tcr180", "serial-number": "1"}, "x": [1, {"y": None}]}


def answer(**data: object) -> DeviceAnswer:
    """Return a status answer with these objects as its data."""
    body = {"system-information": {"version": "fw_7.08", "api-version": "16.0.0"}, "data": data}
    return DeviceAnswer(url="https://device/api/status", body=body)


def slot(slot_id: str, module: object = None) -> Mapping[str, object]:
    """Return a slot as the device lists it."""
    return {"slot-id": slot_id, "slot-type": "clk", **({} if module is None else {"module": module})}


def look(**data: object) -> ChassisLook:
    """Return what is read from a status with these objects."""
    return read_look(answer(**data))


def test_each_slot_is_read_with_its_module_as_reported() -> None:
    """A slot has its typed form, and the JSON of its module unchanged for its service; an empty one has none."""
    made = look(chassis0={"slots": [slot("clk1", TCR), slot("clk2"), slot("pwr1", {"sensors": {}})]})
    assert made.slots is not None
    assert list(made.slots) == ["clk1", "clk2", "pwr1"]
    assert made.slots["clk1"].module == TCR
    assert made.slots["clk1"].slot.module is not None
    assert made.slots["clk1"].slot.module.kind is ModuleKind.TCR
    assert made.slots["clk2"].module is None
    assert made.slots["clk2"].slot.module is None
    assert made.slots["pwr1"].slot.module is None


def test_slots_may_be_an_object() -> None:
    """Slots that are listed by name are read as well as those in a list."""
    made = look(chassis0={"slots": {"clk1": {"module": TCR}, "CLK2": {}}})
    assert made.slots is not None
    assert list(made.slots) == ["clk1", "clk2"]
    assert made.slots["clk1"].module == TCR


def test_an_expansion_adds_the_slots_that_the_first_has_not() -> None:
    """A second chassis adds its slots; one whose id the first has is left out, and the operator is warned of it."""
    other: dict[str, JsonValue] = {"info": {"model": "gps180"}}
    made = look(chassis1={"slots": [slot("clk1", other), slot("clk9", other)]}, chassis0={"slots": [slot("clk1", TCR)]})
    assert made.slots is not None
    assert list(made.slots) == ["clk1", "clk9"]
    assert made.slots["clk1"].module == TCR
    assert made.slots["clk9"].module == other
    assert made.chassis.name == "chassis0"
    assert any("slot clk1 of chassis1 is left out" in warning for warning in made.warnings)


@pytest.mark.parametrize("chassis", [{}, {"slots": None}, {"slots": "none"}, {"model": "m1000"}])
def test_no_list_of_slots_is_not_an_empty_chassis(chassis: object) -> None:
    """When the device reports no list of slots nothing is known of them: no module was pulled."""
    made = look(chassis0=chassis)
    assert made.slots is None
    assert any("no list of slots" in warning for warning in made.warnings)


@pytest.mark.parametrize("slots", [[], {}])
def test_an_empty_list_of_slots_is_one(slots: object) -> None:
    """A device that says it has no slots is believed."""
    assert look(chassis0={"slots": slots}).slots == {}


def test_one_chassis_with_slots_is_enough() -> None:
    """When only the expansion lists its slots, those are known."""
    made = look(chassis0={}, chassis1={"slots": [slot("clk1", TCR)]})
    assert made.slots is not None
    assert list(made.slots) == ["clk1"]


@pytest.mark.parametrize("module", ["text", 5, [], [TCR], True])
def test_a_module_that_is_no_object_is_unreadable(module: object) -> None:
    """Nonsense in one slot does not stop the poll: nothing is known of the slot, its neighbour is read."""
    made = look(chassis0={"slots": [slot("clk1", module), slot("clk2", TCR)]})
    assert made.slots is not None
    assert made.slots["clk1"].slot.module is None
    assert made.slots["clk1"].slot.unreadable
    assert made.slots["clk1"].module is None
    assert made.slots["clk2"].module == TCR
    assert made.complete


@pytest.mark.parametrize(
    "data",
    [
        {"chassis0": {"slots": [slot("clk1"), 7]}},
        {"chassis0": {"slots": [slot("no such id, far too long")]}},
        {"chassis0": {}},
        {"chassis0": 5, "chassis1": {"slots": []}},
    ],
)
def test_a_look_is_not_complete_while_something_cannot_be_read(data: dict[str, object]) -> None:
    """Where an entry or a whole list of slots cannot be read, a slot that is missing may be there."""
    assert not look(**data).complete


def test_slots_without_a_usable_id_are_skipped_with_a_warning() -> None:
    """A slot that cannot be addressed is left out and named in a warning."""
    made = look(chassis0={"slots": [slot("no such id, far too long"), slot("clk1", TCR), {"module": TCR}, 7]})
    assert made.slots is not None
    assert list(made.slots) == ["clk1"]
    assert any("3 slots without a usable id were skipped" in warning for warning in made.warnings)


@pytest.mark.parametrize("body", [{}, {"data": None}, {"data": {}}, {"data": {"rest-api": {}}}])
def test_an_answer_without_a_chassis_is_no_status(body: Mapping[str, object]) -> None:
    """What is no status of a chassis is an error, not an empty chassis."""
    with pytest.raises(UnexpectedAnswer):
        read_look(DeviceAnswer(url="https://device/api/status", body=body))


def test_half_characters_of_a_device_stop_no_poll() -> None:
    """A text that no database keeps and no message carries, as JSON's escapes allow it, becomes one that can be sent."""
    body = rb'{"data": {"chassis0": {"slots": [{"slot-id": "clk1", "module": {"info": {"model": "tcr180", "\ud800": "\udfff"}}}]}}}'
    made = read_look(read_answer(RawAnswer(url="https://device", status=200, body=body)))
    assert made.slots is not None
    module = made.slots["clk1"].module
    assert module == {"info": {"model": "tcr180", "?": "?"}}
    assert encode(ReportModule(slot="clk1", observed_at=datetime.now(UTC), module=module))


VALUES = st.sampled_from(
    (0, 1, 1.0, True, None, "1", "grc180", "tcr180", [], {"model": "tcr180"}, {"model": "gps"}, {})
)
MODULES = st.dictionaries(st.sampled_from(("info", "tcr", "mrs", "sync-status")), VALUES, max_size=3)
SLOTS = st.lists(
    st.fixed_dictionaries(
        {"slot-id": st.sampled_from(("clk1", "CLK1", "clk2"))}, optional={"module": MODULES | VALUES}
    ),
    max_size=3,
)
NOTIFICATIONS = st.lists(st.fixed_dictionaries({"object-id": VALUES, "triggered": VALUES}), max_size=2)
ANSWERS = st.fixed_dictionaries(
    {"chassis0": st.fixed_dictionaries({"slots": SLOTS})},
    optional={
        "chassis1": st.fixed_dictionaries({"slots": SLOTS}),
        "notification": st.fixed_dictionaries({"events": NOTIFICATIONS}),
        "rest-api": st.sampled_from(({"api-version": "8.1"}, {"api-version": "20.1"})),
    },
)


@given(st.lists(st.tuples(ANSWERS, st.integers(1, 2)), min_size=1, max_size=4))
def test_a_memory_changes_nothing(answers: list[tuple[dict[str, object], int]]) -> None:
    """Whatever a device answers, and answers again, what is read of it with a memory is what is read without."""
    memory = LookMemory()
    for data, times in answers:
        for _ in range(times):
            made, fresh = read_look(answer(**data), memory), look(**data)
            assert made == fresh
            assert json.dumps([each.module for each in (made.slots or {}).values()]) == json.dumps(
                [each.module for each in (fresh.slots or {}).values()]
            )


def test_what_says_the_same_is_not_read_again() -> None:
    """Of two answers that say the same of a slot, or of the notifications, the second one's are those of the first."""
    memory = LookMemory()
    events = {"events": [{"object-id": "reboot", "triggered": 0}]}
    first = read_look(answer(chassis0={"slots": [slot("clk1", TCR), slot("clk2")]}, notification=events), memory)
    second = read_look(answer(chassis0={"slots": [slot("clk1", TCR), slot("clk2", TCR)]}, notification=events), memory)
    assert first.slots is not None
    assert second.slots is not None
    assert second.slots["clk1"] is first.slots["clk1"]
    assert second.slots["clk2"].module == TCR
    assert second.notifications is first.notifications


def test_another_api_version_is_read_as_such() -> None:
    """A slot that says the same as before under another version of the API is read anew: more may be expected of it."""
    memory = LookMemory()
    slots = {"slots": [slot("clk1", {**TCR, "mrs": [{"object-id": "priority0"}]})]}
    missing = []
    for version in ("8.1", "20.1"):
        made = read_look(answer(chassis0=slots, **{"rest-api": {"api-version": version}}), memory)
        assert made.slots is not None
        status = made.slots["clk1"].slot.status
        assert status is not None
        missing.append("mrs-status" in status.missing)
    assert missing == [False, True]
