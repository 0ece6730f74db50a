"""A claim that is made while the rows before it run."""

import threading

import pytest

from broker.errors import TableUnavailable
from broker.messages.envelope import Envelope
from broker.runtime.ahead import Ahead, Claim
from broker.table.rows import Claimed, Lease

LEASE = Lease("app", "worker", 1)
ROW = Claimed(
    seq=1,
    envelope=Envelope(message_id="m", kind="test.note", body=b"", destination="app"),
    doorbell="",
    attempt=1,
    claims=1,
    generation=0,
)
CLAIM = Claim(LEASE, [ROW], more=True, asked=1.0, ended=2.0, ahead=True)


def claimed() -> Claim:
    """Claim one row."""
    return CLAIM


def away() -> Claim:
    """Fail as when the table is away."""
    raise TableUnavailable("away")


def test_whoever_takes_first_has_the_rows() -> None:
    """What was claimed is taken once, whichever of the two ways comes first."""
    ahead = Ahead(claimed, threading.Event())
    ahead.run()
    assert ahead.take() == CLAIM
    assert ahead.take() is None
    assert ahead.take_rows_at_hand() == ()
    ahead = Ahead(claimed, threading.Event())
    ahead.run()
    assert ahead.take_rows_at_hand() == [ROW]
    assert ahead.take() is None


def test_a_claim_under_way_is_waited_for_and_has_no_rows_at_hand() -> None:
    """Before the claim has ended nothing is at hand; to take it is to wait for its end."""
    began, go_on = threading.Event(), threading.Event()

    def slowly() -> Claim:
        began.set()
        go_on.wait()
        return CLAIM

    ahead = Ahead(slowly, threading.Event())
    thread = threading.Thread(target=ahead.run)
    thread.start()
    began.wait()
    assert ahead.take_rows_at_hand() == ()
    go_on.set()
    assert ahead.take() == CLAIM
    thread.join()


def test_what_went_wrong_is_told_to_who_takes() -> None:
    """An error of the claim is raised where its rows are wanted, once; its thread ends in peace."""
    ahead = Ahead(away, threading.Event())
    ahead.run()
    assert ahead.take_rows_at_hand() == ()
    with pytest.raises(TableUnavailable, match="away"):
        ahead.take()
    assert ahead.take() is None
