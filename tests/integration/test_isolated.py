"""Isolated handlers: whatever they do, only their process ends, and the message gets an outcome."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import ClassVar

import pytest
from contract.databases import Place
from integration.isolated_work import (
    PATIENT,
    Ask,
    Await,
    Bench,
    Exit,
    Flaky,
    Hang,
    HangInC,
    Heed,
    Refuse,
    Report,
    ReportWrongly,
    Segfault,
    Step,
    Tell,
    handlers,
)

from broker.handlers.context import Context
from broker.handlers.registry import HandlerRegistry
from broker.lifecycle.clock import ManualClock, SystemClock
from broker.lifecycle.state import State
from broker.messages.message import Command
from broker.runtime.app import App
from broker.runtime.client import Client
from broker.runtime.host import Host
from broker.settings import InterAppSettings
from broker.table import operator_acts
from servers.processes import InterappProcess, eventually

CHILD = "m1000-a.clk1"
PARENT = "m1000-a"

Start = Callable[..., InterappProcess]


class Local(Command[None]):
    kind: ClassVar[str] = "isolated.local"


class Site:
    """One host with one app whose handlers are isolated."""

    def __init__(self, folder: Path) -> None:
        self.url = f"sqlite:///{folder / 'table.db'}"
        self.ledger = folder / "ledger"
        self.host = Host(InterAppSettings(broker_url="memory://", database_url=self.url), SystemClock())
        self.place = Place(self.url, ManualClock())

    def start(self) -> Client:
        self.host.start()
        bench = Bench("bench", str(self.ledger))
        self.host.add(App(address=CHILD, registry=handlers, resource=bench))
        return self.host.client(PARENT)

    def outcome(self, message_id: str) -> tuple[str, str | None, str | None]:
        """Wait for a final state; return state, reason and error."""
        eventually(lambda: State(self.place.row(message_id)["state"]).final, PATIENT, "it is final")
        row = self.place.row(message_id)
        return row["state"], row["reason"], row["error"]

    def noted(self, count: int = 1) -> list[str]:
        """Wait for lines in the ledger; return them."""
        eventually(lambda: self.ledger.exists() and len(self._lines()) >= count, PATIENT, f"{count} lines")
        return self._lines()

    def _lines(self) -> list[str]:
        return self.ledger.read_text(encoding="utf-8").splitlines()


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """A host that is not started yet."""
    site = Site(tmp_path)
    yield site
    site.host.stop()
    site.place.close()


def gone(pid: int) -> bool:
    """Tell whether there is no such process any more."""
    with suppress(ProcessLookupError, FileNotFoundError):
        state = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0]
        return state == "Z"
    return True


def test_it_replies_and_its_process_stays_warm(site: Site) -> None:
    """An isolated handler reads and keeps documents and replies; messages after it are handled by the same process."""
    client = site.start()
    first = client.request(Ask(), to=CHILD, timeout=PATIENT)
    second = client.request(Ask(text="!"), to=CHILD, timeout=PATIENT)
    assert (first.name, first.count) == ("bench", 1)
    assert (second.name, second.count) == ("bench!", 2)
    assert first.pid == second.pid != os.getpid()


def test_what_it_sends_is_committed_with_its_outcome(site: Site) -> None:
    """Commands and events of an isolated handler are sent as those of any other are."""
    client = site.start()
    message_id = client.send(Tell(to=CHILD), to=CHILD)
    assert site.outcome(message_id)[0] == "succeeded"
    (sent,) = site.place.select("SELECT * FROM messages WHERE kind = 'isolated.ask'")
    assert (sent["source"], sent["correlation_id"]) == (CHILD, message_id)
    assert site.outcome(sent["id"])[0] == "succeeded"
    assert "benché" in site.place.row(sent["id"])["reply"]


def test_one_that_hangs_is_killed_with_all_it_started(site: Site) -> None:
    """At its timeout the handler's process is killed, and what it started too; the slot goes on with a new process."""
    client = site.start()
    assert site.outcome(client.send(Hang(), to=CHILD)) == ("failed", "timeout", "ran longer than 0.5 s")
    pids = [int(pid) for pid in site.noted()[0].split()]
    eventually(lambda: all(map(gone, pids)), PATIENT, "both processes are gone")
    assert client.request(Ask(), to=CHILD, timeout=PATIENT).pid not in pids


def test_one_that_segfaults_is_tried_again_by_its_policy(site: Site) -> None:
    """A segmentation fault is an error like any other: tried again, then failed; it is no poison, and the worker lives."""
    client = site.start()
    state, reason, error = site.outcome(client.send(Segfault(), to=CHILD))
    assert (state, reason) == ("failed", "error")
    assert error == "ChildProcessError: its process died of SIGSEGV"
    assert site.noted(2) == ["attempt 1", "attempt 2"]
    assert client.request(Ask(), to=CHILD, timeout=PATIENT).count == 1


@pytest.mark.parametrize("code", [0, 3])
def test_one_that_exits_is_an_error(site: Site, code: int) -> None:
    """``os._exit`` ends the handler's process, whatever the code, and never counts as success."""
    client = site.start()
    error = f"ChildProcessError: its process ended with exit code {code}"
    assert site.outcome(client.send(Exit(code=code), to=CHILD)) == ("failed", "error", error)
    assert client.request(Ask(), to=CHILD, timeout=PATIENT).count == 1


def test_its_signals_and_errors_are_those_of_any_handler(site: Site) -> None:
    """Reject is final, an error is tried again: the policy of an isolated handler is that of any other."""
    client = site.start()
    assert site.outcome(client.send(Refuse(), to=CHILD)) == ("failed", "rejected", "not with me")
    flaky = client.send(Flaky(), to=CHILD)
    assert site.outcome(flaky)[0] == "succeeded"
    assert site.place.row(flaky)["attempts"] == 2


def test_a_body_that_does_not_fit_is_invalid(site: Site) -> None:
    """Bytes that are no message end as failed (invalid), decoded where the handler runs."""
    site.start()
    site.place.execute(
        "INSERT INTO messages (id, destination, amqp_user, call_id, source, kind, version, content_type, correlation_id,"
        " reply_to, traceparent, body, body_size, sent_us) VALUES ('odd', :app, '', '', '', 'isolated.ask', 1,"
        " 'application/json', '', '', '', x'ff0a00', 3, 1)",
        app=CHILD,
    )
    assert site.outcome("odd")[:2] == ("failed", "invalid")


def test_one_that_heeds_the_request_to_stop_ends_by_itself(site: Site) -> None:
    """``ctx.cancelled`` is true in the handler's process too, once its worker asks it to stop; its outcome wins."""
    client = site.start()
    message_id = client.send(Heed(), to=CHILD)
    site.noted()
    site.host._workers[CHILD]._cancel_running()
    assert site.outcome(message_id)[0] == "succeeded"
    assert site.noted(2)[1] == "heeded"


def test_ctrl_c_is_left_to_the_worker(site: Site) -> None:
    """What a service manager or Ctrl-C sends to every process does not end a handler: its worker lets it finish."""
    message_id = site.start().send(Heed(), to=CHILD)
    pid = int(site.noted()[0])
    for number in (signal.SIGINT, signal.SIGTERM):
        os.kill(pid, number)
    site.host._workers[CHILD]._cancel_running()
    assert site.outcome(message_id)[0] == "succeeded"


def test_one_that_does_not_heed_it_is_killed_and_waits_again(site: Site) -> None:
    """A handler that goes on after it was asked to stop is killed; its message waits again, and no attempt was used up."""
    client = site.start()
    message_id = client.send(HangInC(), to=CHILD)
    first = int(site.noted()[0])
    site.host._workers[CHILD]._cancel_running()
    eventually(lambda: gone(first), PATIENT, "its process is gone")
    second = int(site.noted(2)[1])
    assert second != first
    assert site.place.row(message_id)["attempts"] == 1
    site.host._workers[CHILD]._cancel_running()


def test_one_that_an_operator_cancels_is_killed(site: Site) -> None:
    """A cancel of a message whose isolated handler hangs has its process killed, and ends it as cancelled."""
    client = site.start()
    message_id = client.send(HangInC(), to=CHILD)
    pid = int(site.noted()[0])
    operator_acts.cancel(site.place.database, SystemClock(), [site.place.row(message_id)["seq"]], "operator")
    assert site.outcome(message_id)[:2] == ("failed", "cancelled")
    assert gone(pid)


def test_its_process_does_not_outlive_the_host(site: Site) -> None:
    """When the host ends, the process of isolated handlers is gone."""
    pid = site.start().request(Ask(), to=CHILD, timeout=PATIENT).pid
    site.host.remove(CHILD)
    assert gone(pid)


def worker_that_runs(message: str, folder: Path) -> subprocess.Popen[bytes]:
    """Start a process with a worker that was sent this message."""
    program = (
        f"import sys; sys.path[:] = {sys.path!r}; from pathlib import Path; from threading import Event;"
        f" from integration.test_isolated import {message}, Site;"
        f" Site(Path({str(folder)!r})).start().send({message}(), to={CHILD!r}); Event().wait()"
    )
    return subprocess.Popen([sys.executable, "-c", program])


def test_its_process_dies_with_a_worker_that_is_killed(site: Site, tmp_path: Path) -> None:
    """After ``kill -9`` of the worker no handler goes on, not even one that hangs in C code."""
    with worker_that_runs("HangInC", tmp_path) as worker:
        handler = int(site.noted()[0])
        worker.kill()
    eventually(lambda: gone(handler), PATIENT, "the handler's process is gone")


def test_it_ends_at_its_timeout_when_its_worker_is_frozen(site: Site, tmp_path: Path) -> None:
    """While the worker is stopped nobody could kill its handler's process in time: the kernel does."""
    with worker_that_runs("Hang", tmp_path) as worker:
        handler = int(site.noted()[0].split()[0])
        worker.send_signal(signal.SIGSTOP)
        eventually(lambda: gone(handler), PATIENT, "the handler's process is gone")
        # What it started is the worker's to kill.
        os.killpg(handler, signal.SIGKILL)
        worker.kill()


def test_a_process_that_died_between_messages_is_no_ones_fault(site: Site) -> None:
    """When the warm process dies while it has nothing to do, the next message gets a new one at its first attempt."""
    client = site.start()
    pid = client.request(Ask(), to=CHILD, timeout=PATIENT).pid
    os.kill(pid, 9)
    eventually(lambda: gone(pid), PATIENT, "it is gone")
    message_id = client.send(Ask(), to=CHILD)
    assert site.outcome(message_id)[0] == "succeeded"
    assert site.place.history() == []


def test_a_resource_that_cannot_be_copied_is_refused(site: Site) -> None:
    """An app whose resource cannot be handed to another process is refused when it is added, with the way out."""
    site.host.start()
    resource = Bench("bench", threading.Lock())  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"m1000-a\.clk1 has isolated handlers.*Bench\.__reduce__"):
        site.host.add(App(address=CHILD, registry=handlers, resource=resource))


def test_a_function_that_is_not_found_by_its_name_is_refused(site: Site) -> None:
    """A function that another thing hides under its name is refused when the app is added."""
    registry = HandlerRegistry[Bench]("hidden")
    hidden = _hidden
    registry.handles(Local, timeout=1.0, isolated=True)(hidden)
    hidden.__qualname__ = "Site"
    site.host.start()
    with pytest.raises(TypeError, match="cannot be isolated: its process must be able to import"):
        site.host.add(App(address=CHILD, registry=registry, resource=Bench("", "")))


def _hidden(_message: Local, _ctx: Context[Bench]) -> None:
    """Stand under another name."""


def test_an_executor_is_run_there(site: Site) -> None:
    """An isolated executor runs its phases, async ones too, and their times are in the row."""
    client = site.start()
    answer = client.request(Step(), to=CHILD, timeout=PATIENT)
    assert answer.name == "applied True"
    assert answer.pid != os.getpid()
    (row,) = site.place.select("SELECT * FROM messages WHERE kind = 'isolated.step'")
    assert [phase for phase, _ in json.loads(row["phases"])] == ["gather", "validate", "modify", "apply", "reply"]
    assert row["phase"] is None


@pytest.mark.parametrize(
    ("message", "phase", "reason"),
    [
        (Step(hang=True), "validate", "timeout"),
        (Step(crash=True), "modify", "error"),
        (Step(fail=True), "apply", "error"),
    ],
)
def test_the_phase_it_ended_in_is_known(site: Site, message: Step, phase: str, reason: str) -> None:
    """The phase in which an isolated executor failed, or its process was killed or crashed, is in the row."""
    client = site.start()
    message_id = client.send(message, to=CHILD)
    assert site.outcome(message_id)[:2] == ("failed", reason)
    row = site.place.row(message_id)
    assert row["phase"] == phase
    assert json.loads(row["phases"])[-1][0] == phase


def test_an_async_handler_is_run_there(site: Site) -> None:
    """Isolated async handlers run one after the other on the one loop of their process."""
    client = site.start()
    first, second = (client.request(Await(), to=CHILD, timeout=PATIENT) for _ in range(2))
    assert first == second
    assert first.pid != os.getpid()


def test_reports_cross_over(site: Site) -> None:
    """Partial replies and progress of an isolated handler are in the table while it runs, its reply_to is answered."""
    client = site.start()
    replies = client.stream(Report(), to=CHILD, timeout=PATIENT)
    assert [(reply.name, reply.count) for reply in (next(replies), next(replies))] == [("é", 1), ("é", 2)]
    (row,) = site.place.rows()
    eventually(lambda: site.place.row(row["id"])["progress"], PATIENT, "its progress")
    assert site.place.row(row["id"])["progress"] == '{"fraction": 0.5, "text": "half"}'
    operator_acts.cancel(site.place.database, SystemClock(), [row["seq"]], "somebody")
    assert [reply.name for reply in replies] == ["last"]
    site.outcome(client.send(Ask(), to=CHILD, reply_to=PARENT))
    *_, answer = site.place.rows()
    assert (answer["kind"], answer["destination"]) == ("isolated.who", PARENT)


def test_a_wrong_report_is_the_isolated_handlers_error(site: Site) -> None:
    """A partial reply that cannot be is the handler's error in its process too, and the next message is handled."""
    client = site.start()
    state, reason, error = site.outcome(client.send(ReportWrongly(), to=CHILD))
    assert (state, reason) == ("failed", "error")
    assert "has no reply" in (error or "")
    assert client.request(Ask(), to=CHILD, timeout=PATIENT).name == "bench"
