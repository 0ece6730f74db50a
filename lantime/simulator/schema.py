"""Which settings the configuration of a simulated TCR module has, and their limits.

Layout and keys are invented: nobody published a configuration tree of this API. Meanings, ranges and words are the
SDK header's, their spelling inferred, unless a line says otherwise.
"""

from collections.abc import Mapping
from typing import Any

from lantime.simulator.limits import Choice, Decimal, Fixed, Flag, Group, InvalidSetting, Members, Ranking, Times, Whole

RECEIVER_CODES = {
    "b122-b123": 0,
    "a132-a133": 1,
    "b002-b003-dcls": 2,
    "a002-a003-dcls": 3,
    "afnor-nf-s87-500": 4,
    "afnor-nf-s87-500-dcls": 5,
    "ieee1344": 6,
    "ieee1344-dcls": 7,
    "b126-b127": 8,
    "b006-b007-dcls": 9,
    "g142": 10,
    "g002-dcls": 11,
    "c37.118": 12,
    "c37.118-dcls": 13,
    "g146": 22,
    "g006-dcls": 23,
}
"""The codes that a TCR180 decodes (vendor document) with their numbers."""

CODES_WITH_OFFSET = frozenset({"ieee1344", "ieee1344-dcls", "c37.118", "c37.118-dcls"})
"""Codes that carry the UTC offset themselves: with any other the receiver needs a configured one."""

DELAY_GROUPS = ("b1xx", "a1xx", "b0xx", "a0xx", "g14x", "g00x")

OUTPUT_MODES = {
    "idle": 0,
    "timer": 1,
    "single-shot": 2,
    "cyclic-pulse": 3,
    "pulse-per-second": 4,
    "pulse-per-min": 5,
    "pulse-per-hour": 6,
    "dcf77-marks": 7,
    "time-sync": 9,
    "all-sync": 10,
    "dcls-time-code": 11,
    "serial-time-string": 12,
    "10mhz-frequency": 13,
    "dcf77-like-m59": 14,
    "synthesizer-frequency": 15,
    "time-slots-per-minute": 16,
    "ptti-1pps": 18,
}
"""The modes that this module supports: all twenty but position OK (8), GPIO (17) and HaveQuick (19) (invented)."""

STRING_TYPES = (
    "meinberg-standard",
    "sat",
    "nmea-rmc",
    "uni-erlangen",
    "computime",
    "sysplex-1-",
    "meinberg-capture",
    "spa",
    "racal",
    "meinberg-gps",
    "nmea-gga",
    "nmea-rmc-gga",
    "nmea-zda",
    "ion",
)
"""Captured on API 20 of another clock module."""

_OUTPUT_CODES = (
    *("b002-b122", "b003-b123", "a002-a132", "a003-a133", "afnor-nf-s87-500", "ieee1344", "b220-1344-dcls"),
    *("b222-dcls", "b223-dcls", "b006-b126", "b007-b127", "g002-g142", "g006-g146", "c37.118", "txc-101-dtr-6"),
    *("e002-e112", "nasa-36", "a006-a136", "a007-a137"),
)

_SOURCES = (
    *("gps", "10mhz-freqin", "pps-in", "10mhz-pps-in", "irig", "ntp", "ptp-ieee1588", "ptp-over-e1"),
    *("fixed-freq-in", "pps-plus-string", "var-freq-via-gpio", "dcf77-pzf-receiver", "long-wave-receiver"),
    *("gnss-receiver", "havequick-input", "ext-osc", "synchronous-ethernet", "video-input", "linear-time-code"),
)

_SOURCE_FLAGS = (
    *("auto-bias-master", "auto-bias-slave", "asymmetry-step-detection", "is-trusted", "use-trusted-source"),
    *("time-of-day-source", "phase-source"),
)

_BAUDS = frozenset({300, 600, 1200, 2400, 4800, 9600, 19200, 38400, 57600, 115_200, 230_400, 460_800, 921_600})
_FRAMINGS = ("7n2", "7e1", "7e2", "7o1", "7o2", "8n1", "8n2", "8e1", "8e2", "8o1")
_STRING_MODES = (
    *("on-request", "per-second", "per-minute", "automatic", "second-after-request", "per-second-with-cr"),
)

_ENABLED = Choice(("if-sync-only", "always"))
_MICROSECOND = 1e-6

_OUTPUT = Group(
    {
        "mode": Choice(tuple(OUTPUT_MODES)),
        "pulse-length": Decimal(0.0, 10.0, 0.01, " seconds"),
        "mode-param": Whole(0, 86_400),
        "timeout": Whole(0, 2880, " minutes"),
        "inverted": Flag(),
        "if-sync-only": Flag(),
        "timebase-utc": Flag(),
        "pulse-shift": Decimal(-0.5, 0.499, 1e-9, " seconds"),
    },
    # On and off of a timer, the time of a single shot, the length of a cycle: the first pair's "on" (SDK header).
    optional={"tm": Times(3)},
)

_SOURCE = Group(
    {
        # The bounds of bias and precision are invented: the header gives none.
        "bias": Decimal(-1.0, 1.0, unit=" seconds"),
        "precision": Decimal(0.0, 1.0, unit=" seconds"),
        "id": Group({"type": Choice(_SOURCES), "instance": Whole(0, 255)}),
    },
    optional={"flags": Group(optional={name: Flag() for name in _SOURCE_FLAGS})},
)

MODULE = Group(
    {
        "object-id": Fixed(),
        "receiver": Group(
            {
                "icode": Choice(tuple(RECEIVER_CODES)),
                "ignore-tfom": Flag(),
                "ref-offs": Whole(-750, 750, " minutes"),
                "ref-offs-configured": Flag(),
                "supported-codes": Fixed(),
                "delay-compensation": Members(
                    Group(
                        {
                            "object-id": Fixed(),
                            "value": Decimal(-99.9e-6, 99.9e-6, 0.1 * _MICROSECOND, " seconds"),
                        }
                    )
                ),
            }
        ),
        # The MIB has room for ten priorities.
        "mrs": Ranking(Group({"object-id": Fixed(), "info": Group({"settings": _SOURCE})}), "priority", 10),
        "programmable-outputs": Members(Group({"object-id": Fixed(), "settings": _OUTPUT})),
        "supported-output-modes": Fixed(),
        "time-code-output": Group({"icode": Choice(_OUTPUT_CODES), "local-time": Flag(), "disable-tfom": Flag()}),
        "synthesizer": Group(
            {
                "frequency": Decimal(0.0, 10e6, 0.1, " Hz"),
                "phase": Decimal(-360.0, 360.0, 0.1, " degrees"),
                "state": Fixed(),
            }
        ),
        "enable-flags": Group({"serial": _ENABLED, "pulses": _ENABLED, "synth": _ENABLED}),
        "serial-ports": Members(
            Group(
                {
                    "object-id": Fixed(),
                    "baudrate": Whole(300, 921_600, " baud", _BAUDS),
                    "framing": Choice(_FRAMINGS),
                    "string-type": Choice(STRING_TYPES),
                    "mode": Choice(_STRING_MODES),
                }
            )
        ),
    }
)
"""The configuration of one module."""

_SHIFTED = frozenset({"pulse-per-second", "pulse-per-min", "pulse-per-hour"})
_DCF_MODES = frozenset({"dcf77-marks", "dcf77-like-m59"})
_SYNC_MODES = frozenset({"time-sync", "all-sync"})
_MODE_PARAMETERS = {
    "serial-time-string": Whole(0, 3, " (the COM port)"),
    "time-slots-per-minute": Whole(1, 60, " slots", frozenset(n for n in range(1, 61) if 60 % n == 0)),
}


def check_output(field: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> None:
    """Refuse a change of an output to what its mode cannot do. Raises InvalidSetting that names the field at fault.

    What another mode left behind is of no effect in this one, and stays.
    """
    mode = after["mode"]
    new = {name for name, value in after.items() if value != before.get(name)}
    if mode in _MODE_PARAMETERS and new & {"mode", "mode-param"}:
        _MODE_PARAMETERS[mode].read(f"{field}.mode-param", after["mode-param"])
    if "pulse-shift" in new and after["pulse-shift"] and mode not in _SHIFTED:
        allowed = f"0 in mode {mode}; only {_all(_SHIFTED)} can be shifted"
        raise InvalidSetting(f"{field}.pulse-shift", after["pulse-shift"], allowed)
    if "if-sync-only" in new and after["if-sync-only"] and mode in _SYNC_MODES:
        raise InvalidSetting(f"{field}.if-sync-only", True, f"false in mode {mode}, which tells of the sync itself")
    if "timebase-utc" in new and after["timebase-utc"] and mode not in _DCF_MODES:
        raise InvalidSetting(f"{field}.timebase-utc", True, f"false in mode {mode}; only {_all(_DCF_MODES)} know it")


def factory(slot_id: str) -> dict[str, Any]:
    """Return the configuration that a module has at first: its UTC offset is configured (invented, so that it locks)."""
    sources = (("irig", 1e-05), ("ptp-ieee1588", 1e-07), ("ntp", 1e-04))
    outputs = (("pulse-per-second", 0.2), ("pulse-per-min", 0.2), ("dcls-time-code", 0.0), ("idle", 0.0))
    return {
        "object-id": slot_id,
        "receiver": {
            "icode": "b122-b123",
            "ignore-tfom": False,
            "ref-offs": 0,
            "ref-offs-configured": True,
            "supported-codes": _described(RECEIVER_CODES),
            "delay-compensation": [{"object-id": group, "value": 0.0} for group in DELAY_GROUPS],
        },
        "mrs": [
            {
                "object-id": f"priority{priority}",
                "info": {"settings": {"bias": 0.0, "precision": precision, "id": {"type": kind, "instance": 0}}},
            }
            for priority, (kind, precision) in enumerate(sources)
        ],
        "programmable-outputs": [
            {
                "object-id": f"output{number}",
                "settings": {
                    "mode": mode,
                    "pulse-length": length,
                    "mode-param": 0,
                    "timeout": 0,
                    "inverted": False,
                    "if-sync-only": mode != "idle",
                    "timebase-utc": False,
                    "pulse-shift": 0,
                },
            }
            for number, (mode, length) in enumerate(outputs, start=1)
        ],
        "supported-output-modes": [{"object-id": mode, "value": number} for mode, number in OUTPUT_MODES.items()],
        "time-code-output": {"icode": "b006-b126", "local-time": False, "disable-tfom": False},
        "synthesizer": {"frequency": 0.0, "phase": 0.0, "state": "disabled"},
        "enable-flags": {"serial": "if-sync-only", "pulses": "if-sync-only", "synth": "if-sync-only"},
        "serial-ports": [
            {
                "object-id": f"com{number}",
                "baudrate": 19200,
                "framing": "8n1",
                "string-type": "meinberg-standard",
                "mode": "per-second",
            }
            for number in range(4)
        ],
    }


def _described(words: dict[str, int]) -> list[dict[str, Any]]:
    return [{"object-id": word, "value": number, "description": word} for word, number in words.items()]


def _all(words: frozenset[str]) -> str:
    return ", ".join(sorted(words))
