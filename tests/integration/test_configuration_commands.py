"""The commands that read and change a module's configuration, run as a worker runs them, against a device over HTTP."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from integration.configured import MODULE, OUTPUT2, OtherUser, pending, requests, running, unsaved

from broker.handlers.outcome import Failed
from broker.lifecycle.clock import ManualClock
from broker.lifecycle.state import Reason, State
from broker.testing import run_handler
from broker.testing.harness import Harness
from lantime.client import LantimeClient
from lantime.configuration.mrs import MrsEntry, Source
from lantime.configuration.output_modes import OutputMode
from lantime.configuration.receiver import DelayCompensations
from lantime.configuration.sections import Enabled, Framing, TimeCode
from lantime.contract import (
    Change,
    ChangeReply,
    Configuration,
    ConfigurationRolledBack,
    GetConfiguration,
    MrsSet,
    OutputSet,
    RollbackConfiguration,
    SaveConfiguration,
    SetHoldover,
    SetMrs,
    SetOutput,
    SetReceiver,
    SetSerialPort,
    SetSynthesizer,
    SetTimeCodeOutput,
)
from lantime.simulator.server import Simulator
from lantime.status.receiver_code import ReceiverCode
from tcr_child.configuration import ATTEMPTS, handlers
from tcr_child.configuring import Configuring
from tcr_child.slot import TcrSlot

PULSE = SetOutput(output=2, mode=OutputMode.PULSE_PER_MIN, pulse_length_ms=500)


@pytest.fixture
def device() -> Iterator[Simulator]:
    """A device that can be configured."""
    with Simulator(model="M3000") as device:
        yield device


@pytest.fixture
def other(device: Simulator) -> Iterator[OtherUser]:
    """Somebody else who configures the device."""
    with OtherUser(device) as other:
        yield other


@pytest.fixture
def client(device: Simulator, other: OtherUser) -> Iterator[LantimeClient]:
    """A client with the rights to write."""
    with LantimeClient(device.url, "admin", "admin", on_exchange=other.told) as client:
        yield client


@pytest.fixture
def slot(client: LantimeClient) -> TcrSlot:
    """A slot whose service may write."""
    return TcrSlot("m1000-a", "clk1", client, ManualClock(), configuring=Configuring(enabled=True))


@pytest.fixture
def read_only(slot: TcrSlot) -> TcrSlot:
    """The same as it is by default."""
    return replace(slot, configuring=Configuring())


COMMANDS: list[Change[Any]] = [
    PULSE,
    SetReceiver(code=ReceiverCode.G142, utc_offset_minutes="unset", delay_compensation=DelayCompensations(g14x_ns=100)),
    SetMrs(sources=(MrsEntry(source=Source.NTP, precision_ns=100_000, trusted=True),)),
    SetTimeCodeOutput(code=TimeCode.NASA_36, local_time=True),
    SetHoldover(pulses=Enabled.ALWAYS),
    SetSerialPort(port=1, framing=Framing.F7E2),
    SetSynthesizer(frequency_decihertz=25),
]


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.kind)
def test_every_command_changes_once(device: Simulator, slot: TcrSlot, command: Change[Any]) -> None:
    """Each command writes what differs and answers with it; the same command again, redelivered, writes nothing."""
    before = running(device, "receiver")
    reply = run_handler(handlers, command, slot).reply
    assert isinstance(reply, ChangeReply)
    assert (reply.slot, reply.changed, reply.pending_changes, reply.saved) == ("clk1", True, 0, False)
    assert reply.difference
    assert pending(device) == 0
    assert (running(device, "receiver") == before) is not isinstance(command, SetReceiver)
    writes = len(requests(device))
    again = run_handler(handlers, command, slot, attempt=2).reply
    assert isinstance(again, ChangeReply)
    assert (again.changed, again.difference, len(requests(device))) == (False, (), writes)
    assert again.model_dump()["now"] == reply.model_dump()["now"]


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.kind)
def test_a_dry_run_shows_and_writes_nothing(device: Simulator, read_only: TcrSlot, command: Change[Any]) -> None:
    """A dry run shows what the command would change, and is allowed where nothing may be written."""
    reply = run_handler(handlers, command.model_copy(update={"dry_run": True}), read_only).reply
    assert isinstance(reply, ChangeReply)
    assert (reply.changed, reply.saved) == (False, False)
    assert reply.difference
    assert requests(device) == []


@pytest.mark.parametrize(
    "command", [*COMMANDS, SaveConfiguration(), RollbackConfiguration()], ids=lambda command: command.kind
)
def test_nothing_is_written_by_default(device: Simulator, read_only: TcrSlot, command: Any) -> None:
    """Without LANTIME_WRITE every command that writes is rejected and says what to set."""
    failed = run_handler(handlers, command, read_only).failed(Reason.REJECTED)
    assert "LANTIME_WRITE=true" in failed.error
    assert requests(device) == []


def test_the_reply_says_what_the_device_reports(device: Simulator, slot: TcrSlot) -> None:
    """The difference has both values with units in the fields' names, and ``now`` is what the device reports."""
    reply = run_handler(handlers, PULSE, slot).reply
    assert isinstance(reply, OutputSet)
    [difference] = reply.difference
    assert (difference.field, difference.before, difference.after) == ("pulse_length_ms", 200, 500)
    assert reply.now is not None
    assert (reply.now.output, reply.now.mode, reply.now.pulse_length_ms) == (2, "pulse-per-min", 500)
    assert running(device, OUTPUT2)["pulse-length"] == 0.5


def test_the_configuration_is_read(device: Simulator, other: OtherUser, read_only: TcrSlot) -> None:
    """Reading needs no right to write; it tells whether the service writes, and how many changes are pending."""
    other.stage()
    reply = run_handler(handlers, GetConfiguration(), read_only).reply
    assert isinstance(reply, Configuration)
    assert (reply.writing, reply.pending_changes) == ("read-only", 1)
    assert [each.output for each in reply.configuration.outputs] == [1, 2, 3, 4]


def test_saving(device: Simulator, slot: TcrSlot) -> None:
    """A change is saved when the command says so, or the setting and not the command; saving alone is a command too."""
    by_setting = replace(slot, configuring=Configuring(enabled=True, save=True))
    replies = [
        run_handler(handlers, PULSE.model_copy(update={"save": True}), slot).reply,
        run_handler(handlers, PULSE.model_copy(update={"inverted": True}), by_setting).reply,
        run_handler(handlers, PULSE.model_copy(update={"inverted": False, "save": False}), by_setting).reply,
    ]
    assert [reply.saved for reply in replies if isinstance(reply, OutputSet)] == [True, True, False]
    assert [path for _, path in requests(device)].count("/api/write") == 2
    assert unsaved(device) == 1
    run_handler(handlers, SaveConfiguration(), slot).succeeded()
    assert unsaved(device) == 0


def test_saving_is_made_up_for(device: Simulator, slot: TcrSlot) -> None:
    """An attempt that ended between commit and save is followed by one that finds nothing to write, and saves."""
    by_setting = replace(slot, configuring=Configuring(enabled=True, save=True))
    run_handler(handlers, PULSE, slot).succeeded()
    run_handler(handlers, PULSE, by_setting, attempt=1).succeeded()
    assert unsaved(device) == 1, "nothing differs: nothing is written"
    reply = run_handler(handlers, PULSE, by_setting, attempt=2).reply
    assert isinstance(reply, OutputSet)
    assert (reply.changed, reply.saved, unsaved(device)) == (False, True, 0)


@pytest.mark.parametrize(
    ("command", "says"),
    [
        (
            SetOutput(output=2, mode=OutputMode.HAVEQUICK),
            "mode='havequick' is not allowed: this device supports idle, ",
        ),
        (SetOutput(output=2, com=1), "com=1 is not allowed: mode pulse-per-min has "),
        (SetOutput(output=4, mode=OutputMode.PULSE_PER_HOUR), "pulse_length_ms=None is not allowed: it must be given"),
        (SetReceiver(code=ReceiverCode.NASA_36), "code='nasa-36' is not allowed: this device supports b122-b123"),
        (
            SetMrs(sources=(MrsEntry(source=Source.NTP, precision_ns=1),) * 2),
            "sources.1='ntp 0' is not allowed: each source and instance once",
        ),
    ],
    ids=["mode", "parameter", "missing", "code", "source"],
)
@pytest.mark.parametrize("dry_run", [False, True])
def test_what_cannot_be_set_is_rejected(
    device: Simulator, slot: TcrSlot, command: Change[Any], says: str, dry_run: bool
) -> None:
    """What the device cannot be set to is rejected with field, value and what is allowed; a dry run rejects it too."""
    run = run_handler(handlers, command.model_copy(update={"dry_run": dry_run}), slot)
    assert run.failed(Reason.REJECTED).error.startswith(says)
    assert requests(device) == []


def test_a_login_of_a_low_level_is_rejected(device: Simulator, slot: TcrSlot) -> None:
    """A login that may only read is rejected and named by the level that is needed."""
    with LantimeClient(device.url, "info", "info") as client:
        failed = run_handler(handlers, PULSE, replace(slot, device=client)).failed(Reason.REJECTED)
    assert "level 'admin'" in failed.error
    with LantimeClient(device.url, "admin", "wrong") as client:
        failed = run_handler(handlers, PULSE, replace(slot, device=client)).failed(Reason.REJECTED)
    assert "the device refuses the login" in failed.error


@pytest.mark.parametrize("device_of", [lambda _: None, LantimeClient], ids=["no device", "no login"])
def test_a_service_without_a_device_rejects(device: Simulator, slot: TcrSlot, device_of: Any) -> None:
    """A service that does not talk to the device says which settings are missing."""
    client = device_of(device.url)
    failed = run_handler(handlers, PULSE, replace(slot, device=client)).failed(Reason.REJECTED)
    assert "LANTIME_URL, LANTIME_USERNAME and LANTIME_PASSWORD" in failed.error
    if client is not None:
        client.close()


def test_somebody_elses_changes_are_waited_for(device: Simulator, other: OtherUser, slot: TcrSlot) -> None:
    """While somebody's changes are pending the command is tried again a few times, then rejected; force goes ahead."""
    other.stage()
    for attempt in range(1, ATTEMPTS):
        assert "pending-changes=1" in run_handler(handlers, PULSE, slot, attempt=attempt).retried().error
    failed = run_handler(handlers, PULSE, slot, attempt=ATTEMPTS).failed(Reason.REJECTED)
    assert "tcr.rollback-configuration" in failed.error
    assert "force" in failed.error
    assert requests(device) == []
    assert isinstance(run_handler(handlers, PULSE.model_copy(update={"force": True}), slot).reply, OutputSet)
    assert running(device, "time-code-output", "clk2")["local-time"] is True


def test_staged_changes_are_dropped_by_command(device: Simulator, other: OtherUser, slot: TcrSlot) -> None:
    """Rolling back drops what anybody staged and counts it; with nothing staged nothing is sent."""
    other.stage()
    replies = [run_handler(handlers, RollbackConfiguration(), slot).reply for _ in range(2)]
    counts = [
        (each.pending_before, each.pending_changes) for each in replies if isinstance(each, ConfigurationRolledBack)
    ]
    assert counts == [(1, 0), (0, 0)]
    assert len(requests(device)) == 1


@pytest.mark.parametrize(("path", "status"), [(MODULE, 500), (MODULE, 503), ("/api/commit", 500), ("/api/commit", 403)])
def test_a_failure_says_what_is_on_the_device(device: Simulator, slot: TcrSlot, path: str, status: int) -> None:
    """A step that fails is rolled back and ends the message: the error says what was wanted and what is there now."""
    device.fail_requests(method="PUT", path_prefix=path, status=status)
    failed = run_handler(handlers, PULSE, slot).failed(Reason.ERROR)
    for said in (
        "wanted: pulse_length_ms=500",
        "rolled back: true",
        "on the device now: pulse_length_ms=200, 0 changes",
    ):
        assert said in failed.error
    assert failed.phase == "apply"
    assert (pending(device), running(device, OUTPUT2)["pulse-length"]) == (0, 0.2)


@pytest.mark.parametrize(("status", "says"), [(404, "LANTIME_WRITE_PROFILE"), (422, "asked to fail")])
def test_a_refused_write_is_rejected(device: Simulator, slot: TcrSlot, status: int, says: str) -> None:
    """A write that is refused before anything was staged is rejected with the device's words, and not tried again."""
    device.fail_requests(method="PUT", path_prefix=MODULE, status=status)
    assert says in run_handler(handlers, PULSE, slot).failed(Reason.REJECTED).error


def test_a_conflict_is_waited_for(device: Simulator, slot: TcrSlot) -> None:
    """While the device says that somebody edits the same, the command is tried again, in the end rejected."""
    device.fail_requests(method="PUT", path_prefix=MODULE, status=409, count=2)
    assert "somebody else is editing" in run_handler(handlers, PULSE, slot).retried().error
    run_handler(handlers, PULSE, slot, attempt=ATTEMPTS).failed(Reason.REJECTED)
    run_handler(handlers, PULSE, slot).succeeded()


@pytest.mark.parametrize("status", [500, 503])
def test_trouble_before_anything_was_written_is_tried_again(device: Simulator, slot: TcrSlot, status: int) -> None:
    """A device that cannot be read has further attempts, since nothing was written yet."""
    device.fail_requests(method="GET", path_prefix=MODULE, status=status)
    assert str(status) in run_handler(handlers, PULSE, slot).retried().error
    run_handler(handlers, PULSE, slot, attempt=2).succeeded()


def test_a_device_that_is_away_is_tried_again(device: Simulator, slot: TcrSlot) -> None:
    """A device that cannot be reached has all attempts, then the command fails with the way out."""
    device.stop()
    run_handler(handlers, PULSE, slot).retried()
    failed = run_handler(handlers, PULSE, slot, attempt=ATTEMPTS).outcome
    assert isinstance(failed, Failed)
    assert failed.reason is Reason.ERROR


def test_a_disturbed_change_is_tried_again(device: Simulator, other: OtherUser, slot: TcrSlot) -> None:
    """Two who write at once both roll back; the next attempt finds the device alone and succeeds."""
    other.after_next("PUT", MODULE, other.stage)
    assert "somebody else changed the device meanwhile" in run_handler(handlers, PULSE, slot).retried().error
    run_handler(handlers, PULSE, slot, attempt=2).succeeded()
    assert running(device, OUTPUT2)["pulse-length"] == 0.5


def test_two_slots_of_one_service_take_turns(device: Simulator, slot: TcrSlot) -> None:
    """Commands of two slots at the same time do not see each other's staged changes: both succeed at once, many times over."""
    outcomes: list[object] = []

    def write(name: str, inverted: bool) -> None:
        one = replace(slot, slot=name)
        for round_ in range(5):
            command = SetOutput(output=1, inverted=inverted is (round_ % 2 == 0))
            outcomes.append(run_handler(handlers, command, one).reply)

    threads = [threading.Thread(target=write, args=(name, True)) for name in ("clk1", "clk2")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [reply.changed for reply in outcomes if isinstance(reply, OutputSet)] == [True] * 10
    assert [path for _, path in requests(device)].count("/api/rollback") == 0


def test_a_list_of_references_through_the_table(device: Simulator, slot: TcrSlot, interapp: Harness) -> None:
    """Through the real worker and table a command ends with its typed reply, and its phases are told."""
    interapp.serve(handlers, slot, "m1000-a.clk1")
    command = SetMrs(
        sources=(MrsEntry(source=Source.PTP, precision_ns=100), MrsEntry(source=Source.IRIG, precision_ns=10_000))
    )
    reply = interapp.succeeded(interapp.send(command, to="m1000-a.clk1"))
    assert isinstance(reply, MrsSet)
    assert reply.now is not None
    assert [each.source for each in reply.now] == ["ptp-ieee1588", "irig"]
    assert [find["info"]["settings"]["id"]["type"] for find in running(device, "mrs")] == ["ptp-ieee1588", "irig"]


def test_a_command_waits_out_somebody_elses_edit(
    device: Simulator, other: OtherUser, slot: TcrSlot, interapp: Harness
) -> None:
    """A command that meets somebody's staged changes is handled once they are gone."""
    other.stage()
    interapp.serve(handlers, slot, "m1000-a.clk1")
    sent = interapp.send(PULSE, to="m1000-a.clk1")
    interapp.wait(sent, State.WAITING, attempts=1)
    other.commit()
    interapp.advance(60)
    assert isinstance(interapp.succeeded(sent), OutputSet)
