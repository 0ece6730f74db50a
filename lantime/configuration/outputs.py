"""The four programmable pulse outputs: as the device reports them, and what must be written to set one.

No capture shows them. The meaning of the settings is the SDK header's, the layout of the JSON is invented: ``mode-param``
holds what the mode counts by, ``tm`` the SDK's three pairs of times.
"""

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from lantime.configuration.invalid import InvalidSetting, invalid_setting
from lantime.configuration.model import ReportedPart
from lantime.configuration.output_modes import OUTPUT, OUTPUT_CLASSES, OnOff, OutputMode
from lantime.configuration.plan import Leaf, Plan, plan_leaves
from lantime.configuration.reading import member, scaled, seconds, time_of_day, word
from lantime.status.values import flag, integer, mapping, pick

OUTPUTS = (1, 2, 3, 4)
"""A TCR180 has four (vendor document)."""

PART = "programmable-outputs"


class ReportedOnOff(ReportedPart):
    """When a timer switches its output on, and off again."""

    on: str | None = None
    off: str | None = None


class OutputSettings(ReportedPart):
    """One output as the device reports it. What its mode does not have is None; an unknown mode is kept as it came."""

    output: int
    mode: str | None = None
    inverted: bool | None = None
    if_sync_only: bool | None = None
    timebase_utc: bool | None = None
    pulse_length_ms: int | None = None
    pulse_shift_ns: int | None = None
    timeout_minutes: int | None = None
    cycle_seconds: int | None = None
    on_off: tuple[ReportedOnOff, ...] | None = None
    at: str | None = None
    com: int | None = None
    slots_per_minute: int | None = None
    gpio: int | None = None


def _pairs(value: object) -> tuple[ReportedOnOff, ...] | None:
    if not isinstance(value, list):
        return None
    pairs = [
        ReportedOnOff(on=time_of_day(pick(mapping(each), "on")), off=time_of_day(pick(mapping(each), "off")))
        for each in value
    ]
    # The SDK has room for three pairs: those that are not used say twice the same.
    return tuple(each for each in pairs if each.on != each.off)


def _first_on(value: object) -> str | None:
    return time_of_day(pick(mapping(value[0]), "on")) if isinstance(value, list) and value else None


def _cycle(value: object) -> int | None:
    hours, minutes, rest = map(int, (_first_on(value) or "0:0:0").split(":"))
    return hours * 3600 + minutes * 60 + rest or None


def _clock(of_day: int) -> str:
    return f"{of_day // 3600:02}:{of_day // 60 % 60:02}:{of_day % 60:02}"


_MODE = Leaf("mode", "mode", word(OutputMode))
_LEAVES = (
    _MODE,
    Leaf("inverted", "inverted", flag),
    Leaf("if_sync_only", "if-sync-only", flag),
    Leaf("timebase_utc", "timebase-utc", flag),
    Leaf("pulse_length_ms", "pulse-length", scaled(1000), seconds(1000)),
    Leaf("pulse_shift_ns", "pulse-shift", scaled(1_000_000_000), seconds(1_000_000_000)),
    Leaf("timeout_minutes", "timeout", integer),
    Leaf("cycle_seconds", "tm", _cycle, lambda value: [{"on": _clock(value), "off": "00:00:00"}]),
    Leaf("on_off", "tm", _pairs, lambda pairs: [{"on": each.on, "off": each.off} for each in pairs]),
    Leaf("at", "tm", _first_on, lambda value: [{"on": value, "off": "00:00:00"}]),
    Leaf("com", "mode-param", integer),
    Leaf("slots_per_minute", "mode-param", integer),
    Leaf("gpio", "mode-param", integer),
)


def read_outputs(configuration: Mapping[str, object]) -> tuple[OutputSettings, ...]:
    """Return the outputs that the configuration reports. Never raises."""
    return tuple(
        _read(number, settings)
        for number in OUTPUTS
        if (settings := mapping(pick(member(configuration, PART, f"output{number}"), "settings")))
    )


def plan_output(
    number: int, given: Mapping[str, Any], before: OutputSettings | None, modes: tuple[str, ...] | None
) -> Plan:
    """Return what sets an output: the fields given, in the mode given or the one it has; all others stay.

    ``modes`` are those that the device says it supports, None when it does not say. Raises InvalidSetting.
    """
    if before is None:
        raise InvalidSetting("output", number, "the device's configuration does not report that output")
    mode = _mode(given["mode"], modes) if "mode" in given else _mode(before.mode, None)
    wanted = _checked(mode, given, before)
    return plan_leaves(f"{PART}/output{number}/settings", _LEAVES, dict(before), wanted)


def _mode(name: object, modes: tuple[str, ...] | None) -> OutputMode:
    known = [each.value for each in OutputMode]
    if name not in (known if modes is None else modes):
        where = "one of" if modes is None else "this device supports"
        raise InvalidSetting("mode", name, f"{where} {', '.join(known if modes is None else modes)}")
    if name not in known:
        raise InvalidSetting("mode", name, f"its parameters are not known; known are {', '.join(known)}")
    return OutputMode(str(name))


def _checked(mode: OutputMode, given: Mapping[str, Any], before: OutputSettings) -> dict[str, Any]:
    fields = OUTPUT_CLASSES[mode].model_fields.keys()
    for name, value in given.items():
        if name not in fields:
            raise InvalidSetting(name, value, f"mode {mode} has {', '.join(sorted(fields - {'mode'}))}")
    kept = {name: value for name in fields if (value := getattr(before, name)) is not None and name not in given}
    wanted = {**kept, **given, "mode": mode.value}
    try:
        found = OUTPUT.validate_python(_plain(wanted))
    except ValidationError as exc:
        # What the device has and a mode cannot take is not ours to keep: it counts as not there, and may be needed.
        wrong = {str(error["loc"][1]) for error in exc.errors() if len(error["loc"]) > 1} & kept.keys()
        try:
            found = OUTPUT.validate_python(_plain({name: each for name, each in wanted.items() if name not in wrong}))
        except ValidationError as still:
            raise invalid_setting(still, f"mode {mode}", OUTPUT_CLASSES[mode].model_fields) from still
    # Only what was set on purpose is written: a default of ours is no wish.
    set_on_purpose = {name: getattr(found, name) for name in found.model_fields_set}
    return {name: _reported(value) for name, value in set_on_purpose.items()}


def _plain(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values as pydantic reads them from JSON."""
    return {
        name: [each if isinstance(each, dict) else dict(each) for each in value] if name == "on_off" else value
        for name, value in values.items()
    }


def _reported(value: Any) -> Any:
    """Return a value in the form in which it is read from the device."""
    if isinstance(value, tuple):
        return tuple(ReportedOnOff(on=each.on, off=each.off) for each in value if isinstance(each, OnOff))
    return value.value if isinstance(value, OutputMode) else value


def _read(number: int, settings: Mapping[str, object]) -> OutputSettings:
    mode = _MODE.read(pick(settings, _MODE.key))
    known = OUTPUT_CLASSES[OutputMode(mode)].model_fields if mode in list(OutputMode) else {}
    # tm and mode-param mean what the mode makes of them; flags are shown whatever the mode.
    flags = {"inverted", "if_sync_only", "mode"}
    found = {leaf.field: leaf.read(pick(settings, leaf.key)) for leaf in _LEAVES if leaf.field in known.keys() | flags}
    return OutputSettings(output=number, **found)
