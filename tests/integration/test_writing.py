"""Writing a module's configuration over HTTP: in order, once, and taken back when a step fails."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from integration.configured import MODULE, OUTPUT2, OtherUser, pending, requests, running, unsaved

from lantime.answer import DeviceAnswer
from lantime.client import LantimeClient
from lantime.configuration.outputs import plan_output
from lantime.configuration.plan import Plan
from lantime.configuration.receiver import plan_receiver
from lantime.errors import (
    DeviceUnreachable,
    PendingChanges,
    Refusal,
    RequestGivenUp,
    RolledBack,
    UnexpectedAnswer,
    WriteDisturbed,
    WriteFailed,
    WriteRefused,
)
from lantime.simulator.faults import Kind
from lantime.simulator.server import Simulator
from lantime.writing.decisions import Look, Step
from lantime.writing.profile import Action, BodyForm, Verb, WriteProfile
from lantime.writing.writer import ModuleWriter


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
def writer(client: LantimeClient) -> ModuleWriter:
    """A writer of slot clk1."""
    return ModuleWriter(client, WriteProfile(), "clk1")


def half_a_second(look: Look) -> Plan:
    """Ask for pulses of 500 ms, inverted, on output 2."""
    found = look.configuration
    wanted = {"mode": "pulse-per-min", "pulse_length_ms": 500, "inverted": True}
    return plan_output(2, wanted, found.output(2), found.supported_output_modes)


def two_parts(look: Look) -> Plan:
    """Ask for what takes two writes."""
    wanted = {"ignore_tfom": True, "delay_compensation": {"b1xx_ns": 100}}
    return plan_receiver(wanted, look.configuration.receiver)


def test_a_change_is_written_committed_and_read_back(device: Simulator, writer: ModuleWriter) -> None:
    """What differs is written in one request and put in force; the answer is what the device itself reports."""
    written = writer.change(half_a_second)
    assert requests(device) == [("PUT", OUTPUT2), ("PUT", "/api/commit")]
    now_there = running(device, OUTPUT2)
    assert (now_there["pulse-length"], now_there["inverted"], now_there["if-sync-only"]) == (0.5, True, True)
    assert (written.changed, written.saved, written.now.pending) == (True, False, 0)
    assert [(each.field, each.before, each.after) for each in written.differences] == [
        ("inverted", False, True),
        ("pulse_length_ms", 200, 500),
    ]
    now = written.now.configuration.output(2)
    assert now is not None
    assert now.pulse_length_ms == 500


def test_what_is_as_wanted_is_not_written(device: Simulator, writer: ModuleWriter) -> None:
    """The same change again writes nothing at all."""
    writer.change(half_a_second)
    before = requests(device)
    written = writer.change(half_a_second)
    assert (written.changed, written.differences, requests(device)) == (False, (), before)


def test_a_change_is_saved_when_asked(device: Simulator, writer: ModuleWriter) -> None:
    """Saving comes after the commit, by the documented request, and also when nothing differed."""
    assert writer.change(half_a_second).changed
    assert unsaved(device) == 2
    for _ in range(2):
        assert writer.change(half_a_second, save=True).saved
    assert requests(device)[2:] == [("PUT", "/api/write")] * 2
    assert unsaved(device) == 0
    assert writer.change(two_parts, save=True).saved
    assert requests(device)[-2:] == [("PUT", "/api/commit"), ("PUT", "/api/write")]
    assert unsaved(device) == 0


def test_changes_of_another_user_are_not_joined(device: Simulator, other: OtherUser, writer: ModuleWriter) -> None:
    """While somebody's changes are pending nothing is written; by force they are put in force with ours."""
    other.stage()
    with pytest.raises(PendingChanges, match="pending-changes=1") as refused:
        writer.change(half_a_second)
    assert refused.value.count == 1
    assert requests(device) == []
    assert writer.change(half_a_second, force=True).now.pending == 0
    assert running(device, "time-code-output", "clk2")["local-time"] is True


def test_what_is_staged_but_not_in_force_is_not_done(
    device: Simulator, client: LantimeClient, writer: ModuleWriter
) -> None:
    """What an earlier run staged and did not commit is not taken for done; by force it is committed."""
    client.write("PUT", f"{MODULE}/{OUTPUT2}", {"pulse-length": 0.5, "inverted": True})
    with pytest.raises(PendingChanges):
        writer.change(half_a_second)
    written = writer.change(half_a_second, force=True)
    assert (written.changed, written.differences) == (True, ())
    assert running(device, OUTPUT2)["pulse-length"] == 0.5


@pytest.mark.parametrize("force", [False, True])
def test_another_user_who_joins_is_noticed(
    device: Simulator, other: OtherUser, writer: ModuleWriter, force: bool
) -> None:
    """A change that somebody stages between ours and the commit is not committed: ours is rolled back and says why."""
    other.after_next("PUT", MODULE, other.stage)
    with pytest.raises(WriteDisturbed, match="somebody else changed the device meanwhile") as failed:
        writer.change(half_a_second, force=force)
    assert (failed.value.step, failed.value.rolled_back) == (Step.COUNT, RolledBack.TRUE)
    assert running(device, "time-code-output", "clk2")["local-time"] is False
    assert running(device, OUTPUT2)["pulse-length"] == 0.2


def test_another_user_who_rolls_back_is_noticed(device: Simulator, other: OtherUser, writer: ModuleWriter) -> None:
    """When somebody drops what is staged, ours is not taken for written."""
    other.after_next("PUT", MODULE, other.roll_back)
    with pytest.raises(WriteDisturbed, match="not what the device reports: inverted, pulse_length_ms") as failed:
        writer.change(half_a_second)
    assert failed.value.step == Step.READ_BACK


# Answers that refuse.


@pytest.mark.parametrize(
    ("status", "reason", "says"),
    [
        (403, Refusal.LEVEL, "level 'admin'"),
        (404, Refusal.PATH, "LANTIME_WRITE_PROFILE"),
        (405, Refusal.PATH, "LANTIME_WRITE_PROFILE"),
        (409, Refusal.CONFLICT, "somebody else"),
        (422, Refusal.VALUE, "asked to fail"),
        (400, Refusal.VALUE, "asked to fail"),
    ],
)
def test_a_refusal_changes_nothing(
    device: Simulator, writer: ModuleWriter, status: int, reason: Refusal, says: str
) -> None:
    """A write that is refused at once is told by its reason, with the device's words; nothing is rolled back."""
    device.fail_requests(method="PUT", path_prefix=MODULE, status=status)
    with pytest.raises(WriteRefused, match=says) as refused:
        writer.change(half_a_second)
    assert (refused.value.reason, refused.value.status) == (reason, status)
    assert "asked to fail" in refused.value.body
    assert requests(device) == [("PUT", OUTPUT2)]
    assert pending(device) == 0


def test_a_login_that_may_only_read_is_told(device: Simulator) -> None:
    """A login of level info reads the configuration and is refused by its level when it writes."""
    with LantimeClient(device.url, "info", "info") as client:
        writer = ModuleWriter(client, WriteProfile(), "clk1")
        assert writer.look().pending == 0
        with pytest.raises(WriteRefused, match="level 'admin'"):
            writer.change(half_a_second)


def test_a_second_write_that_is_refused_takes_back_the_first(device: Simulator, writer: ModuleWriter) -> None:
    """When a later part is refused, what was staged before it is rolled back, and the error says what is there."""
    device.fail_requests(method="PUT", path_prefix=f"{MODULE}/receiver/delay", status=422)
    with pytest.raises(WriteFailed) as failed:
        writer.change(two_parts)
    error = failed.value
    assert (error.step, error.rolled_back, error.pending) == (Step.WRITE, RolledBack.TRUE, 0)
    assert error.now == error.before == {"ignore_tfom": False, "delay_compensation.b1xx_ns": 0}
    assert error.wanted == {"ignore_tfom": True, "delay_compensation.b1xx_ns": 100}
    assert isinstance(error.__cause__, WriteRefused)
    assert running(device, "receiver/ignore-tfom") is False
    assert pending(device) == 0


STEPS = [
    ("PUT", MODULE, Step.WRITE),
    ("PUT", "/api/commit", Step.COMMIT),
]


@pytest.mark.parametrize(("verb", "path", "step"), STEPS)
def test_a_step_that_fails_is_taken_back(
    device: Simulator, writer: ModuleWriter, verb: str, path: str, step: Step
) -> None:
    """A server error at any step rolls back; the error names the step, what was wanted, and what is on the device."""
    device.fail_requests(method=verb, path_prefix=path, status=500)
    with pytest.raises(WriteFailed) as failed:
        writer.change(half_a_second)
    error = failed.value
    assert (error.step, error.rolled_back, error.pending) == (step, RolledBack.TRUE, 0)
    for said in (
        f"step '{step}' failed",
        "HTTP status 500",
        "wanted: inverted=true, pulse_length_ms=500",
        "rolled back: true",
        "on the device now: inverted=false, pulse_length_ms=200, 0 changes pending",
    ):
        assert said in str(error)
    assert "tcr.rollback-configuration" not in str(error)
    assert requests(device)[-1] == ("PUT", "/api/rollback")
    assert running(device, OUTPUT2)["pulse-length"] == 0.2


def test_a_reading_back_that_fails_is_taken_back(device: Simulator, writer: ModuleWriter) -> None:
    """What was staged and cannot be read back is not committed."""
    device.fail_requests(method="GET", path_prefix=MODULE, skip=1, status=500)
    with pytest.raises(WriteFailed) as failed:
        writer.change(half_a_second)
    assert (failed.value.step, failed.value.rolled_back) == (Step.READ_BACK, RolledBack.TRUE)
    assert running(device, OUTPUT2)["pulse-length"] == 0.2


def test_a_commit_that_could_not_be_confirmed_at_once(device: Simulator, writer: ModuleWriter) -> None:
    """When the first reading after the commit fails, the next one shows that it is in force: nothing is rolled back."""
    device.fail_requests(method="GET", path_prefix=MODULE, skip=2, status=500)
    assert writer.change(half_a_second).changed
    assert running(device, OUTPUT2)["pulse-length"] == 0.5
    assert requests(device)[-1] == ("PUT", "/api/commit")


def test_a_rollback_that_fails_is_told(device: Simulator, writer: ModuleWriter) -> None:
    """When rolling back fails too, the error says so, and that the change is still staged and not in force."""
    device.fail_requests(method="PUT", path_prefix="/api/commit", status=500)
    device.fail_requests(method="PUT", path_prefix="/api/rollback", status=500)
    with pytest.raises(WriteFailed, match="rolling back failed as well") as failed:
        writer.change(half_a_second)
    assert (failed.value.rolled_back, failed.value.pending) == (RolledBack.FALSE, 2)
    assert str(failed.value).endswith("drop what is staged with tcr.rollback-configuration")
    assert failed.value.now == failed.value.wanted
    assert running(device, OUTPUT2)["pulse-length"] == 0.2


def test_a_device_that_goes_away_leaves_it_unknown(device: Simulator, writer: ModuleWriter) -> None:
    """When nothing can be read any more, what is on the device is said to be unknown."""
    device.fail_requests(method="PUT", path_prefix="/api/commit", status=500)
    device.fail_requests(method="PUT", path_prefix="/api/rollback", status=500)
    device.fail_requests(method="GET", path_prefix=MODULE, skip=2, count=99, status=500)
    with pytest.raises(WriteFailed, match="on the device now: could not be read") as failed:
        writer.change(half_a_second)
    assert (failed.value.rolled_back, failed.value.now) == (RolledBack.UNKNOWN, None)


def test_saving_that_fails_leaves_it_in_force(device: Simulator, writer: ModuleWriter) -> None:
    """When only saving fails nothing is rolled back: the error says that it is in force, and what to send."""
    device.fail_requests(method="PUT", path_prefix="/api/write", status=500)
    with pytest.raises(WriteFailed, match=r"in force.*tcr\.save-configuration") as failed:
        writer.change(half_a_second, save=True)
    assert (failed.value.step, failed.value.rolled_back) == (Step.SAVE, RolledBack.FALSE)
    assert failed.value.now == failed.value.wanted
    assert running(device, OUTPUT2)["pulse-length"] == 0.5


# Answers that are lost.


@pytest.mark.parametrize("path", [MODULE, "/api/commit"])
def test_a_lost_answer_is_no_failure(device: Simulator, writer: ModuleWriter, path: str) -> None:
    """A request whose answer is lost after its effect is found by reading, and the change goes on to its end."""
    device.fail_requests(method="PUT", path_prefix=path, kind=Kind.RESET, after_effect=True)
    assert writer.change(half_a_second).changed
    assert running(device, OUTPUT2)["pulse-length"] == 0.5
    assert requests(device) == [("PUT", OUTPUT2), ("PUT", "/api/commit")]


def test_a_lost_answer_between_two_writes(device: Simulator, writer: ModuleWriter) -> None:
    """The write after a lost answer is still done."""
    device.fail_requests(method="PUT", path_prefix=f"{MODULE}/receiver", kind=Kind.RESET, after_effect=True)
    assert writer.change(two_parts).changed
    assert running(device, "receiver/delay-compensation/b1xx/value") == 1e-7


def test_a_device_that_cannot_be_reached_gets_nothing(device: Simulator, writer: ModuleWriter) -> None:
    """A device that is not there at first is DeviceUnreachable: nothing was written, and it may be tried again."""
    device.stop()
    with pytest.raises(DeviceUnreachable):
        writer.change(half_a_second)


# Being told to stop.


def test_being_told_to_stop_before_anything_was_written(device: Simulator, client: LantimeClient) -> None:
    """Whoever is told to stop before the first request writes nothing."""
    with pytest.raises(RequestGivenUp):
        ModuleWriter(client, WriteProfile(), "clk1", cancelled=lambda: True).change(half_a_second)
    assert requests(device) == []


def test_being_told_to_stop_with_something_staged(device: Simulator, client: LantimeClient) -> None:
    """Whoever is told to stop before the commit takes back what was staged."""
    with pytest.raises(WriteFailed) as failed:
        ModuleWriter(client, WriteProfile(), "clk1", cancelled=lambda: bool(requests(device))).change(half_a_second)
    assert failed.value.rolled_back is RolledBack.TRUE
    assert requests(device)[-1] == ("PUT", "/api/rollback")
    assert running(device, OUTPUT2)["pulse-length"] == 0.2


def test_being_told_to_stop_with_everything_staged(device: Simulator, client: LantimeClient) -> None:
    """From the commit on a change is finished, whoever is told to stop."""

    def committed() -> bool:
        return ("PUT", "/api/commit") in requests(device)

    assert ModuleWriter(client, WriteProfile(), "clk1", cancelled=committed).change(half_a_second).changed
    assert running(device, OUTPUT2)["pulse-length"] == 0.5


# Other ways of writing.


@pytest.mark.parametrize("body", BodyForm)
@pytest.mark.parametrize("verb", [Verb.PUT, Verb.PATCH])
def test_another_profile_is_followed(device: Simulator, client: LantimeClient, verb: Verb, body: BodyForm) -> None:
    """Verb and wrapping are those of the profile; the device takes each of them."""
    written = ModuleWriter(client, WriteProfile(verb=verb, body=body), "clk1").change(two_parts)
    assert (written.changed, written.now.pending) == (True, 0)
    assert requests(device) == [
        (verb, "receiver"),
        (verb, "receiver/delay-compensation/b1xx"),
        ("PUT", "/api/commit"),
    ]
    assert running(device, "receiver/ignore-tfom") is True


def test_a_profile_that_does_not_fit(device: Simulator, client: LantimeClient) -> None:
    """A commit that the device does not have takes back what was staged, and names the setting that says otherwise."""
    profile = WriteProfile(commit=Action(verb=Verb.POST, path="/api/activate"))
    with pytest.raises(WriteFailed, match=r"POST refused.*LANTIME_WRITE_PROFILE"):
        ModuleWriter(client, profile, "clk1").change(half_a_second)
    assert requests(device)[1:] == [("POST", "/api/activate"), ("PUT", "/api/rollback")]
    assert running(device, OUTPUT2)["pulse-length"] == 0.2


@pytest.mark.parametrize("kind", [Kind.EMPTY, Kind.HTML])
def test_a_device_that_does_not_do_what_it_is_told(device: Simulator, writer: ModuleWriter, kind: Kind) -> None:
    """A write that is answered as if it were done, and is not, ends as failed."""
    device.fail_requests(method="PUT", path_prefix=MODULE, kind=kind)
    with pytest.raises(WriteFailed) as failed:
        writer.change(half_a_second)
    assert (failed.value.rolled_back, failed.value.now) == (RolledBack.TRUE, failed.value.before)


def test_an_answer_without_a_configuration_is_refused(client: LantimeClient) -> None:
    """A path that answers something else is no configuration."""
    with pytest.raises(UnexpectedAnswer, match="no configuration"):
        ModuleWriter(
            client, WriteProfile(path="/api/config/{chassis}/slots/{slot}/module/synthesizer/{part}"), "clk1"
        ).look()


def test_a_slot_without_a_module_is_told(client: LantimeClient) -> None:
    """An empty slot's configuration is not found, and the error says what that may mean."""
    with pytest.raises(WriteRefused, match="or the slot is empty"):
        ModuleWriter(client, WriteProfile(), "clk9").look()


@pytest.mark.parametrize(
    ("said", "count"), [(0, 0), ("3", 3), ([], 0), (["a"], 1), (None, None), ("x", None), (1.5, None), (-1, None)]
)
def test_the_count_is_read_tolerantly(said: object, count: int | None) -> None:
    """The number of pending changes may be a number, its digits or the list of them; else it is not known."""
    assert DeviceAnswer(url="", body={"changes": {"pending-changes": said}}).pending_changes == count


def test_an_answer_without_a_count() -> None:
    """Where nothing is counted the number of pending changes is not known."""
    assert DeviceAnswer(url="", body={}).pending_changes is None
