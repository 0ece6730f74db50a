"""Calls, replies and progress between whole hosts: in memory with SQLite and over RabbitMQ with PostgreSQL."""

import threading
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import pytest
from integration.test_worker import CHILD, PARENT, PATIENCE_S, Site

from broker.errors import InvalidMessage, Reject, ReplyTimeout, RequestFailed
from broker.handlers.context import Context
from broker.handlers.registry import HandlerRegistry
from broker.handlers.retry import NO_RETRY, Backoff
from broker.lifecycle.state import Reason, State
from broker.messages.call import CallFailed, NotYet, Replied
from broker.messages.envelope import Envelope
from broker.messages.message import Command, Event, Reply
from broker.runtime.app import App
from broker.runtime.client import Client
from broker.runtime.host import Host
from broker.table.reports import GAVE_UP
from servers.processes import eventually

OTHER = "m1000-a.clk2"


class Done(Reply):
    kind: ClassVar[str] = "calls.done"
    n: int


class Do(Command[Done]):
    """What is done: answered with its number, or refused when that is negative."""

    kind: ClassVar[str] = "calls.do"
    n: int


class Count(Command[Done]):
    """Counts up to a number, one reply each; fails at the end when it is odd."""

    kind: ClassVar[str] = "calls.count"
    upto: int


class Hold(Command[None]):
    """Runs until the test lets it go on."""

    kind: ClassVar[str] = "calls.hold"


class Flaky(Command[None]):
    """Fails once."""

    kind: ClassVar[str] = "calls.flaky"


class Misuse(Command[None]):
    """Reports what may not be reported."""

    kind: ClassVar[str] = "calls.misuse"
    fraction: float | None = None


class Big(Command[None]):
    kind: ClassVar[str] = "calls.big"
    text: str


class Ping(Event):
    kind: ClassVar[str] = "calls.ping"


@dataclass
class Bench:
    """What the handlers work on."""

    ran: list[Any] = field(default_factory=list)
    entered: threading.Event = field(default_factory=threading.Event)
    go_on: threading.Event = field(default_factory=threading.Event)


handlers = HandlerRegistry[Bench]("calls")


@handlers.handles(Do)
def do(message: Do, ctx: Context[Bench]) -> Done:
    """Answer with the number; refuse a negative one."""
    ctx.resource.ran.append(message.n)
    if message.n < 0:
        raise Reject("negative")
    return Done(n=message.n)


@handlers.handles(Count, retry=NO_RETRY)
def count(message: Count, ctx: Context[Bench]) -> Done:
    """Reply with every number."""
    for n in range(1, message.upto):
        ctx.reply(Done(n=n))
    if message.upto % 2:
        raise ValueError("odd")
    return Done(n=message.upto)


@handlers.handles(Hold, timeout=PATIENCE_S)
def hold(_message: Hold, ctx: Context[Bench]) -> None:
    """Say how far it is, and wait."""
    ctx.progress(0.25, "holding")
    ctx.resource.entered.set()
    while not ctx.resource.go_on.wait(0.02) and not ctx.cancelled:
        pass


@handlers.handles(Flaky, retry=Backoff(attempts=2, first=0.2))
def flaky(_message: Flaky, ctx: Context[Bench]) -> None:
    """Fail, then succeed."""
    ctx.resource.ran.append(f"flaky {ctx.attempt}")
    if ctx.attempt == 1:
        raise OSError("not yet")


@handlers.handles(Misuse, retry=NO_RETRY)
def misuse(message: Misuse, ctx: Context[Bench]) -> None:
    """Report what may not be."""
    if message.fraction is not None:
        ctx.progress(message.fraction)
    else:
        ctx.reply(Done(n=1))


@handlers.handles(Ping)
def ping(_message: Ping, ctx: Context[Bench]) -> None:
    """Note it."""
    ctx.resource.ran.append("ping")


@pytest.fixture(params=["memory and sqlite", "rabbitmq and postgresql"])
def site(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Site]:
    """Each deployment in turn."""
    with ExitStack() as stack:
        if request.param == "memory and sqlite":
            urls = "memory://", f"sqlite:///{tmp_path / 'table.db'}"
        else:
            urls = request.getfixturevalue("amqp_url"), request.getfixturevalue("ready_postgres_url")
        yield Site(stack, *urls)


def start(site: Site) -> tuple[Host, Client, Bench]:
    """Start a host with the app; return it, a client of another app, and what the handlers work on."""
    host, bench = site.host(), Bench()
    host.add(App(address=CHILD, registry=handlers, resource=bench))
    return host, host.client(PARENT), bench


# Calls.


def test_a_call_has_a_result_for_each_message(site: Site) -> None:
    """request_call returns replies and failures in the order of the messages; those that failed cost the others nothing."""
    _, client, bench = start(site)
    results = client.request_call([Do(n=1), Do(n=-1), Ping(), Do(n=2)], to=CHILD, timeout=PATIENCE_S)
    one, bad, ping, two = results
    assert isinstance(one, Replied)
    assert isinstance(two, Replied)
    assert (one.reply, two.reply) == (Done(n=1), Done(n=2))
    assert isinstance(ping, Replied)
    assert isinstance(bad, CallFailed)
    assert (bad.reason, bad.error) == (Reason.REJECTED, "negative")
    assert [site.place.row(result.message_id)["call_size"] for result in results] == [4] * 4
    assert bench.ran == [1, -1, "ping", 2]
    assert client.request_call([], to=CHILD, timeout=0) == []


def test_what_is_not_final_in_time_is_not_yet(site: Site) -> None:
    """When the time is over, request_call returns what there is; the rest goes on, and the table knows that it was late."""
    _, client, bench = start(site)
    one, held, two = client.request_call([Do(n=1), Hold(), Do(n=2)], to=CHILD, timeout=3)
    assert isinstance(one, Replied)
    assert isinstance(held, NotYet)
    assert isinstance(two, NotYet)
    assert (held.state, two.state) == (State.PROCESSING, State.WAITING)
    bench.go_on.set()
    site.row(two.message_id, State.SUCCEEDED)
    late = {site.place.row(result.message_id)["seq"] for result in (held, two)}
    assert {seq for seq, what, _ in site.place.history() if what == GAVE_UP} == late


def test_the_first_failure_ends_a_call(site: Site) -> None:
    """With stop_on_failure nothing of the call runs after a failure, though its messages were claimed together."""
    _, client, bench = start(site)
    # So that many are claimed at once.
    client.request_call([Do(n=0)] * 100, to=CHILD, timeout=PATIENCE_S)
    bench.ran.clear()
    messages = [Do(n=1), Do(n=-1), *(Do(n=n) for n in range(2, 40))]
    results = client.request_call(messages, to=CHILD, timeout=PATIENCE_S, stop_on_failure=True)
    assert bench.ran == [1, -1]
    assert isinstance(results[0], Replied)
    reasons = [result.reason for result in results[1:] if isinstance(result, CallFailed)]
    assert reasons == [Reason.REJECTED, *[Reason.CANCELLED] * 38]


def test_a_retry_holds_up_its_own_call_only(site: Site) -> None:
    """With stop_on_failure what follows waits until a message that is tried again has succeeded; other messages do not."""
    _, client, bench = start(site)
    ids = client.send_call([Flaky(), Do(n=1)], to=CHILD, stop_on_failure=True)
    other = client.send(Do(n=9), to=CHILD)
    for message_id in (*ids, other):
        site.row(message_id, State.SUCCEEDED)
    assert bench.ran == ["flaky 1", 9, "flaky 2", 1]


@pytest.mark.parametrize("timeout", [float("nan"), -1])
def test_a_timeout_that_is_no_time_is_refused(site: Site, timeout: float) -> None:
    """What is no time to wait is refused by every way of asking, and nothing is sent."""
    client = site.host().client(PARENT)
    asks = (
        lambda: client.request(Do(n=1), to=CHILD, timeout=timeout),
        lambda: client.request_call([Do(n=1)], to=CHILD, timeout=timeout),
        lambda: client.stream(Do(n=1), to=CHILD, timeout=timeout),
    )
    for ask in asks:
        with pytest.raises(ValueError, match="timeout"):
            ask()
    with pytest.raises(InvalidMessage):
        client.send_call([Do(n=1), Big(text="x" * 2_000_000)], to=CHILD)
    assert site.place.rows() == []


# Replies to another address.


def test_a_reply_goes_to_another_address(site: Site) -> None:
    """With reply_to, the reply is a message to that app, with a row and a handler of its own, and follows from the request."""
    host, client, _ = start(site)
    replies, got = HandlerRegistry[list[int]]("replies"), list[int]()

    @replies.handles(Done)
    def done(message: Done, ctx: Context[list[int]]) -> None:
        ctx.resource.append(message.n)

    host.add(App(address=OTHER, registry=replies, resource=got))
    message_id = client.send(Do(n=7), to=CHILD, reply_to=OTHER)
    request = site.row(message_id, State.SUCCEEDED)
    site.all_succeeded(2)
    assert got == [7]
    (reply,) = [row for row in site.place.rows() if row["id"] != message_id]
    assert (reply["kind"], reply["source"], reply["destination"]) == ("calls.done", CHILD, OTHER)
    assert (reply["correlation_id"], reply["seq"] > request["seq"]) == (message_id, True)
    assert request["reply"] == '{"n":7}'


@pytest.mark.parametrize("reply_to", ["events", "no address!", "amq.rabbitmq.reply-to.g1h2AA==", "é" * 100])
def test_a_reply_to_that_is_no_address_does_no_harm(site: Site, reply_to: str) -> None:
    """A foreign producer's reply_to that no app can have changes nothing: the outcome and the reply are in the row."""
    start(site)
    site.foreign(Envelope(message_id="f", kind="calls.do", body=b'{"n": 1}', destination=CHILD, reply_to=reply_to))
    site.all_succeeded(1)
    row = site.place.row("f")
    assert (row["reply"], row["reply_to"]) == ('{"n":1}', reply_to)
    assert len(site.place.rows()) == 1


def test_a_foreign_producer_gets_its_reply_by_reply_to(site: Site) -> None:
    """A reply_to that is an address works for whoever publishes the request."""
    start(site)
    site.foreign(Envelope(message_id="f", kind="calls.do", body=b'{"n": 1}', destination=CHILD, reply_to=OTHER))
    eventually(lambda: site.states()["succeeded"] == 1, timeout=PATIENCE_S, what="it succeeded")
    (reply,) = [row for row in site.place.rows() if row["id"] != "f"]
    assert (reply["destination"], reply["correlation_id"], reply["state"]) == (OTHER, "f", "waiting")


def test_only_a_success_is_replied(site: Site) -> None:
    """A handler that fails, or whose command has no reply, sends nothing to the reply_to; a bad one is refused at once."""
    _, client, bench = start(site)
    bench.go_on.set()
    site.row(client.send(Do(n=-1), to=CHILD, reply_to=OTHER), State.FAILED)
    site.row(client.send(Hold(), to=CHILD, reply_to=OTHER), State.SUCCEEDED)
    for bad in ("Events!", "replies"):
        with pytest.raises(ValueError, match=bad):
            client.send(Do(n=1), to=CHILD, reply_to=bad)
    assert len(site.place.rows()) == 2


# Several replies to one message.


def test_a_stream_yields_every_reply(site: Site) -> None:
    """Partial replies come in order and the final one last."""
    _, client, _ = start(site)
    replies = client.stream(Count(upto=20), to=CHILD, timeout=PATIENCE_S)
    assert [reply.n for reply in replies] == list(range(1, 21))
    assert [reply.n for reply in client.stream(Do(n=3), to=CHILD, timeout=PATIENCE_S)] == [3]


def test_a_stream_ends_as_a_request_does(site: Site) -> None:
    """A stream raises what a request would, after the replies that came before; what it asked for is sent at once."""
    _, client, bench = start(site)
    failing = client.stream(Count(upto=3), to=CHILD, timeout=PATIENCE_S)
    assert (next(failing).n, next(failing).n) == (1, 2)
    with pytest.raises(RequestFailed, match="odd"):
        next(failing)
    with pytest.raises(ValueError, match="no address"):
        client.stream(Do(n=1), to="No", timeout=1)
    held = client.stream(Hold(), to=CHILD, timeout=0.2)
    assert bench.entered.wait(PATIENCE_S)
    with pytest.raises(ReplyTimeout, match="processing"):
        next(held)
    bench.go_on.set()


def test_a_partial_reply_is_there_while_the_handler_runs(site: Site) -> None:
    """The requester has a partial reply before the handler has ended."""
    early = HandlerRegistry[Bench]("early")

    @early.handles(Do)
    def do(message: Do, ctx: Context[Bench]) -> Done:
        ctx.reply(Done(n=0))
        assert ctx.resource.go_on.wait(PATIENCE_S)
        return Done(n=message.n)

    host, bench = site.host(), Bench()
    host.add(App(address=CHILD, registry=early, resource=bench))
    replies = host.client(PARENT).stream(Do(n=5), to=CHILD, timeout=PATIENCE_S)
    assert next(replies) == Done(n=0)
    assert site.states() == {"processing": 1}
    bench.go_on.set()
    assert list(replies) == [Done(n=5)]


def test_a_handler_that_was_given_up_cannot_reply(site: Site) -> None:
    """A handler that outlived its timeout keeps no partial reply any more."""
    late, refused = HandlerRegistry[Bench]("late"), threading.Event()

    @late.handles(Do, timeout=0.2, retry=NO_RETRY)
    def do(message: Do, ctx: Context[Bench]) -> Done:
        assert ctx.resource.go_on.wait(PATIENCE_S)
        try:
            ctx.reply(Done(n=message.n))
        except Exception:
            refused.set()
            raise
        return Done(n=message.n)

    host, bench = site.host(), Bench()
    host.add(App(address=CHILD, registry=late, resource=bench))
    site.row(host.client(PARENT).send(Do(n=1), to=CHILD), State.FAILED)
    bench.go_on.set()
    assert refused.wait(PATIENCE_S)
    assert site.place.select("SELECT * FROM replies") == []


@pytest.mark.parametrize(
    ("message", "error"),
    [
        (Misuse(), "the message that is handled has no reply"),
        (Misuse(fraction=1.5), "must be a number from 0 to 1"),
        (Misuse(fraction=-0.1), "must be a number from 0 to 1"),
    ],
)
def test_a_report_that_may_not_be_is_the_handlers_error(site: Site, message: Misuse, error: str) -> None:
    """A partial reply or a progress that cannot be is an error of its handler, which says what is allowed."""
    _, client, _ = start(site)
    row = site.row(client.send(message, to=CHILD), State.FAILED)
    assert error in row["error"]


# Progress.


def test_progress_is_in_the_table_while_it_runs(site: Site) -> None:
    """What a running handler says of its progress is in its row soon."""
    _, client, bench = start(site)
    message_id = client.send(Hold(), to=CHILD)
    expected = '{"fraction": 0.25, "text": "holding"}'
    eventually(lambda: site.place.row(message_id)["progress"] == expected, timeout=PATIENCE_S, what="its progress")
    assert site.place.row(message_id)["state"] == "processing"
    bench.go_on.set()
    site.row(message_id, State.SUCCEEDED)
