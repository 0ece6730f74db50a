"""Clock modules of every family, in the shapes that were captured where any was."""

from typing import Any

import pytest

from lantime.status import (
    SUPPORTED_API,
    ClockState,
    Modulation,
    ModuleKind,
    ModuleStatus,
    ReceiverState,
    Slot,
    TimeQuality,
    parse_module,
    parse_slot,
)

SYNC = {
    "clock-idx": "selected",
    "osc-type": "tcxo",
    "est-time-quality": "less-than-100ns",
    "clock-status": {"clock": "synchronized", "oscillator": "warmed-up"},
}
GRC: dict[str, Any] = {
    "dac-cal": None,
    "dac-val": None,
    "info": {"model": "grc180", "serial-number": "1", "sensors": {"temperature-1": 0.0}},
    "supported-string-types": [{"object-id": "nmea-rmc", "value": 2, "description": "nmea-rmc"}],
    "sync-status": SYNC,
    "satellites": {"satellites-in-view": 12, "good-satellites": 9, "latitude": 51.9},
    "grc": {
        "ref-type": "10mhz-freqin",
        "receiver-status": "synchronized",
        "antenna": {"connected": True, "short-circuit": False},
        "receiver": {"synchronized": True, "tracking": False, "warm-boot": False, "cold-boot": False},
    },
}
PZF: dict[str, Any] = {
    "info": {"model": "pzf511", "serial-number": "2   "},
    "mrs": [{"object-id": "priority0", "info": {"settings": {"id": {"type": "gps", "instance": 0}}}}],
    "sync-status": SYNC,
    "dcf77": {
        "ref-type": "dcf77-pzf-receiver",
        "type": "pzf",
        "correlation": 56,
        "field-strength": 40,
        "pcps": {"freer": False, "syncd": True},
    },
}


def read(module: dict[str, Any], *, slot_type: str | None = "clk", major: int = 20) -> Slot:
    """Return the slot that holds this module."""
    return parse_slot("clk1", {"slot-type": slot_type, "module": module}, api_major=major)


def status(module: dict[str, Any]) -> ModuleStatus:
    """Return what is understood of a module that is understood."""
    found = read(module).status
    assert found is not None
    return found


def test_a_grc_is_read_as_far_as_it_was_captured() -> None:
    """A GPS-synchronised GRC180 is understood: states, antenna, flags, satellites, string types; it lacks nothing of a TCR's."""
    found = status(GRC)
    assert (found.clock, found.receiver.key, found.receiver.state) == (
        ClockState.SYNCHRONIZED,
        "grc",
        ReceiverState.SYNCHRONIZED,
    )
    assert found.receiver.reference_type == "10mhz-freqin"
    assert (found.receiver.antenna.connected, found.receiver.antenna.short_circuit) == (True, False)
    assert (found.receiver.flags.synchronized, found.receiver.flags.cold_boot) == (True, False)
    assert (found.satellites.in_view, found.satellites.good) == (12, 9)
    assert [(each.name, each.code) for each in found.string_types] == [("nmea-rmc", 2)]
    assert (found.dac_cal, found.clock_index, found.missing, found.receiver.missing) == (None, "selected", (), ())
    assert "51.9" not in found.model_dump_json(), "a position is nobody's business"


def test_a_pzf_is_read_as_far_as_it_was_captured() -> None:
    """A PZF511 is understood: correlation, field strength and PCPS flags; without a receiver status none is made up."""
    found = status(PZF)
    assert (found.receiver.key, found.receiver.signal_type, found.receiver.modulation) == ("dcf77", "pzf", None)
    assert (found.receiver.correlation, found.receiver.field_strength) == (56, 40)
    assert (found.receiver.pcps.syncd, found.receiver.state) == (True, ReceiverState.UNKNOWN)


@pytest.mark.parametrize("part", ["sync-status", "mrs", "dcf77"])
def test_a_clock_is_known_by_its_parts(part: str) -> None:
    """A module in a slot of any type that has one part of a clock is read as one, and is no TCR."""
    found = read({"info": {"model": "new180"}, part: PZF[part]}, slot_type="io")
    assert found.module is not None
    assert found.module.kind is ModuleKind.OTHER
    assert found.status is not None


def test_what_is_no_clock_has_no_status() -> None:
    """A power supply has no status of a clock; whatever sits in a clock's slot has one."""
    psu = {"power-available": True, "info": {"model": "psu"}}
    assert read(psu, slot_type="pwr").status is None
    assert read({"info": {"model": "new180"}}).status == ModuleStatus()


@pytest.mark.parametrize(
    ("keys", "modulation"),
    [
        ({"type": "am"}, Modulation.AM),
        ({"type": "DCLS", "icode": 0}, Modulation.DCLS),
        ({"icode": "b122-b123"}, Modulation.AM),
        ({"icode": 13}, Modulation.DCLS),
        ({"icode": "auto"}, None),
        ({}, None),
    ],
)
def test_modulation(keys: dict[str, Any], modulation: Modulation | None) -> None:
    """AM or DCLS is what the device says, else what the code's name says, else not known."""
    assert parse_module({"tcr": {"tfom": 0} | keys}).receiver.modulation is modulation


def test_a_source_with_everything() -> None:
    """Settings, status, quality flags, ssm and soc of a source are read; flags that come as a number are kept as they are."""
    settings = {"bias": 1e-6, "precision": 1e-5, "is-trusted-source": True, "id": {"type": 6, "instance": 1}}
    named, numbered = parse_module(
        {
            "mrs": [
                {"object-id": "priority0", "info": {"settings": settings}, "status": {"status": 8, "ssm": 2, "soc": 5}},
                {"object-id": "priority1", "info": {"settings": {"flags": 5}}, "status": {"flags": "0x12"}},
            ]
        }
    ).mrs
    assert (named.source, named.instance, named.bias_seconds) == ("ptp-ieee1588", 1, 1e-6)
    assert (named.settings.is_trusted_source, named.settings.phase_source) == (True, None)
    assert named.status is not None
    assert (named.status.is_master, named.status.is_locked) == (True, False)
    assert (named.ssm, named.soc, named.settings_raw) == (2, 5, None)
    assert (numbered.settings_raw, numbered.settings.is_trusted_source, numbered.quality_raw) == ("5", None, "0x12")


@pytest.mark.parametrize(
    ("value", "shown"), [(10, "ocxo-sq"), ("7", "rubidium"), (0, None), (99, "99"), ("tcxo", "tcxo")]
)
def test_oscillator_types(value: Any, shown: str | None) -> None:
    """The oscillator comes as word or number; one that the SDK does not know is kept as it came."""
    assert parse_module({"sync-status": {"osc-type": value}}).oscillator_type == shown


@pytest.mark.parametrize(
    ("quality", "words"),
    [
        (TimeQuality(raw="less-than-10us", bound_seconds=1e-5), "< 10 us"),
        (TimeQuality(raw="22", bound_seconds=10.0, exceeded=True), "> 10 s"),
        (TimeQuality(raw="odd"), "odd"),
        (TimeQuality(), None),
    ],
)
def test_time_quality_in_words(quality: TimeQuality, words: str | None) -> None:
    """The time quality is told as a bound with its unit, else in the device's own word."""
    assert quality.words == words


def test_the_supported_range_can_be_told() -> None:
    """What others show as the supported range is made of the adapters."""
    assert SUPPORTED_API == "API 8 and 10 to 20 (LTOS 7.04 to 7.10)"
