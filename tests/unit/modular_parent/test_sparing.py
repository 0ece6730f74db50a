"""Which records a poll writes."""

from datetime import UTC, datetime, timedelta

import pytest

from lantime.contract import SlotRecord
from modular_parent.sparing import worth_writing

NOW = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)
KEPT = SlotRecord(slot="clk1", model="tcr180", last_seen=NOW)


def after(seconds: float, model: str = "tcr180") -> SlotRecord:
    """Return the record as it is seen so many seconds later."""
    return SlotRecord(slot="clk1", model=model, last_seen=NOW + timedelta(seconds=seconds))


@pytest.mark.parametrize(
    ("record", "worth"),
    [
        (after(0), False),
        (after(9.9), False),
        (after(10), True),
        (after(1, "tcr181"), True),
        # the clock was set back
        (after(-1), True),
        (SlotRecord(slot="clk1", model="tcr180"), True),
    ],
)
def test_a_record_is_written_for_a_change_or_for_its_age(record: SlotRecord, worth: bool) -> None:
    """What differs in its time only is written when what is kept is ten seconds behind, or ahead."""
    assert worth_writing(KEPT, record, "last_seen") is worth


def test_what_is_not_kept_yet_is_written() -> None:
    """The first record is always written; one that never had a time only when it differs."""
    assert worth_writing(None, KEPT, "last_seen")
    untimed = SlotRecord(slot="clk1")
    assert not worth_writing(untimed, untimed, "last_seen")
    assert worth_writing(untimed, KEPT, "last_seen")
