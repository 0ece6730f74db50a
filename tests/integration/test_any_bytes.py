"""Whatever arrives, the worker goes on: any bytes, under any properties, through the real way from delivery to outcome."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import pytest
from contract.databases import Place
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from integration.packed_work import Measured, Packed
from pika import BasicProperties
from pydantic import JsonValue
from structlog.testing import capture_logs

from broker.handlers.context import Context
from broker.handlers.registry import HandlerRegistry
from broker.lifecycle.clock import ManualClock, SystemClock
from broker.lifecycle.state import State
from broker.messages.envelope import Envelope
from broker.messages.message import Command, Message
from broker.messages.versions import Body
from broker.runtime.app import App
from broker.runtime.host import Host
from broker.settings import InterAppSettings
from broker.table.envelopes import storable
from broker.transport.memory.transport import MemoryTransport
from broker.transport.rabbitmq.wire import to_envelope
from lantime.contract import ReportModule, SlotStatus
from servers.processes import eventually

CHILD = "m1000-a.clk1"
PATIENCE_S = 60.0
EXAMPLES = 60
BODIES = 20
"""At most so many at once: they are claimed as one batch."""


def careless(body: Body) -> Body:
    """Lift version 1 without a look at what it is."""
    return {"text": body["words"][0], "more": body["more"]["deep"]["deeper"]}  # type: ignore[index,call-overload]


class Told(Command[SlotStatus]):
    kind: ClassVar[str] = "test.told"
    version: ClassVar[int] = 2
    upcasters: ClassVar = {1: careless}
    text: str
    more: JsonValue = None


class Good(Command[None]):
    kind: ClassVar[str] = "test.good"


def told(message: Told, _ctx: Context[None]) -> SlotStatus:
    """Answer with what came in."""
    return SlotStatus(chassis=message.text, slot=json.dumps(message.more), assigned=False)


def ignore(_message: Message, _ctx: Context[None]) -> None:
    """Handle anything."""


def registry() -> HandlerRegistry[None]:
    """Return handlers for a kind with upcasters, one with a codec, a device's own, and a good one."""
    made = HandlerRegistry[None]("test", codecs=[Packed()])
    made.handles(Told)(told)
    for message in (Measured, ReportModule, Good):
        made.handles(message)(ignore)
    return made


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(["text", "more", "words", "slot", "number", "module"]) | st.text(), inner)
    ),
    max_leaves=8,
)
bodies = (
    st.binary(max_size=64)
    | json_values.map(lambda value: json.dumps(value).encode("utf-8", "surrogatepass"))
    | st.sampled_from([b"[", b'{"more":', b'{"text": {"x": ']).map(lambda part: part * 5000)
    | st.sampled_from(
        [b'{"text": "\\ud800"}', b'{"text": "\\u0000"}', b"\xff\xfe{}", b'{"text": "a", "more": 1e999}', b"NaN"]
    )
)
odd = st.none() | st.booleans() | st.integers() | st.binary(max_size=8) | st.text(max_size=300) | st.floats()
kinds = st.sampled_from([Told.kind, Measured.kind, ReportModule.kind, SlotStatus.kind, "test.nobody", ""])
content_types = st.sampled_from(["application/json", Packed.content_type, "application/x-pickle"])
headers = st.fixed_dictionaries(
    {},
    optional={
        "x-version": st.integers(-1, 3) | odd,
        "x-deadline": st.just(2**45) | odd,
        "x-call-id": odd,
        "traceparent": odd,
    },
)
properties = st.fixed_dictionaries(
    {},
    optional={
        "type": kinds | odd,
        "content_type": content_types | odd,
        "message_id": odd,
        "correlation_id": odd,
        "reply_to": odd,
        "timestamp": odd,
        "user_id": odd,
        "app_id": odd,
        "headers": headers,
    },
)
likely = st.fixed_dictionaries({"type": kinds}, optional={"content_type": content_types, "headers": headers})
"""Where little but the body is hostile: what is far off ends before anybody looks at the body."""

arrivals = st.builds(
    lambda values, body: to_envelope(BasicProperties(**values), body, CHILD), likely | properties, bodies
)


class Site:
    """One host with one worker for the whole module: it must survive everything."""

    def __init__(self, folder: Path) -> None:
        url = f"sqlite:///{folder / 'table.db'}"
        self.transport = MemoryTransport(SystemClock())
        self.host = Host(
            InterAppSettings(broker_url="memory://", database_url=url), SystemClock(), transport=self.transport
        )
        self.host.start()
        self.client = self.host.add(App(address=CHILD, registry=registry(), resource=None))
        self.place = Place(url, ManualClock())

    def close(self) -> None:
        """Stop."""
        self.host.stop()
        self.place.close()

    def end_of(self, identities: set[tuple[str, str]]) -> dict[tuple[str, str], Any]:
        """Wait until each has a row that is final; return the rows."""

        def rows() -> dict[tuple[str, str], Any]:
            found = {(row["id"], row["amqp_user"]): row for row in self.place.rows()}
            return {each: found[each] for each in identities if each in found and State(found[each]["state"]).final}

        eventually(lambda: rows().keys() == identities, PATIENCE_S, "everything has ended")
        return rows()


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """The one worker."""
    site = Site(tmp_path_factory.mktemp("any-bytes"))
    yield site
    site.close()


@pytest.mark.timeout(EXAMPLES * 10)
@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(arrivals, min_size=1, max_size=BODIES))
def test_nothing_that_arrives_stops_the_worker(site: Site, arrived: list[Envelope]) -> None:
    """Every delivery gets a row and an outcome, nothing surprises the worker, and the message after it is handled."""
    with capture_logs() as logs:
        site.transport.publish(arrived, lambda _envelopes, _error: None)
        good = site.client.send(Good(), to=CHILD)
        ends = site.end_of({storable(envelope).identity for envelope in arrived} | {(good, "")})
    assert ends[good, ""]["state"] == "succeeded"
    assert [entry for entry in logs if entry["log_level"] in ("error", "critical")] == []
    assert [row["error"] for row in ends.values() if "interapp itself failed" in (row["error"] or "")] == []
    assert {row["reason"] for row in ends.values()} <= {None, "invalid", "unhandled", "expired"}
    assert {row["attempts"] for row in ends.values()} <= {0, 1}
    assert not site.host.failed.done()
    assert site.host.workers()[0].tenure.active()


def test_what_is_right_is_handled_among_it(site: Site) -> None:
    """Amid what is wrong in every way, what is right is handled, as each version and codec has it."""

    def arrival(kind: str, body: bytes, content_type: str = "application/json", version: int = 2) -> Envelope:
        given = BasicProperties(type=kind, content_type=content_type, headers={"x-version": version})
        return to_envelope(given, body, CHILD)

    packed = Packed().encode(Measured(number=1, offset_ns=2))
    wanted = {
        arrival(Told.kind, b'{"text": "a", "more": [1]}'): None,
        arrival(Told.kind, b'{"text": 1}'): "test.told: text: ",
        arrival(Told.kind, b'{"words": ["a"], "more": {"deep": {"deeper": 1}}}', version=1): None,
        arrival(Told.kind, b'{"words": []}', version=1): "upcaster careless of version 1 failed: IndexError",
        arrival(Told.kind, b'{"text": "a"}', version=3): "version 3, known up to 2",
        arrival(Told.kind, b'{"text": "a", "more": ' + b"[" * 100_000): "recursion limit",
        arrival(Measured.kind, packed, Packed.content_type, 1): None,
        arrival(Measured.kind, packed[1:], Packed.content_type, 1): "cannot be read as application/x-packed",
        arrival(Measured.kind, packed, version=1): "test.measured: ",
        arrival(Measured.kind, packed, "application/x-pickle", 1): "send application/json, application/x-packed",
        arrival("", b"{}"): "no kind",
    }
    site.transport.publish(list(wanted), lambda _envelopes, _error: None)
    ends = site.end_of({envelope.identity for envelope in wanted})
    for envelope, error in wanted.items():
        row = ends[envelope.identity]
        assert row["reason"] == (None if error is None else "invalid"), (envelope, row["error"])
        assert (error or "") in (row["error"] or "")
        assert bytes(row["body"]) == envelope.body
