"""The receiver of the time code input: as the device reports it, and what must be written to set it.

The settings and their limits are the SDK header's, the keys are inferred, the layout is invented.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Any, Final, Literal

from lantime.configuration.invalid import InvalidSetting
from lantime.configuration.model import ReportedPart, WantedPart, Whole
from lantime.configuration.plan import Difference, Leaf, Plan, Write, plan_leaves
from lantime.configuration.reading import member, scaled, seconds, supported, word
from lantime.status.receiver_code import ReceiverCode
from lantime.status.values import flag, integer, mapping, pick

PART = "receiver"
UNSET: Final = "unset"
"""A UTC offset that is not configured, the delivery state: most codes are then not followed (SDK header)."""

UtcOffset = Annotated[int, Whole(-750, 750)]
"""Minutes."""
DelayCompensation = Annotated[int, Whole(-99_900, 99_900, 100)]
"""Nanoseconds: at most 99.9 us either way, in steps of 0.1 us."""

_NOT_CONFIGURED = frozenset({0x8000, -0x8000})
"""The SDK's mark in the offset itself."""


class DelayCompensations(WantedPart):
    """The delay that is made up for, in nanoseconds, by group of codes: AM codes, then DCLS (``0``). None: stays.

    ``b1xx`` also serves AFNOR and IEEE 1344, ``b0xx`` their DCLS forms (SDK header).
    """

    b1xx_ns: DelayCompensation | None = None
    a1xx_ns: DelayCompensation | None = None
    b0xx_ns: DelayCompensation | None = None
    a0xx_ns: DelayCompensation | None = None
    g14x_ns: DelayCompensation | None = None
    g00x_ns: DelayCompensation | None = None


class ReportedDelays(ReportedPart):
    """The delay compensation of each group in nanoseconds, as the device reports it."""

    b1xx_ns: int | None = None
    a1xx_ns: int | None = None
    b0xx_ns: int | None = None
    a0xx_ns: int | None = None
    g14x_ns: int | None = None
    g00x_ns: int | None = None


class ReceiverSettings(ReportedPart):
    """The receiver as the device reports it; ``utc_offset_minutes`` is "unset" when it says so itself."""

    code: str | None = None
    ignore_tfom: bool | None = None
    utc_offset_minutes: int | Literal["unset"] | None = None
    delay_compensation: ReportedDelays = ReportedDelays()
    supported_codes: tuple[str, ...] | None = None


_CODE = Leaf("code", "icode", word(ReceiverCode))
_LEAVES = (_CODE, Leaf("ignore_tfom", "ignore-tfom", flag))
_DELAY_READ, _DELAY_WRITE = scaled(1_000_000_000), seconds(1_000_000_000)


def read_receiver_settings(configuration: Mapping[str, object]) -> ReceiverSettings:
    """Return what the configuration reports of the receiver. Never raises."""
    found = mapping(pick(configuration, PART))
    return ReceiverSettings(
        **{leaf.field: leaf.read(pick(found, leaf.key)) for leaf in _LEAVES},
        utc_offset_minutes=_offset(found),
        delay_compensation=ReportedDelays(
            **{f"{group}_ns": _DELAY_READ(pick(member(found, _DELAYS, group), "value")) for group in _GROUPS}
        ),
        supported_codes=supported(found, "supported-codes", ReceiverCode),
    )


def plan_receiver(given: Mapping[str, Any], before: ReceiverSettings) -> Plan:
    """Return what sets the receiver; fields that are not given stay. Raises InvalidSetting."""
    codes = before.supported_codes
    if "code" in given and codes is not None and given["code"] not in codes:
        raise InvalidSetting("code", given["code"], f"this device supports {', '.join(codes)}")
    plan = plan_leaves(PART, _LEAVES, dict(before), {name: _plain(value) for name, value in given.items()})
    if "utc_offset_minutes" in given:
        plan = _with_offset(plan, before.utc_offset_minutes, given["utc_offset_minutes"])
    for group, value in dict(given.get("delay_compensation", {})).items():
        if value is not None:
            plan += _delay(group, getattr(before.delay_compensation, group), value)
    return plan


_DELAYS = "delay-compensation"
_GROUPS = ("b1xx", "a1xx", "b0xx", "a0xx", "g14x", "g00x")


def _offset(found: Mapping[str, object]) -> int | Literal["unset"] | None:
    minutes = integer(pick(found, "ref-offs"))
    return UNSET if minutes in _NOT_CONFIGURED or flag(pick(found, "ref-offs-configured")) is False else minutes


def _with_offset(plan: Plan, before: int | str | None, wanted: int | str) -> Plan:
    """Return the plan with the offset in the same request as the other settings: both keys of it go together."""
    if before == wanted:
        return plan
    body: dict[str, Any] = {"ref-offs-configured": False}
    if wanted != UNSET:
        body = {"ref-offs": wanted, "ref-offs-configured": True}
    for write in plan.writes:
        body = {**write.body, **body} if isinstance(write.body, dict) else body
    difference = Difference(field="utc_offset_minutes", before=before, after=wanted)
    return Plan((*plan.differences, difference), (Write(PART, body, len(body)),))


def _delay(field: str, before: int | None, wanted: int) -> Plan:
    if before == wanted:
        return Plan()
    group = field.removesuffix("_ns")
    difference = Difference(field=f"delay_compensation.{field}", before=before, after=wanted)
    return Plan((difference,), (Write(f"{PART}/{_DELAYS}/{group}", {"value": _DELAY_WRITE(wanted)}, 1),))


def _plain(value: Any) -> Any:
    return value.value if isinstance(value, StrEnum) else value
