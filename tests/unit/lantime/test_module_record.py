"""What a new look at a clock module means for what is known of it."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from lantime.contract import ModuleRecord, SyncState, seen
from lantime.status import ClockState, ReceiverState, Slot, parse_slot

NOW = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)
LATER = NOW + timedelta(minutes=1)
LATEST = NOW + timedelta(minutes=2)

MODULE: dict[str, Any] = {
    "info": {"model": "tcr180", "serial-number": "1", "sensors": {"temperature-1": 40.0}},
    "sync-status": {"clock-status": {"clock": "synchronized", "oscillator": "warmed-up"}, "osc-type": "ocxo-sq"},
    "tcr": {"receiver-status": "synchronized", "tfom": 0},
    "mrs": [{"object-id": "priority0"}],
}


def look(module: Any) -> Slot:
    """Return the slot with this in place of the module."""
    return parse_slot("clk1", {"module": module}, api_major=20)


def after(known: ModuleRecord | None, module: Any, at: datetime = LATER) -> ModuleRecord:
    """Return the record after a look that tells something."""
    record = seen(known, look(module), at)
    assert record is not None
    return record


@pytest.fixture
def known() -> ModuleRecord:
    """A TCR that was understood at NOW."""
    return after(None, MODULE, NOW)


def test_a_part_that_is_not_understood_stays_with_its_time(known: ModuleRecord) -> None:
    """Garbage in one part keeps what was understood of it, and says since when; the other parts are new."""
    odd = MODULE | {"sync-status": [1], "tcr": {"receiver-status": "not-synchronized"}}
    record = after(known, odd)
    assert record.status is not None
    assert (record.status.clock, record.status.receiver.state) == (
        ClockState.SYNCHRONIZED,
        ReceiverState.NOT_SYNCHRONIZED,
    )
    assert record.stale == dict.fromkeys(("clock", "oscillator", "oscillator_type"), NOW)
    assert "sync-status" in record.status.missing, "that it is missing is said"
    again = after(record, odd, LATEST)
    assert again.stale["clock"] == NOW, "its age grows"
    assert after(again, MODULE, LATEST).stale == {}


def test_what_the_last_look_does_not_say_is_no_state_of_synchronisation(known: ModuleRecord) -> None:
    """What stays for people to see is not taken for the state of now."""
    assert after(known, MODULE | {"tcr": 5}).sync == SyncState(clock=ClockState.SYNCHRONIZED)
    assert after(known, []).sync == SyncState()


@pytest.mark.parametrize("garbage", [[], 5, "tcr180", {"info": 5}, {"info": {}}, {"info": {"model": "tcr180"}}])
def test_garbage_leaves_everything_that_was_understood(known: ModuleRecord, garbage: Any) -> None:
    """Whatever comes in place of the module, what was understood of it stays, and it was not pulled."""
    record = after(known, garbage)
    assert (record.present, record.model, record.observed_at) == (True, "tcr180", LATER)
    assert record.status is not None
    assert known.status is not None
    lacking = {"missing": known.status.missing}
    assert record.status.model_copy(update=lacking) == known.status
    assert set(record.stale) >= {"clock", "receiver", "mrs", "temperatures"}


def test_another_module_inherits_nothing(known: ModuleRecord) -> None:
    """What was understood of a module is not shown as that of the one in its place."""
    record = after(known, {"info": {"model": "tcr180", "serial-number": "2"}})
    assert record.status is not None
    assert (record.status.clock, record.stale) == (ClockState.UNKNOWN, {})
    assert after(known, {"info": {"model": "psu"}}).status is None


def test_garbage_as_the_first_look_tells_nothing() -> None:
    """Nothing is kept of a slot of which nothing but garbage was seen."""
    assert seen(None, look([]), NOW) is None


def test_an_older_document_is_still_read() -> None:
    """A record that was kept by a version without ages of parts is read."""
    kept = {"observed_at": NOW.isoformat(), "present": True, "model": "tcr180", "status": {"clock": "holdover"}}
    assert ModuleRecord.model_validate(kept).stale == {}
