"""The twenty modes of a programmable output, each with the parameters that it has (limits: SDK header).

Which parameters belong to which mode is part of the type: a DCF77 output has no pulse length, a pulse no timeout.
"""

from enum import StrEnum
from typing import Annotated, Literal, Self

from pydantic import Field, StringConstraints, TypeAdapter, model_validator
from pydantic_core import PydanticCustomError

from lantime.configuration.model import WantedPart, Whole

PulseLength = Annotated[int, Whole(10, 10_000, 10)]
"""Milliseconds; the SDK counts in 10 ms."""
TimeoutMinutes = Annotated[int, Whole(0, 2880)]
"""How long DCF77 marks go on without synchronisation; 0: for ever, unless ``if_sync_only``."""
PulseShift = Annotated[int, Whole(-500_000_000, 499_000_000)]
"""Nanoseconds; only some devices have it."""
CycleSeconds = Annotated[int, Whole(1, 86_400)]
"""0 to 24 h (vendor document); no time at all would be no cycle."""
ComPort = Annotated[int, Whole(0, 3)]
"""COM0 to COM3 (vendor document)."""
GpioIndex = Annotated[int, Whole(0, 255)]
"""How many there are is the device's business: the upper limit only keeps nonsense out (invented)."""
TimeOfDay = Annotated[str, StringConstraints(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]$")]
"""``HH:MM:SS``; hundredths are ignored by the device."""
SlotsPerMinute = Literal[1, 2, 3, 4, 5, 6, 10, 12, 15, 20, 30, 60]
"""Those by which 60 can be divided."""


class OutputMode(StrEnum):
    """What an output gives out, in the order of the SDK's codes 0 to 19. The spelling is inferred."""

    IDLE = "idle"
    TIMER = "timer"
    SINGLE_SHOT = "single-shot"
    CYCLIC_PULSE = "cyclic-pulse"
    PULSE_PER_SECOND = "pulse-per-second"
    PULSE_PER_MIN = "pulse-per-min"
    PULSE_PER_HOUR = "pulse-per-hour"
    DCF77_MARKS = "dcf77-marks"
    POSITION_OK = "position-ok"
    TIME_SYNC = "time-sync"
    ALL_SYNC = "all-sync"
    DCLS_TIME_CODE = "dcls-time-code"
    SERIAL_TIME_STRING = "serial-time-string"
    FREQUENCY_10MHZ = "10mhz-frequency"
    DCF77_LIKE_M59 = "dcf77-like-m59"
    SYNTHESIZER_FREQUENCY = "synthesizer-frequency"
    TIME_SLOTS_PER_MINUTE = "time-slots-per-minute"
    GPIO_SIGNAL = "gpio-signal"
    PTTI_1PPS = "ptti-1pps"
    HAVEQUICK = "havequick"


class OnOff(WantedPart):
    """When a timer switches its output on, and off again."""

    on: TimeOfDay
    off: TimeOfDay

    @model_validator(mode="after")
    def _not_the_same(self) -> Self:
        if self.on == self.off:
            raise PydanticCustomError("range", "allowed are two different times")
        return self


class _Output(WantedPart):
    inverted: bool = False


class _Gated(_Output):
    if_sync_only: bool = False
    """Whether the output is quiet while the clock is not synchronised. States themselves (modes 8 to 10) have no such flag."""


class PlainOutput(_Gated):
    """A mode without parameters."""

    mode: Literal[
        OutputMode.IDLE,
        OutputMode.DCLS_TIME_CODE,
        OutputMode.FREQUENCY_10MHZ,
        OutputMode.SYNTHESIZER_FREQUENCY,
        OutputMode.PTTI_1PPS,
        OutputMode.HAVEQUICK,
    ]


class StateOutput(_Output):
    """The output says whether something is so. The position is of no use on a TCR."""

    mode: Literal[OutputMode.POSITION_OK, OutputMode.TIME_SYNC, OutputMode.ALL_SYNC]


class TimerOutput(_Gated):
    """On and off at up to three times a day."""

    mode: Literal[OutputMode.TIMER]
    on_off: Annotated[tuple[OnOff, ...], Field(min_length=1, max_length=3)]


class SingleShotOutput(_Gated):
    """One pulse at a time of day."""

    mode: Literal[OutputMode.SINGLE_SHOT]
    at: TimeOfDay
    pulse_length_ms: PulseLength


class CyclicOutput(_Gated):
    """A pulse again and again."""

    mode: Literal[OutputMode.CYCLIC_PULSE]
    cycle_seconds: CycleSeconds
    pulse_length_ms: PulseLength


class PulseOutput(_Gated):
    """A pulse per second, minute or hour."""

    mode: Literal[OutputMode.PULSE_PER_SECOND, OutputMode.PULSE_PER_MIN, OutputMode.PULSE_PER_HOUR]
    pulse_length_ms: PulseLength
    pulse_shift_ns: PulseShift = 0


class DcfOutput(_Gated):
    """DCF77 marks, in local time or UTC."""

    mode: Literal[OutputMode.DCF77_MARKS, OutputMode.DCF77_LIKE_M59]
    timeout_minutes: TimeoutMinutes = 0
    timebase_utc: bool = False


class StringOutput(_Gated):
    """What a serial port sends."""

    mode: Literal[OutputMode.SERIAL_TIME_STRING]
    com: ComPort


class TimeSlotOutput(_Gated):
    """As many slots as fit into a minute."""

    mode: Literal[OutputMode.TIME_SLOTS_PER_MINUTE]
    slots_per_minute: SlotsPerMinute


class GpioOutput(_Gated):
    """A signal of a GPIO port."""

    mode: Literal[OutputMode.GPIO_SIGNAL]
    gpio: GpioIndex


Output = Annotated[
    PlainOutput
    | StateOutput
    | TimerOutput
    | SingleShotOutput
    | CyclicOutput
    | PulseOutput
    | DcfOutput
    | StringOutput
    | TimeSlotOutput
    | GpioOutput,
    Field(discriminator="mode"),
]
"""An output as it may be set."""

OUTPUT: TypeAdapter[Output] = TypeAdapter(Output)

OUTPUT_CLASSES: dict[OutputMode, type[_Output]] = {
    mode: made
    for made in (
        *(PlainOutput, StateOutput, TimerOutput, SingleShotOutput, CyclicOutput),
        *(PulseOutput, DcfOutput, StringOutput, TimeSlotOutput, GpioOutput),
    )
    for mode in OutputMode
    if mode in made.model_fields["mode"].annotation.__args__  # type: ignore[union-attr] # a Literal has them
}
"""The class of each mode."""
