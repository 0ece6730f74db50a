"""Whole hosts in this process: what a worker promises, in memory with SQLite and over RabbitMQ with PostgreSQL."""

import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import pytest
from contract.databases import Place
from pydantic import BaseModel

from broker.errors import (
    InvalidMessage,
    Reject,
    ReplyTimeout,
    RequestFailed,
    RetryLater,
    Superseded,
    TableUnavailable,
    TransportError,
)
from broker.handlers.context import Context
from broker.handlers.registry import HandlerRegistry
from broker.handlers.retry import NO_RETRY, Backoff
from broker.lifecycle.clock import ManualClock, SystemClock
from broker.lifecycle.state import State
from broker.messages.effects import Effects
from broker.messages.envelope import Envelope
from broker.messages.message import Command, Event, Reply
from broker.runtime import intake
from broker.runtime.app import App
from broker.runtime.client import Client
from broker.runtime.host import Host
from broker.runtime.pace import CLAIM_MOST
from broker.runtime.receiving import Receiving
from broker.settings import InterAppSettings
from broker.table import operator_acts
from broker.table.liveness import open_liveness
from broker.table.store import HandlerTable
from broker.transport.memory.transport import MemoryTransport
from broker.transport.opening import open_transport
from broker.transport.seam import Consumer, Deliveries, Link, Rung, Settled, Transport
from servers.postgresql import PostgreSQLServer
from servers.processes import eventually

CHILD = "m1000-a.clk1"
PARENT = "m1000-a"
PATIENCE_S = 30.0


class Sum(Reply):
    kind: ClassVar[str] = "test.sum"
    total: int
    by: str


class Add(Command[Sum]):
    kind: ClassVar[str] = "test.add"
    one: int
    other: int


class Note(Command[None]):
    kind: ClassVar[str] = "test.note"
    n: int


class Other(Command[None]):
    kind: ClassVar[str] = "test.other"
    n: int = 0


class Happened(Event):
    kind: ClassVar[str] = "test.happened"
    n: int


class Unheard(Command[None]):
    kind: ClassVar[str] = "test.unheard"


@dataclass
class Desk:
    """What the handlers of one host work on: it notes what ran, and holds handlers up where a test wants that."""

    name: str = "a"
    ran: list[int] = field(default_factory=list)
    entered: threading.Event = field(default_factory=threading.Event)
    go_on: threading.Event = field(default_factory=threading.Event)
    cancelled: threading.Event = field(default_factory=threading.Event)
    client: Client | None = None

    def wait(self, ctx: Context["Desk"]) -> None:
        """Hold the handler up until the test lets it go on; note whether it was asked to stop."""
        self.entered.set()
        while not self.go_on.wait(0.02):
            if ctx.cancelled:
                self.cancelled.set()
        if ctx.cancelled:
            self.cancelled.set()


Handlers = HandlerRegistry[Desk]


def noting() -> Handlers:
    """Return handlers that note the number of every Note and add what is to be added."""
    handlers = Handlers("test")

    @handlers.handles(Note)
    def note(message: Note, ctx: Context[Desk]) -> None:
        ctx.resource.ran.append(message.n)

    @handlers.handles(Add)
    def add(message: Add, ctx: Context[Desk]) -> Sum:
        return Sum(total=message.one + message.other, by=ctx.resource.name)

    return handlers


def noting_and_waiting() -> Handlers:
    """Return the same, and a handler of Other that is held up until the test lets it go on."""
    handlers = noting()

    @handlers.handles(Other)
    def other(_message: Other, ctx: Context[Desk]) -> None:
        ctx.resource.wait(ctx)

    return handlers


class Borrowed:
    """The one memory transport, as one of several hosts uses it: closing the host does not close it for the others."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self.user = transport.user

    def start(self) -> None:
        self._transport.start()

    def publish(self, envelopes: Sequence[Envelope], settled: Settled) -> None:
        self._transport.publish(envelopes, settled)

    def announce(self, events: Sequence[Envelope]) -> None:
        self._transport.announce(events)

    def consume(self, address: str, deliveries: Deliveries, *, prefetch: int) -> Consumer:
        return self._transport.consume(address, deliveries, prefetch=prefetch)

    def listen(self, rung: Rung) -> str:
        return self._transport.listen(rung)

    def ring(self, doorbell: str, message_ids: Sequence[str]) -> None:
        self._transport.ring(doorbell, message_ids)

    def link(self) -> Link:
        return self._transport.link()

    def close(self) -> None:
        """Leave it open."""


class Deaf(Borrowed):
    """A transport that loses everything: what it is given is never confirmed and never delivered."""

    def publish(self, envelopes: Sequence[Envelope], settled: Settled) -> None:
        """Lose them."""


class Site:
    """One database and one carrier, with as many hosts as a test wants."""

    def __init__(self, stack: ExitStack, broker_url: str, database_url: str) -> None:
        self._stack = stack
        self.settings = InterAppSettings(broker_url=broker_url, database_url=database_url)
        self.memory = MemoryTransport(SystemClock()) if self.settings.in_memory else None
        if self.memory is not None:
            stack.callback(self.memory.close)
        self.place = Place(database_url, ManualClock())
        stack.callback(self.place.close)

    def host(self, *, transport: Transport | None = None) -> Host:
        """Return a started host; it is stopped at the end of the test."""
        carrier = transport or (Borrowed(self.memory) if self.memory is not None else None)
        host = Host(self.settings, SystemClock(), transport=carrier)
        self._stack.callback(host.stop)
        host.start()
        return host

    def carrier(self) -> Transport:
        """Return a started transport as a foreign producer has it."""
        if self.memory is not None:
            return self.memory
        transport = open_transport(self.settings.broker_url, SystemClock(), "foreign")
        self._stack.callback(transport.close)
        transport.start()
        eventually(lambda: transport.link().up, timeout=PATIENCE_S, what="a foreign producer is connected")
        return transport

    def foreign(self, *envelopes: Envelope) -> None:
        """Publish envelopes as a foreign producer; return when they are confirmed."""
        done, errors = threading.Semaphore(0), list[TransportError]()

        def settled(ended: Sequence[Envelope], error: TransportError | None) -> None:
            errors.extend([error] if error is not None else [])
            done.release(len(ended))

        self.carrier().publish(envelopes, settled)
        for _ in envelopes:
            assert done.acquire(timeout=PATIENCE_S)
        assert errors == []

    def states(self) -> Counter[str]:
        """Return how many rows there are of each state."""
        return Counter(row["state"] for row in self.place.rows())

    def all_succeeded(self, count: int) -> None:
        """Wait until so many rows have succeeded, and check that there are no others."""
        eventually(lambda: self.states()["succeeded"] >= count, timeout=PATIENCE_S, what=f"{count} succeeded")
        assert self.states() == {"succeeded": count}

    def row(self, message_id: str, state: State) -> Mapping[str, Any]:
        """Wait until a row is in this state and return it."""
        eventually(lambda: self.place.row(message_id)["state"] == state, timeout=PATIENCE_S, what=f"{state}")
        return self.place.row(message_id)


@pytest.fixture(params=["memory and sqlite", "rabbitmq and postgresql"])
def site(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Site]:
    """Each deployment in turn."""
    with ExitStack() as stack:
        if request.param == "memory and sqlite":
            urls = "memory://", f"sqlite:///{tmp_path / 'table.db'}"
        else:
            urls = request.getfixturevalue("amqp_url"), request.getfixturevalue("ready_postgres_url")
        yield Site(stack, *urls)


def app(handlers: Handlers, desk: Desk, address: str = CHILD) -> App[Desk]:
    """Return an app."""
    return App(address=address, registry=handlers, resource=desk)


def active(host: Host, address: str = CHILD) -> Callable[[], bool]:
    """Return what tells whether the host's worker is the one that works for the app."""
    return host._workers[address].tenure.active


def ready(host: Host) -> Callable[[], bool]:
    """Return what tells whether the host's worker works for the app and is the one that is rung, if it came first."""
    return lambda: active(host)() and registered(host)()


def registered(host: Host) -> Callable[[], bool]:
    """Return what tells whether the host's consumer is registered at the carrier."""
    return host._workers[CHILD]._receiving.registered


# Requests and outcomes.


def test_a_request_gets_its_reply(site: Site) -> None:
    """A request to an app in another host returns the typed reply, which is kept in its row."""
    desk = Desk("answering")
    site.host().add(app(noting(), desk))
    client = site.host().client(PARENT)
    reply = client.request(Add(one=2, other=3), to=CHILD, timeout=PATIENCE_S)
    assert reply == Sum(total=5, by="answering")
    (row,) = site.place.rows()
    assert (row["state"], row["reply_kind"], row["attempts"]) == ("succeeded", "test.sum", 1)


def test_a_doorbell_is_faster_than_a_look(site: Site) -> None:
    """Ten requests one after the other do not each wait for the caller's own look at the table, once a second."""
    host = site.host()
    host.add(app(noting(), Desk()))
    client = host.client(PARENT)
    client.request(Add(one=0, other=0), to=CHILD, timeout=PATIENCE_S)
    begun = SystemClock().monotonic()
    for n in range(10):
        assert client.request(Add(one=n, other=1), to=CHILD, timeout=PATIENCE_S).total == n + 1
    assert SystemClock().monotonic() - begun < 5.0


def test_a_request_that_fails_says_why(site: Site) -> None:
    """Whoever asked gets the reason and the error of the handler; the row keeps both."""
    handlers = Handlers("test")

    @handlers.handles(Add)
    def add(_message: Add, _ctx: Context[Desk]) -> Sum:
        raise Reject("not with me")

    host = site.host()
    host.add(app(handlers, Desk()))
    with pytest.raises(RequestFailed, match="not with me") as caught:
        host.client(PARENT).request(Add(one=1, other=1), to=CHILD, timeout=PATIENCE_S)
    assert caught.value.reason == "rejected"
    (row,) = site.place.rows()
    assert (row["state"], row["reason"], row["error"], row["attempts"]) == ("failed", "rejected", "not with me", 1)


def test_a_request_that_nobody_handles_times_out_and_goes_on(site: Site) -> None:
    """A request without an outcome in time raises ReplyTimeout; when its app comes up it is handled all the same."""
    host = site.host()
    with pytest.raises(ReplyTimeout, match="still waiting"):
        host.client(PARENT).request(Add(one=1, other=1), to=CHILD, timeout=0.2)
    host.add(app(noting(), Desk()))
    site.all_succeeded(1)


def test_a_handler_that_raises_is_tried_again(site: Site) -> None:
    """An error is followed by another attempt after the pause of the retry policy, and each is in the history."""
    handlers = Handlers("test")

    @handlers.handles(Note, retry=Backoff(attempts=3, first=0.05, factor=1.0))
    def note(message: Note, ctx: Context[Desk]) -> None:
        ctx.resource.ran.append(ctx.attempt)
        if ctx.attempt < 3:
            raise OSError(f"attempt {ctx.attempt}")

    host, desk = site.host(), Desk()
    host.add(app(handlers, desk))
    message_id = host.client(PARENT).send(Note(n=1), to=CHILD)
    assert site.row(message_id, State.SUCCEEDED)["attempts"] == 3
    assert desk.ran == [1, 2, 3]
    assert [what for _, what, _ in site.place.history()] == ["retry", "retry"]


def test_attempts_end(site: Site) -> None:
    """When the attempts are used up the message is failed (error) with the last error, and the slot goes on."""
    handlers = noting()

    @handlers.handles(Other, retry=Backoff(attempts=2, first=0.01))
    def other(_message: Other, ctx: Context[Desk]) -> None:
        raise OSError(f"attempt {ctx.attempt}")

    host, desk = site.host(), Desk()
    host.add(app(handlers, desk))
    client = host.client(PARENT)
    message_id = client.send(Other(), to=CHILD)
    row = site.row(message_id, State.FAILED)
    assert (row["reason"], row["error"], row["attempts"]) == ("error", "OSError: attempt 2", 2)
    site.row(client.send(Note(n=1), to=CHILD), State.SUCCEEDED)


def test_later_messages_pass_a_retry(site: Site) -> None:
    """A message that waits for its retry does not hold up what was sent after it, unless its handler asks for that."""
    handlers = Handlers("test")

    @handlers.handles(Note)
    def note(message: Note, ctx: Context[Desk]) -> None:
        ctx.resource.ran.append(message.n)

    @handlers.handles(Other, retry=Backoff(ordered=True))
    def other(message: Other, ctx: Context[Desk]) -> None:
        ctx.resource.ran.append(message.n)
        if ctx.resource.ran.count(message.n) == 1:
            raise RetryLater(0.5)

    @handlers.handles(Add)
    def add(message: Add, ctx: Context[Desk]) -> Sum:
        ctx.resource.ran.append(message.one)
        if ctx.resource.ran.count(message.one) == 1:
            raise RetryLater(0.5)
        return Sum(total=0, by="")

    host, desk = site.host(), Desk()
    host.add(app(handlers, desk))
    client = host.client(PARENT)
    client.send_call([Add(one=1, other=0), Note(n=2), Other(n=3), Note(n=4)], to=CHILD)
    site.all_succeeded(4)
    assert desk.ran[:3] == [1, 2, 3]
    assert desk.ran.index(4) > desk.ran.index(3, 3), "an ordered retry holds up what was sent after it"
    assert {row["attempts"] for row in site.place.rows()} == {1}


@pytest.mark.parametrize(
    "error",
    [
        SystemExit(3),
        KeyboardInterrupt(),
        ValueError("caf\udce9 \x00"),
        RecursionError(),
    ],
    ids=repr,
)
def test_whatever_a_handler_raises_the_slot_goes_on(site: Site, error: BaseException) -> None:
    """No exception of a handler, of any kind and with any text, ends the worker or keeps its message from ending."""
    handlers = noting()

    @handlers.handles(Other, retry=NO_RETRY)
    def other(_message: Other, _ctx: Context[Desk]) -> None:
        raise error

    host, desk = site.host(), Desk()
    host.add(app(handlers, desk))
    client = host.client(PARENT)
    message_id = client.send(Other(), to=CHILD)
    assert site.row(message_id, State.FAILED)["reason"] == "error"
    site.row(client.send(Note(n=1), to=CHILD), State.SUCCEEDED)
    assert site.place.row(message_id)["attempts"] == 1


@pytest.mark.parametrize("after", [1e12, float("inf"), float("nan"), -1.0])
def test_a_retry_at_an_impossible_time_stops_nothing(site: Site, after: float) -> None:
    """A handler may ask for any pause: the message waits for it or fails, and the slot goes on."""
    handlers = noting()

    @handlers.handles(Other, retry=NO_RETRY)
    def other(_message: Other, _ctx: Context[Desk]) -> None:
        raise RetryLater(after)

    host = site.host()
    host.add(app(handlers, Desk()))
    client = host.client(PARENT)
    message_id = client.send(Other(), to=CHILD)
    site.row(client.send(Note(n=1), to=CHILD), State.SUCCEEDED)
    site.row(message_id, State.WAITING if after > 1 and after != float("inf") else State.FAILED)
    site.row(client.send(Note(n=2), to=CHILD), State.SUCCEEDED)


def test_an_outcome_that_cannot_be_stored_fails_alone(site: Site) -> None:
    """When the table refuses one outcome, that message is failed (error) and its neighbours succeed."""
    handlers = noting()

    @handlers.handles(Other, retry=NO_RETRY)
    def other(_message: Other, ctx: Context[Desk]) -> None:
        ctx.documents.put("\udce9", "key", Note(n=1))

    host, desk = site.host(), Desk()
    host.add(app(handlers, desk))
    client = host.client(PARENT)
    one, bad, two = client.send_call([Note(n=1), Other(), Note(n=2)], to=CHILD)
    site.row(two, State.SUCCEEDED)
    row = site.row(bad, State.FAILED)
    assert row["reason"] == "error"
    assert "cannot be stored" in row["error"]
    site.row(one, State.SUCCEEDED)
    assert desk.ran == [1, 2]


# Documents.


class Count(Command[None]):
    kind: ClassVar[str] = "test.count"
    storable: bool = True


class Counted(BaseModel):
    n: int = 0


def counting() -> Handlers:
    """Return a handler that counts in a document, and one that says how far it is."""
    handlers = Handlers("test")

    @handlers.handles(Count, retry=NO_RETRY)
    def count(message: Count, ctx: Context[Desk]) -> None:
        known = ctx.documents.get("counts", "all", Counted) or Counted()
        ctx.documents.put("counts", "all", Counted(n=known.n + 1))
        if not message.storable:
            ctx.documents.put("\udce9", "key", known)

    @handlers.handles(Note)
    def note(_message: Note, ctx: Context[Desk]) -> None:
        found = ctx.documents.all("counts", Counted)
        ctx.resource.ran.append(found["all"].n if found else 0)

    return handlers


def test_a_handler_finds_what_the_one_before_it_wrote(site: Site) -> None:
    """Messages that count in a document all count, though the outcomes of many are committed together."""
    host, desk = site.host(), Desk()
    host.add(app(counting(), desk))
    client = host.client(PARENT)
    for _ in range(3):
        client.send_call([each for _ in range(100) for each in (Count(), Note(n=0))], to=CHILD)
    site.all_succeeded(600)
    (document,) = site.place.select("SELECT * FROM documents")
    assert Counted.model_validate_json(document["body"]).n == 300
    assert desk.ran == list(range(1, 301))


def test_nothing_is_built_on_an_outcome_that_came_to_nothing(site: Site) -> None:
    """What read a document that could not be stored with its outcome runs again, and finds the one before it."""
    host, desk = site.host(), Desk()
    client = host.client(PARENT)
    host.add(app(counting(), desk))
    # The worker learns that handlers are quick, and claims several rows at a time.
    client.send_call([Note(n=n) for n in range(200)], to=CHILD)
    site.all_succeeded(200)
    call: list[Command[None]] = [Count(), Count(), Count(storable=False), Count(), Count()]
    message_ids = client.send_call(call, to=CHILD)
    for message_id in message_ids:
        site.row(message_id, State.FAILED if message_id == message_ids[2] else State.SUCCEEDED)
    (document,) = site.place.select("SELECT * FROM documents")
    assert Counted.model_validate_json(document["body"]).n == 4


# Order and waiting.


def test_order_is_kept(site: Site) -> None:
    """Five hundred messages from one thread, alone and in calls, are handled once each, in the order they were sent."""
    host, desk = site.host(), Desk()
    host.add(app(noting(), desk))
    client = site.host().client(PARENT)
    n = 0
    while n < 500:
        count = 1 if n % 50 < 10 else 10
        client.send_call([Note(n=n + more) for more in range(count)], to=CHILD)
        n += count
    site.all_succeeded(500)
    assert desk.ran == list(range(500))
    assert {row["attempts"] for row in site.place.rows()} == {1}


def test_messages_wait_for_their_app(site: Site) -> None:
    """What is sent to an app that is not up yet waits, and is handled in order when it comes."""
    host, desk = site.host(), Desk()
    client = host.client(PARENT)
    for n in range(20):
        client.send(Note(n=n), to=CHILD)
    assert site.states() == {"waiting": 20}
    host.add(app(noting(), desk))
    site.all_succeeded(20)
    assert desk.ran == list(range(20))


def test_what_was_never_delivered_is_found(site: Site) -> None:
    """Messages whose ring is lost for good are handled all the same: the worker looks at the table itself."""
    host, desk = site.host(), Desk()
    host.add(app(noting(), desk))
    eventually(active(host))
    deaf = site.host(transport=Deaf(site.carrier()))
    for n in range(5):
        deaf.client(PARENT).send(Note(n=n), to=CHILD)
    site.all_succeeded(5)
    assert desk.ran == list(range(5))


def test_one_thread_of_handlers_for_one_app(site: Site) -> None:
    """No two handlers of one app run at once, whoever sends and however many kinds there are."""
    handlers, at_once, most = Handlers("test"), threading.Semaphore(1), Counter[str]()

    def alone() -> None:
        if not at_once.acquire(blocking=False):
            most["two at once"] += 1
            return
        threading.Event().wait(0.002)
        at_once.release()

    @handlers.handles(Note)
    def note(_message: Note, _ctx: Context[Desk]) -> None:
        alone()

    @handlers.handles(Other)
    def other(_message: Other, _ctx: Context[Desk]) -> None:
        alone()

    hosts = [site.host(), site.host()]
    for host in hosts:
        host.add(app(handlers, Desk()))
    clients = [host.client(f"sender-{number}") for number, host in enumerate(hosts)]
    threads = [
        threading.Thread(
            target=lambda client=client, message=message: [client.send(message, to=CHILD) for _ in range(25)]
        )
        for client in clients
        for message in (Note(n=1), Other())
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    site.all_succeeded(100)
    assert most["two at once"] == 0


# Several hosts.


def test_a_standby_takes_over_when_the_first_stops(site: Site) -> None:
    """When the active host stops, another one of the same app goes on where it stopped: in order, each message once."""
    first, second = site.host(), site.host()
    one, two = Desk("one"), Desk("two")
    first.add(app(noting(), one))
    eventually(ready(first), timeout=PATIENCE_S)
    second.add(app(noting(), two))
    client = site.host().client(PARENT)
    for n in range(100):
        client.send(Note(n=n), to=CHILD)
        if n == 50:
            eventually(lambda: one.ran, timeout=PATIENCE_S, what="the first host has begun")
            first.remove(CHILD)
    site.all_succeeded(100)
    assert one.ran + two.ran == list(range(100))
    assert one.ran
    assert two.ran


def test_a_standby_does_nothing(site: Site) -> None:
    """While the active host works, a second one of the same app claims nothing."""
    first, second = site.host(), site.host()
    one, two = Desk("one"), Desk("two")
    first.add(app(noting(), one))
    eventually(ready(first), timeout=PATIENCE_S)
    second.add(app(noting(), two))
    client = first.client(PARENT)
    for n in range(50):
        client.send(Note(n=n), to=CHILD)
    site.all_succeeded(50)
    assert (one.ran, two.ran) == (list(range(50)), [])


def test_a_superseded_workers_outcome_is_refused(site: Site) -> None:
    """A worker whose lease is taken is asked to stop, its outcome is refused, and the successor waits until it is done."""
    handlers = Handlers("test")

    @handlers.handles(Add)
    def add(message: Add, ctx: Context[Desk]) -> Sum:
        ctx.resource.wait(ctx)
        ctx.send(Note(n=1), to="elsewhere")
        return Sum(total=0, by=ctx.resource.name)

    first, second = site.host(), site.host()
    one, two = Desk("one"), Desk("two")
    two.go_on.set()
    first.add(app(handlers, one))
    eventually(ready(first), timeout=PATIENCE_S)
    second.add(app(handlers, two))
    eventually(registered(second), timeout=PATIENCE_S)
    client = second.client(PARENT)
    message_id = client.send(Add(one=1, other=1), to=CHILD)
    assert one.entered.wait(PATIENCE_S)
    first._workers[CHILD]._receiving.rebuild()  # as a lost connection would: the other host is rung
    assert one.cancelled.wait(PATIENCE_S), "the running handler is asked to stop"
    assert not two.entered.wait(1.5), "the successor waits until the handler has ended"
    one.go_on.set()
    row = site.row(message_id, State.SUCCEEDED)
    assert '"by":"two"' in row["reply"].replace(" ", "")
    assert len([row for row in site.place.rows() if row["destination"] == "elsewhere"]) == 1
    assert [what for _, what, _ in site.place.history()] == ["worker lost"]
    eventually(active(second), what="the successor is the active one")
    assert not active(first)()


def test_an_app_can_be_removed_and_added_again(site: Site) -> None:
    """One host may stop an app and run it once more; what was sent meanwhile is handled then."""
    host, desk = site.host(), Desk()
    client = host.add(app(noting(), desk))
    for n in range(3):
        client.send(Note(n=n), to=CHILD)
        site.all_succeeded(n + 1)
        host.remove(CHILD)
        assert host.apps() == []
        host.add(app(noting(), desk))
    assert desk.ran == [0, 1, 2]


# Slow handlers, timeouts, stopping.


def test_a_handler_that_outlives_its_timeout_is_given_up(site: Site) -> None:
    """A handler that takes longer than it may is failed (timeout), the slot goes on, and its late outcome is refused."""
    handlers = noting()

    @handlers.handles(Other, timeout=0.3, retry=NO_RETRY)
    def other(_message: Other, ctx: Context[Desk]) -> None:
        ctx.resource.wait(ctx)
        ctx.send(Note(n=99), to="elsewhere")

    host, desk = site.host(), Desk()
    host.add(app(handlers, desk))
    client = host.client(PARENT)
    message_id = client.send(Other(), to=CHILD)
    row = site.row(message_id, State.FAILED)
    assert (row["reason"], row["error"]) == ("timeout", "ran longer than 0.3 s")
    assert desk.cancelled.wait(PATIENCE_S)
    site.row(client.send(Note(n=1), to=CHILD), State.SUCCEEDED)
    desk.go_on.set()
    eventually(
        lambda: not [thread for thread in threading.enumerate() if thread.name == f"worker {CHILD}"][1:],
        what="the thread that was given up ends",
    )
    site.row(client.send(Note(n=2), to=CHILD), State.SUCCEEDED)
    assert {row["destination"] for row in site.place.rows()} == {CHILD}
    assert site.place.row(message_id)["state"] == "failed"


def test_a_slow_handler_holds_up_no_outcome(site: Site) -> None:
    """While a handler takes its time, what its batch has finished is committed and what it has not started waits again."""
    handlers = noting_and_waiting()
    host, desk = site.host(), Desk()
    host.add(app(handlers, desk))
    client = host.client(PARENT)
    # The worker learns that handlers are quick, and claims several rows at a time.
    client.send_call([Note(n=n) for n in range(200)], to=CHILD)
    site.all_succeeded(200)
    call = [Note(n=200), Note(n=201), Other(), Note(n=202), Note(n=203)]
    message_ids = client.send_call(call, to=CHILD)
    assert desk.entered.wait(PATIENCE_S)
    clock = SystemClock()
    begun = clock.monotonic()
    expected = ["succeeded", "succeeded", "processing", "waiting", "waiting"]
    eventually(
        lambda: [site.place.row(id_)["state"] for id_ in message_ids] == expected, what="the table tells the truth"
    )
    assert clock.monotonic() - begun < 2.0
    assert [site.place.row(id_)["claims"] for id_ in message_ids] == [1] * 5, (
        "they were one batch, or this proves nothing"
    )
    assert [site.place.row(id_)["attempts"] for id_ in message_ids] == [1, 1, 1, 0, 0]
    desk.go_on.set()
    site.all_succeeded(205)
    assert desk.ran == list(range(204))
    assert {row["attempts"] for row in site.place.rows()} == {1}


def test_what_arrives_while_a_slow_handler_runs_is_claimed_right_after_it(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its ring is taken in by the thread that watches the handler, and is a reason to claim when that has ended."""
    host, desk, taken_in = site.host(), Desk(), threading.Event()

    def keep_up(receiving: Receiving) -> bool:
        news = keep_up_as_ever(receiving)
        if news:
            taken_in.set()
        return news

    keep_up_as_ever = Receiving.keep_up
    monkeypatch.setattr(Receiving, "keep_up", keep_up)
    host.add(app(noting_and_waiting(), desk))
    client = host.client(PARENT)
    # The worker learns that handlers are quick, and asks for more than one row: having got one, it knows of no other.
    client.send_call([Note(n=n) for n in range(50)], to=CHILD)
    site.all_succeeded(50)
    # It would find the row, too.
    monkeypatch.setattr(HandlerTable, "apps_with_work", lambda *_given, **_more: {})
    client.send(Other(), to=CHILD)
    assert desk.entered.wait(PATIENCE_S)
    client.send(Note(n=50), to=CHILD)
    assert taken_in.wait(PATIENCE_S)
    desk.go_on.set()
    site.all_succeeded(52)
    assert desk.ran == list(range(51))


def test_a_slow_handler_holds_up_nothing_that_was_claimed_ahead(site: Site) -> None:
    """While a handler takes its time, what was claimed to come after its batch waits again too; then all goes on in order."""
    handlers = noting_and_waiting()
    host, desk = site.host(), Desk()
    host.add(app(handlers, desk))
    client = host.client(PARENT)
    # The worker learns that handlers are quick, and claims as many rows as it ever does.
    client.send_call([Note(n=n) for n in range(200)], to=CHILD)
    site.all_succeeded(200)
    count = 3 * CLAIM_MOST
    client.send_call([Other(), *(Note(n=n) for n in range(200, 199 + count))], to=CHILD)
    assert desk.entered.wait(PATIENCE_S)
    expected = {"succeeded": 200, "processing": 1, "waiting": count - 1}
    eventually(lambda: site.states() == expected, timeout=PATIENCE_S, what="the table tells the truth")
    tried = sum(row["claims"] == 1 and row["state"] == "waiting" for row in site.place.rows())
    on_postgresql = not host.database.is_sqlite
    assert (tried > CLAIM_MOST) is on_postgresql, "some were claimed ahead, or this proves nothing"
    desk.go_on.set()
    site.all_succeeded(200 + count)
    assert desk.ran == list(range(199 + count))
    assert {row["attempts"] for row in site.place.rows()} == {1}


def test_stopping_gives_back_what_was_claimed_ahead(site: Site) -> None:
    """A host that stops in the midst of a backlog leaves nothing in processing, and what it leaves is handled in order."""
    handlers = noting()

    @handlers.handles(Other)
    def other(_message: Other, ctx: Context[Desk]) -> None:
        ctx.resource.entered.set()

    host, desk = site.host(), Desk()
    host.add(app(handlers, desk))
    client = host.client(PARENT)
    client.send_call([Note(n=n) for n in range(200)], to=CHILD)
    site.all_succeeded(200)
    count = 10 * CLAIM_MOST
    client.send_call([Note(n=n) for n in range(200, 200 + CLAIM_MOST)], to=CHILD)
    client.send_call([Other(), *(Note(n=n) for n in range(200 + CLAIM_MOST, 199 + count))], to=CHILD)
    assert desk.entered.wait(PATIENCE_S)
    host.stop()
    assert site.states().keys() <= {"succeeded", "waiting"}
    assert {row["attempts"] for row in site.place.rows() if row["state"] == "waiting"} <= {0}
    site.host().add(app(handlers, desk))
    site.all_succeeded(200 + count)
    assert desk.ran == list(range(199 + count))


def test_stopping_finishes_what_runs_and_gives_the_rest_back(site: Site) -> None:
    """A host that stops lets its running handler finish, commits its outcome, and leaves the rest waiting as it was."""
    handlers = noting_and_waiting()
    host, desk = site.host(), Desk()
    host.add(app(handlers, desk))
    client = host.client(PARENT)
    message_ids = client.send_call([Other(), Note(n=1), Note(n=2)], to=CHILD)
    assert desk.entered.wait(PATIENCE_S)
    stopping = threading.Thread(target=host.stop)
    stopping.start()
    eventually(lambda: host._workers[CHILD].status()[0] == "stopping")
    assert site.place.row(message_ids[0])["state"] == "processing"
    desk.go_on.set()
    stopping.join(PATIENCE_S)
    assert not stopping.is_alive()
    rows = [site.place.row(message_id) for message_id in message_ids]
    assert [(row["state"], row["attempts"]) for row in rows] == [("succeeded", 1), ("waiting", 0), ("waiting", 0)]
    (worker,) = site.place.select("SELECT * FROM workers")
    assert (worker["status"], worker["epoch"], bool(worker["died"])) == ("stopped", 0, False)
    (lease,) = site.place.select("SELECT * FROM leases")
    assert lease["worker"] == ""
    other_desk = Desk()
    site.host().add(app(handlers, other_desk))
    site.all_succeeded(3)
    assert other_desk.ran == [1, 2]


def test_a_handler_may_write_until_it_has_ended(site: Site) -> None:
    """A handler that is running when its host is asked to stop commits what it does by the client, and succeeds."""
    handlers, host, desk = Handlers("test"), site.host(), Desk()

    @handlers.handles(Other, retry=NO_RETRY)
    def other(_message: Other, ctx: Context[Desk]) -> None:
        ctx.resource.wait(ctx)
        assert ctx.resource.client is not None
        with ctx.resource.client.transaction() as tx:
            tx.send(Note(n=1), to="elsewhere")

    desk.client = host.add(app(handlers, desk))
    message_id = desk.client.send(Other(), to=CHILD)
    assert desk.entered.wait(PATIENCE_S)
    stopping = threading.Thread(target=host.stop)
    stopping.start()
    eventually(lambda: host._workers[CHILD].status()[0] == "stopping")
    desk.go_on.set()
    stopping.join(PATIENCE_S)
    assert site.place.row(message_id)["state"] == "succeeded"
    assert [row["kind"] for row in site.place.rows()] == ["test.other", "test.note"]
    with pytest.raises(Superseded), desk.client.transaction() as tx:
        tx.send(Note(n=2), to="elsewhere")


def test_a_host_with_a_handler_left_does_not_look_dead(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """While a handler that did not end in time still runs, no other host is told that its process is dead."""
    monkeypatch.setattr("broker.runtime.host.STOP_SECONDS", 0.2)
    handlers, host, desk = Handlers("test"), site.host(), Desk()

    @handlers.handles(Other)
    def other(_message: Other, ctx: Context[Desk]) -> None:
        ctx.resource.wait(ctx)

    host.add(app(handlers, desk))
    host.client(PARENT).send(Other(), to=CHILD)
    assert desk.entered.wait(PATIENCE_S)
    worker = host._workers[CHILD]
    host.stop()
    looker = open_liveness(site.place.database, "host:1/looker")
    assert not looker.is_free(host.incarnation)
    desk.go_on.set()
    assert worker._ended.wait(PATIENCE_S)
    host._liveness.release()
    host.database.close()  # the handler that was left has used it once more
    assert eventually(lambda: looker.is_free(host.incarnation))


def test_stopping_starts_nothing_more(site: Site) -> None:
    """Rows that were claimed and not started when the host was asked to stop are given back, not run."""
    handlers, host, desk = noting(), site.host(), Desk()
    stopping = threading.Thread(target=host.stop)

    @handlers.handles(Other)
    def other(_message: Other, _ctx: Context[Desk]) -> None:
        stopping.start()
        assert host._workers[CHILD].tenure.stopping.wait(PATIENCE_S)

    host.add(app(handlers, desk))
    client = host.client(PARENT)
    client.send_call([Note(n=n) for n in range(200)], to=CHILD)
    site.all_succeeded(200)
    client.send_call([Other(), *(Note(n=n) for n in range(200, 220))], to=CHILD)
    assert desk.ran == list(range(200))
    eventually(lambda: stopping.ident is not None, what="the handler runs")
    stopping.join(PATIENCE_S)
    assert site.states() == {"succeeded": 201, "waiting": 20}
    rest = site.place.rows()[201:]
    assert {row["attempts"] for row in rest} == {0}
    assert {row["claims"] for row in rest} == {1}, "they were one batch, or this proves nothing"


# What comes from outside.


def foreign(message_id: str, kind: str, body: bytes, **more: Any) -> Envelope:
    """Return an envelope as a bare publish from another language is received: no source, no call."""
    return Envelope(message_id=message_id, kind=kind, body=body, destination=CHILD, **more)


def test_foreign_messages_end_as_they_should(site: Site) -> None:
    """What cannot be handled ends with its reason and its bytes, and what can be is handled, all on one slot."""
    host, desk = site.host(), Desk()
    host.add(app(noting(), desk))
    eventually(active(host))
    too_large = b'{"n": 1, "pad": "' + b"x" * site.settings.message_max_bytes + b'"}'
    bodies = {
        "good": foreign("good", "test.note", b'{"n": 7}'),
        "no json": foreign("no json", "test.note", b"\xff\x00 no json"),
        "wrong field": foreign("wrong field", "test.note", b'{"n": "seven"}'),
        "no kind": foreign("no kind", "", b'{"n": 8}'),
        "unknown kind": foreign("unknown kind", "test.nobody", b"{}"),
        "reply": foreign("reply", "test.sum", b'{"total": 1, "by": "me"}'),
        "not json type": foreign("not json type", "test.note", b'{"n": 9}', content_type="text/plain"),
        "newer": foreign("newer", "test.note", b'{"n": 10}', version=2),
        "too large": foreign("too large", "test.note", too_large),
        "expired": foreign("expired", "test.note", b'{"n": 11}', deadline_ms=1),
        "again": foreign("again", "test.note", b'{"n": 12}'),
    }
    site.foreign(*bodies.values(), bodies["again"])
    good = host.client(PARENT).send(Note(n=100), to=CHILD)
    site.row(good, State.SUCCEEDED)
    eventually(lambda: not {"waiting", "processing"} & set(site.states()), timeout=PATIENCE_S)
    rows = {row["id"]: row for row in site.place.rows()}
    ends = {id_: (row["state"], row["reason"]) for id_, row in rows.items() if id_ != good}
    assert ends == {
        "good": ("succeeded", None),
        "no json": ("failed", "invalid"),
        "wrong field": ("failed", "invalid"),
        "no kind": ("failed", "invalid"),
        "unknown kind": ("failed", "unhandled"),
        "reply": ("failed", "unhandled"),
        "not json type": ("failed", "invalid"),
        "newer": ("failed", "invalid"),
        "too large": ("failed", "invalid"),
        "expired": ("failed", "expired"),
        "again": ("succeeded", None),
    }
    assert "n:" in rows["wrong field"]["error"]
    assert "'seven'" in rows["wrong field"]["error"]
    assert bytes(rows["no json"]["body"]) == b"\xff\x00 no json"
    assert sorted(desk.ran) == [7, 12, 100]


def test_everything_is_acknowledged_in_the_end(site: Site) -> None:
    """When all rows are final nothing is left unacknowledged, retries and foreign messages included."""
    handlers = noting()

    @handlers.handles(Other, retry=Backoff(attempts=2, first=0.05))
    def other(_message: Other, _ctx: Context[Desk]) -> None:
        raise OSError

    host, desk = site.host(), Desk()
    host.add(app(handlers, desk))
    client = host.client(PARENT)
    for n in range(20):
        client.send(Note(n=n), to=CHILD)
        if n % 5 == 0:
            client.send(Other(), to=CHILD)
    site.foreign(foreign("foreign", "test.note", b'{"n": 20}'))
    eventually(lambda: site.states() == {"succeeded": 21, "failed": 4}, timeout=PATIENCE_S)
    intake = host._workers[CHILD]._receiving._intake
    eventually(lambda: len(intake) == 0, what="every delivery is acknowledged")
    host.remove(CHILD)
    left: list[str] = []
    consumer = site.carrier().consume(
        CHILD, lambda arrived: left.extend(one.envelope.message_id for one in arrived), prefetch=100
    )
    site.foreign(foreign("sentinel", "test.note", b'{"n": 21}'))
    eventually(lambda: "sentinel" in left, timeout=PATIENCE_S)
    consumer.close()
    assert left == ["sentinel"]


def test_deliveries_of_what_was_settled_lead_to_no_claim(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """A copy of a message that was handled lately is acknowledged, and the table is asked nothing for it."""
    claimed: list[object] = []
    claim = HandlerTable.claim

    def counting(table: HandlerTable, *given: Any, **more: Any) -> Any:
        claimed.append(given)
        return claim(table, *given, **more)

    host, desk = site.host(), Desk()
    host.add(app(noting(), desk))
    receiving = host._workers[CHILD]._receiving
    copy = foreign("copy", "test.note", b'{"n": 7}')
    site.foreign(copy)
    site.all_succeeded(1)
    eventually(lambda: len(receiving._intake) == 0, what="the first delivery is acknowledged")
    monkeypatch.setattr(HandlerTable, "claim", counting)
    before = receiving.delivered
    site.foreign(copy, copy, copy)
    eventually(lambda: receiving.delivered == before + 3, timeout=PATIENCE_S, what="the copies are delivered")
    eventually(lambda: receiving.at_hand()[0] == 0, timeout=PATIENCE_S, what="the copies are acknowledged")
    assert claimed == []
    site.foreign(foreign("new", "test.note", b'{"n": 8}'))
    site.all_succeeded(2)
    assert claimed
    assert desk.ran == [7, 8]


@pytest.mark.parametrize("call_id", ["", "call"])
def test_rings_that_come_long_after_their_outcomes(site: Site, monkeypatch: pytest.MonkeyPatch, call_id: str) -> None:
    """Rows that nobody remembers any more are looked up for their rings; what is new among those is claimed because of its own."""
    monkeypatch.setattr(intake, "RECENT", 0)
    host, desk = site.host(), Desk()
    host.add(app(noting(), desk))
    receiving = host._workers[CHILD]._receiving
    copies = [foreign(f"copy{n}", "test.note", b'{"n": %d}' % n, call_id=call_id) for n in range(3)]

    def ring(*envelopes: Envelope) -> None:
        before = receiving.delivered
        site.foreign(*envelopes)
        eventually(
            lambda: receiving.delivered == before + len(envelopes), timeout=PATIENCE_S, what="they are delivered"
        )
        eventually(lambda: receiving.at_hand()[0] == 0, timeout=PATIENCE_S, what="they are acknowledged")

    if call_id:
        # Of our own senders each has committed its rows before it publishes.
        host.table.accept(Effects(sent=tuple(copies)), app=PARENT)
    ring(*copies)
    site.all_succeeded(3)
    # It would find the new one, too.
    monkeypatch.setattr(HandlerTable, "apps_with_work", lambda *_given, **_more: {})
    ring(copies[0], foreign("new", "test.note", b'{"n": 3}'), copies[1])
    site.all_succeeded(4)
    host.client(PARENT).send(Note(n=4), to=CHILD)
    site.all_succeeded(5)
    assert desk.ran == [0, 1, 2, 3, 4]


def test_a_message_that_is_too_large_is_not_sent(site: Site) -> None:
    """A sender learns at once that its message is too large, and there is no row of it."""
    host = site.host()

    class Long(Command[None]):
        kind: ClassVar[str] = "test.long"
        text: str

    with pytest.raises(InvalidMessage, match="INTERAPP_MESSAGE_MAX_BYTES"):
        host.client(PARENT).send(Long(text="x" * (site.settings.message_max_bytes + 1)), to=CHILD)
    assert site.place.rows() == []


# What handlers send.


def test_what_a_handler_sends_directly_is_sent_once(site: Site) -> None:
    """What a handler sends by the client comes once, however often it is run; what differs between its runs is not lost."""
    handlers = Handlers("test")

    @handlers.handles(Other, retry=Backoff(attempts=3, first=0.01))
    def other(_message: Other, ctx: Context[Desk]) -> None:
        client = ctx.resource.client
        assert client is not None
        client.send(Note(n=1), to="elsewhere")
        client.send(Note(n=1), to="elsewhere")
        with client.transaction() as tx:
            tx.send(Note(n=2), to="elsewhere")
        with client.transaction() as tx:
            tx.send(Note(n=10 + ctx.attempt), to="elsewhere")
        ctx.send(Note(n=3), to="elsewhere")
        if ctx.attempt < 3:
            raise OSError

    host, desk = site.host(), Desk()
    desk.client = host.add(app(handlers, desk))
    site.row(host.client(PARENT).send(Other(), to=CHILD), State.SUCCEEDED)
    sent = [
        Note.model_validate_json(bytes(row["body"])).n for row in site.place.rows() if row["destination"] == "elsewhere"
    ]
    assert sent == [1, 1, 2, 11, 12, 13, 3]


def test_an_event_reaches_a_subscriber_that_is_down(site: Site) -> None:
    """Who subscribed once gets every event, also those that were published while it was not running."""
    handlers = Handlers("test")

    @handlers.handles(Happened)
    def happened(event: Happened, ctx: Context[Desk]) -> None:
        ctx.resource.ran.append(event.n)

    desk = Desk()
    first = site.host()
    first.add(app(handlers, desk))
    client = site.host().client(PARENT)
    client.publish(Happened(n=1))
    site.all_succeeded(1)
    first.stop()
    for n in (2, 3):
        client.publish(Happened(n=n))
    assert site.states() == {"succeeded": 1, "waiting": 2}
    site.host().add(app(handlers, desk))
    site.all_succeeded(3)
    assert desk.ran == [1, 2, 3]


def test_what_a_handler_publishes_comes_with_its_outcome(site: Site) -> None:
    """Events and messages of a handler that fails are never sent; those of one that succeeds are, each once."""
    handlers = Handlers("test")

    @handlers.handles(Other, retry=Backoff(attempts=2, first=0.01))
    def other(_message: Other, ctx: Context[Desk]) -> None:
        ctx.publish(Happened(n=ctx.attempt))
        ctx.documents.put("things", "n", Note(n=ctx.attempt))
        if ctx.attempt == 1:
            raise OSError

    listening = Handlers("listening")

    @listening.handles(Happened)
    def happened(event: Happened, ctx: Context[Desk]) -> None:
        ctx.resource.ran.append(event.n)

    host, desk = site.host(), Desk()
    host.add(app(listening, desk, "listener"))
    host.add(app(handlers, Desk()))
    cause = host.client(PARENT).send(Other(), to=CHILD)
    eventually(lambda: site.states() == {"succeeded": 2}, timeout=PATIENCE_S)
    assert desk.ran == [2]
    (document,) = site.place.select("SELECT * FROM documents")
    assert document["body"] == '{"n":2}'
    assert site.place.row(cause)["attempts"] == 2


# Operators.


def test_an_operators_retry_is_picked_up_without_a_ring(site: Site) -> None:
    """A row that an operator retries in the table is handled within two seconds, though nobody rings."""
    handlers = Handlers("test")

    @handlers.handles(Note, retry=NO_RETRY)
    def note(message: Note, ctx: Context[Desk]) -> None:
        ctx.resource.ran.append(message.n)
        if len(ctx.resource.ran) == 1:
            raise OSError("the first time")

    host, desk = site.host(), Desk()
    host.add(app(handlers, desk))
    message_id = host.client(PARENT).send(Note(n=1), to=CHILD)
    seq = site.row(message_id, State.FAILED)["seq"]
    operator_acts.retry(site.place.database, SystemClock(), [seq], "operator")
    begun = SystemClock().monotonic()
    row = site.row(message_id, State.SUCCEEDED)
    assert SystemClock().monotonic() - begun < 5.0
    assert (row["attempts"], row["generation"], desk.ran) == (1, 1, [1, 1])


def test_a_cancel_reaches_the_running_handler(site: Site) -> None:
    """A handler whose message is cancelled while it runs is told; one that stops for it ends its message as cancelled."""
    handlers = Handlers("test")

    @handlers.handles(Other)
    def other(_message: Other, ctx: Context[Desk]) -> None:
        ctx.resource.ran.append(ctx.attempt)
        ctx.resource.entered.set()
        while not ctx.cancelled:
            ctx.resource.go_on.wait(0.02)
        raise RetryLater(0.0, "asked to stop")

    host, desk = site.host(), Desk()
    host.add(app(handlers, desk))
    message_id = host.client(PARENT).send(Other(), to=CHILD)
    assert desk.entered.wait(PATIENCE_S)
    operator_acts.cancel(site.place.database, SystemClock(), [site.place.row(message_id)["seq"]], "operator")
    assert site.row(message_id, State.FAILED)["reason"] == "cancelled"
    assert desk.ran == [1]


def test_a_cancel_reaches_the_next_attempt(site: Site) -> None:
    """Cancelling a message while its handler runs is a request: this outcome wins, but no further attempt is begun."""
    handlers = Handlers("test")

    @handlers.handles(Other, retry=Backoff(attempts=5, first=0.01))
    def other(_message: Other, ctx: Context[Desk]) -> None:
        ctx.resource.ran.append(ctx.attempt)
        ctx.resource.wait(ctx)
        raise OSError

    host, desk = site.host(), Desk()
    host.add(app(handlers, desk))
    message_id = host.client(PARENT).send(Other(), to=CHILD)
    assert desk.entered.wait(PATIENCE_S)
    operator_acts.cancel(site.place.database, SystemClock(), [site.place.row(message_id)["seq"]], "operator")
    desk.go_on.set()
    assert site.row(message_id, State.FAILED)["reason"] == "cancelled"
    assert desk.ran == [1]


# Trouble with the table.


def lose_answer(
    monkeypatch: pytest.MonkeyPatch, table: HandlerTable, what: str, *, when: Callable[[], bool]
) -> list[str]:
    """Let the next call of a method of the table be committed and raise all the same; return a list that notes it."""
    act, lost = getattr(table, what), list[str]()

    def unclear(*args: Any, **more: Any) -> Any:
        result = act(*args, **more)
        if not lost and when():
            lost.append(what)
            raise TableUnavailable("the answer to COMMIT was lost")
        return result

    monkeypatch.setattr(table, what, unclear)
    return lost


@pytest.mark.parametrize("what", ["claim", "settle", "accept"])
def test_an_unclear_commit_neither_loses_nor_doubles(site: Site, monkeypatch: pytest.MonkeyPatch, what: str) -> None:
    """When the answer to a commit is lost that came through, every message is handled, and what follows exists once."""
    handlers, host, desk = Handlers("test"), site.host(), Desk()

    @handlers.handles(Note)
    def note(message: Note, ctx: Context[Desk]) -> None:
        ctx.resource.ran.append(message.n)
        ctx.send(Other(n=message.n), to="elsewhere")

    host.add(app(handlers, desk))
    client = host.client(PARENT)
    client.send(Note(n=0), to=CHILD)
    site.row(site.place.rows()[0]["id"], State.SUCCEEDED)
    lost = lose_answer(monkeypatch, host.table, what, when=lambda: True)
    for n in range(1, 10):
        client.send(Note(n=n), to=CHILD, wait_for_table=PATIENCE_S)
    eventually(lambda: site.states()["succeeded"] == 10, timeout=PATIENCE_S)
    assert lost == [what]
    assert desk.ran == list(range(10))
    followed = [
        Other.model_validate_json(bytes(row["body"])).n for row in site.place.rows() if row["kind"] == Other.kind
    ]
    assert followed == list(range(10))


def test_an_unexpected_error_while_freeing_loses_no_outcome(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """When the thread that frees a slow handler's batch meets a defect, the outcomes it had in hand are not forgotten."""
    handlers = noting_and_waiting()
    host, desk = site.host(), Desk()
    host.add(app(handlers, desk))
    client = host.client(PARENT)
    client.send_call([Note(n=n) for n in range(200)], to=CHILD)
    site.all_succeeded(200)
    settle, failed = host.table.settle, threading.Event()

    def defect(*args: Any, **more: Any) -> Any:
        if threading.current_thread().name == "watch" and not failed.is_set():
            failed.set()
            raise RuntimeError("a defect")
        return settle(*args, **more)

    monkeypatch.setattr(host.table, "settle", defect)
    client.send_call([Note(n=200), Other(), Note(n=201)], to=CHILD)
    assert failed.wait(PATIENCE_S)
    expected = ["succeeded", "processing", "waiting"]
    eventually(lambda: [row["state"] for row in site.place.rows()[200:]] == expected, what="the table tells the truth")
    desk.go_on.set()
    site.all_succeeded(203)
    assert desk.ran == list(range(202))


def test_a_table_that_is_away_for_a_while_loses_nothing(private_postgresql: PostgreSQLServer) -> None:
    """While the database is away outcomes are kept: nothing is lost, nothing settled runs again, and the order holds."""
    with ExitStack() as stack:
        site = Site(stack, "memory://", private_postgresql.url)
        host, desk = site.host(), Desk()
        handlers = Handlers("test")

        @handlers.handles(Note, retry=NO_RETRY)
        def note(message: Note, ctx: Context[Desk]) -> None:
            ctx.resource.ran.append(message.n)
            if message.n == 20:
                ctx.resource.wait(ctx)

        host.add(app(handlers, desk))
        client = host.client(PARENT)
        for n in range(40):
            client.send(Note(n=n), to=CHILD)
        assert desk.entered.wait(PATIENCE_S)
        eventually(lambda: site.states()["succeeded"] == 20, what="what was finished before is committed")
        private_postgresql.kill()
        desk.go_on.set()
        eventually(lambda: not host.health.ready()[0], timeout=PATIENCE_S, what="health says that the table is away")
        private_postgresql.start()
        site.place.database.close()  # our own view has dead connections too
        site.all_succeeded(40)
        assert desk.ran == list(range(40)), "the outcome that could not be committed was kept"
        eventually(lambda: host.health.ready()[0], timeout=PATIENCE_S, what="health says that all is well")


def test_a_sender_waits_for_the_table(private_postgresql: PostgreSQLServer) -> None:
    """A sender that gave time for it gets its message committed, once, when the database comes back."""
    with ExitStack() as stack:
        site = Site(stack, "memory://", private_postgresql.url)
        host, desk = site.host(), Desk()
        host.add(app(noting(), desk))
        private_postgresql.stop()
        sent: list[str] = []
        client = host.client(PARENT)
        thread = threading.Thread(
            target=lambda: sent.append(client.send(Note(n=1), to=CHILD, wait_for_table=PATIENCE_S))
        )
        thread.start()
        private_postgresql.start()
        thread.join(PATIENCE_S)
        assert len(sent) == 1
        site.all_succeeded(1)
        assert desk.ran == [1]
