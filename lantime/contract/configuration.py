"""Reading and changing what a module is set to. Limits and certainty are said in ``lantime.configuration``.

Every command that sets something leaves alone the fields that are not given, writes nothing when all is as wanted, and is
rejected while writing is not switched on.
"""

from typing import Annotated, Any, ClassVar, Generic, Literal, TypeVar

from pydantic import Field

from broker.messages.message import Command, Reply
from lantime.configuration.model import Whole
from lantime.configuration.module import ModuleConfiguration
from lantime.configuration.mrs import MOST_SOURCES, MrsEntry, MrsSettings
from lantime.configuration.output_modes import (
    ComPort,
    CycleSeconds,
    GpioIndex,
    OnOff,
    OutputMode,
    PulseLength,
    PulseShift,
    SlotsPerMinute,
    TimeOfDay,
    TimeoutMinutes,
)
from lantime.configuration.outputs import OutputSettings
from lantime.configuration.plan import Difference
from lantime.configuration.receiver import DelayCompensations, ReceiverSettings, UtcOffset
from lantime.configuration.sections import (
    BaudRate,
    Enabled,
    Framing,
    FrequencyDecihertz,
    HoldoverSettings,
    PhaseDecidegrees,
    SerialPortSettings,
    StringMode,
    StringType,
    SynthesizerSettings,
    TimeCode,
    TimeCodeOutputSettings,
)
from lantime.status.receiver_code import ReceiverCode


class Configuration(Reply):
    """What a module is set to, as the device reports it; staged changes are in it, and counted for the whole device."""

    kind: ClassVar[str] = "tcr.configuration"
    slot: str
    writing: str
    """``read-only``, or the name of the write profile."""
    pending_changes: int | None = None
    configuration: ModuleConfiguration


class GetConfiguration(Command[Configuration]):
    """Asks a slot's service for the configuration of its module, read from the device now."""

    kind: ClassVar[str] = "tcr.get-configuration"


class ChangeReply(Reply):
    """What became of a command that sets something; each has ``now`` too, what the device itself reports afterwards."""

    slot: str
    changed: bool
    """Whether anything was put in force; False after a dry run and when all was as wanted."""
    difference: tuple[Difference, ...] = ()
    """The fields that were set to another value, or would be; units are in their names."""
    pending_changes: int | None = None
    """How many changes are staged on the whole device now, whoever's."""
    saved: bool = False
    """Whether it was kept over a restart of the device."""


ChangeReplyT = TypeVar("ChangeReplyT", bound=ChangeReply)


class Change(Command[ChangeReplyT], Generic[ChangeReplyT]):
    """Sets something on a module."""

    dry_run: bool = False
    """Only show the difference. Allowed where nothing may be written."""
    force: bool = False
    """Write although changes are staged that are not ours: they are put in force too, or dropped when a step fails."""
    save: bool | None = None
    """Whether to keep it over a restart of the device; None: as LANTIME_WRITE_SAVE says."""

    def given(self) -> dict[str, Any]:
        """Return the settings that are given."""
        about = {*Change.model_fields, "output", "port"}
        return {
            name: value
            for name in type(self).model_fields
            if name not in about and (value := getattr(self, name)) is not None
        }


class OutputSet(ChangeReply):
    """An output was set, or compared."""

    kind: ClassVar[str] = "tcr.output-set"
    now: OutputSettings | None = None


class SetOutput(Change[OutputSet]):
    """Sets a programmable output. Which parameters may be given depends on its mode."""

    kind: ClassVar[str] = "tcr.set-output"
    output: Annotated[int, Whole(1, 4)]
    mode: OutputMode | None = None
    inverted: bool | None = None
    if_sync_only: bool | None = None
    timebase_utc: bool | None = None
    pulse_length_ms: PulseLength | None = None
    pulse_shift_ns: PulseShift | None = None
    timeout_minutes: TimeoutMinutes | None = None
    cycle_seconds: CycleSeconds | None = None
    on_off: Annotated[tuple[OnOff, ...], Field(min_length=1, max_length=3)] | None = None
    at: TimeOfDay | None = None
    com: ComPort | None = None
    slots_per_minute: SlotsPerMinute | None = None
    gpio: GpioIndex | None = None


class ReceiverSet(ChangeReply):
    """The receiver was set, or compared."""

    kind: ClassVar[str] = "tcr.receiver-set"
    now: ReceiverSettings | None = None


class SetReceiver(Change[ReceiverSet]):
    """Sets the receiver of the time code input."""

    kind: ClassVar[str] = "tcr.set-receiver"
    code: ReceiverCode | None = None
    ignore_tfom: bool | None = None
    utc_offset_minutes: UtcOffset | Literal["unset"] | None = None
    """``unset`` makes it not configured: most codes are then not followed."""
    delay_compensation: DelayCompensations | None = None


class MrsSet(ChangeReply):
    """The list of references was set, or compared."""

    kind: ClassVar[str] = "tcr.mrs-set"
    now: tuple[MrsSettings, ...] | None = None


class SetMrs(Change[MrsSet]):
    """Replaces the list of references, highest priority first."""

    kind: ClassVar[str] = "tcr.set-mrs"
    sources: Annotated[tuple[MrsEntry, ...], Field(min_length=1, max_length=MOST_SOURCES)]


class TimeCodeOutputSet(ChangeReply):
    """The time code output was set, or compared."""

    kind: ClassVar[str] = "tcr.time-code-output-set"
    now: TimeCodeOutputSettings | None = None


class SetTimeCodeOutput(Change[TimeCodeOutputSet]):
    """Sets the time code output."""

    kind: ClassVar[str] = "tcr.set-time-code-output"
    code: TimeCode | None = None
    local_time: bool | None = None
    disable_tfom: bool | None = None


class HoldoverSet(ChangeReply):
    """What outputs do without synchronisation was set, or compared."""

    kind: ClassVar[str] = "tcr.holdover-set"
    now: HoldoverSettings | None = None


class SetHoldover(Change[HoldoverSet]):
    """Sets which outputs are on while the clock is not synchronised."""

    kind: ClassVar[str] = "tcr.set-holdover"
    serial: Enabled | None = None
    pulses: Enabled | None = None
    synth: Enabled | None = None


class SerialPortSet(ChangeReply):
    """A serial port was set, or compared."""

    kind: ClassVar[str] = "tcr.serial-port-set"
    now: SerialPortSettings | None = None


class SetSerialPort(Change[SerialPortSet]):
    """Sets what a serial port sends, and how."""

    kind: ClassVar[str] = "tcr.set-serial-port"
    port: ComPort
    baud_rate: BaudRate | None = None
    framing: Framing | None = None
    string_type: StringType | None = None
    mode: StringMode | None = None


class SynthesizerSet(ChangeReply):
    """The synthesizer was set, or compared."""

    kind: ClassVar[str] = "tcr.synthesizer-set"
    now: SynthesizerSettings | None = None


class SetSynthesizer(Change[SynthesizerSet]):
    """Sets the synthesizer, in tenths of a hertz and of a degree: its own steps."""

    kind: ClassVar[str] = "tcr.set-synthesizer"
    frequency_decihertz: FrequencyDecihertz | None = None
    phase_decidegrees: PhaseDecidegrees | None = None


class ConfigurationSaved(Reply):
    """The device keeps over a restart what is in force."""

    kind: ClassVar[str] = "tcr.configuration-saved"
    slot: str


class SaveConfiguration(Command[ConfigurationSaved]):
    """Makes the device keep over a restart what is in force: of all its slots, not of this one only."""

    kind: ClassVar[str] = "tcr.save-configuration"


class ConfigurationRolledBack(Reply):
    """Staged changes were dropped."""

    kind: ClassVar[str] = "tcr.configuration-rolled-back"
    slot: str
    pending_before: int | None = None
    pending_changes: int | None = None


class RollbackConfiguration(Command[ConfigurationRolledBack]):
    """Drops every change that is staged on the device and not in force, whoever staged it."""

    kind: ClassVar[str] = "tcr.rollback-configuration"
