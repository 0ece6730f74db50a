"""What is taken in before it is kept, and the row that is made of it."""

import threading
from datetime import UTC, datetime

import pytest

from lantime.contract import HttpSessionSettings
from lantime.exchange import Exchange
from lantime.http_sessions.recorder import Recorder
from lantime.http_sessions.session import session_of


def exchange(number: int = 0, *, status: int | None = 200, error: str | None = None) -> Exchange:
    """Return one exchange that took a quarter of a second."""
    return Exchange(
        method="GET",
        path=f"/{number}",
        started_us=1_700_000_000_000_001,
        ended_us=1_700_000_000_250_001,
        round_trip_ms=250.00049,
        status=status,
        bytes_sent=3,
        bytes_received=7,
        error=error,
    )


def paths(recorder: Recorder) -> list[str]:
    """Take what was taken in."""
    return [each.path for each in recorder.take()]


def test_what_is_taken_in_is_handed_over_once() -> None:
    """Exchanges are handed over in order, once."""
    recorder = Recorder()
    for n in range(3):
        recorder.record(exchange(n))
    assert paths(recorder) == ["/0", "/1", "/2"]
    assert paths(recorder) == []


def test_off_takes_nothing_in() -> None:
    """While recording is off nothing is held, nor what came before it was known."""
    recorder = Recorder()
    recorder.record(exchange())
    recorder.use(HttpSessionSettings(enabled=False, revision=1))
    recorder.record(exchange())
    recorder.give_back([exchange()])
    assert paths(recorder) == []


def test_no_more_is_held_than_is_kept() -> None:
    """What cannot be kept yet is held up to the maximum; the oldest go, also of what was given back."""
    recorder = Recorder()
    recorder.use(HttpSessionSettings(maximum=3, revision=1))
    for n in range(5):
        recorder.record(exchange(n))
    taken = recorder.take()
    assert [each.path for each in taken] == ["/2", "/3", "/4"]
    recorder.record(exchange(5))
    recorder.give_back(taken)
    assert paths(recorder) == ["/3", "/4", "/5"]
    for n in range(3):
        recorder.record(exchange(n))
    recorder.use(HttpSessionSettings(maximum=1, revision=2))
    assert paths(recorder) == ["/2"]


def test_older_settings_do_not_win() -> None:
    """Settings that were read before a command set others do not undo them."""
    recorder = Recorder()
    recorder.use(HttpSessionSettings(enabled=False, revision=2))
    recorder.use(HttpSessionSettings(enabled=True, revision=1))
    assert recorder.settings.enabled is False


def test_many_threads_lose_nothing() -> None:
    """Exchanges of several threads are all taken in while another takes them."""
    recorder, found = Recorder(), []
    recorder.use(HttpSessionSettings(maximum=10_000, revision=1))
    threads = [threading.Thread(target=lambda: [recorder.record(exchange(n)) for n in range(500)]) for _ in range(4)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        found += recorder.take()
    found += recorder.take()
    assert len(found) == 2000


def test_the_row_of_an_exchange() -> None:
    """The row tells times to the microsecond and the round trip to it."""
    row = session_of(exchange())
    assert row.requested_at == datetime(2023, 11, 14, 22, 13, 20, 1, tzinfo=UTC)
    assert row.responded_at == datetime(2023, 11, 14, 22, 13, 20, 250_001, tzinfo=UTC)
    assert (row.round_trip_ms, row.bytes_sent, row.bytes_received, row.error) == (250.0, 3, 7, None)


@pytest.mark.parametrize(
    ("status", "error", "said"),
    [
        (204, None, None),
        (302, None, "302 Found"),
        (503, None, "503 Service Unavailable"),
        (599, None, "status 599"),
        (None, "refused", "refused"),
        (200, "cut off", "cut off"),
        (None, None, "no answer"),
    ],
)
def test_the_row_has_an_error_when_it_failed(status: int | None, error: str | None, said: str | None) -> None:
    """A row has an error exactly when there was no whole answer of status 200 to 299; without an answer, no time of one."""
    row = session_of(exchange(status=status, error=error))
    assert row.error == said
    assert (row.responded_at is None) == (status is None)
