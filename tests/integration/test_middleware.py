"""Middleware in a host: the hooks of a whole message, metrics, and traces that go on."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, ClassVar

import pytest
import structlog
from contract.databases import Place
from structlog.testing import capture_logs

from broker.errors import Reject, RetryLater
from broker.handlers.context import Context
from broker.handlers.outcome import Outcome
from broker.handlers.registry import HandlerRegistry
from broker.handlers.retry import NO_RETRY
from broker.lifecycle.clock import ManualClock, SystemClock
from broker.lifecycle.ids import new_id
from broker.lifecycle.state import State
from broker.messages.envelope import Envelope
from broker.messages.message import Command, Event
from broker.observe.metrics import Metrics
from broker.runtime.app import App
from broker.runtime.host import Host
from broker.runtime.middleware.handled_log import HandledLog
from broker.runtime.middleware.metering import Metering
from broker.runtime.middleware.middleware import Middleware
from broker.runtime.middleware.tracing import Tracing
from broker.settings import InterAppSettings
from broker.table.rows import Settlement
from broker.transport.memory.transport import MemoryTransport
from servers.processes import eventually

CHILD = "m1000-a.clk1"
PARENT = "m1000-a"
PATIENCE_S = 30.0
TRACE = "0af7651916cd43dd8448eb211c80319c"
TRACEPARENT = f"00-{TRACE}-b7ad6b7169203331-01"


class Do(Command[None]):
    kind: ClassVar[str] = "test.do"
    how: str = ""


class Next(Command[None]):
    kind: ClassVar[str] = "test.next"


class Happened(Event):
    kind: ClassVar[str] = "test.happened"


class Site:
    """One host with one app, and its middleware."""

    def __init__(self, folder: Path, middleware: Sequence[Middleware]) -> None:
        url = f"sqlite:///{folder / 'table.db'}"
        self.transport = MemoryTransport(SystemClock())
        settings = InterAppSettings(broker_url="memory://", database_url=url)
        self.host = Host(settings, SystemClock(), transport=self.transport, middleware=middleware)
        self.host.start()
        self.never = threading.Event()
        self.place = Place(url, ManualClock())
        registry = HandlerRegistry["Site"]("test")

        @registry.handles(Do, timeout=0.5, retry=NO_RETRY)
        def do(message: Do, ctx: Context[Site]) -> None:
            match message.how:
                case "reject":
                    raise Reject("no")
                case "hang":
                    ctx.resource.never.wait(PATIENCE_S)
                case "later" if not ctx.resource.never.is_set():
                    ctx.resource.never.set()
                    raise RetryLater(0.01)
            ctx.send(Next(), to=CHILD)
            ctx.publish(Happened())
            ctx.resource.host.client(CHILD).send(Next(), to=CHILD)

        registry.handles(Next)(lambda _message, _ctx: None)
        registry.handles(Happened)(lambda _message, _ctx: None)
        self.host.add(App(address=CHILD, registry=registry, resource=self))
        self.client = self.host.client(PARENT)

    def final(self, message_id: str) -> str:
        eventually(lambda: State(self.place.row(message_id)["state"]).final, PATIENCE_S, "it is final")
        return str(self.place.row(message_id)["state"])

    def foreign(self, kind: str, traceparent: str = "") -> str:
        """Publish as a foreign producer; return the id when the message is final."""
        envelope = Envelope(
            message_id=new_id(),
            kind=kind,
            body=b"{}",
            destination=CHILD,
            traceparent=traceparent,
            user=self.transport.user,
        )
        self.transport.publish([envelope], lambda _envelopes, _error: None)
        eventually(lambda: len(self.place.select("SELECT 1 FROM messages WHERE id = :id", id=envelope.message_id)) == 1)
        self.final(envelope.message_id)
        return envelope.message_id

    def close(self) -> None:
        self.never.set()
        self.host.stop()
        self.place.close()


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Callable[..., Site]]:
    """Make a site with some middleware."""
    with ExitStack() as stack:

        def make(*middleware: Middleware) -> Site:
            made = Site(tmp_path, middleware)
            stack.callback(made.close)
            return made

        yield make


class Noting(Middleware):
    """Notes every hook."""

    def __init__(self) -> None:
        self.noted: list[tuple[Any, ...]] = []

    def sending(self, envelope: Envelope) -> Envelope:
        self.noted.append(("sending", envelope.kind))
        return envelope

    def received(self, app: str, envelopes: Sequence[Envelope]) -> None:
        self.noted += [("received", app, envelope.kind) for envelope in envelopes]

    def handling(self, ctx: Context[Any]) -> None:
        self.noted.append(("handling", ctx.app, ctx.envelope.kind))

    def handled(self, ctx: Context[Any], outcome: Outcome, seconds: float) -> None:
        assert seconds >= 0
        self.noted.append(("handled", ctx.envelope.kind, type(outcome).__name__))

    def settled(self, app: str, settlements: Sequence[Settlement]) -> None:
        self.noted += [("settled", app, item.row.envelope.kind, item.state.value) for item in settlements]


def test_the_hooks_of_a_message(site: Callable[..., Site]) -> None:
    """A message passes the hooks in their order: sending, received, handling, what its handler sends, handled, settled."""
    noting = Noting()
    made = site(noting)
    assert made.final(made.client.send(Do(how="reject"), to=CHILD)) == "failed"
    eventually(lambda: len(noting.noted) >= 5, PATIENCE_S, "settled is told")
    ours = [entry for entry in noting.noted if entry[0] != "received"]
    assert ours == [
        ("sending", "test.do"),
        ("handling", CHILD, "test.do"),
        ("handled", "test.do", "Failed"),
        ("settled", CHILD, "test.do", "failed"),
    ]
    eventually(lambda: ("received", CHILD, "test.do") in noting.noted, PATIENCE_S, "received is told")


def test_what_a_handler_sends_passes_sending(site: Callable[..., Site]) -> None:
    """Messages and events of an outcome pass sending before they are committed, and before handled."""
    noting = Noting()
    made = site(noting)
    made.final(made.client.send(Do(), to=CHILD))
    eventually(lambda: sum(entry[0] == "settled" for entry in noting.noted) >= 4, PATIENCE_S, "all are settled")
    order = [entry for entry in noting.noted if entry[0] != "received"]
    upto = order.index(("handled", "test.do", "Succeeded"))
    assert sorted(entry[1] for entry in order[:upto] if entry[0] == "sending") == [
        "test.do",
        "test.happened",
        "test.next",
        "test.next",
    ]


def test_a_handler_that_is_given_up_is_told_once(site: Callable[..., Site]) -> None:
    """A handler that outlived its timeout is handled once, as a failure, though its thread ends later."""
    noting = Noting()
    made = site(noting)
    made.final(made.client.send(Do(how="hang"), to=CHILD))
    made.never.set()
    made.final(made.client.send(Next(), to=CHILD))
    assert [entry for entry in noting.noted if entry[:2] == ("handled", "test.do")] == [
        ("handled", "test.do", "Failed")
    ]


def test_one_that_raises_harms_no_message(site: Callable[..., Site]) -> None:
    """With a middleware whose every hook raises, messages are handled as without, and the log is not flooded."""

    class Broken(Middleware):
        def sending(self, envelope: Envelope) -> Envelope:
            raise OSError("broken")

        def received(self, app: str, envelopes: Sequence[Envelope]) -> None:
            raise OSError("broken")

        def handling(self, ctx: Context[Any]) -> None:
            raise OSError("broken")

        def handled(self, ctx: Context[Any], outcome: Outcome, seconds: float) -> None:
            raise OSError("broken")

        def settled(self, app: str, settlements: Sequence[Settlement]) -> None:
            raise OSError("broken")

    made = site(Broken())
    with capture_logs() as logged:
        assert [made.final(made.client.send(Do(), to=CHILD)) for _ in range(2)] == ["succeeded", "succeeded"]
    assert len([line for line in logged if line["event"].startswith("a middleware failed")]) <= 5


def test_metrics_count_what_was_handled(site: Callable[..., Site]) -> None:
    """Runs are counted by app, kind and state; a kind that has no handler is counted as other, whatever it is called."""
    metrics = Metrics()
    made = site(Metering(metrics))
    made.final(made.client.send(Do(how="reject"), to=CHILD))
    made.final(made.client.send(Do(how="later"), to=CHILD))
    for n in range(3):
        made.foreign(f"made.up-{n}")

    def count(kind: str, state: str) -> str | None:
        series = f'interapp_handler_seconds_count{{app="{CHILD}",kind="{kind}",state="{state}"}} '
        return next((line[len(series) :] for line in metrics.text().splitlines() if line.startswith(series)), None)

    eventually(lambda: count("other", "failed") == "3", PATIENCE_S, "all are counted")
    assert [count("test.do", state) for state in ("failed", "waiting", "succeeded")] == ["1", "1", "1"]
    assert "made.up" not in metrics.text()


def test_a_trace_goes_on(site: Callable[..., Site]) -> None:
    """All that a handler sends, by its context or a client, belongs to the trace of its message, each with a span of its own."""
    made = site(Tracing())
    message_id = made.foreign("test.do", TRACEPARENT)
    rows = made.place.select("SELECT * FROM messages WHERE id <> :id", id=message_id)
    assert sorted(row["kind"] for row in rows) == ["test.happened", "test.next", "test.next"]
    spans = [row["traceparent"].split("-") for row in rows]
    assert {(version, trace, flags) for version, trace, _, flags in spans} == {("00", TRACE, "01")}
    assert len({span for _, _, span, _ in spans} | {"b7ad6b7169203331"}) == 4


@pytest.mark.parametrize("given", ["", "garbage", TRACEPARENT + "-more"])
def test_no_trace_begins_by_itself(site: Callable[..., Site], given: str) -> None:
    """What is caused by a message without a valid trace has none but what came with it, also after a traced message."""
    made = site(Tracing())
    made.foreign("test.do", TRACEPARENT)
    message_id = made.foreign("test.do", given)
    rows = made.place.select("SELECT * FROM messages WHERE correlation_id = :id", id=message_id)
    assert len(rows) >= 2
    assert {row["traceparent"] for row in rows} <= {given, ""}


@pytest.fixture
def _everything_logged() -> Iterator[None]:
    """Whatever another test has configured in this process."""
    before = structlog.get_config()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.DEBUG))
    yield
    structlog.configure(**before)


@pytest.mark.usefixtures("_everything_logged")
def test_a_line_for_every_handled_message(site: Callable[..., Site]) -> None:
    """Each handled message is one line at level debug, with its id, its outcome and, when it failed, why."""
    made = site(HandledLog())
    with capture_logs() as logged:
        message_id = made.client.send(Do(how="reject"), to=CHILD)
        made.final(message_id)
    (line,) = [line for line in logged if line["event"] == "handled"]
    assert (line["log_level"], line["id"], line["kind"], line["outcome"]) == ("debug", message_id, "test.do", "failed")
    assert (line["app"], line["error"], line["attempt"]) == (CHILD, "no", 1)
