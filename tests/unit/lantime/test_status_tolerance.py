"""The typed status takes whatever firmware versions do to it: one class of test per known uncertainty."""

import copy
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lantime.errors import UnexpectedAnswer
from lantime.status import (
    ChassisStatus,
    ClockState,
    ModuleKind,
    ModuleStatus,
    OscillatorState,
    ReceiverState,
    Slot,
    adapter_for,
    classify,
    parse_module,
    parse_slot,
    parse_status,
    read_api_version,
    reported_module,
)
from lantime.status.quality import read_time_quality

MODULE: dict[str, Any] = {
    "info": {
        "model": "tcr180",
        "serial-number": "068111020001",
        "software-revision": "v1.21",
        "sensors": {"temperature-1": 41.5, "temperature-2": 0.0},
    },
    "mrs": [
        {
            "object-id": "priority0",
            "info": {"settings": {"bias": 0.0, "precision": 1e-05, "id": {"type": "irig", "instance": 0}}},
            "status": {"status": {"is-master": True, "no-signal": False}, "offset": -2.3e-07},
        }
    ],
    "sync-status": {
        "clock-idx": "selected",
        "osc-type": "ocxo-sq",
        "est-time-quality": "less-than-10us",
        "clock-status": {"clock": "synchronized", "oscillator": "warmed-up"},
    },
    "tcr": {
        "ref-type": "irig",
        "receiver-status": "synchronized",
        "type": "am",
        "icode": "b122-b123",
        "ref-offs": -60,
        "ref-offs-configured": True,
        "tfom": 0,
        "agc": 142,
        "drift": -3,
        "signal": 100,
        "state": {"warmed-up": True, "telegram-error": False, "lock-on": True},
        "pcps": {"freer": False, "syncd": True},
        "ctrl-bits": "0x0A000000",
    },
}


def module(**parts: Any) -> dict[str, Any]:
    """A module with some parts replaced; None takes a part out."""
    changed = copy.deepcopy(MODULE) | parts
    return {key: value for key, value in changed.items() if value is not None}


def receiver(**keys: Any) -> ModuleStatus:
    """The status of a module whose receiver object has some keys replaced (underscores for hyphens)."""
    return parse_module(module(tcr=MODULE["tcr"] | {key.replace("_", "-"): value for key, value in keys.items()}))


def answer(*slots: Any, version: str | None = "20.05.013", **data: Any) -> dict[str, Any]:
    """A status answer with these slots in chassis0."""
    chassis = {"model": "M1000", "serial-number": "030111009001", "firmware-image": "fw_7.10.008", "slots": list(slots)}
    return {
        "system-information": {"hostname": "m1000", "model": "M1000"},
        "data": {"object-id": "status", "rest-api": {"api-version": version}, "chassis0": chassis} | data,
    }


def slot(slot_id: Any = "clk1", **parts: Any) -> dict[str, Any]:
    """A slot with the module of this file in it."""
    return {"object-id": slot_id, "slot-id": slot_id, "slot-type": "clk", "module": MODULE} | parts


def only(found: list[ChassisStatus]) -> ChassisStatus:
    """The one chassis."""
    (chassis,) = found
    return chassis


def test_a_whole_module_is_read_with_its_units() -> None:
    """Everything a module reports arrives typed, in the units of the field's name."""
    status = parse_module(MODULE, api_major=20)
    assert status.receiver.state is ReceiverState.SYNCHRONIZED
    assert (status.receiver.signal_percent, status.receiver.agc, status.receiver.tfom) == (100, 142, 0)
    assert (status.receiver.drift_us, status.receiver.code, status.receiver.signal_type) == (-3.0, "b122-b123", "am")
    assert (status.receiver.utc_offset_minutes, status.receiver.utc_offset_configured) == (-60, True)
    assert status.receiver.control_bits == 0x0A000000
    assert status.receiver.bits.lock_on is True
    assert status.receiver.bits.telegram_error is False
    assert status.receiver.bits.tcap_exceeded is None
    assert (status.receiver.pcps.syncd, status.receiver.pcps.freer, status.receiver.pcps.utc) == (True, False, None)
    assert (status.clock, status.oscillator) == (ClockState.SYNCHRONIZED, OscillatorState.WARMED_UP)
    assert (status.time_quality.raw, status.time_quality.bound_seconds) == ("less-than-10us", 1e-05)
    assert [(each.sensor, each.celsius) for each in status.temperatures] == [
        ("temperature-1", 41.5),
        ("temperature-2", None),
    ]
    assert (status.missing, status.receiver.missing) == ((), ())


def test_models_survive_json() -> None:
    """A status that was stored as JSON reads back as the same status."""
    found = only(parse_status(answer(slot())))
    assert ChassisStatus.model_validate_json(found.model_dump_json()) == found


@pytest.mark.parametrize("name", ["tcr", "irig", "irig-rx", "timecode", "TCR", "irig_rx", "something-new"])
def test_point_1_receiver_under_any_name(name: str) -> None:
    """The receiver object is found under each likely name, and under a new one by what is in it."""
    status = parse_module(module(**({"tcr": None} | {name: MODULE["tcr"]})))
    assert status.receiver.reported
    assert status.receiver.key == name
    assert status.receiver.state is ReceiverState.SYNCHRONIZED


def test_point_1_absent_receiver_is_not_reported() -> None:
    """A module without receiver object is "not reported", which is not "not synchronised"."""
    status = parse_module(module(tcr=None))
    assert not status.receiver.reported
    assert status.receiver.state is ReceiverState.UNKNOWN
    assert status.missing == ("receiver",)
    assert status.clock is ClockState.SYNCHRONIZED


def test_point_1_absent_keys_are_named() -> None:
    """What this API version should report and the device does not is named, and is None."""
    status = parse_module(module(tcr={"tfom": 3}), api_major=20)
    assert status.receiver.reported
    assert status.receiver.tfom == 3
    assert status.receiver.agc is None
    assert {"agc", "signal", "state", "ctrl-bits"} <= set(status.receiver.missing)


def test_point_5_slots_by_id_in_any_order_and_number() -> None:
    """Slots are found by their id, whatever their order, number and names."""
    ids = ["io10", "cpu", "clk2", "rsc", "scu1", "esi1", "fan-1", "clk1"]
    found = only(parse_status(answer(*(slot(each) for each in ids))))
    assert [each.slot_id for each in found.slots] == ids
    assert found.slot("rsc") is not None
    assert found.slot("io1") is None


def test_point_5_every_chassis_object_counts() -> None:
    """An expansion chassis is a chassis of its own; the list of external rubidiums (API 10) is none."""
    extra = {"model": "MDU312", "slots": []}
    found = parse_status(answer(slot(), **{"chassis10": extra, "chassis2": extra, "chassis-xhe": [{}]}))
    assert [each.name for each in found] == ["chassis0", "chassis2", "chassis10"]


def test_point_5_slots_under_their_names() -> None:
    """Slots that are filed under their ids instead of listed are read the same."""
    reported = answer()
    reported["data"]["chassis0"]["slots"] = {"clk1": {"module": MODULE}}
    assert [each.slot_id for each in only(parse_status(reported)).slots] == ["clk1"]


@pytest.mark.parametrize("bad", [None, "", "../etc", "clk 1", "x" * 17, 7.5, {"a": 1}, "clk1;"])
def test_point_5_a_slot_without_usable_id_is_skipped_and_counted(bad: Any) -> None:
    """One slot whose id cannot be one costs a warning, not the others."""
    found = only(parse_status(answer(slot(bad), slot("CLK2 "), 17)))
    assert [each.slot_id for each in found.slots] == ["clk2"]
    (warning,) = found.warnings
    assert warning.startswith("2 slots")


def test_point_5_a_slot_listed_twice_counts_once() -> None:
    """The second slot with the same id is skipped and said so."""
    found = only(parse_status(answer(slot(), slot())))
    assert len(found.slots) == 1
    assert "again" in found.warnings[0]


@pytest.mark.parametrize("value", [142, 142.0, "142", " 142 ", "0x8E", 141.99999999999997])
def test_point_6_number_or_string(value: Any) -> None:
    """A number is read as number, as decimal or hexadecimal string, and with noise in its last digits."""
    assert receiver(agc=value).receiver.agc == 142


@pytest.mark.parametrize("value", [None, "strong", True, [], {}, 1e300, float("inf"), float("nan"), -1, 256, "9" * 99])
def test_point_6_what_is_no_number_is_none(value: Any) -> None:
    """A value of a wrong type or outside its range is None and harms nothing else."""
    status = receiver(agc=value)
    assert status.receiver.agc is None
    assert status.receiver.signal_percent == 100


@pytest.mark.parametrize("value", [True, 1, "1", "true", "Yes", "on"])
def test_point_6_flags_in_every_form(value: Any) -> None:
    """A flag is read as bool, number and word."""
    assert receiver(state={"lock-on": value}).receiver.bits.lock_on is True


def test_point_6_bits_as_a_number() -> None:
    """State bits and PCPS flags given as one number (?raw) are taken apart by the SDK's bit order."""
    status = receiver(state=0b0010_1011, pcps="0x04")
    assert status.receiver.bits.model_dump() == {
        "warmed_up": True,
        "pulses_enabled": True,
        "invalid_sysconf": False,
        "data_available": True,
        "telegram_error": False,
        "lock_on": True,
        "tcap_exceeded": False,
        "invalid_utc_parameter": False,
        "internal_time_invalid": False,
        "time_set_via_api": False,
        "rtc_invalid": False,
        "cpu_pll_failure": False,
    }
    assert receiver(state=0x800).receiver.bits.cpu_pll_failure is True
    assert status.receiver.pcps.syncd is True
    assert status.receiver.pcps.invt is False


@pytest.mark.parametrize("none", ["N/A", "n/a", "", "   ", "-", "--", "unknown", "Unknown", "never", None, [], {}])
def test_point_6_no_serial_number_has_many_spellings(none: Any) -> None:
    """What a device writes when it has no serial number is None."""
    found = parse_slot("cpu", {"module": {"info": {"model": "c15g2", "serial-number": none}}})
    assert found.module is not None
    assert found.module.serial is None


def test_point_6_padded_serial_number_is_trimmed() -> None:
    """Blanks around a serial number (API 10) are not part of it."""
    found = parse_slot("clk1", {"module": {"info": {"model": "TCR180 ", "serial-number": "068111020001    "}}})
    assert found.module is not None
    assert (found.module.model, found.module.serial) == ("tcr180", "068111020001")


def test_point_6_unprintable_text_cannot_reach_a_database() -> None:
    """NUL and lone surrogates in a text are gone, and the text is not endless."""
    found = parse_slot("clk1", {"module": {"info": {"model": "tcr180\x00\ud800", "serial-number": "7" * 100_000}}})
    assert found.module is not None
    assert found.module.model == "tcr180"
    assert len(found.module.serial or "") <= 200
    found.model_dump_json().encode()


@pytest.mark.parametrize(
    ("value", "state"),
    [
        ("synchronized", ReceiverState.SYNCHRONIZED),
        ("Synchronised", ReceiverState.SYNCHRONIZED),
        ("not-synchronized", ReceiverState.NOT_SYNCHRONIZED),
        ("not synchronized [0]", ReceiverState.NOT_SYNCHRONIZED),
        ("not_synchronised", ReceiverState.NOT_SYNCHRONIZED),
        (1, ReceiverState.SYNCHRONIZED),
        ("0", ReceiverState.NOT_SYNCHRONIZED),
        ("warming-the-tubes", ReceiverState.UNKNOWN),
        (99, ReceiverState.UNKNOWN),
        (True, ReceiverState.UNKNOWN),
        (None, ReceiverState.UNKNOWN),
        ({"a": []}, ReceiverState.UNKNOWN),
    ],
)
def test_point_7_receiver_states(value: Any, state: ReceiverState) -> None:
    """Spellings drift and codes come instead of words; what is new is UNKNOWN, never an exception."""
    assert receiver(receiver_status=value).receiver.state is state


def test_point_7_raw_string_is_kept() -> None:
    """An unknown state keeps the device's own word for display."""
    status = receiver(receiver_status=" warming-the-tubes ")
    assert status.receiver.state_raw == "warming-the-tubes"


@pytest.mark.parametrize(
    ("value", "state"),
    [
        ("holdover [2]", ClockState.HOLDOVER),
        (2, ClockState.HOLDOVER),
        ("holdover", ClockState.HOLDOVER),
        ("synchronized", ClockState.SYNCHRONIZED),
        ("not-synchronized", ClockState.NOT_SYNCHRONIZED),
        ("free-run", ClockState.UNKNOWN),
    ],
)
def test_point_7_clock_states(value: Any, state: ClockState) -> None:
    """The clock's state is read in the command line's form, as code and as word."""
    status = parse_module(module(**{"sync-status": {"clock-status": {"clock": value}}}))
    assert status.clock is state


@pytest.mark.parametrize(
    ("value", "state"),
    [
        ("warmed-up", OscillatorState.WARMED_UP),
        ("not-warmed-up", OscillatorState.NOT_WARMED_UP),
        (0, OscillatorState.NOT_WARMED_UP),
        ("warming-up", OscillatorState.NOT_WARMED_UP),
        ("frozen", OscillatorState.UNKNOWN),
    ],
)
def test_point_7_oscillator_states(value: Any, state: OscillatorState) -> None:
    """The oscillator's state is read as word and as code."""
    status = parse_module(module(**{"sync-status": {"clock-status": {"oscillator": value}}}))
    assert status.oscillator is state


def test_point_8_reference_type_never_decides() -> None:
    """A reference type that contradicts the receiver changes nothing."""
    assert receiver(ref_type="10mhz-freqin").receiver.state is ReceiverState.SYNCHRONIZED


@pytest.mark.parametrize("value", [[], {}, None, "none", 5, [None, 3, "x"]])
def test_point_9_no_source_list(value: Any) -> None:
    """A missing or odd list of sources is an empty one."""
    assert parse_module(module(mrs=value)).mrs == ()


def test_point_9_sources_sorted_by_priority() -> None:
    """Sources come in the order of the number in their ids, unnumbered ones last."""
    listed = [{"object-id": name} for name in ("priority10", "priority2", "spare", "priority0")]
    assert [each.priority for each in parse_module(module(mrs=listed)).mrs] == [0, 2, 10, None]


def test_point_9_source_without_status() -> None:
    """A source without status has none, and only versions that should report it say that it is missing."""
    entry = {"object-id": "priority0", "info": {"settings": {"id": {"type": 4, "instance": "0"}}}}
    old, new = (parse_module(module(mrs=[entry]), api_major=major) for major in (8, 10))
    assert old.mrs[0].status is None
    assert (old.mrs[0].source, old.mrs[0].instance) == ("irig", 0)
    assert old.missing == ()
    assert new.missing == ("mrs-status",)


def test_point_10_bias_precision_and_offset_in_seconds() -> None:
    """Bias, precision and offset are taken as seconds."""
    (source,) = parse_module(MODULE).mrs
    assert (source.bias_seconds, source.precision_seconds, source.offset_seconds) == (0.0, 1e-05, -2.3e-07)
    assert source.status is not None
    assert (source.status.is_master, source.status.no_signal, source.status.is_locked) == (True, False, None)


def test_point_11_outputs_in_status_do_no_harm() -> None:
    """Keys that nobody has seen in the status are ignored."""
    status = parse_module(module(outputs=[{"mode": 4}], synthesizer={"frequency": 10.0}))
    assert status == parse_module(MODULE)


@pytest.mark.parametrize(
    ("version", "major", "warned"),
    [
        ("8.06.002", 8, False),
        ("10.21.016", 10, False),
        ("16.04.002", 16, False),
        ("17.01", 17, False),
        ("20.05.013", 20, False),
        (20, 20, False),
        ("LANTIME REST API V20.05.013", 20, False),
        ("21.00", 21, True),
        ("9.0", 9, True),
        ("7.9", 7, True),
        (None, None, True),
        ("new", None, True),
    ],
)
def test_point_13_api_versions(version: Any, major: int | None, warned: bool) -> None:
    """Known majors are read silently, any other with the newest adapter and a compatibility warning."""
    found = only(parse_status(answer(slot(), version=version)))
    assert found.api_major == major
    assert bool(found.warnings) is warned
    assert [each.startswith("compatibility: ") for each in found.warnings] == [True] * warned
    assert adapter_for(major)[0].name == {8: "v8", 10: "v10", 16: "v10"}.get(major or 0, "v17")


def test_point_13_version_from_the_envelope() -> None:
    """Without data.rest-api the version is read from the envelope."""
    found = read_api_version({"system-information": {"API Version": "LANTIME REST API V10.21.016"}, "data": {}})
    assert (found.text, found.major) == ("10.21.016", 10)


@pytest.mark.parametrize(
    ("value", "code"), [("auto", "auto"), (6, "ieee1344"), ("22", "g146"), (99, "99"), (None, None)]
)
def test_point_14_time_codes(value: Any, code: str | None) -> None:
    """Codes come as words or numbers; one that the SDK does not know is kept as it came."""
    assert receiver(icode=value).receiver.code == code


@pytest.mark.parametrize("value", [0x8000, -0x8000, "0x8000"])
def test_utc_offset_not_configured(value: Any) -> None:
    """The SDK's mark for "not configured" is no offset."""
    status = receiver(ref_offs=value, ref_offs_configured=None)
    assert status.receiver.utc_offset_minutes is None
    assert status.receiver.utc_offset_configured is False


@pytest.mark.parametrize(
    ("value", "bound", "exceeded"),
    [
        ("less-than-100ns", 1e-07, False),
        ("less-than-2.5us", 2.5e-06, False),
        ("less-than-2-5us", 2.5e-06, False),
        ("less-than-250ms", 0.25, False),
        ("more-than-10s", 10.0, True),
        (10, 1e-05, False),
        ("22", 10.0, True),
        ("unknown", None, False),
        (0, None, False),
        ("better-than-nothing", None, False),
        (None, None, False),
        ([], None, False),
    ],
)
def test_time_quality(value: Any, bound: float | None, exceeded: bool) -> None:
    """The estimated time quality is a bound in seconds where it can be read, and None where not."""
    found = read_time_quality(value)
    assert found.bound_seconds == pytest.approx(bound)
    assert found.exceeded is exceeded


@pytest.mark.parametrize("model", ["tcr180", "TCR180", "TCR-180", "tcr_511", "tcr180pex", "tcr 600"])
def test_time_code_receivers_by_prefix(model: str) -> None:
    """Every model that begins with tcr and a number is a TCR, whatever the slot is called."""
    found = parse_slot("io3", {"module": {"info": {"model": model}}})
    assert found.module is not None
    assert found.module.kind is ModuleKind.TCR
    assert found.status is not None


@pytest.mark.parametrize("model", ["grc180", "tcrx", "xtcr180", "psu", ""])
def test_other_modules_are_no_receivers(model: str) -> None:
    """Any other model is just a module."""
    assert classify(model) is ModuleKind.OTHER


@pytest.mark.parametrize("entry", [{}, {"module": None}, {"module": {}}, {"module": {"power-available": False}}])
def test_empty_slots(entry: dict[str, Any]) -> None:
    """A slot without module, with null, or with a module without info is empty."""
    assert parse_slot("pwr2", entry) == Slot(slot_id="pwr2")


@pytest.mark.parametrize("reported", [7, "tcr180", [], [MODULE], True, {"info": "gone"}, module(info=None)])
def test_what_is_no_module_and_no_empty_slot_is_unreadable(reported: Any) -> None:
    """A module of the wrong type, or a clock without readable info, is not taken for an empty slot."""
    assert parse_slot("clk1", {"module": reported}) == Slot(slot_id="clk1", unreadable=True)


def test_an_unreadable_module_is_named_to_the_operator() -> None:
    """Which slot could not be read is a warning, and the others are read."""
    found = only(parse_status(answer(slot("clk1", module=[]), slot("clk2"))))
    assert found.warnings == ("what is reported as module cannot be read, in clk1",)
    assert found.slots_complete
    assert found.slots[1].module is not None


@pytest.mark.parametrize("nothing", [None, 5, [], "x"])
def test_a_chassis_that_is_no_object_keeps_its_place(nothing: Any) -> None:
    """Beside a readable expansion, a chassis of the wrong type is there, and nothing is known of its slots."""
    reported = answer(slot(), chassis1={"slots": []})
    reported["data"]["chassis0"] = nothing
    first, second = parse_status(reported)
    assert (first.name, first.slots_reported, second.slots_reported) == ("chassis0", False, True)


def test_positions() -> None:
    """A position is row, column and width; anything else is None."""
    found = parse_slot("clk1", {"slot-position": "0,2,1"}).position
    assert found is not None
    assert (found.row, found.column, found.width) == (0, 2, 1)
    assert parse_slot("clk1", {"slot-position": "left"}).position is None


@pytest.mark.parametrize(
    "body", [{}, {"data": None}, {"data": []}, {"data": "x"}, {"data": {}}, {"data": {"chassis0": 1}}]
)
def test_what_is_no_status_is_refused(body: dict[str, Any]) -> None:
    """An answer without data object or without any chassis is no device status."""
    with pytest.raises(UnexpectedAnswer, match="https://m1000/api/status"):
        parse_status(body, url="https://user:secret@m1000/api/status")


def test_status_under_its_name() -> None:
    """The whole tree (GET /api) files the status under its name, and is read as well."""
    reported = answer(slot())
    reported["data"] = {"status": reported["data"]}
    assert only(parse_status(reported)).slot("clk1") is not None


@pytest.mark.parametrize("value", [None, "none", 4])
def test_no_list_of_slots_is_not_an_empty_chassis(value: Any) -> None:
    """Without a list of slots nothing is known about them, and the chassis says so."""
    reported = answer()
    reported["data"]["chassis0"]["slots"] = value
    found = only(parse_status(reported))
    assert not found.slots_reported
    assert found.slots == ()
    assert found.warnings


def test_reported_module_is_the_devices_own() -> None:
    """A module's own JSON is found by slot id, and None where there is no module."""
    reported = answer(slot(), {"slot-id": "clk2"}, slot("CLK3 "))
    assert reported_module(reported, "clk1") == MODULE
    assert reported_module(reported, "clk3") == MODULE
    assert reported_module({"data": {"status": reported["data"]}}, "clk1") == MODULE
    for slot_id, chassis in (("clk2", "chassis0"), ("clk9", "chassis0"), ("clk1", "chassis1")):
        assert reported_module(reported, slot_id, chassis=chassis) is None


def test_reported_module_can_be_stored() -> None:
    """What databases refuse is taken out of a reported module."""
    deep: Any = "end"
    for _ in range(5000):
        deep = [deep]
    odd = {"a\x00": "b\x00\ud800c", "n": float("nan"), "i": 2**64, "deep": deep, "ok": [1, 2.5, None, True]}
    found = reported_module(answer(slot(module=odd)), "clk1")
    assert found is not None
    assert (found["a"], found["n"], found["i"], found["ok"]) == ("bc", None, None, [1, 2.5, None, True])
    json.dumps(found, allow_nan=False).encode()


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=20,
)


def paths(value: Any) -> list[tuple[Any, ...]]:
    """The way to every value in a JSON value, but for the value itself."""
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path for key, child in pairs for path in [(key,), *((key, *rest) for rest in paths(child))]]


def damaged(whole: dict[str, Any]) -> st.SearchStrategy[dict[str, Any]]:
    """Copies of a JSON object in which up to four values are replaced by any JSON."""
    replacements = st.lists(st.tuples(st.sampled_from(paths(whole)), JSON), min_size=1, max_size=4)
    return replacements.map(lambda chosen: with_replaced(whole, chosen))


def with_replaced(whole: dict[str, Any], chosen: list[tuple[tuple[Any, ...], Any]]) -> dict[str, Any]:
    """A copy in which the values at these paths are others; paths that are gone by then are skipped."""
    changed = copy.deepcopy(whole)
    for path, replacement in chosen:
        place: Any = changed
        for key in path[:-1]:
            known = isinstance(place, dict) and key in place
            listed = isinstance(place, list) and isinstance(key, int) and key < len(place)
            place = place[key] if known or listed else None
        if isinstance(place, dict) or (isinstance(place, list) and isinstance(path[-1], int) and path[-1] < len(place)):
            place[path[-1]] = replacement
    return changed


@settings(deadline=None)
@given(st.dictionaries(st.text(max_size=12), JSON, max_size=6) | damaged(MODULE), st.none() | st.integers(0, 30))
def test_any_json_as_module(reported: dict[str, Any], major: int | None) -> None:
    """No JSON object makes the module's reader raise, and what it makes of it can be stored."""
    status = parse_module(reported, api_major=major)
    json.dumps(reported_module(answer(slot(module=reported)), "clk1"), allow_nan=False).encode()
    assert ModuleStatus.model_validate_json(status.model_dump_json()) == status
    json.dumps(status.model_dump(mode="json"), allow_nan=False).encode()


@settings(deadline=None)
@given(damaged(answer(slot(), slot("clk2"), slot("cpu"))))
def test_any_damage_to_a_status(reported: dict[str, Any]) -> None:
    """A damaged status is either read or refused as no status; nothing else happens."""
    try:
        found = parse_status(reported)
    except UnexpectedAnswer:
        return
    for each in found:
        assert ChassisStatus.model_validate_json(each.model_dump_json()) == each
