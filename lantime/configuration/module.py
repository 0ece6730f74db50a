"""The whole configuration of a TCR module as the device reports it."""

from collections.abc import Mapping

from lantime.configuration.model import ReportedPart
from lantime.configuration.mrs import MrsSettings, read_mrs_settings
from lantime.configuration.output_modes import OutputMode
from lantime.configuration.outputs import OutputSettings, read_outputs
from lantime.configuration.reading import supported
from lantime.configuration.receiver import ReceiverSettings, read_receiver_settings
from lantime.configuration.sections import (
    HoldoverSettings,
    SerialPortSettings,
    SynthesizerSettings,
    TimeCodeOutputSettings,
    read_holdover,
    read_serial_ports,
    read_synthesizer,
    read_time_code_output,
)


class ModuleConfiguration(ReportedPart):
    """What a module is set to. What the device does not report is None, or left out of a list."""

    outputs: tuple[OutputSettings, ...] = ()
    supported_output_modes: tuple[str, ...] | None = None
    receiver: ReceiverSettings = ReceiverSettings()
    mrs: tuple[MrsSettings, ...] | None = None
    time_code_output: TimeCodeOutputSettings = TimeCodeOutputSettings()
    holdover: HoldoverSettings = HoldoverSettings()
    serial_ports: tuple[SerialPortSettings, ...] = ()
    synthesizer: SynthesizerSettings = SynthesizerSettings()

    def output(self, number: int) -> OutputSettings | None:
        """Return one output, if it is reported."""
        return next((each for each in self.outputs if each.output == number), None)

    def serial_port(self, port: int) -> SerialPortSettings | None:
        """Return one serial port, if it is reported."""
        return next((each for each in self.serial_ports if each.port == port), None)


def read_configuration(found: Mapping[str, object]) -> ModuleConfiguration:
    """Read the object that ``…/module`` of the configuration tree gives. Never raises."""
    return ModuleConfiguration(
        outputs=read_outputs(found),
        supported_output_modes=supported(found, "supported-output-modes", OutputMode),
        receiver=read_receiver_settings(found),
        mrs=read_mrs_settings(found),
        time_code_output=read_time_code_output(found),
        holdover=read_holdover(found),
        serial_ports=read_serial_ports(found),
        synthesizer=read_synthesizer(found),
    )
