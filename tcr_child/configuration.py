"""What a slot's service does with commands that read or change its module's configuration.

The device itself is asked, and says what is true: nothing of its configuration is kept here. A command that comes twice
finds that all is as wanted and writes nothing.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Generic, TypeVar

import structlog

from broker.errors import Reject, RetryLater
from broker.handlers.context import Context
from broker.handlers.executor import MessageExecutor
from broker.handlers.registry import HandlerRegistry
from broker.handlers.retry import Backoff
from lantime.configuration.invalid import InvalidSetting
from lantime.configuration.mrs import plan_mrs
from lantime.configuration.outputs import plan_output
from lantime.configuration.plan import Plan
from lantime.configuration.receiver import plan_receiver
from lantime.configuration.sections import (
    plan_holdover,
    plan_serial_port,
    plan_synthesizer,
    plan_time_code_output,
)
from lantime.contract import (
    Change,
    Configuration,
    ConfigurationRolledBack,
    ConfigurationSaved,
    GetConfiguration,
    HoldoverSet,
    MrsSet,
    OutputSet,
    ReceiverSet,
    RollbackConfiguration,
    SaveConfiguration,
    SerialPortSet,
    SetHoldover,
    SetMrs,
    SetOutput,
    SetReceiver,
    SetSerialPort,
    SetSynthesizer,
    SetTimeCodeOutput,
    SynthesizerSet,
    TimeCodeOutputSet,
)
from lantime.errors import (
    ApiDisabled,
    DeviceUnreachable,
    LoginRefused,
    PendingChanges,
    Refusal,
    RequestGivenUp,
    RolledBack,
    UnexpectedAnswer,
    WriteDisturbed,
    WriteFailed,
    WriteRefused,
)
from lantime.writing.decisions import Begin, Look, begin
from lantime.writing.writer import ModuleWriter, Written
from tcr_child.slot import TcrSlot

log = structlog.get_logger("interapp.slot")

handlers = HandlerRegistry[TcrSlot]("tcr-configuration", extends="tcr")

ATTEMPTS = 4
TIMEOUT_SECONDS = 120.0
"""Ten requests of a slow device; what is under way when it ends is rolled back."""

RETRY = Backoff(
    attempts=ATTEMPTS,
    first=0.5,
    factor=2.0,
    ceiling=15.0,
    retry_on=(
        *(DeviceUnreachable, UnexpectedAnswer, ApiDisabled, RequestGivenUp),
        # Somebody else writes just now: another service's child, or a person.
        *(PendingChanges, WriteDisturbed, WriteRefused),
    ),
)

CommandT_co = TypeVar("CommandT_co", bound=Change[Any], covariant=True)


def _writer(ctx: Context[TcrSlot]) -> ModuleWriter:
    slot = ctx.resource
    if slot.device is None or slot.device.credentials_missing:
        missing = "set LANTIME_URL, LANTIME_USERNAME and LANTIME_PASSWORD"
        raise Reject(f"this service does not talk to the device: {missing}")
    return ModuleWriter(slot.device, slot.configuring.profile, slot.slot, cancelled=lambda: ctx.cancelled)


def _check_writing(ctx: Context[TcrSlot]) -> None:
    if not ctx.resource.configuring.enabled:
        raise Reject(
            "writing is not switched on (read-only): set LANTIME_WRITE=true for this service, and read docs/configuration.md "
            "before you do; dry_run shows what would be changed"
        )


@contextmanager
def _settled(ctx: Context[TcrSlot]) -> Iterator[None]:
    """Turn what the device says into what becomes of the message: rejected for good, tried again, or failed."""
    try:
        yield
    except InvalidSetting as exc:
        raise Reject(str(exc)) from exc
    except LoginRefused as exc:
        raise Reject(f"the device refuses the login: {exc}") from exc
    except WriteRefused as exc:
        if exc.reason is Refusal.CONFLICT and ctx.attempt < ATTEMPTS:
            raise
        raise Reject(str(exc)) from exc
    except PendingChanges as exc:
        if ctx.attempt < ATTEMPTS:
            raise
        raise Reject(str(exc)) from exc
    except WriteFailed as exc:
        log.warning("a change of the configuration broke off", app=ctx.app, error=str(exc))
        if ctx.cancelled and exc.rolled_back is RolledBack.TRUE:
            # The service was asked to stop: its successor begins anew.
            raise RetryLater(0, str(exc)) from exc
        raise


class _Changing(MessageExecutor[CommandT_co, TcrSlot], Generic[CommandT_co]):
    """Reads the configuration, compares, writes what differs. Each command says how its plan is made."""

    def gather(self) -> None:
        """Read the module's configuration from the device."""
        if not self.message.dry_run:
            _check_writing(self.ctx)
        self.writer = _writer(self.ctx)
        with _settled(self.ctx), self._turn():
            self.seen = self.writer.look()

    def validate(self) -> bool:
        """Tell whether the device must be written to; refuse what it does not support, and to join somebody's changes."""
        with _settled(self.ctx):
            self.plan = self.planned(self.seen)
            self.written = Written(self.plan.differences, self.seen, changed=False, saved=False)
            if self.message.dry_run:
                return False
            decided = begin(self.plan, self.seen.pending, force=self.message.force)
            if decided is Begin.REFUSE:
                raise PendingChanges(self.seen.pending, url=self.ctx.resource.device_url)
        # After an attempt that ended between commit and save nothing differs any more.
        return decided is Begin.WRITE or self._saves(again=self.ctx.attempt > 1)

    def apply(self) -> None:
        """Write, check, commit; roll back when a step fails."""
        with _settled(self.ctx), self._turn():
            self.written = self.writer.change(self.planned, force=self.message.force, save=self._saves(again=True))
        if self.written.changed:
            changed = ", ".join(each.field for each in self.written.differences)
            log.info("configuration changed", app=self.ctx.app, fields=changed or "what was staged")

    def planned(self, look: Look) -> Plan:
        """Return what must be written after such a look."""
        raise NotImplementedError

    def outcome(self) -> dict[str, Any]:
        """Return what every reply says."""
        written = self.written
        return {
            "slot": self.ctx.resource.slot,
            "changed": written.changed,
            "difference": written.differences,
            "pending_changes": written.now.pending,
            "saved": written.saved,
        }

    def _saves(self, *, again: bool) -> bool:
        """Tell whether to save: when the command says so, or by the setting, then only with something to save."""
        wanted = self.message.save
        return wanted if wanted is not None else self.ctx.resource.configuring.save and again

    def _turn(self) -> Any:
        return self.ctx.resource.configuring.turn(lambda: self.ctx.cancelled)


@handlers.handles(SetOutput, timeout=TIMEOUT_SECONDS, retry=RETRY)
class SetOutputExecutor(_Changing[SetOutput]):
    """Set a programmable output."""

    def planned(self, look: Look) -> Plan:
        """Compare the output."""
        found = look.configuration
        number = self.message.output
        return plan_output(number, self.message.given(), found.output(number), found.supported_output_modes)

    def reply(self) -> OutputSet:
        """Answer with the output as the device reports it."""
        return OutputSet(**self.outcome(), now=self.written.now.configuration.output(self.message.output))


@handlers.handles(SetReceiver, timeout=TIMEOUT_SECONDS, retry=RETRY)
class SetReceiverExecutor(_Changing[SetReceiver]):
    """Set the receiver."""

    def planned(self, look: Look) -> Plan:
        """Compare the receiver."""
        return plan_receiver(self.message.given(), look.configuration.receiver)

    def reply(self) -> ReceiverSet:
        """Answer with the receiver as the device reports it."""
        return ReceiverSet(**self.outcome(), now=self.written.now.configuration.receiver)


@handlers.handles(SetMrs, timeout=TIMEOUT_SECONDS, retry=RETRY)
class SetMrsExecutor(_Changing[SetMrs]):
    """Set the list of references."""

    def planned(self, look: Look) -> Plan:
        """Compare the list."""
        return plan_mrs(self.message.sources, look.found)

    def reply(self) -> MrsSet:
        """Answer with the list as the device reports it."""
        return MrsSet(**self.outcome(), now=self.written.now.configuration.mrs)


@handlers.handles(SetTimeCodeOutput, timeout=TIMEOUT_SECONDS, retry=RETRY)
class SetTimeCodeOutputExecutor(_Changing[SetTimeCodeOutput]):
    """Set the time code output."""

    def planned(self, look: Look) -> Plan:
        """Compare the time code output."""
        return plan_time_code_output(self.message.given(), look.configuration.time_code_output)

    def reply(self) -> TimeCodeOutputSet:
        """Answer with the time code output as the device reports it."""
        return TimeCodeOutputSet(**self.outcome(), now=self.written.now.configuration.time_code_output)


@handlers.handles(SetHoldover, timeout=TIMEOUT_SECONDS, retry=RETRY)
class SetHoldoverExecutor(_Changing[SetHoldover]):
    """Set the enable flags."""

    def planned(self, look: Look) -> Plan:
        """Compare the enable flags."""
        return plan_holdover(self.message.given(), look.configuration.holdover)

    def reply(self) -> HoldoverSet:
        """Answer with the enable flags as the device reports them."""
        return HoldoverSet(**self.outcome(), now=self.written.now.configuration.holdover)


@handlers.handles(SetSerialPort, timeout=TIMEOUT_SECONDS, retry=RETRY)
class SetSerialPortExecutor(_Changing[SetSerialPort]):
    """Set a serial port."""

    def planned(self, look: Look) -> Plan:
        """Compare the port."""
        port = self.message.port
        return plan_serial_port(port, self.message.given(), look.configuration.serial_port(port))

    def reply(self) -> SerialPortSet:
        """Answer with the port as the device reports it."""
        return SerialPortSet(**self.outcome(), now=self.written.now.configuration.serial_port(self.message.port))


@handlers.handles(SetSynthesizer, timeout=TIMEOUT_SECONDS, retry=RETRY)
class SetSynthesizerExecutor(_Changing[SetSynthesizer]):
    """Set the synthesizer."""

    def planned(self, look: Look) -> Plan:
        """Compare the synthesizer."""
        return plan_synthesizer(self.message.given(), look.configuration.synthesizer)

    def reply(self) -> SynthesizerSet:
        """Answer with the synthesizer as the device reports it."""
        return SynthesizerSet(**self.outcome(), now=self.written.now.configuration.synthesizer)


@handlers.handles(GetConfiguration, timeout=TIMEOUT_SECONDS, retry=RETRY)
def get_configuration(_command: GetConfiguration, ctx: Context[TcrSlot]) -> Configuration:
    """Answer with what the device reports now."""
    with _settled(ctx):
        look = _writer(ctx).look()
    return Configuration(
        slot=ctx.resource.slot,
        writing=ctx.resource.configuring.shown,
        pending_changes=look.pending,
        configuration=look.configuration,
    )


@handlers.handles(SaveConfiguration, timeout=TIMEOUT_SECONDS, retry=RETRY)
def save_configuration(_command: SaveConfiguration, ctx: Context[TcrSlot]) -> ConfigurationSaved:
    """Make the device keep what is in force; doing so twice does no harm."""
    _check_writing(ctx)
    with _settled(ctx), ctx.resource.configuring.turn(lambda: ctx.cancelled):
        _writer(ctx).save()
    return ConfigurationSaved(slot=ctx.resource.slot)


@handlers.handles(RollbackConfiguration, timeout=TIMEOUT_SECONDS, retry=RETRY)
def rollback_configuration(_command: RollbackConfiguration, ctx: Context[TcrSlot]) -> ConfigurationRolledBack:
    """Drop what is staged, if anything is."""
    _check_writing(ctx)
    with _settled(ctx), ctx.resource.configuring.turn(lambda: ctx.cancelled):
        writer = _writer(ctx)
        before = writer.look()
        after = before if before.pending == 0 else writer.rollback()
    return ConfigurationRolledBack(slot=ctx.resource.slot, pending_before=before.pending, pending_changes=after.pending)
