"""What a slot's service knows of its module, and what a new look at it means."""

from datetime import UTC, datetime, timedelta

import pytest

from lantime.contract import SyncState
from lantime.status.module import ModuleStatus
from lantime.status.receiver import Receiver
from lantime.status.slot import ModuleInfo, ModuleKind, Slot
from lantime.status.states import ClockState, ReceiverState
from tcr_child.module import ModuleRecord, seen, sync_change

NOW = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)
SECOND = timedelta(seconds=1)
EMPTY = Slot(slot_id="clk1")


def tcr(
    clock: ClockState = ClockState.SYNCHRONIZED,
    receiver: ReceiverState = ReceiverState.SYNCHRONIZED,
    serial: str | None = "1",
) -> Slot:
    """Return a slot with a TCR180 in these states."""
    status = ModuleStatus(clock=clock, receiver=Receiver(state=receiver))
    info = ModuleInfo(model="tcr180", serial=serial, software="2.0", kind=ModuleKind.TCR)
    return Slot(slot_id="clk1", module=info, status=status)


def record(slot: Slot, at: datetime = NOW, known: ModuleRecord | None = None) -> ModuleRecord:
    """Return the record after a look that is not too old."""
    made = seen(known, slot, at)
    assert made is not None
    return made


def test_a_look_is_kept_as_it_was() -> None:
    """What a look saw of the module is the record, with its time."""
    slot = tcr()
    assert record(slot) == ModuleRecord(
        observed_at=NOW, present=True, model="tcr180", serial="1", software="2.0", status=slot.status
    )


@pytest.mark.parametrize(("older_by", "ignored"), [(SECOND, True), (0 * SECOND, False), (-SECOND, False)])
def test_an_older_look_is_ignored(older_by: timedelta, ignored: bool) -> None:
    """A look that arrives after a newer one changes nothing; one of the same time counts."""
    made = seen(record(tcr()), tcr(ClockState.HOLDOVER), NOW - older_by)
    assert (made is None) is ignored


def test_a_newer_look_replaces_all_of_it() -> None:
    """A new look replaces the record: what a new module does not tell is not taken from the old one."""
    assert record(tcr(serial=None), NOW + SECOND, record(tcr())).serial is None


def test_a_removed_module_keeps_what_was_understood_of_it() -> None:
    """When the slot is empty the last status stays, for whoever asks, and says that the module is not there."""
    known = record(tcr())
    made = record(EMPTY, NOW + SECOND, known)
    assert (made.present, made.observed_at, made.status) == (False, NOW + SECOND, known.status)
    assert made.stale == {"receiver": NOW, "clock": NOW}


def test_an_older_removal_is_ignored() -> None:
    """A removal that was observed before the module came back does not remove it again."""
    assert seen(record(tcr()), EMPTY, NOW - SECOND) is None


def test_a_slot_that_was_always_empty_is_known_as_empty() -> None:
    """A first look at an empty slot is a record without a module."""
    assert record(EMPTY) == ModuleRecord(observed_at=NOW, present=False)


def test_a_module_of_another_kind_has_no_status() -> None:
    """What is in the slot is told, and that nothing is known of its synchronisation."""
    other = Slot(slot_id="clk1", module=ModuleInfo(model="gps180"))
    made = record(other)
    assert (made.present, made.model, made.status, made.sync) == (True, "gps180", None, SyncState())


def test_the_sync_state_is_clock_and_receiver() -> None:
    """Clock and receiver are told apart: another source may keep the clock while the receiver has no signal."""
    made = record(tcr(ClockState.HOLDOVER, ReceiverState.NOT_SYNCHRONIZED))
    assert made.sync == SyncState(clock=ClockState.HOLDOVER, receiver=ReceiverState.NOT_SYNCHRONIZED)


def test_a_module_that_is_not_there_is_not_synchronised() -> None:
    """The status that stays after a removal is no claim that anything is synchronised."""
    assert record(EMPTY, NOW + SECOND, record(tcr())).sync == SyncState()


@pytest.mark.parametrize(
    "after",
    [
        tcr(clock=ClockState.HOLDOVER),
        tcr(receiver=ReceiverState.NOT_SYNCHRONIZED),
        tcr(ClockState.UNKNOWN, ReceiverState.UNKNOWN),
        EMPTY,
    ],
)
def test_a_change_of_the_sync_state_is_told_with_both(after: Slot) -> None:
    """When clock or receiver change, or the module is removed, the state before and after is told."""
    known = record(tcr())
    now = record(after, NOW + SECOND, known)
    assert sync_change(known, now) == (known.sync, now.sync)


def test_what_is_no_change_is_not_told() -> None:
    """A first look is no change, nor is one that sees the same states."""
    known = record(tcr())
    assert sync_change(None, known) is None
    assert sync_change(known, record(tcr(serial="2"), NOW + SECOND, known)) is None
