"""The parts of a module's configuration that are one object of plain settings each.

Time code output, what outputs do without synchronisation, serial ports, synthesizer: meanings and limits from the SDK
header, spelling inferred, layout invented.
"""

from collections.abc import Mapping
from enum import IntEnum, StrEnum
from typing import Annotated, Any

from lantime.configuration.invalid import InvalidSetting
from lantime.configuration.model import ReportedPart, Whole
from lantime.configuration.plan import Leaf, Plan, plan_leaves
from lantime.configuration.reading import member, scaled, supported, word
from lantime.status.values import flag, integer, mapping, pick, raw

SERIAL_PORTS = (0, 1, 2, 3)
"""COM0 to COM3 (vendor document)."""


class TimeCode(StrEnum):
    """What the time code output gives out, AM and DCLS together (SDK header)."""

    B002_B122 = "b002-b122"
    B003_B123 = "b003-b123"
    A002_A132 = "a002-a132"
    A003_A133 = "a003-a133"
    AFNOR_NF_S87_500 = "afnor-nf-s87-500"
    IEEE1344 = "ieee1344"
    B220_1344_DCLS = "b220-1344-dcls"
    B222_DCLS = "b222-dcls"
    B223_DCLS = "b223-dcls"
    B006_B126 = "b006-b126"
    B007_B127 = "b007-b127"
    G002_G142 = "g002-g142"
    G006_G146 = "g006-g146"
    C37_118 = "c37.118"
    TXC_101_DTR_6 = "txc-101-dtr-6"
    E002_E112 = "e002-e112"
    NASA_36 = "nasa-36"
    A006_A136 = "a006-a136"
    A007_A137 = "a007-a137"


class Enabled(StrEnum):
    """When a sort of output is on: while the clock is synchronised, or always (holdover of that output)."""

    IF_SYNC_ONLY = "if-sync-only"
    ALWAYS = "always"


class BaudRate(IntEnum):
    """Speed of a serial port: 300 to 921600 baud."""

    B300 = 300
    B600 = 600
    B1200 = 1200
    B2400 = 2400
    B4800 = 4800
    B9600 = 9600
    B19200 = 19_200
    B38400 = 38_400
    B57600 = 57_600
    B115200 = 115_200
    B230400 = 230_400
    B460800 = 460_800
    B921600 = 921_600


class Framing(StrEnum):
    """Data bits, parity and stop bits. The list is the usual one of such clocks (inferred)."""

    F7N2 = "7n2"
    F7E1 = "7e1"
    F7E2 = "7e2"
    F8N1 = "8n1"
    F8N2 = "8n2"
    F8E1 = "8e1"
    F7O1 = "7o1"
    F7O2 = "7o2"
    F8O1 = "8o1"
    F8E2 = "8e2"


class StringType(StrEnum):
    """The time strings 0 to 13 (captured on another clock module)."""

    MEINBERG_STANDARD = "meinberg-standard"
    SAT = "sat"
    NMEA_RMC = "nmea-rmc"
    UNI_ERLANGEN = "uni-erlangen"
    COMPUTIME = "computime"
    SYSPLEX_1 = "sysplex-1-"
    MEINBERG_CAPTURE = "meinberg-capture"
    SPA = "spa"
    RACAL = "racal"
    MEINBERG_GPS = "meinberg-gps"
    NMEA_GGA = "nmea-gga"
    NMEA_RMC_GGA = "nmea-rmc-gga"
    NMEA_ZDA = "nmea-zda"
    ION = "ion"


class StringMode(StrEnum):
    """When a string is sent."""

    ON_REQUEST = "on-request"
    PER_SECOND = "per-second"
    PER_MINUTE = "per-minute"
    AUTOMATIC = "automatic"
    SECOND_AFTER_REQUEST = "second-after-request"
    PER_SECOND_WITH_CR = "per-second-with-cr"


FrequencyDecihertz = Annotated[int, Whole(0, 100_000_000)]
"""Tenths of a hertz, the SDK's own step: 0 (off) to 10 MHz."""
PhaseDecidegrees = Annotated[int, Whole(-3600, 3600)]
"""Tenths of a degree. The phase is locked below 10 kHz only."""


class TimeCodeOutputSettings(ReportedPart):
    """The time code output as the device reports it."""

    code: str | None = None
    local_time: bool | None = None
    disable_tfom: bool | None = None
    supported_codes: tuple[str, ...] | None = None


class HoldoverSettings(ReportedPart):
    """When serial strings, pulses and the synthesizer are on, as the device reports it."""

    serial: str | None = None
    pulses: str | None = None
    synth: str | None = None


class SerialPortSettings(ReportedPart):
    """A serial port as the device reports it."""

    port: int
    baud_rate: int | None = None
    framing: str | None = None
    string_type: str | None = None
    mode: str | None = None


class SynthesizerSettings(ReportedPart):
    """The synthesizer as the device reports it; ``state`` is what it does (disabled, off, free, drifting, sync)."""

    frequency_decihertz: int | None = None
    phase_decidegrees: int | None = None
    state: str | None = None


def _tenths(value: int) -> float:
    return value / 10


_TIME_CODE = (
    Leaf("code", "icode", word(TimeCode)),
    Leaf("local_time", "local-time", flag),
    Leaf("disable_tfom", "disable-tfom", flag),
)
_HOLDOVER = tuple(Leaf(name, name, word(Enabled)) for name in ("serial", "pulses", "synth"))
_SERIAL = (
    Leaf("baud_rate", "baudrate", integer),
    Leaf("framing", "framing", word(Framing)),
    Leaf("string_type", "string-type", word(StringType)),
    Leaf("mode", "mode", word(StringMode)),
)
_SYNTHESIZER = (
    Leaf("frequency_decihertz", "frequency", scaled(10), _tenths),
    Leaf("phase_decidegrees", "phase", scaled(10), _tenths),
)


def read_time_code_output(configuration: Mapping[str, object]) -> TimeCodeOutputSettings:
    """Return what the configuration reports of the time code output. Never raises."""
    found = mapping(pick(configuration, "time-code-output"))
    return TimeCodeOutputSettings(
        **_values(_TIME_CODE, found), supported_codes=supported(found, "supported-codes", TimeCode)
    )


def plan_time_code_output(given: Mapping[str, Any], before: TimeCodeOutputSettings) -> Plan:
    """Return what sets the time code output; fields that are not given stay. Raises InvalidSetting."""
    codes = before.supported_codes
    if "code" in given and codes is not None and given["code"] not in codes:
        raise InvalidSetting("code", given["code"], f"this device supports {', '.join(codes)}")
    return plan_leaves("time-code-output", _TIME_CODE, dict(before), _plain(given))


def read_holdover(configuration: Mapping[str, object]) -> HoldoverSettings:
    """Return what the configuration reports of the enable flags. Never raises."""
    return HoldoverSettings(**_values(_HOLDOVER, mapping(pick(configuration, "enable-flags"))))


def plan_holdover(given: Mapping[str, Any], before: HoldoverSettings) -> Plan:
    """Return what sets the enable flags; those that are not given stay."""
    return plan_leaves("enable-flags", _HOLDOVER, dict(before), _plain(given))


def read_serial_ports(configuration: Mapping[str, object]) -> tuple[SerialPortSettings, ...]:
    """Return the serial ports that the configuration reports. Never raises."""
    return tuple(
        SerialPortSettings(port=port, **_values(_SERIAL, found))
        for port in SERIAL_PORTS
        if (found := member(configuration, "serial-ports", f"com{port}"))
    )


def plan_serial_port(port: int, given: Mapping[str, Any], before: SerialPortSettings | None) -> Plan:
    """Return what sets a serial port; fields that are not given stay. Raises InvalidSetting."""
    if before is None:
        raise InvalidSetting("port", port, "the device's configuration does not report that port")
    return plan_leaves(f"serial-ports/com{port}", _SERIAL, dict(before), _plain(given))


def read_synthesizer(configuration: Mapping[str, object]) -> SynthesizerSettings:
    """Return what the configuration reports of the synthesizer. Never raises."""
    found = mapping(pick(configuration, "synthesizer"))
    return SynthesizerSettings(**_values(_SYNTHESIZER, found), state=raw(pick(found, "state")))


def plan_synthesizer(given: Mapping[str, Any], before: SynthesizerSettings) -> Plan:
    """Return what sets the synthesizer; fields that are not given stay."""
    return plan_leaves("synthesizer", _SYNTHESIZER, dict(before), given)


def _values(leaves: tuple[Leaf, ...], found: Mapping[str, object]) -> dict[str, Any]:
    return {leaf.field: leaf.read(pick(found, leaf.key)) for leaf in leaves}


def _plain(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values as they are compared: the words of enums."""
    return {name: each.value if isinstance(each, StrEnum | IntEnum) else each for name, each in given.items()}
