"""Receiver, references, time code output, enable flags, serial ports and synthesizer: limits, reading and plans."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from lantime.configuration.invalid import InvalidSetting
from lantime.configuration.module import ModuleConfiguration, read_configuration
from lantime.configuration.mrs import MrsEntry, Source, plan_mrs
from lantime.configuration.plan import Plan, leaf_count
from lantime.configuration.receiver import DelayCompensation, DelayCompensations, UtcOffset, plan_receiver
from lantime.configuration.sections import (
    BaudRate,
    Enabled,
    FrequencyDecihertz,
    StringMode,
    TimeCode,
    plan_holdover,
    plan_serial_port,
    plan_synthesizer,
    plan_time_code_output,
)
from lantime.contract import SetReceiver
from lantime.simulator.configuration import changed
from lantime.simulator.schema import factory
from lantime.status.receiver_code import ReceiverCode


def applied(configuration: dict[str, Any], plan: Plan) -> dict[str, Any]:
    """Return the configuration of the simulated device once it took the plan's writes."""
    for write in plan.writes:
        configuration = changed(configuration, write.part.split("/"), write.body)
    return configuration


def read(configuration: dict[str, Any]) -> ModuleConfiguration:
    """Read it."""
    return read_configuration(configuration)


def test_the_whole_configuration_is_read() -> None:
    """Every part of the configuration is read, with units and in one spelling."""
    found = read(factory("clk1"))
    assert [each.mode for each in found.outputs] == ["pulse-per-second", "pulse-per-min", "dcls-time-code", "idle"]
    assert found.supported_output_modes is not None
    assert "havequick" not in found.supported_output_modes
    assert (found.receiver.code, found.receiver.utc_offset_minutes) == ("b122-b123", 0)
    assert found.receiver.delay_compensation.g00x_ns == 0
    assert found.mrs is not None
    assert [(each.source, each.precision_ns) for each in found.mrs] == [
        ("irig", 10_000),
        ("ptp-ieee1588", 100),
        ("ntp", 100_000),
    ]
    assert found.holdover.pulses == "if-sync-only"
    assert [(each.port, each.baud_rate) for each in found.serial_ports] == [
        (0, 19_200),
        (1, 19_200),
        (2, 19_200),
        (3, 19_200),
    ]
    assert (found.synthesizer.frequency_decihertz, found.synthesizer.state) == (0, "disabled")


json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@given(st.data())
def test_any_json_is_read(data: st.DataObject) -> None:
    """Whatever JSON stands in place of any part of the configuration, reading it raises nothing."""
    tree = factory("clk1")

    def spoiled(found: Any, depth: int) -> Any:
        if depth == 0 or not isinstance(found, dict | list) or not found:
            return data.draw(json)
        names = list(found) if isinstance(found, dict) else list(range(len(found)))
        name = data.draw(st.sampled_from(names))
        found[name] = spoiled(found[name], depth - 1)
        return found

    tree = spoiled(tree, data.draw(st.integers(0, 4)))
    found = read_configuration(tree if isinstance(tree, dict) else {})
    assert ModuleConfiguration.model_validate_json(found.model_dump_json()) == found


# The receiver.


@pytest.mark.parametrize(
    ("kind", "lowest", "highest", "step"), [(UtcOffset, -750, 750, 1), (DelayCompensation, -99_900, 99_900, 100)]
)
def test_limits_of_the_receiver(kind: Any, lowest: int, highest: int, step: int) -> None:
    """Offset and delay compensation may be set up to both ends, and the error beyond them names the range."""
    adapter = TypeAdapter(kind)
    assert [adapter.validate_python(value) for value in (lowest, 0, highest)] == [lowest, 0, highest]
    for value in (lowest - step, highest + step):
        with pytest.raises(ValidationError, match=f"allowed are {lowest} to {highest}"):
            adapter.validate_python(value)


@given(st.integers(-1_000, 1_000))
def test_delays_are_whole_tenths_of_a_microsecond(value: int) -> None:
    """Exactly the multiples of 100 ns are taken, and each is written in seconds and read back as it was."""
    try:
        wanted = DelayCompensations(b1xx_ns=value)
    except ValidationError:
        assert value % 100
        return
    assert value % 100 == 0
    before = factory("clk1")
    plan = plan_receiver({"delay_compensation": wanted.model_dump()}, read(before).receiver)
    assert read(applied(before, plan)).receiver.delay_compensation.b1xx_ns == value


def test_a_receiver_is_set_with_few_writes() -> None:
    """Code, TFOM and offset go in one request, each delay compensation in one of its own; a second plan is empty."""
    command = SetReceiver(
        code=ReceiverCode.IEEE1344,
        ignore_tfom=True,
        utc_offset_minutes=-750,
        delay_compensation=DelayCompensations(b1xx_ns=99_900, a0xx_ns=-100),
    )
    before = factory("clk1")
    plan = plan_receiver(command.given(), read(before).receiver)
    assert [write.part for write in plan.writes] == [
        "receiver",
        "receiver/delay-compensation/b1xx",
        "receiver/delay-compensation/a0xx",
    ]
    assert plan.writes[0].body == {
        "icode": "ieee1344",
        "ignore-tfom": True,
        "ref-offs": -750,
        "ref-offs-configured": True,
    }
    after = applied(before, plan)
    assert plan_receiver(command.given(), read(after).receiver).empty
    assert read(after).receiver.utc_offset_minutes == -750


def test_an_offset_is_unset_and_set_again() -> None:
    """The offset can be made not configured, which is not the same as 0."""
    before = factory("clk1")
    unset = applied(before, plan_receiver({"utc_offset_minutes": "unset"}, read(before).receiver))
    assert read(unset).receiver.utc_offset_minutes == "unset"
    assert plan_receiver({"utc_offset_minutes": "unset"}, read(unset).receiver).empty
    plan = plan_receiver({"utc_offset_minutes": 0}, read(unset).receiver)
    assert [(each.before, each.after) for each in plan.differences] == [("unset", 0)]
    assert read(applied(unset, plan)).receiver.utc_offset_minutes == 0


def test_the_mark_for_an_offset_that_is_not_configured() -> None:
    """0x8000 in place of the offset means not configured, whatever else is said."""
    tree = factory("clk1")
    tree["receiver"]["ref-offs"] = 0x8000
    assert read(tree).receiver.utc_offset_minutes == "unset"


def test_a_code_that_the_device_does_not_support_is_refused() -> None:
    """A code that is not in the device's own list is refused with that list; without a list it is tried."""
    tree = factory("clk1")
    with pytest.raises(InvalidSetting, match=r"code='nasa-36'.*this device supports b122-b123, .*g006-dcls"):
        plan_receiver({"code": ReceiverCode.NASA_36}, read(tree).receiver)
    del tree["receiver"]["supported-codes"]
    assert not plan_receiver({"code": ReceiverCode.NASA_36}, read(tree).receiver).empty


def test_there_are_24_codes_and_19_time_codes() -> None:
    """The lists are as long as the SDK's."""
    assert (len(ReceiverCode), len(TimeCode), len(Source)) == (24, 19, 20)


# The list of references.


def entries(*names: str) -> list[MrsEntry]:
    """Return a list of these sources."""
    return [MrsEntry(source=Source(name), precision_ns=100) for name in names]


def test_a_list_is_replaced_as_a_whole() -> None:
    """Order, number, bias, precision and trust of the references are as wanted after one write of the whole list."""
    before = factory("clk1")
    wanted = [
        MrsEntry(source=Source.PTP, precision_ns=100, trusted=True),
        MrsEntry(source=Source.IRIG, precision_ns=10_000, bias_ns=-25),
    ]
    plan = plan_mrs(wanted, before)
    [write] = plan.writes
    assert write.part == "mrs"
    after = applied(before, plan)
    assert plan_mrs(wanted, after).empty
    found = read(after).mrs
    assert found is not None
    assert [(each.source, each.bias_ns, each.precision_ns, each.trusted) for each in found] == [
        ("ptp-ieee1588", 0, 100, True),
        ("irig", -25, 10_000, None),
    ]
    assert {each.field for each in plan.differences} >= {"priority0.source", "priority1.bias_ns", "priority2.source"}


def test_what_a_device_says_beyond_our_fields_stays_with_its_source() -> None:
    """Settings of a source that nobody asked about move with it when the order changes."""
    before = factory("clk1")
    before["mrs"][1]["info"]["settings"]["auto-bias"] = "master"
    plan = plan_mrs(entries("ptp-ieee1588", "irig"), before)
    body = plan.writes[0].body
    assert isinstance(body, list)
    assert [each["info"]["settings"].get("auto-bias") for each in body] == ["master", None]


@pytest.mark.parametrize(
    ("names", "says"),
    [
        ((), "1 to 10"),
        (("irig", "ntp", "irig"), "sources.2.*each source and instance once"),
        (("reserved",), "sources.0.source='reserved'.*gps, 10mhz-freqin"),
        (tuple(source.value for source in Source)[:11], "1 to 10"),
    ],
    ids=["none", "twice", "reserved", "eleven"],
)
def test_lists_that_cannot_be(names: tuple[str, ...], says: str) -> None:
    """A list has one to ten known sources, each instance once."""
    with pytest.raises(InvalidSetting, match=says):
        plan_mrs(entries(*names), factory("clk1"))


def test_the_order_is_that_of_the_priorities() -> None:
    """A list that comes in another order is read by its priorities."""
    tree = factory("clk1")
    tree["mrs"].reverse()
    assert read(tree).mrs == read(factory("clk1")).mrs


def test_a_device_without_a_list_is_not_given_one() -> None:
    """Where no list of references is reported, none is written."""
    with pytest.raises(InvalidSetting, match="no list"):
        plan_mrs(entries("irig"), {"receiver": {}})


@given(
    st.lists(st.sampled_from(Source), min_size=1, max_size=10, unique=True),
    st.integers(-(10**9), 10**9),
    st.integers(0, 10**9),
)
def test_any_list_is_read_back(sources: list[Source], bias: int, precision: int) -> None:
    """Every list within the limits is read back to the nanosecond, and counts no more changes than the plan allows for."""
    wanted = [
        MrsEntry(source=source, bias_ns=bias, precision_ns=precision)
        for source in sources
        if source is not Source.RESERVED
    ]
    if not wanted:
        return
    before = factory("clk1")
    plan = plan_mrs(wanted, before)
    assert plan_mrs(wanted, applied(before, plan)).empty
    assert plan.most <= leaf_count(before["mrs"]) + leaf_count(plan.writes[0].body if plan.writes else [])


# The rest.


def test_the_plain_sections_are_set() -> None:
    """Time code output, enable flags, serial port and synthesizer are written where they differ, and read back."""
    before = factory("clk1")
    found = read(before)
    plans = (
        plan_time_code_output(
            {"code": TimeCode.C37_118, "local_time": True, "disable_tfom": False}, found.time_code_output
        ),
        plan_holdover({"serial": Enabled.ALWAYS, "pulses": Enabled.IF_SYNC_ONLY}, found.holdover),
        plan_serial_port(3, {"baud_rate": BaudRate.B921600, "mode": StringMode.ON_REQUEST}, found.serial_port(3)),
        plan_synthesizer({"frequency_decihertz": 1, "phase_decidegrees": -3600}, found.synthesizer),
    )
    bodies = {write.part: write.body for plan in plans for write in plan.writes}
    assert bodies == {
        "time-code-output": {"icode": "c37.118", "local-time": True},
        "enable-flags": {"serial": "always"},
        "serial-ports/com3": {"baudrate": 921_600, "mode": "on-request"},
        "synthesizer": {"frequency": 0.1, "phase": -360.0},
    }
    after = before
    for plan in plans:
        after = applied(after, plan)
    now = read(after)
    assert (now.time_code_output.code, now.holdover.serial) == ("c37.118", "always")
    assert now.serial_port(3) is not None
    assert (now.synthesizer.frequency_decihertz, now.synthesizer.phase_decidegrees) == (1, -3600)


def test_a_port_that_the_device_does_not_report_is_refused() -> None:
    """A serial port that the configuration does not have is refused by its number."""
    with pytest.raises(InvalidSetting, match=r"^port=2 "):
        plan_serial_port(2, {}, read({}).serial_port(2))


def test_a_time_code_that_the_device_does_not_support_is_refused() -> None:
    """When a device lists the codes of its output, another is refused with that list."""
    tree = factory("clk1")
    tree["time-code-output"]["supported-codes"] = [{"object-id": "b006-b126"}, {"object-id": "IEEE 1344"}]
    with pytest.raises(InvalidSetting, match=r"this device supports b006-b126, ieee1344$"):
        plan_time_code_output({"code": TimeCode.NASA_36}, read(tree).time_code_output)


def test_the_synthesizer_goes_to_ten_megahertz() -> None:
    """10 MHz is the highest frequency."""
    adapter = TypeAdapter(FrequencyDecihertz)
    assert adapter.validate_python(100_000_000)
    with pytest.raises(ValidationError, match="0 to 100000000"):
        adapter.validate_python(100_000_001)
