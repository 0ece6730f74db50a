"""When what was delivered is a reason to claim."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from broker.lifecycle.clock import SystemClock
from broker.messages.envelope import Envelope
from broker.runtime.receiving import Receiving
from broker.table.database import Database
from broker.table.store import HandlerTable
from broker.table.upgrade import upgrade
from broker.transport.memory.transport import MemoryTransport
from servers.processes import eventually

APP = "app"
PREFETCH = 3


class Line:
    """An app's deliveries, as its worker takes them in."""

    def __init__(self, table: HandlerTable, transport: MemoryTransport) -> None:
        self._transport = transport
        self._sent = 0
        self.receiving = Receiving(
            APP,
            transport=transport,
            table=table,
            clock=SystemClock(),
            prefetch=PREFETCH,
            max_bytes=1000,
            wake=lambda: None,
            due_later=lambda _in_us: None,
        )

    def ring(self, *ids: str) -> bool:
        """Deliver messages with these ids; return whether that is a reason to claim."""
        envelopes = [
            Envelope(message_id=one, kind="test.note", body=b"{}", destination=APP, call_id="call") for one in ids
        ]
        self._transport.publish(envelopes, lambda _ended, _error: None)
        self._sent += len(ids)
        eventually(lambda: self.receiving.delivered == self._sent, 20, "they are delivered")
        return self.receiving.take_in()


@pytest.fixture
def line(tmp_path: Path) -> Iterator[Line]:
    """A line with nothing on it."""
    database, transport = Database(f"sqlite:///{tmp_path / 'interapp.db'}"), MemoryTransport(SystemClock())
    upgrade(database)
    transport.start()
    yield Line(HandlerTable(database, SystemClock()), transport)
    transport.close()
    database.close()


def test_what_is_not_known_to_be_settled_is_a_reason_to_claim(line: Line) -> None:
    """A ring for a row that was settled before leads to no claim; any other does."""
    line.receiving.settled([("old", "")])
    assert not line.ring("old")
    assert line.ring("new")


def test_rings_that_others_wait_behind_are_a_reason_to_claim(line: Line) -> None:
    """While old rings fill the prefetch, those of new rows do not come through: the table may have some."""
    line.receiving.settled([("1", ""), ("2", ""), ("3", "")])
    assert not line.ring("1", "2")
    assert line.ring("3")
    assert not line.receiving.take_in(), "once, not for as long as they lie there"
    line.receiving.acknowledge()
    assert line.receiving.at_hand() == (0, 0)
