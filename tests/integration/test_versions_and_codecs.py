"""Whole hosts in this process: upgrades of a kind, and messages that are not JSON, from the sender to the handler."""

from __future__ import annotations

import struct
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import pytest
from contract.databases import Place
from integration.packed_work import Measured, Packed, Passed, pass_on

from broker.errors import InvalidMessage, UnsupportedVersion
from broker.handlers.context import Context
from broker.handlers.registry import HandlerRegistry
from broker.lifecycle.clock import ManualClock, SystemClock
from broker.lifecycle.state import State
from broker.messages.message import Command, Message, Reply
from broker.messages.versions import Body
from broker.runtime.app import App
from broker.runtime.host import Host
from broker.settings import InterAppSettings
from broker.table import operator_acts
from servers.processes import eventually

CHILD = "m1000-a.clk1"
PARENT = "m1000-a"
PATIENCE_S = 30.0


class PulseV1(Command[None]):
    """The kind as it was."""

    kind: ClassVar[str] = "test.pulse"
    length_s: float


def to_ms(body: Body) -> Body:
    """Lift version 1."""
    return {"length_ms": round(float(body["length_s"]) * 1000)}  # type: ignore[arg-type]


class PulseV2(Command[None]):
    """The kind as it is."""

    kind: ClassVar[str] = "test.pulse"
    version: ClassVar[int] = 2
    upcasters: ClassVar = {1: to_ms}
    length_ms: int


class Site:
    """One database, and as many hosts, one after the other, as a test wants."""

    def __init__(self, folder: Path) -> None:
        self._settings = InterAppSettings(broker_url="memory://", database_url=f"sqlite:///{folder / 'table.db'}")
        self._hosts: list[Host] = []
        self.place = Place(self._settings.database_url, ManualClock())

    def host(self, *registries: HandlerRegistry[Any], codecs: Any = ()) -> Host:
        """Return a started host that runs the first registry as the child, the second as its parent."""
        host = Host(self._settings, SystemClock(), codecs=codecs)
        self._hosts.append(host)
        host.start()
        for address, registry in zip((CHILD, PARENT), registries, strict=False):
            host.add(App(address=address, registry=registry, resource=None))
        return host

    def close(self) -> None:
        """Stop every host."""
        for host in self._hosts:
            host.stop()
        self.place.close()

    def outcome(self, message_id: str) -> tuple[str, str | None, str | None]:
        """Wait until a message is final; return state, reason and error."""
        eventually(lambda: State(self.place.row(message_id)["state"]).final, PATIENCE_S, "it is final")
        row = self.place.row(message_id)
        return row["state"], row["reason"], row["error"]


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """A database without hosts."""
    site = Site(tmp_path)
    yield site
    site.close()


def registry(message: type[Message], got: list[Any] | None = None, codecs: Any = ()) -> HandlerRegistry[Any]:
    """Return a registry whose handler notes what it gets."""
    made = HandlerRegistry[Any]("test", codecs=codecs)

    def note(received: Message, _ctx: Context[Any]) -> None:
        if got is not None:
            got.append(received)

    made.handles(message)(note)
    return made


def test_a_newer_version_waits_for_the_upgrade(site: Site) -> None:
    """A message of a version that is not known yet is failed (invalid) and kept; retried after the upgrade it succeeds."""
    got: list[Any] = []
    old = site.host(registry(PulseV1))
    message_id = old.client(PARENT).send(PulseV2(length_ms=5), to=CHILD)
    assert site.outcome(message_id) == ("failed", "invalid", "test.pulse: version 2, known up to 1")
    old.stop()
    site.host(registry(PulseV2, got))
    seq = site.place.row(message_id)["seq"]
    operator_acts.retry(site.place.database, SystemClock(), [seq], "operator")
    assert site.outcome(message_id) == ("succeeded", None, None)
    assert got == [PulseV2(length_ms=5)]


def test_what_waited_through_an_upgrade_is_lifted(site: Site) -> None:
    """A message that was sent before the upgrade and is handled after it reaches the handler in the newest shape."""
    got: list[Any] = []
    old = site.host()
    message_id = old.client(PARENT).send(PulseV1(length_s=0.25), to=CHILD)
    old.stop()
    site.host(registry(PulseV2, got))
    assert site.outcome(message_id) == ("succeeded", None, None)
    assert got == [PulseV2(length_ms=250)]
    assert site.place.row(message_id)["version"] == 1


def test_a_reply_says_its_version(site: Site) -> None:
    """A caller lifts the reply of an older handler, and is told when the handler's is newer than it knows."""

    class SumV1(Reply):
        kind: ClassVar[str] = "test.sum"
        total: int

    class SumV2(Reply):
        kind: ClassVar[str] = "test.sum"
        version: ClassVar[int] = 2
        upcasters: ClassVar = {1: lambda body: {"sum": body["total"]}}
        sum: int

    class AddV1(Command[SumV1]):
        kind: ClassVar[str] = "test.add"

    class AddV2(Command[SumV2]):
        kind: ClassVar[str] = "test.add"

    old, new = HandlerRegistry[Any]("old"), HandlerRegistry[Any]("new")
    old.handles(AddV1)(lambda _message, _ctx: SumV1(total=3))
    new.handles(AddV2)(lambda _message, _ctx: SumV2(sum=4))
    client = site.host(old, new).client("desk")
    assert client.request(AddV1(), to=CHILD, timeout=PATIENCE_S) == SumV1(total=3)
    assert client.request(AddV2(), to=CHILD, timeout=PATIENCE_S) == SumV2(sum=3)
    assert client.request(AddV2(), to=PARENT, timeout=PATIENCE_S) == SumV2(sum=4)
    with pytest.raises(UnsupportedVersion, match=r"test\.sum: version 2, known up to 1"):
        client.request(AddV1(), to=PARENT, timeout=PATIENCE_S)


def test_a_reply_of_another_kind_is_named(site: Site) -> None:
    """A handler that answers with another kind than the caller expects is named, whatever the fields are."""

    class One(Reply):
        kind: ClassVar[str] = "test.one"

    class Two(Reply):
        kind: ClassVar[str] = "test.two"

    class Ask(Command[One]):
        kind: ClassVar[str] = "test.ask"

    class AskElse(Command[Two]):
        kind: ClassVar[str] = "test.ask"

    handlers = HandlerRegistry[Any]("test")
    handlers.handles(AskElse)(lambda _message, _ctx: Two())
    with pytest.raises(InvalidMessage, match=r"test\.ask was answered by test\.two, not by test\.one"):
        site.host(handlers).client(PARENT).request(Ask(), to=CHILD, timeout=PATIENCE_S)


def test_a_codec_serves_from_the_sender_to_the_handler(site: Site) -> None:
    """A message that is no JSON goes as its codec says into the table, to the worker, and arrives as what was sent."""
    got: list[Any] = []
    client = site.host(registry(Measured, got, [Packed()])).client(PARENT)
    message_id = client.send(Measured(number=1, offset_ns=-5), to=CHILD)
    assert site.outcome(message_id) == ("succeeded", None, None)
    assert got == [Measured(number=1, offset_ns=-5)]
    row = site.place.row(message_id)
    assert row["content_type"] == "application/x-packed"
    assert bytes(row["body"]) == struct.pack("!2q", 1, -5)


def test_an_isolated_handler_has_the_codecs_too(site: Site) -> None:
    """In a process of its own a handler reads what its app reads, and sends what its app sends."""
    got: list[Any] = []
    child = HandlerRegistry[Any]("child", codecs=[Packed()])
    child.handles(Measured, timeout=PATIENCE_S, isolated=True)(pass_on)
    child.sends(Passed)
    client = site.host(child, registry(Passed, got, [Packed()])).client(PARENT)
    assert site.outcome(client.send(Measured(number=7, offset_ns=0), to=CHILD)) == ("succeeded", None, None)
    eventually(lambda: got == [Passed(number=7)], PATIENCE_S, "the event is handled")


def test_a_transaction_sends_by_codec(site: Site) -> None:
    """What is sent in a transaction goes by its codec like any other."""
    got: list[Any] = []
    client = site.host(registry(Measured, got, [Packed()])).client(PARENT)
    with client.transaction() as tx:
        message_id = tx.send(Measured(number=2, offset_ns=9), to=CHILD)
    assert site.outcome(message_id) == ("succeeded", None, None)
    assert got == [Measured(number=2, offset_ns=9)]


def test_bytes_that_a_codec_cannot_read_are_kept(site: Site) -> None:
    """A receiver without the codec, and one whose codec cannot read the bytes, fail the message and keep its bytes."""
    host = site.host(registry(Measured, codecs=[Packed()]), registry(PulseV1))
    sender = host.client("desk")
    unknown = sender.send(Measured(number=1, offset_ns=1), to=PARENT)
    assert site.outcome(unknown)[:2] == ("failed", "unhandled")

    class Foreign(Command[None]):
        kind: ClassVar[str] = "test.pulse"
        content_type: ClassVar[str] = Packed.content_type
        length_s: int

    without = sender.send(Foreign(length_s=1), to=PARENT)
    error = "test.pulse: content type 'application/x-packed' is not known, send application/json"
    assert site.outcome(without) == ("failed", "invalid", error)

    class Short(Command[None]):
        kind: ClassVar[str] = "test.measured"
        content_type: ClassVar[str] = Packed.content_type
        number: int

    short = sender.send(Short(number=1), to=CHILD)
    state, reason, error = site.outcome(short)  # type: ignore[assignment]
    assert (state, reason) == ("failed", "invalid")
    assert "the body cannot be read as application/x-packed" in error
    assert bytes(site.place.row(short)["body"]) == struct.pack("!q", 1)


def test_a_missing_codec_is_said_when_the_app_starts(site: Site) -> None:
    """An app that could not send one of its messages is refused when it is added, and so is a clash of codecs."""
    with pytest.raises(InvalidMessage, match=r"test\.measured: it is sent as application/x-packed"):
        site.host(registry(Measured))

    class Other(Packed):
        """Differs."""

    with pytest.raises(TypeError, match="two codecs"):
        site.host(registry(Measured, codecs=[Packed()]), registry(Passed, codecs=[Other()]))


def test_a_codec_that_cannot_go_to_another_process_is_named(site: Site) -> None:
    """An app with isolated handlers is refused when a codec of it cannot be copied to their process."""
    codec = Packed()
    codec.lock = threading.Lock()  # type: ignore[attr-defined]
    child = HandlerRegistry[Any]("child", codecs=[codec])
    child.handles(Measured, timeout=PATIENCE_S, isolated=True)(pass_on)
    with pytest.raises(TypeError, match="cannot get a copy of the codec of application/x-packed"):
        site.host(child)


def test_a_process_that_only_sends_is_given_its_codecs(site: Site) -> None:
    """A host without apps sends by the codecs that it was made with, and says which is missing."""
    with pytest.raises(InvalidMessage, match=r"codecs=\["):
        site.host().client("desk").send(Measured(number=1, offset_ns=1), to=CHILD)
    message_id = site.host(codecs=[Packed()]).client("desk").send(Measured(number=1, offset_ns=1), to=CHILD)
    assert site.place.row(message_id)["content_type"] == "application/x-packed"
