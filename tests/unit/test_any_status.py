"""Whatever JSON a device answers, parent and child go on, and what they understood stays."""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import httpx
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from broker.handlers.context import Documents, Outbox
from broker.lifecycle.clock import ManualClock
from broker.runtime.client import Transaction
from broker.testing.documents import KeptDocuments
from broker.testing.run_handler import run_handler
from lantime.client import LantimeClient
from lantime.contract import MODULE, SLOTS, STATUS, GetSlotStatus, ModuleRecord, PollSlotNow, ReportModule, SlotRecord
from lantime.errors import DeviceError
from lantime.status.parts import PARTS, says
from modular_parent.chassis import Chassis
from tcr_child.handlers import handlers
from tcr_child.slot import TcrSlot

ADDRESS = "m1000-a"

KEYS = st.sampled_from(
    [
        *("info", "model", "serial-number", "software-revision", "sensors", "temperature-1", "tcr", "irig", "mrs"),
        *("sync-status", "clock-status", "clock", "oscillator", "receiver-status", "state", "pcps", "object-id"),
        *("settings", "status", "id", "type", "flags", "slots", "slot-id", "slot-type", "module", "chassis0", "data"),
    ]
)
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8)
    | st.sampled_from(["clk1", "synchronized", "0x8000", "priority0", "unknown", "\ud800", "\x00", "N/A", "1e9"])
)
JSON = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS | st.text(max_size=5), inner, max_size=5),
    max_leaves=20,
)
"""Any JSON, drawn towards what the readers look for."""


def status_of(module: Any, *, chassis: Any = None) -> dict[str, Any]:
    """Return a status answer with this in place of the module of clk1."""
    slots = [{"slot-id": "clk1", "slot-type": "clk", "module": module}, {"slot-id": "clk2", "module": None}]
    found = {"model": "M1000", "serial-number": "1", "slots": slots} if chassis is None else chassis
    return {"data": {"rest-api": {"api-version": "20.05.013"}, "chassis0": found}}


def tcr() -> dict[str, Any]:
    """Return a TCR180 as far as these tests need it."""
    return {
        "info": {
            "model": "tcr180",
            "serial-number": "1",
            "software-revision": "v1",
            "sensors": {"temperature-1": 40.0},
        },
        "mrs": [{"object-id": "priority0", "info": {"settings": {"id": {"type": "irig"}}}}],
        "sync-status": {
            "osc-type": "ocxo-sq",
            "est-time-quality": "less-than-10us",
            "clock-status": {"clock": "synchronized", "oscillator": "warmed-up"},
        },
        "tcr": {"receiver-status": "synchronized", "tfom": 0, "state": {"lock-on": True}},
    }


class Kept(KeptDocuments):
    """A chassis' client whose commits stay in memory."""

    def __init__(self) -> None:
        super().__init__()
        self.sent: list[ReportModule] = []

    @contextmanager
    def transaction(self, *, reading: Sequence[str] = ()) -> Iterator[Transaction]:
        """Collect, and commit."""
        outbox = Outbox(source=ADDRESS, seed=("test",), user="", now_us=lambda: 0)
        transaction = Transaction(outbox, Documents(self))
        yield transaction
        effects = transaction.outbox.effects(transaction.documents.writes())
        self.write(effects.documents)
        self.sent += [
            ReportModule.model_validate_json(each.body) for each in effects.sent if each.kind == ReportModule.kind
        ]


class World:
    """The chassis' service and a slot's, at a device that answers over HTTP with what the test puts into ``body``."""

    def __init__(self) -> None:
        self.body = json.dumps(status_of(tcr())).encode()
        self.clock = ManualClock()
        transport = httpx.MockTransport(lambda _: httpx.Response(200, content=self.body))
        self.device = LantimeClient(
            "http://device", "info", "info", verify=False, transport=transport, clock=self.clock
        )
        self.parent_documents = Kept()
        self.chassis = Chassis(ADDRESS, self.device, self.parent_documents, self.clock)  # type: ignore[arg-type]  # what it uses
        self.documents = KeptDocuments()
        self.slot = TcrSlot(ADDRESS, "clk1", self.device, self.clock)

    def poll(self, answer: Any) -> None:
        """Let the device answer this, the chassis' service poll it, and the slot's service handle what it is told."""
        self.body = json.dumps(answer).encode()
        self.clock.advance(10)
        try:
            self.chassis.poll()
        except DeviceError:
            # Said to the operator; anything else would stop the service.
            assert not self.chassis.check().ok
        sent, self.parent_documents.sent = self.parent_documents.sent, []
        for report in sent:
            run_handler(handlers, report, self.slot, documents=self.documents, clock=self.clock).succeeded()

    def ask(self) -> None:
        """Let the slot's service read the slot itself, and say what it knows: neither may go wrong but for its own reasons."""
        outcome = run_handler(handlers, PollSlotNow(), self.slot, documents=self.documents, clock=self.clock).outcome
        error = getattr(outcome, "error", "")
        assert error == "" or "http://device" in error or "slot clk1" in error, error
        run_handler(handlers, GetSlotStatus(), self.slot, documents=self.documents, clock=self.clock).succeeded()

    def record(self) -> ModuleRecord:
        """Return what the slot's service keeps of its module."""
        body = self.documents.read(MODULE, STATUS)
        assert body is not None
        return ModuleRecord.model_validate_json(body)

    def inventory(self) -> SlotRecord:
        """Return what the chassis' service keeps of the slot."""
        body = self.parent_documents.read(SLOTS, "clk1")
        assert body is not None
        return SlotRecord.model_validate_json(body)


any_json = settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@any_json
@given(JSON)
@example([])
@example({})
@example({"info": []})
@example({"info": {}, "tcr": []})
@example({"sync-status": {}})
def test_any_json_in_place_of_a_module(module: Any) -> None:
    """Whatever stands in place of a module, both services go on; only an empty slot or another module ends what was known."""
    world = World()
    world.poll(status_of(tcr()))
    before = world.record()
    world.poll(status_of(module))
    world.ask()
    after, slot = world.record(), world.inventory()
    assert after.status is not None or after.model != before.model
    if slot.present and slot.model == "tcr180" and slot.serial == "1":
        assert before.status is not None
        assert after.status is not None
        for part, fields in PARTS.items():
            assert says(after.status, part) or not says(before.status, part)
            for field in fields if part in after.stale else ():
                assert getattr(after.status, field) == getattr(before.status, field)
    else:
        info = module.get("info") if isinstance(module, dict) else None
        says_empty = module is None or (isinstance(module, dict) and info is None)
        says_another = isinstance(info, dict) and bool({"model", "serial-number"} & {key.lower() for key in info})
        assert says_empty or says_another
    world.poll(status_of(tcr()))
    assert world.record().model_copy(update={"observed_at": before.observed_at}) == before


@any_json
@given(JSON.filter(lambda found: not isinstance(found, dict) and found is not None))
def test_what_is_no_module_wipes_nothing(module: Any) -> None:
    """A module of the wrong type never looks like a pulled one, and all that was understood stays, with its age."""
    world = World()
    world.poll(status_of(tcr()))
    before = world.record()
    world.poll(status_of(module))
    after, slot = world.record(), world.inventory()
    assert (after.present, slot.present, slot.app) == (True, True, "m1000-a.clk1")
    assert after.status == before.status
    assert set(after.stale.values()) == {before.observed_at}
    assert slot.clock == before.sync.clock


@any_json
@given(st.sampled_from(["tcr", "sync-status", "mrs"]), JSON)
def test_any_json_in_place_of_a_part(part: str, garbage: Any) -> None:
    """Whatever stands in place of a part of the module, the rest is read, and the service knows a clock and a receiver."""
    world = World()
    world.poll(status_of(tcr()))
    world.poll(status_of(tcr() | {part: garbage}))
    after = world.record()
    assert after.present
    assert after.status is not None
    assert after.status.oscillator_type is not None
    assert after.status.receiver.says_something
    assert after.status.mrs or isinstance(garbage, list | dict)


@any_json
@given(JSON)
@example({"data": {"chassis0": []}})
@example({"data": {"chassis0": {"slots": 5}}})
def test_any_json_in_place_of_the_whole_status(answer: Any) -> None:
    """Whatever the device answers, both services go on; while it is no list of slots, nothing was pulled."""
    world = World()
    world.poll(status_of(tcr()))
    before = world.record()
    world.poll(answer)
    world.ask()
    slots = answer.get("data", {}) if isinstance(answer, dict) else {}
    if not (isinstance(slots, dict) and any(str(key).startswith(("chassis", "status")) for key in slots)):
        assert world.record().status == before.status
        assert world.inventory().present
    world.poll(status_of(tcr()))
    assert world.inventory().clock == before.sync.clock


@any_json
@given(JSON)
def test_any_json_in_place_of_a_chassis(chassis: Any) -> None:
    """Whatever stands in place of the chassis, its slots are gone only when it gives a list that does not have them."""
    world = World()
    world.poll(status_of(tcr()))
    world.poll(status_of(None, chassis=chassis if chassis is not None else 5))
    slots = chassis.get("slots") if isinstance(chassis, dict) else None
    assert world.inventory().present or isinstance(slots, list | dict)


def test_the_time_is_that_of_the_look() -> None:
    """What is kept has the time of the look that understood it."""
    world = World()
    world.poll(status_of(tcr()))
    assert world.record().observed_at == datetime.fromtimestamp(world.clock.now_us() / 1_000_000, UTC)
